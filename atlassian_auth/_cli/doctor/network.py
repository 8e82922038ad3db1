"""Whether a host can be reached, and if not, where on the way it ends: name, TLS or connection."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from atlassian_auth.endpoints import origin_of
from atlassian_auth.exceptions import TransientError

__all__ = ["reach", "skew_seconds"]

_TIMEOUT_SECONDS = 15


async def reach(url: str) -> httpx.Headers:
    """Return the headers of whatever answers a request without any credential.

    Raises:
        TransientError: if nothing answers; the message says where it ended.
    """
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
            return (await client.get(url)).headers
    except httpx.HTTPError as error:
        wrong = _explained(error)
    raise TransientError(f"{origin_of(url)} cannot be reached: {wrong}.")


def skew_seconds(headers: httpx.Headers, now: float) -> float | None:
    """Return how far this computer's clock is ahead of the server's; None if the server does not tell.

    Args:
        headers: With a ``Date``, which has whole seconds (RFC 9110 section 5.6.7).
        now: This computer's time, in seconds since the epoch.
    """
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return now - date.replace(tzinfo=date.tzinfo or UTC).timestamp()


def _explained(error: httpx.HTTPError) -> str:
    causes = _causes(error)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "its name is not known here (DNS)"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return (
            "no secure connection (TLS): its certificate is not trusted, or this is no https server"
        )
    return type(error).__name__


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    # Chains may be circles: traceback's own printer looks out for that, too.
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes
