"""The token endpoint: building its requests, and deciding what an answer means.

The rules of this file: an answer is judged by its ``error`` and by what was asked, not by the
status alone; a pair that was issued is never thrown away because of an odd member beside it; and
nothing that was secret in the request comes back in an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Self
from urllib.parse import parse_qsl, urlencode

from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    TokenResponseError,
    TransientError,
)
from atlassian_auth.protocol._documents import read_json, read_object
from atlassian_auth.protocol._redaction import printable, redact, redact_scopes
from atlassian_auth.protocol._retry_after import retry_after_seconds
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse, content_coding
from atlassian_auth.protocol.tokens import TokenPair, end_of, is_visible_ascii, lifetime_of

__all__ = [
    "Verdict",
    "form_request",
    "json_request",
    "read_revocation_response",
    "read_token_response",
    "verdict_of",
]

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


def form_request(url: str, fields: Mapping[str, str], *, secrets: Iterable[str]) -> HTTPRequest:
    """Return a token request with a form, as RFC 6749 section 4.1.3 has it.

    Args:
        url: The token endpoint.
        fields: Names and plain values.
        secrets: The values among them that must never be shown.
    """
    return _request(url, _FORM, urlencode(fields), secrets)


def json_request(url: str, fields: Mapping[str, str], *, secrets: Iterable[str]) -> HTTPRequest:
    """Return a token request with a JSON object, as Atlassian Cloud documents it.

    Source: https://developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens

    Args:
        url: The token endpoint.
        fields: Names and plain values.
        secrets: The values among them that must never be shown.
    """
    return _request(url, _JSON, json.dumps(dict(fields)), secrets)


def _request(url: str, content_type: str, body: str, secrets: Iterable[str]) -> HTTPRequest:
    headers = {"accept": _JSON, "cache-control": "no-store", "content-type": content_type}
    return HTTPRequest(url, headers, body.encode("ascii"), secrets=tuple(filter(None, secrets)))


class Verdict(Enum):
    """What an answer that is not a token says about asking again."""

    TRANSIENT = "transient"
    """A bad minute: ask again later, with the same refresh token."""

    DEAD = "dead"
    """This refresh token, or this code, is used up: somebody has to authorize again."""

    CONFIGURATION = "configuration"
    """The client or the request is wrong: somebody has to change it."""

    UNKNOWN = "unknown"
    """Not an answer of the token endpoint we know."""


class _Meaning(NamedTuple):
    verdict: Verdict
    advice: str = ""
    argument: str | None = None


# What each ``error`` means where nothing else is known, and what to do about it: RFC 6749 section
# 5.2, and what Atlassian's servers were seen to mean by it.
_MEANINGS = {
    # The 3LO page: 403 "Unknown or invalid refresh token." when the password was changed, the token
    # expired, or a rotated-out one was used. Statuses differ by source, so they do not count.
    "invalid_grant": _Meaning(
        Verdict.DEAD,
        "the credential is no longer valid: look whether it was deleted, and create a new one",
    ),
    "invalid_client": _Meaning(
        Verdict.CONFIGURATION,
        "the client id or the client secret is wrong, or belongs to another server: copy both "
        "again from the app's settings",
    ),
    # 401 access_denied "Unauthorized" on the token endpoint is a wrong or missing client secret,
    # not a person who declined (jira.js tests and field reports, 2026-08).
    "access_denied": _Meaning(
        Verdict.CONFIGURATION,
        "the client secret is wrong or missing: copy it again from the app's settings",
        argument="client_secret",
    ),
    "unauthorized_client": _Meaning(
        Verdict.CONFIGURATION,
        "this app may not do that: check the client id, the client secret and what the app's "
        "settings allow",
    ),
    "invalid_scope": _Meaning(
        Verdict.CONFIGURATION,
        "the app was not given one of the scopes: add it in the app's settings (Cloud) or to the "
        "incoming link (Data Center), or ask for less",
        argument="scopes",
    ),
    "invalid_request": _Meaning(
        Verdict.CONFIGURATION,
        "the server did not understand the request: check that the grant is the one for this "
        "product, and that the redirect URI is the registered one",
    ),
    "unsupported_grant_type": _Meaning(
        Verdict.CONFIGURATION,
        "this server does not offer this grant: check the URL, the product and its version",
    ),
    # The answer to a resource parameter the server does not know (sooperset/mcp-atlassian#1137).
    "invalid_target": _Meaning(
        Verdict.CONFIGURATION, "the audience is wrong: check the endpoints", argument="endpoints"
    ),
    # RFC 6749 section 4.1.2.1 has these for redirects, where a status cannot be sent.
    "server_error": _Meaning(Verdict.TRANSIENT),
    "temporarily_unavailable": _Meaning(Verdict.TRANSIENT),
}

# A dead refresh token is answered with 403 unauthorized_client "refresh_token is invalid" in
# practice (jira.js tests, raycast/extensions#11836, ParabolInc/parabol#11849; 2026-08).
_NAMES_REFRESH_TOKEN = re.compile(r"refresh[ _-]?token", re.IGNORECASE)


def verdict_of(status: int, error: str, description: str = "", *, grant_type: str) -> Verdict:
    """Return what an answer that is not a token means.

    Args:
        status: The HTTP status. Decides alone for 429 and 5xx, whose body may come from anybody on
            the way, and for redirects.
        error: The OAuth ``error`` in lower case, with underscores; empty if there is none.
        description: The ``error_description``.
        grant_type: What was asked.
    """
    if status == 429 or status >= 500:
        return Verdict.TRANSIENT
    if status < 200 or 300 <= status < 400:
        return Verdict.UNKNOWN
    if error == "invalid_grant" and grant_type == "client_credentials":
        return Verdict.CONFIGURATION  # There is no grant that could be dead, only a credential.
    if (
        error == "unauthorized_client"
        and grant_type == "refresh_token"
        and _NAMES_REFRESH_TOKEN.search(description)
    ):
        return Verdict.DEAD
    meaning = _MEANINGS.get(error)
    return Verdict.UNKNOWN if meaning is None else meaning.verdict


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer, and what it answers."""

    response: HTTPResponse
    members: Mapping[str, object] = field(repr=False)
    asked: Mapping[str, object] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def to(cls, request: HTTPRequest, response: HTTPResponse) -> Self:
        members = {} if response.truncated else read_object(response.body)
        secrets = (*request.secrets, *_issued(members))
        return cls(response, members, _fields(request), secrets)

    def text(self, member: str) -> str:
        value = self.members.get(member)
        return value if isinstance(value, str) else ""

    @property
    def grant_type(self) -> str:
        return str(self.asked.get("grant_type"))

    @property
    def presented(self) -> str | None:
        token = self.asked.get("refresh_token")
        return token if isinstance(token, str) else None

    @property
    def is_refresh(self) -> bool:
        return self.grant_type == "refresh_token"

    @property
    def error(self) -> str:
        # Data Center writes "invalid scope" with a space (provider of Confluence 7.17 to 8.x).
        return self.text("error").strip().lower().replace(" ", "_")

    @property
    def coding(self) -> str:
        # A sender of the user's own may have unpacked the body and left the header.
        return "" if self.members else printable(content_coding(self.response.headers))

    @property
    def breaks_off(self) -> bool:
        says_json = "json" in self.response.headers.get("content-type", "")
        return says_json and read_json(self.response.body) is None

    @property
    def quoted(self) -> str:
        said = ": ".join(filter(None, (self.text("error"), self.text("error_description"))))
        status = f"HTTP {self.response.status}"
        return f"{status}, {redact(said, self.secrets)}" if said else status


# What a token endpoint issues, by whatever name: access_token, refresh_token, id_token, session_secret.
_ISSUED = re.compile(r"token(?!_type)|secret|password", re.IGNORECASE)


def _issued(members: Mapping[str, object]) -> Iterator[str]:
    """Yield the secrets of the answer itself, which it may quote beside them."""
    for name, value in members.items():
        if isinstance(value, str) and _ISSUED.search(name):
            yield value


def _fields(request: HTTPRequest) -> Mapping[str, object]:
    if request.headers.get("content-type") == _JSON:
        return read_object(request.body)
    return dict(parse_qsl(request.body.decode("ascii", "replace")))


def read_token_response(
    response: HTTPResponse,
    *,
    request: HTTPRequest,
    obtained_at: datetime,
    default_lifetime_seconds: float,
    previous: TokenPair | None = None,
    requested_scopes: tuple[str, ...] = (),
) -> TokenPair:
    """Return the token in the answer.

    Args:
        response: The answer.
        request: What it answers; built by `form_request` or `json_request`.
        obtained_at: Aware UTC, taken before the request was sent.
        default_lifetime_seconds: The lifetime where the answer names none that makes sense.
        previous: The token that was refreshed. Its scopes stay where the answer has none, as the
            refresh token of the request does (RFC 6749 section 6). Ignored for anything but a
            refresh: a new code is a new grant, and may be another person's.
        requested_scopes: The scopes where neither names any (RFC 6749 section 5.1).

    Raises:
        TransientError: if the server has a bad minute: 429, 5xx whatever the body says, or an
            ``error`` that says so. ``ambiguous`` for 502 and 504: it may have been served.
        AuthorizationRequired: if the refresh token or the code was refused.
        ConfigurationError: if the client, its secret, its scopes or the request was refused;
            ``error`` says which.
        TokenResponseError: if this is not an answer of the token endpoint: a redirect, a page, too
            long, or a success without a usable token.
    """
    answer = _Answer.to(request, response)
    if not _has_token(answer):
        raise _refusal(answer, obtained_at)
    lifetime = lifetime_of(answer.members.get("expires_in"), default_lifetime_seconds)
    return TokenPair(
        access_token=answer.text("access_token"),
        obtained_at=obtained_at,
        expires_at=end_of(obtained_at, lifetime),
        refresh_token=_refresh_token(answer),
        scopes=_scopes(answer, previous) or requested_scopes,
    )


def read_revocation_response(
    response: HTTPResponse, *, request: HTTPRequest, obtained_at: datetime
) -> None:
    """Return if the answer to a revocation says that the token is good for nothing any more.

    That is any success, also for a token that was not known (RFC 7009 section 2.2).

    Args:
        response: The answer.
        request: What it answers.
        obtained_at: Aware UTC, taken before the request was sent.

    Raises:
        TransientError: if the server has a bad minute.
        ConfigurationError: if the client or its secret was refused.
        TokenResponseError: if this is not an answer of a revocation endpoint.
    """
    if not 200 <= response.status < 300:
        raise _refusal(_Answer.to(request, response), obtained_at)


def _has_token(answer: _Answer) -> bool:
    return (
        200 <= answer.response.status < 300
        and is_visible_ascii(answer.members.get("access_token"))
        and _is_bearer(answer.members.get("token_type"))
    )


def _is_bearer(token_type: object) -> bool:
    # RFC 6749 section 5.1: "Value is case insensitive", and Data Center writes "bearer". Required
    # there; an answer without it is taken all the same, because the pair in it has been issued.
    return token_type is None or (isinstance(token_type, str) and token_type.lower() == "bearer")


def _refresh_token(answer: _Answer) -> str | None:
    issued = answer.members.get("refresh_token")
    if is_visible_ascii(issued):
        return issued
    # Never "": demisto/content stores that where none comes, and loses the grant (2026-08).
    return answer.presented


def _scopes(answer: _Answer, previous: TokenPair | None) -> tuple[str, ...]:
    granted = redact_scopes(answer.text("scope"), answer.secrets)
    if not granted and previous and answer.is_refresh:
        return previous.scopes
    return granted


def _refusal(answer: _Answer, now: datetime) -> AtlassianAuthError:
    verdict = verdict_of(
        answer.response.status,
        answer.error,
        answer.text("error_description"),
        grant_type=answer.grant_type,
    )
    return _RAISED[verdict](answer, now)


def _transient(answer: _Answer, now: datetime) -> AtlassianAuthError:
    ambiguous = answer.response.status in _AMBIGUOUS
    doubt = ", and may have served the request all the same" if ambiguous else ""
    pause = retry_after_seconds(answer.response.headers, now)
    advice = (
        "try again later" if pause is None else f"it asks for a pause, so ask again in {pause:g} s"
    )
    return TransientError(
        f"The token endpoint has a bad minute ({answer.quoted}){doubt}: {advice}.",
        retry_after_seconds=pause,
        ambiguous=ambiguous,
    )


def _dead(answer: _Answer, _: datetime) -> AtlassianAuthError:
    message = _DEAD_TOKEN if answer.is_refresh else _DEAD_CODE
    return AuthorizationRequired(f"{message} ({answer.quoted}).", reason="refused")


def _configuration(answer: _Answer, _: datetime) -> AtlassianAuthError:
    _verdict, advice, argument = _MEANINGS[answer.error]
    if answer.error == "invalid_request" and answer.grant_type == "authorization_code":
        advice = _DEAD_CODE[0].lower() + _DEAD_CODE[1:]
    message = f"The token endpoint refused the request ({answer.quoted}): {advice}."
    if argument == "client_secret" and answer.is_refresh:
        message = f"{message} The grant itself is not harmed."
    return ConfigurationError(message, argument=argument, error=answer.error)


def _unknown(answer: _Answer, _: datetime) -> AtlassianAuthError:
    status = answer.response.status
    return TokenResponseError(f"{_what_came(answer)} ({answer.quoted}).", status=status)


def _what_came(answer: _Answer) -> str:
    if answer.response.truncated:
        return "The answer is too long to be one of a token endpoint: check the URL"
    if 300 <= answer.response.status < 400:
        return (
            "The token endpoint redirects, and secrets follow no redirect: give the final URL, "
            "with https and the context path"
        )
    if answer.coding:
        return (
            f"The answer has a content coding that was not asked for ({answer.coding}), and it is not "
            "unpacked: see which server or proxy on the way compresses. If this was a success, the "
            "successor of the refresh token was in it"
        )
    if 200 <= answer.response.status < 300 and answer.breaks_off:
        return (
            "The answer is a success that breaks off before its end: see what stands between. If the server "
            "has rotated the refresh token, the successor was in that answer"
        )
    if 200 <= answer.response.status < 300:
        return (
            "The answer is a success without a usable bearer token, such as a login page: check "
            "the URL and what stands between"
        )
    return "The answer is not one of a token endpoint: check the URL, with its context path"


# The request may have reached the server behind the gateway, and the answer was lost on the way.
_AMBIGUOUS = (502, 504)

_DEAD_TOKEN = (
    "The refresh token was refused: it was used elsewhere, has expired, or the person changed the "
    "password or withdrew the consent. Somebody has to authorize again"
)

# Data Center's provider (Confluence 7.17 to 8.x) answers invalid_request for a code that is unknown
# or expired, invalid_grant for one that was used, and then removes all tokens of that code. Codes
# live atlassian.oauth2.provider.max.client.delay.seconds: 10 or 60, by version.
_DEAD_CODE = (
    "The authorization code was refused: a code is used once, lives only 10 to 60 seconds on Data "
    "Center, and is bound to its client, redirect URI and PKCE verifier. Start again for a new code"
)

_RAISED = {
    Verdict.TRANSIENT: _transient,
    Verdict.DEAD: _dead,
    Verdict.CONFIGURATION: _configuration,
    Verdict.UNKNOWN: _unknown,
}
