"""Tests whether a host can be reached, and says which step fails: DNS, TLS or the connection."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC
from email.utils import parsedate_to_datetime

from atlassian_auth._tokens.http.library import httpx
from atlassian_auth.endpoints import origin_of
from atlassian_auth.exceptions import TransientError

__all__ = ["reach", "skew_seconds"]

_TIMEOUT_SECONDS = 15


async def reach(url: str) -> httpx.Headers:
    """Send a request without a credential, and return the headers of the answer.

    Raises:
        TransientError: if there is no answer; the message says which step failed.
    """
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
            return (await client.get(url)).headers
    except httpx.HTTPError as error:
        wrong = _explain(error)
    raise TransientError(f"{origin_of(url)} cannot be reached: {wrong}.")


def skew_seconds(headers: httpx.Headers, now: float) -> float | None:
    """Return how many seconds this computer's clock is ahead of the server's; None if there is no date.

    Args:
        headers: Of the answer. ``Date`` has whole seconds (RFC 9110 section 5.6.7).
        now: This computer's time, in seconds since the epoch.
    """
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return now - date.replace(tzinfo=date.tzinfo or UTC).timestamp()


def _explain(error: httpx.HTTPError) -> str:
    causes = _causes(error)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "the host name cannot be resolved (DNS)"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "the certificate is not trusted, or the server does not speak https (TLS)"
    return type(error).__name__


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    # A chain of exceptions may be circular; the `traceback` module checks for that too.
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes
