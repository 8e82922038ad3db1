"""What all auths of the library have in common: what happens where httpx's clients are not the caller."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Never

from atlassian_auth._tokens.http.library import httpx
from atlassian_auth.exceptions import ConfigurationError

__all__ = ["HttpxAuth"]

_ADVICE = {
    "httpx2": "Import the class for httpx2: from atlassian_auth.httpx2 import {name}",
    "requests": "For requests there is one class: from atlassian_auth.requests import AtlassianAuth",
}
_OTHERWISE = "No class of this library is for them: set the header yourself, from await AtlassianAuth.token()"


class HttpxAuth(httpx.Auth):
    """An ``httpx.Auth`` whose subclasses have the two flows; what the flows get is httpx's or httpx2's."""

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Do the same as ``sync_auth_flow``: an auth of the application that wraps this one may call it."""
        return self.sync_auth_flow(request)

    # A client that does not know the class takes the object for a function, and calls it for each request.
    # A type checker rejects it there, because no request is a Never.
    def __call__(self, request: Never, /) -> object:
        raise _wrong_client(self, request)


def _wrong_client(auth: object, request: Any) -> ConfigurationError:
    library = type(request).__module__.partition(".")[0]
    kinds = (kind for kind in type(auth).__mro__ if kind.__module__.startswith("atlassian_auth."))
    name = next(kinds).__name__  # not that of a subclass of the application
    advice = _ADVICE.get(library, _OTHERWISE).format(name=name)
    message = f"This {name} is not for clients of {library}, so nothing was sent. {advice}."
    return ConfigurationError(message, argument="auth")
