"""Lets in the person who has the link from the terminal; other users of the computer do not see it.

A link works once, and the browser gets a cookie in exchange. If a link is opened again, a new one is printed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from atlassian_auth.protocol.confidential import same_secret
from atlassian_auth.web import Caller

__all__ = ["LinkGate"]

_PERSON = Caller(id="you", administrator=True)


class LinkGate:
    """Decides who may call.

    Args:
        base_url: Where the pages are served.
        tell: Called with each new link.
        new_secret: Returns a text that cannot be guessed.
    """

    def __init__(
        self,
        base_url: str,
        tell: Callable[[str], object],
        new_secret: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        self._base_url = base_url
        self._tell = tell
        self._new_secret = new_secret
        self._key = new_secret()
        self._link = new_secret()
        self._used: str | None = None
        # All ports of a host share cookies.
        self._cookie = f"atlassian-auth-serve-{base_url.rpartition(':')[2]}"

    def tell_link(self) -> None:
        """Tell the link that works."""
        self._tell(f"{self._base_url}/?token={self._link}")

    def authorize(self, request: Request) -> Caller | Response:
        """Return the person, or the response that exchanges a link for a cookie, or a refusal."""
        if same_secret(request.cookies.get(self._cookie), self._key):
            return _PERSON
        given = request.query_params.get("token", "")
        if same_secret(given, self._link):
            self._used, self._link = self._link, self._new_secret()
            response = RedirectResponse("/", 303)
            response.set_cookie(self._cookie, self._key, httponly=True, samesite="lax")
            return response
        if same_secret(given, self._used):
            self.tell_link()
        return PlainTextResponse("Open the newest link that the terminal shows.\n", 403)
