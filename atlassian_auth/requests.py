"""The auth for requests, and for libraries on it such as jira: ``pip install atlassian-auth[requests]``.

It is the auth for httpx, which requests can call too: the same tokens, the same rules. What requests hands
over in another form is read here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

try:
    from requests import PreparedRequest, Response
    from requests.auth import AuthBase
    from requests.exceptions import UnrewindableBodyError
    from requests.utils import rewind_body
except ImportError as _missing:
    raise ImportError(
        "atlassian_auth.requests needs requests: pip install 'atlassian-auth[requests]'"
    ) from _missing

from atlassian_auth import auth
from atlassian_auth._tokens.http.library import httpx
from atlassian_auth._tokens.http.refusal import LONGEST
from atlassian_auth.exceptions import AtlassianAuthError
from atlassian_auth.protocol.messages import announced_length
from atlassian_auth.protocol.tokens import Token

__all__ = ["AtlassianAuth"]


@dataclass(slots=True)
class _Sent:
    """The token with which a prepared request was signed last: it may be sent again, hours later."""

    token: Token


class AtlassianAuth(auth.AtlassianAuth, AuthBase):
    """Sends each request with a fresh bearer, to Atlassian's origins only: in ``requests.Session`` too.

    The arguments are those of `atlassian_auth.AtlassianAuth`. Any number of sessions and threads may
    share one: a refresh blocks the threads that wait for it, and no other. For a key of a manager that
    exists: ``AtlassianAuth(manager, key="acme")``.
    """

    def __call__(self, r: Any) -> PreparedRequest:
        """Return ``r`` with a fresh bearer; if that has expired meanwhile, it is sent once more.

        Args:
            r: The ``requests.PreparedRequest``; requests gives the name.

        Raises:
            OriginNotAllowed: before anything is sent, if the request goes elsewhere.
            AtlassianAuthError: as `TokenManager.token` does.
        """
        if not isinstance(r, PreparedRequest):
            return cast("PreparedRequest", super().__call__(r))
        token = self._current()
        if token is None:
            self._check_origin(r)  # before anything is asked for
            token = self._manager.token_sync(self._key)
        self._sign(r, token)
        r.register_hook("response", functools.partial(self._answered, _Sent(token)))
        return r

    def _check_origin(self, request: Any) -> None:
        if not isinstance(request, PreparedRequest):
            super()._check_origin(request)
            return
        url = cast("str", request.url)
        if not url.startswith(self._beginnings):
            # Read by the function with which requests finds the host to connect to: both mean the same host.
            parts = urlsplit(url)
            host = parts.hostname or ""
            self._origins.check(httpx.URL(scheme=parts.scheme, host=host, port=parts.port))

    @functools.cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple(f"{origin}/" for origin in self._origins.names)

    def _answered(self, sent: _Sent, response: Response, **options: Any) -> Response:
        if response.status_code < 400 and not self._answers_anonymously:
            return response
        answer = _as_httpx(response)
        if not self._may_have_expired(answer, sent.token):
            return response
        try:
            body = _beginning(response, streams=bool(options.get("stream")))
            self._check_challenge(answer, body, sent.token)
            refreshed = self._manager.token_sync(self._key, rejected=sent.token)
        except AtlassianAuthError:
            response.close()
            raise
        if refreshed == sent.token or not _rewind(response.request):
            return response
        sent.token = refreshed
        return self._replay(response, refreshed, options)

    def _replay(self, refused: Response, token: Token, options: dict[str, Any]) -> Response:
        request = self._sign(refused.request, token)
        refused.close()
        response = refused.connection.send(request, **options)
        response.history = [refused]
        self._note_refusal(_as_httpx(response), token)
        return response


def _as_httpx(response: Response) -> Any:
    """Return what is judged of a response, by the names that httpx has for it."""
    request = response.request
    return SimpleNamespace(
        status_code=response.status_code,
        headers=response.headers,
        request=SimpleNamespace(headers=request.headers, url=urlsplit(cast("str", request.url))),
        history=(),  # requests follows redirects after this
    )


def _beginning(response: Response, *, streams: bool) -> bytes:
    # A caller who does not stream reads the whole body anyway. The rest of a stream is the caller's.
    if streams and not 0 < announced_length(response.headers) <= LONGEST:
        return b""
    return response.content[:LONGEST]


def _rewind(request: PreparedRequest) -> bool:
    """Return whether the body can be sent again, from its first byte."""
    if request.body is None or isinstance(request.body, str | bytes):
        return True
    try:
        rewind_body(request)
    except UnrewindableBodyError:
        return False
    return True
