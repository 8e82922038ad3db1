"""One HTTP request and one HTTP response as plain values, which ``protocol`` builds and reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from atlassian_auth.protocol.confidential import Confidential

__all__ = ["HTTPRequest", "HTTPResponse", "announced_length", "content_coding"]


@dataclass(frozen=True, slots=True)
class HTTPRequest(Confidential):
    """A request to an authorization server, ready to be sent; its body is secret.

    Args:
        url: The URL.
        headers: The headers, names in lower case.
        body: The encoded form or JSON document.
        method: ``"POST"`` for token requests.
        secrets: The secrets in the body, which are removed from an answer that echoes them.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    method: str = "POST"
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class HTTPResponse(Confidential):
    """The answer to a request; its body may be secret.

    Args:
        status: The HTTP status code.
        headers: Names in lower case.
        body: At most as many bytes as the sender's limit; empty if it has a `content_coding`.
        truncated: True if the body was longer than that limit; ``body`` is then incomplete.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    truncated: bool = False


def content_coding(headers: Mapping[str, str]) -> str:
    """Return the ``Content-Encoding`` with which a body is encoded; empty if it is not encoded.

    Source: RFC 9110 section 8.4. A server that is asked for ``identity`` should use none (section 12.5.3).

    Args:
        headers: Names in lower case, or a mapping that ignores case.
    """
    codings = headers.get("content-encoding", "").lower().replace(",", " ").split()
    return ", ".join(coding for coding in codings if coding != "identity")


def announced_length(headers: Mapping[str, str]) -> int:
    """Return the ``Content-Length``, or 0 if there is none that makes sense.

    Args:
        headers: Names in lower case, or a mapping that ignores case.
    """
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else 0
