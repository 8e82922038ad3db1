"""Admits each request: asks the host application who calls, and refuses what another site's page has sent.

Each browser gets a random cookie. The session of a flow and the token of each form are computed from the
cookie and the caller's id, so neither works in another browser or for another caller. Nothing is stored.
"""

from __future__ import annotations

import base64
import hmac
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from atlassian_auth.endpoints import origin_of
from atlassian_auth.web._problems import Instead, Problem
from atlassian_auth.web.callers import Authorize, Caller

__all__ = ["Door", "Visit"]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_RANDOM_BYTES = 32
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of an accepted caller.

    Args:
        caller: Who calls.
        cookie: The random value that the browser keeps.
        is_new: Whether the browser did not have the cookie yet.
    """

    caller: Caller
    cookie: str = field(repr=False)
    is_new: bool = False

    @property
    def session(self) -> str:
        """The session to which flows are bound: this caller in this browser."""
        return self._derive("session")

    @property
    def form_token(self) -> str:
        """The text that a form must bring, which no other site can know."""
        return self._derive("form")

    def check_form(self, given: str) -> None:
        """Raise if a form did not come from a page that was made for this caller in this browser."""
        if not hmac.compare_digest(given.encode(), self.form_token.encode()):
            message = (
                "This form has expired, or another site has sent it. Reload the page and try again."
            )
            raise Problem(403, "csrf", message)

    def require_administrator(self) -> None:
        """Raise if the caller is no administrator."""
        if not self.caller.administrator:
            raise Problem(403, "forbidden", "Only an administrator may do this.")

    def _derive(self, purpose: str) -> str:
        text = f"{purpose}\n{self.caller.id}".encode("utf-8", "surrogatepass")
        return hmac.digest(self.cookie.encode(), text, "sha256").hex()


class Door:
    """Admits requests.

    Args:
        authorize: The host application's decision.
        base_url: Where browsers reach the application.
        random_bytes: Returns so many bytes that cannot be guessed.
    """

    def __init__(
        self, authorize: Authorize, base_url: str, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._authorize = authorize
        self._origin = origin_of(base_url)
        self._random_bytes = random_bytes
        self._secure = self._origin.startswith("https:")
        # Browsers accept a cookie with this prefix from the host itself only, not from its subdomains. All
        # ports of a host share cookies, so the port is in the name.
        prefix = "__Host-" if self._secure else ""
        self._cookie_name = f"{prefix}atlassian-auth-{self._origin.rpartition(':')[2].strip('/')}"

    async def admit(self, request: Request) -> Visit:
        """Return who visits.

        Raises:
            Problem: if the host application refuses, or another site's page has sent the request.
            Instead: if the host application sends another response, such as a redirect to its login.
        """
        self._check_sender(request)
        answer = self._authorize(request)
        caller: object = await answer if inspect.isawaitable(answer) else answer
        if isinstance(caller, Response):
            raise Instead(caller)
        if caller is None:
            raise Problem(403, "forbidden", "You are not allowed to use this application.")
        if not isinstance(caller, Caller):
            kind = type(caller).__name__
            raise TypeError(f"authorize must return a Caller, a Response or None, not {kind}.")
        cookie = request.cookies.get(self._cookie_name, "")
        if _COOKIE_VALUE.fullmatch(cookie):
            return Visit(caller=caller, cookie=cookie)
        fresh = base64.urlsafe_b64encode(self._random_bytes(_RANDOM_BYTES)).rstrip(b"=").decode()
        return Visit(caller=caller, cookie=fresh, is_new=True)

    def keep_cookie(self, response: Response, visit: Visit) -> None:
        """Let the browser keep the visit's cookie until it is closed."""
        if visit.is_new:
            response.set_cookie(
                self._cookie_name, visit.cookie, secure=self._secure, httponly=True, samesite="lax"
            )

    def _check_sender(self, request: Request) -> None:
        """Refuse what a page of another site has sent. Browsers say where a request comes from.

        Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site. A request with
        cookies and neither header needs the one that Atlassian's REST APIs ask for, which no form sends.
        """
        headers = request.headers
        if request.method in _SAFE_METHODS:
            return
        if "sec-fetch-site" in headers:
            ours = headers["sec-fetch-site"] in {"same-origin", "none"}
        elif "origin" in headers:
            ours = headers["origin"] == self._origin
        else:
            ours = "cookie" not in headers or headers.get("x-atlassian-token") == "no-check"
        if not ours:
            message = "This request was sent by a page of another site. Nothing was changed."
            raise Problem(403, "csrf", message)
