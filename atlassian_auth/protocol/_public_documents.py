"""Answers to the questions asked before the first API call: which site, whose account, which URLs.

The rule of this file: a bad minute is told apart from a wrong answer, whatever the body says.
"""

from __future__ import annotations

from atlassian_auth.exceptions import AtlassianAuthError, DiscoveryError, TransientError
from atlassian_auth.protocol._documents import read_json
from atlassian_auth.protocol.messages import HTTPResponse

__all__ = ["check_reachable", "read_document", "unexpected"]


def check_reachable(response: HTTPResponse, *, asked: str) -> None:
    """Return if the server was able to answer.

    Args:
        response: The answer.
        asked: What was asked, for the error.

    Raises:
        TransientError: if it is 429 or 5xx.
    """
    if response.status == 429 or response.status >= 500:
        raise TransientError(f"{asked} cannot be had now (HTTP {response.status}): try later.")


def read_document(response: HTTPResponse, *, asked: str, advice: str) -> object:
    """Return the JSON value of a successful answer, None if it is not JSON.

    Args:
        response: The answer.
        asked: What was asked, for the error.
        advice: What to do about any other status.

    Raises:
        TransientError: if it is 429 or 5xx.
        DiscoveryError: if it is any other status than 200; redirects are not followed.
    """
    check_reachable(response, asked=asked)
    if response.status != 200:
        raise unexpected(response, asked=asked, advice=advice)
    return None if response.truncated else read_json(response.body)


def unexpected(response: HTTPResponse, *, asked: str, advice: str) -> AtlassianAuthError:
    """Return the error for an answer that is not what was asked for."""
    message = (
        f"{asked} was asked for, and something else answered (HTTP {response.status}): {advice}."
    )
    return DiscoveryError(message, status=response.status)
