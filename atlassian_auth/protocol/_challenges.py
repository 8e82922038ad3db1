"""Why an API refused a bearer: because it expired, which a refresh cures, or for another reason.

A token that only lacks a scope is not refreshed: each call would rotate the refresh token for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum

from atlassian_auth.protocol._documents import read_object
from atlassian_auth.protocol._redaction import redact_scopes

__all__ = ["Challenge", "is_anonymous", "read_challenge", "required_scopes"]


class Challenge(Enum):
    """Why the bearer was refused."""

    EXPIRED = "expired"
    """The token has expired, was revoked or is unknown: refresh it once."""

    SCOPE_MISMATCH = "scope_mismatch"
    """The token is valid, but lacks a scope that the call needs: a refresh would not help."""

    OTHER = "other"
    """Not expired: the wrong kind of credential for this host, or another status than 401."""


# Seen in field reports, 2026-08: Atlassian documents neither.
_FAILURE_CATEGORIES = {
    "FAILURE_CLIENT_SCOPE_CHECK": Challenge.SCOPE_MISMATCH,
    "FAILURE_CLIENT_AUTH_MISMATCH": Challenge.OTHER,
}

# {"code":401,"message":"Unauthorized; scope does not match"} of the gateway, which never names the
# scope (community.atlassian.com qaq-p/3062781, 3106413, 3094683; 2026-08).
_SCOPE_MESSAGE = "scope does not match"

# Jira's, Confluence's and Bitbucket's: /login.jsp, /login.action, /login.
_LOGIN_PAGE = re.compile(r"/login(?:\.jsp|\.action)?/?$")

# The scopes are quoted in an error message. A call needs two or three.
_LONGEST_SCOPES = 500

# RFC 9110 section 11.2: auth-param = token BWS "=" BWS ( token / quoted-string ); the scheme stands before
# the first parameter of a challenge. The look-behind lets a match begin only at the start of a word, so that
# a long word is read once.
_PARAMETER = re.compile(
    r"""(?<![\w!#$%&'*+.^`|~-])
        (?:(?P<scheme>[\w!#$%&'*+.^`|~-]++)[ \t]++)?
        (?P<name>[\w!#$%&'*+.^`|~-]++)[ \t]*+=[ \t]*+
        (?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<token>[\w!#$%&'*+.^`|~-]++))""",
    re.VERBOSE | re.ASCII,
)


def read_challenge(status: int, headers: Mapping[str, str], body: bytes) -> Challenge:
    """Return why an API refused the bearer.

    Args:
        status: The HTTP status; anything but 401 is `Challenge.OTHER`, unless it names a scope.
        headers: Names in lower case, or a mapping that ignores case.
        body: The body of the answer; empty if it was not read.
    """
    parameters = _bearer_parameters(headers)
    # RFC 6750 section 3.1: "insufficient_scope" should come with status 403.
    if parameters.get("error") == "insufficient_scope" or _names_scope(body):
        return Challenge.SCOPE_MISMATCH
    category = headers.get("x-failure-category", "").strip().upper()
    by_status = Challenge.EXPIRED if status == 401 else Challenge.OTHER
    return _FAILURE_CATEGORIES.get(category, by_status)


def is_anonymous(status: int, headers: Mapping[str, str], path: str) -> bool:
    """Return whether Data Center has answered as to an anonymous caller.

    Data Center does not refuse an invalid bearer: it serves the request as anonymous (provider of Confluence
    7.17 to 8.x). The answer then depends on the product and on the proxy in front of it.

    Args:
        status: The HTTP status.
        headers: Names in lower case, or a mapping that ignores case.
        path: The path of the request.
    """
    if headers.get("x-ausername", "").strip().lower() == "anonymous":
        return True
    if 300 <= status < 400:
        return bool(_LOGIN_PAGE.search(headers.get("location", "").partition("?")[0]))
    # A REST resource answers JSON: HTML in its place is the login page. Other paths may answer HTML.
    is_page = headers.get("content-type", "").lower().startswith("text/html")
    return status == 200 and is_page and "/rest/" in path


def required_scopes(headers: Mapping[str, str], *, secrets: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes that the API says it needs, each once; empty if it names none.

    They are printable ASCII, at most 500 characters in total, without secrets that the API echoes.

    Source: the ``scope`` of a ``WWW-Authenticate: Bearer`` challenge, RFC 6750 section 3.

    Args:
        headers: Names in lower case, or a mapping that ignores case.
        secrets: The secrets that the request carried.
    """
    named = _bearer_parameters(headers).get("scope", "")
    return redact_scopes(named, secrets, longest=_LONGEST_SCOPES)


def _names_scope(body: bytes) -> bool:
    message = read_object(body).get("message")
    return isinstance(message, str) and _SCOPE_MESSAGE in message.lower()


def _bearer_parameters(headers: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    scheme = ""
    for match in _PARAMETER.finditer(headers.get("www-authenticate", "")):
        scheme = (match["scheme"] or scheme).lower()
        if scheme == "bearer":
            value = match["token"] or re.sub(r"\\(.)", r"\1", match["quoted"] or "")
            # Only the first counts: RFC 6750 section 3, "MUST NOT appear more than once".
            found.setdefault(match["name"].lower(), value)
    return found
