"""Read the documents needed before the first API call: the sites, the account, the endpoints.

The rule of this file: 429 and 5xx are temporary whatever the body says; any other odd answer is wrong.
"""

from __future__ import annotations

from atlassian_auth.exceptions import AtlassianAuthError, DiscoveryError, TransientError
from atlassian_auth.protocol._documents import read_json
from atlassian_auth.protocol.messages import HTTPResponse

__all__ = ["check_reachable", "read_document", "unexpected"]


def check_reachable(response: HTTPResponse, *, asked: str) -> None:
    """Raise if the server is temporarily unavailable.

    Args:
        response: The answer.
        asked: The name of the document, for the error.

    Raises:
        TransientError: if the status is 429 or 5xx.
    """
    if response.status == 429 or response.status >= 500:
        raise TransientError(
            f"{asked} is temporarily unavailable (HTTP {response.status}): try later."
        )


def read_document(response: HTTPResponse, *, asked: str, advice: str) -> object:
    """Return the JSON value of a successful answer, or None if it is not JSON.

    Args:
        response: The answer.
        asked: The name of the document, for the error.
        advice: The error's advice for any other status.

    Raises:
        TransientError: if the status is 429 or 5xx.
        DiscoveryError: if the status is not 200; redirects are not followed.
    """
    check_reachable(response, asked=asked)
    if response.status != 200:
        raise unexpected(response, asked=asked, advice=advice)
    return None if response.truncated else read_json(response.body)


def unexpected(response: HTTPResponse, *, asked: str, advice: str) -> AtlassianAuthError:
    """Return the error for an answer that is not the document that was asked for."""
    message = (
        f"{asked} was asked for, and something else answered (HTTP {response.status}): {advice}."
    )
    return DiscoveryError(message, status=response.status)
