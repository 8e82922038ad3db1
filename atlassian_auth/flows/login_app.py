"""A small ASGI app with two addresses: one sends a browser to the consent page, the other takes it back.

It needs no web framework, and each of them can mount it. A login belongs to the browser that started it, by a
cookie of its own, and to the key that the application names at both addresses.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    StoreError,
    TransientError,
)
from atlassian_auth.flows._page import PAGE_HEADERS, page
from atlassian_auth.flows.authorization import AuthorizationFlow
from atlassian_auth.ports import utc_now
from atlassian_auth.protocol.callback import UncheckedCallback

__all__ = ["LoginApp"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Headers = tuple[tuple[str, str], ...]

# A browser drops a cookie of more than 4,096 bytes, and a character may need nine of them.
_LONGEST = 400

_AGAIN = "Go back to the application, and start again there."


@dataclass(frozen=True, slots=True)
class _Reply:
    status: HTTPStatus
    body: bytes = b""
    headers: _Headers = ()


class LoginApp:
    """An ASGI app for logins: ``…/login`` starts one, and the path of the redirect URI completes it.

    Mount it where the redirect URI is: for ``https://app.example.com/jira/callback`` at ``/jira``. A link to
    ``/jira/login?next=/settings`` sends the browser to the consent page, and then to ``/settings``.

    - The browser that starts a login gets a cookie, which it has to bring back (RFC 6749 section 10.12). The
      cookie is HttpOnly and SameSite=Lax. With https it is Secure, with the prefix ``__Host-``: then another
      host of the same domain cannot set it.
    - A page of another site cannot start a login (``Sec-Fetch-Site``).
    - ``next`` is a path of the same host; any other address is refused.
    - A callback that is refused changes nothing. The reason is logged.

    Args:
        flow: The flow that starts and completes the login.
        key: Returns the key that the person of this request may authorize, or None for none. It is called
            with the ASGI scope at both addresses: read your own session there, and check it. The cookie of
            that session must be SameSite=Lax, not Strict, because the callback comes from another site.
        after: Where the browser goes without ``next``: a path. Default: ``/``.

    Raises:
        ConfigurationError: if ``flow`` is not an `AuthorizationFlow`, ``key`` cannot be called, ``after`` is
            not a path, or the redirect URI has no path or ends in ``/login``.
    """

    def __init__(
        self,
        flow: AuthorizationFlow,
        *,
        key: Callable[[_Scope], Awaitable[str | None]],
        after: str = "/",
    ) -> None:
        if not isinstance(flow, AuthorizationFlow):
            raise ConfigurationError.wrong_type("flow", "an AuthorizationFlow(manager)", flow)
        if not callable(key):
            raise ConfigurationError.wrong_type("key", "an async function of the ASGI scope", key)
        if not _is_local(after):
            message = f"after is {after!r}, but must be a path such as /settings."
            raise ConfigurationError(message, argument="after")
        redirect_uri = urlsplit(flow.manager.grant.redirect_uri or "")
        self._flow = flow
        self._key = key
        self._after = after
        self._callback = _checked_name(redirect_uri.path)
        self._secure = redirect_uri.scheme == "https"

    async def __call__(self, scope: _Scope, _receive: _Receive, send: _Send) -> None:
        """Answer one request; a WebSocket is refused."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        if scope["type"] != "http":
            return
        reply = await self._answer(scope)
        headers = [*PAGE_HEADERS, *reply.headers, ("Content-Length", str(len(reply.body)))]
        encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": int(reply.status), "headers": encoded})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, scope: _Scope) -> _Reply:
        # The last part alone: frameworks and proxies disagree on how much of the path they leave.
        handlers = {"login": self._start, self._callback: self._complete}
        handler = handlers.get(scope["path"].rpartition("/")[2])
        if handler is None:
            return _Reply(HTTPStatus.NOT_FOUND)
        if scope["method"] != "GET":
            return _Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", "GET"),))
        key = await self._key(scope)
        if key is None:
            text = "You are not signed in, or may not connect an account."
            return _refusal(HTTPStatus.FORBIDDEN, text)
        try:
            return await handler(scope, key)
        except AtlassianAuthError as error:
            return _explain(key, error)

    async def _start(self, scope: _Scope, key: str) -> _Reply:
        if _header(scope, b"sec-fetch-site") == "cross-site":
            return _refusal(HTTPStatus.FORBIDDEN, "Another site's page started this login.")
        wanted = parse_qs(_query(scope)).get("next", [self._after])
        if len(wanted) != 1 or not _is_local(wanted[0]):
            return _refusal(HTTPStatus.BAD_REQUEST, "next must be a path of this application.")
        mark = secrets.token_urlsafe(32)
        request = await self._flow.start(key, started_by=_starter(mark, key))
        left = request.expires_at - utc_now(self._flow.manager.clock)
        cookie = self._cookie(
            request.state, f"{mark}.{quote(wanted[0])}", int(left.total_seconds())
        )
        return _redirect(request.url, cookie)

    async def _complete(self, scope: _Scope, key: str) -> _Reply:
        callback = UncheckedCallback.parse("?" + _query(scope))
        state = callback.state or ""
        mark, _, wanted = _cookies(scope).get(self._name(state), "").partition(".")
        if not mark:
            text = "This link belongs to no login of this browser."
            return _refusal(HTTPStatus.BAD_REQUEST, text)
        await self._flow.complete(callback, started_by=_starter(mark, key))
        target = unquote(wanted)
        # The person could have changed their own cookie.
        return _redirect(target if _is_local(target) else self._after, self._cookie(state, "", 0))

    def _name(self, state: str) -> str:
        # A name for each login: a person may have started two, in two tabs.
        name = "atlassian-login-" + hashlib.sha256(state.encode()).hexdigest()[:16]
        return f"__Host-{name}" if self._secure else name

    def _cookie(self, state: str, value: str, seconds: int) -> str:
        secure = "; Secure" if self._secure else ""
        # The prefix __Host- needs this path.
        rest = f"; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
        return f"{self._name(state)}={value}{rest}"


def _checked_name(path: str) -> str:
    """Return the last part of the redirect URI's path."""
    name = path.rpartition("/")[2]
    if name in {"", "login"}:
        message = (
            f"The redirect URI's path is {path!r}, but must end in a name other than login: "
            "register one such as https://app.example.com/jira/callback."
        )
        raise ConfigurationError(message, argument="redirect_uri")
    return name


def _is_local(target: object) -> bool:
    """Return whether a browser takes this as a path of the same host."""
    # Browsers read "//" and "/\" as the begin of a host, and skip tabs and line breaks.
    return (
        isinstance(target, str)
        and len(target) <= _LONGEST
        and target.startswith("/")
        and target[1:2] not in {"/", "\\"}
        and target.isprintable()
    )


def _starter(mark: str, key: str) -> str:
    return f"{mark} {key}"


def _query(scope: _Scope) -> str:
    return str(scope["query_string"].decode("latin-1"))


def _header(scope: _Scope, wanted: bytes) -> str:
    found = [value for name, value in scope["headers"] if name == wanted]
    return b"; ".join(found).decode("latin-1")


def _cookies(scope: _Scope) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in _header(scope, b"cookie").split(";"))
    return {name: value for name, _, value in pairs}


def _redirect(url: str, cookie: str) -> _Reply:
    # A path may have any printable character; a header may not.
    location = quote(url, safe="/%:?#[]@!$&'()*+,;=~")
    headers = (("Location", location), ("Set-Cookie", cookie))
    return _Reply(HTTPStatus.SEE_OTHER, headers=headers)


def _refusal(status: HTTPStatus, text: str) -> _Reply:
    return _Reply(status, page("Nothing was connected", text, after=_AGAIN))


def _explain(key: str, error: AtlassianAuthError) -> _Reply:
    """Return the page for the person; what the operator needs to know is logged."""
    if isinstance(error, AuthorizationRequired) and error.reason == "declined":
        return _refusal(HTTPStatus.BAD_REQUEST, "You did not consent.")
    logger.warning("A login for key %r failed: %s", key, error, extra={"key": key})
    if isinstance(error, TransientError | StoreError):
        return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Please try again later.")
    return _refusal(HTTPStatus.BAD_REQUEST, "The login could not be completed.")
