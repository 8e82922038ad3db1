"""One HTTP request and one HTTP response, as plain values: what ``protocol`` builds and reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["HTTPRequest", "HTTPResponse"]


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """A request to an authorization server, ready to be sent; its body is secret.

    Args:
        url: Where to.
        headers: What to send with it, names in lower case.
        body: The encoded form or JSON document.
        method: ``"POST"`` for token requests.
        secrets: The secrets the body carries, so that an answer that echoes one can be cleaned.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    method: str = "POST"
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """What came back; its body may be secret.

    Args:
        status: The HTTP status code.
        headers: Names in lower case.
        body: At most as many bytes as the sender's limit.
        truncated: True if the body was longer than that limit; ``body`` is then not to be trusted.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    truncated: bool = False
