"""The authorization URL, at which a person consents (RFC 6749 section 4.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from atlassian_auth.exceptions import ConfigurationError

__all__ = ["authorization_url"]


def authorization_url(authorize_url: str, parameters: Mapping[str, str]) -> str:
    """Return the authorization endpoint's URL with these parameters added to its query.

    Args:
        authorize_url: The authorization endpoint.
        parameters: Names and plain values; spaces become ``%20``, as Atlassian writes them.

    Raises:
        ConfigurationError: if the query already has one of the parameters.
    """
    query = urlsplit(authorize_url).query
    # RFC 6749 section 3.1: "Request and response parameters MUST NOT be included more than once."
    present = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    if repeated := sorted(present & parameters.keys()):
        message = (
            f"authorize_url already has {', '.join(repeated)} in its query: give the endpoint "
            "itself, without the parameters of one request"
        )
        raise ConfigurationError(message, argument="authorize_url")
    separator = "&" if query else "" if authorize_url.endswith("?") else "?"
    return authorize_url + separator + urlencode(parameters, quote_via=quote)
