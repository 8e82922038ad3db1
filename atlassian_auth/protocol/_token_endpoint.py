"""Build the requests to the token endpoint, and read its answers.

The rules of this file: the ``error`` and the kind of request decide what an answer means, not the status
alone. A token that was issued is never dropped because of an odd member beside it. No secret of the request
appears in an error.
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
from atlassian_auth.protocol._redaction import redact, redact_scopes
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
    """Return a token request whose body is a form, as in RFC 6749 section 4.1.3.

    Args:
        url: The token endpoint.
        fields: Names and plain values.
        secrets: The values among them that must never be shown.
    """
    return _build_request(url, _FORM, urlencode(fields), secrets)


def json_request(url: str, fields: Mapping[str, str], *, secrets: Iterable[str]) -> HTTPRequest:
    """Return a token request whose body is a JSON object, as Atlassian Cloud documents it.

    Source: https://developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens

    Args:
        url: The token endpoint.
        fields: Names and plain values.
        secrets: The values among them that must never be shown.
    """
    return _build_request(url, _JSON, json.dumps(dict(fields)), secrets)


def _build_request(url: str, content_type: str, body: str, secrets: Iterable[str]) -> HTTPRequest:
    headers = {"accept": _JSON, "cache-control": "no-store", "content-type": content_type}
    return HTTPRequest(url, headers, body.encode("ascii"), secrets=tuple(filter(None, secrets)))


class Verdict(Enum):
    """Whether a request that brought no token may be repeated, and who has to act."""

    TRANSIENT = "transient"
    """The server is temporarily unavailable: ask again later, with the same refresh token."""

    CONSENT_LOST = "consent_lost"
    """The refresh token or the code is no longer valid: a person has to authorize again."""

    CONFIGURATION = "configuration"
    """The client or the request is wrong: the operator has to change it."""

    UNKNOWN = "unknown"
    """The answer is not one of a token endpoint."""


class _TokenError(NamedTuple):
    verdict: Verdict
    advice: str = ""
    argument: str | None = None


# What each ``error`` means unless `verdict_of` knows more: RFC 6749 section 5.2, and how Atlassian's servers
# were seen to use it.
_MEANINGS = {
    # The 3LO page: 403 "Unknown or invalid refresh token." if the password was changed, the token expired, or
    # a rotated token was used. Sources name different statuses, so the status is ignored.
    "invalid_grant": _TokenError(
        Verdict.CONSENT_LOST,
        "the credential is no longer valid: check whether it was deleted, and create a new one",
    ),
    "invalid_client": _TokenError(
        Verdict.CONFIGURATION,
        "the client id or the client secret is wrong, or belongs to another server: copy both "
        "again from the app's settings",
    ),
    # 401 access_denied "Unauthorized" on the token endpoint is a wrong or missing client secret,
    # not a person who declined (jira.js tests and field reports, 2026-08).
    "access_denied": _TokenError(
        Verdict.CONFIGURATION,
        "the client secret is wrong or missing: copy it again from the app's settings",
        argument="client_secret",
    ),
    "unauthorized_client": _TokenError(
        Verdict.CONFIGURATION,
        "this app is not allowed to make this request: check the client id, the client secret and "
        "the app's settings",
    ),
    "invalid_scope": _TokenError(
        Verdict.CONFIGURATION,
        "the app was not given one of the scopes: add it in the app's settings (Cloud) or to the "
        "incoming link (Data Center), or ask for less",
        argument="scopes",
    ),
    "invalid_request": _TokenError(
        Verdict.CONFIGURATION,
        "the server did not understand the request: check that the grant is the one for this "
        "product, and that the redirect URI is the registered one",
    ),
    "unsupported_grant_type": _TokenError(
        Verdict.CONFIGURATION,
        "this server does not offer this grant: check the URL, the product and its version",
    ),
    # The answer to a resource parameter the server does not know (sooperset/mcp-atlassian#1137).
    "invalid_target": _TokenError(
        Verdict.CONFIGURATION, "the audience is wrong: check the endpoints", argument="endpoints"
    ),
    # RFC 6749 section 4.1.2.1 defines these two for redirects, which carry no status.
    "server_error": _TokenError(Verdict.TRANSIENT),
    "temporarily_unavailable": _TokenError(Verdict.TRANSIENT),
}

# Cloud answers 403 unauthorized_client "refresh_token is invalid" to a refresh token that is no longer valid
# (jira.js tests, raycast/extensions#11836, ParabolInc/parabol#11849; 2026-08).
_NAMES_REFRESH_TOKEN = re.compile(r"refresh[ _-]?token", re.IGNORECASE)


def verdict_of(status: int, error: str, description: str = "", *, grant_type: str) -> Verdict:
    """Return what an answer without a token means.

    Args:
        status: The HTTP status. For 429, 5xx and redirects it decides alone: a proxy may have written the
            body.
        error: The OAuth ``error`` in lower case, with underscores; empty if there is none.
        description: The ``error_description``.
        grant_type: The ``grant_type`` of the request.
    """
    if status == 429 or status >= 500:
        return Verdict.TRANSIENT
    if status < 200 or 300 <= status < 400:
        return Verdict.UNKNOWN
    if error == "invalid_grant" and grant_type == "client_credentials":
        return Verdict.CONFIGURATION  # No person has consented: only the credential can be wrong.
    if (
        error == "unauthorized_client"
        and grant_type == "refresh_token"
        and _NAMES_REFRESH_TOKEN.search(description)
    ):
        return Verdict.CONSENT_LOST
    meaning = _MEANINGS.get(error)
    return Verdict.UNKNOWN if meaning is None else meaning.verdict


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer, and the request that it answers."""

    response: HTTPResponse
    members: Mapping[str, object] = field(repr=False)
    request_fields: Mapping[str, object] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def read(cls, request: HTTPRequest, response: HTTPResponse) -> Self:
        members = {} if response.truncated else read_object(response.body)
        secrets = (*request.secrets, *_secrets_in(members))
        return cls(response, members, _read_fields(request), secrets)

    def text(self, member: str) -> str:
        value = self.members.get(member)
        return value if isinstance(value, str) else ""

    @property
    def grant_type(self) -> str:
        return str(self.request_fields.get("grant_type"))

    @property
    def presented_refresh_token(self) -> str | None:
        token = self.request_fields.get("refresh_token")
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
        # A user's own `Sender` may have decoded the body and kept the header.
        named = "" if self.members else content_coding(self.response.headers)
        return redact(named, self.secrets)

    @property
    def is_cut_off(self) -> bool:
        says_json = "json" in self.response.headers.get("content-type", "")
        return says_json and read_json(self.response.body) is None

    @property
    def quoted(self) -> str:
        said = ": ".join(filter(None, (self.text("error"), self.text("error_description"))))
        status = f"HTTP {self.response.status}"
        return f"{status}, {redact(said, self.secrets)}" if said else status


# The members that hold secrets: access_token, refresh_token, id_token, session_secret and the like.
_SECRET_MEMBER = re.compile(r"token(?!_type)|secret|password", re.IGNORECASE)


def _secrets_in(members: Mapping[str, object]) -> Iterator[str]:
    """Yield the secrets in the answer: its error description may quote one."""
    for name, value in members.items():
        if isinstance(value, str) and _SECRET_MEMBER.search(name):
            yield value


def _read_fields(request: HTTPRequest) -> Mapping[str, object]:
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
        request: The request that it answers; built by `form_request` or `json_request`.
        obtained_at: Aware UTC, taken before the request was sent.
        default_lifetime_seconds: The lifetime to assume if the answer states none that makes sense.
        previous: The token that was refreshed. An answer without scopes keeps its scopes, and an answer
            without a refresh token keeps that of the request (RFC 6749 section 6). Ignored unless the request
            was a refresh: a new code is a new consent, perhaps another person's.
        requested_scopes: The scopes to assume if neither names any (RFC 6749 section 5.1).

    Raises:
        TransientError: if the server is temporarily unavailable: 429, 5xx whatever the body says, or an
            ``error`` that says so. ``ambiguous`` for 502 and 504: the server may have served the request.
        AuthorizationRequired: if the refresh token or the code was refused.
        ConfigurationError: if the client, its secret, its scopes or the request was refused;
            ``error`` says which.
        TokenResponseError: if this is not an answer of the token endpoint: a redirect, a page, an answer that
            is too long, or a success without a usable token.
    """
    answer = _Answer.read(request, response)
    if not _has_token(answer):
        raise _error_of(answer, obtained_at)
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
    """Raise unless the answer to a revocation says that the token is no longer valid.

    Any success says so, also for a token that the server did not know (RFC 7009 section 2.2).

    Args:
        response: The answer.
        request: The request that it answers.
        obtained_at: Aware UTC, taken before the request was sent.

    Raises:
        TransientError: if the server is temporarily unavailable.
        ConfigurationError: if the client or its secret was refused.
        TokenResponseError: if this is not an answer of a revocation endpoint.
    """
    if not 200 <= response.status < 300:
        raise _error_of(_Answer.read(request, response), obtained_at)


def _has_token(answer: _Answer) -> bool:
    return (
        200 <= answer.response.status < 300
        and is_visible_ascii(answer.members.get("access_token"))
        and _is_bearer(answer.members.get("token_type"))
    )


def _is_bearer(token_type: object) -> bool:
    # RFC 6749 section 5.1: "Value is case insensitive"; Data Center writes "bearer". The RFC requires it, but
    # an answer without it is accepted: the token in it has been issued.
    return token_type is None or (isinstance(token_type, str) and token_type.lower() == "bearer")


def _refresh_token(answer: _Answer) -> str | None:
    issued = answer.members.get("refresh_token")
    if is_visible_ascii(issued):
        return issued
    # Never "": demisto/content stores that if the answer has none, and loses the consent (2026-08).
    return answer.presented_refresh_token


def _scopes(answer: _Answer, previous: TokenPair | None) -> tuple[str, ...]:
    granted = redact_scopes(answer.text("scope"), answer.secrets)
    if not granted and previous and answer.is_refresh:
        return previous.scopes
    return granted


def _error_of(answer: _Answer, now: datetime) -> AtlassianAuthError:
    verdict = verdict_of(
        answer.response.status,
        answer.error,
        answer.text("error_description"),
        grant_type=answer.grant_type,
    )
    return _ERRORS[verdict](answer, now)


def _transient_error(answer: _Answer, now: datetime) -> AtlassianAuthError:
    ambiguous = answer.response.status in _AMBIGUOUS
    doubt = ", but it may have served the request" if ambiguous else ""
    pause = retry_after_seconds(answer.response.headers, now)
    advice = (
        "try again later" if pause is None else f"it asks for a pause; try again in {pause:g} s"
    )
    return TransientError(
        f"The token endpoint is temporarily unavailable ({answer.quoted}){doubt}: {advice}.",
        retry_after_seconds=pause,
        ambiguous=ambiguous,
    )


def _consent_lost_error(answer: _Answer, _: datetime) -> AtlassianAuthError:
    message = _TOKEN_REFUSED if answer.is_refresh else _CODE_REFUSED
    return AuthorizationRequired(f"{message} ({answer.quoted}).", reason="refused")


def _configuration_error(answer: _Answer, _: datetime) -> AtlassianAuthError:
    _verdict, advice, argument = _MEANINGS[answer.error]
    if answer.error == "invalid_request" and answer.grant_type == "authorization_code":
        advice = _CODE_REFUSED[0].lower() + _CODE_REFUSED[1:]
    message = f"The token endpoint refused the request ({answer.quoted}): {advice}."
    if argument == "client_secret" and answer.is_refresh:
        message = f"{message} The consent is not lost."
    return ConfigurationError(message, argument=argument, error=answer.error)


def _unknown_error(answer: _Answer, _: datetime) -> AtlassianAuthError:
    status = answer.response.status
    return TokenResponseError(f"{_describe(answer)} ({answer.quoted}).", status=status)


def _describe(answer: _Answer) -> str:
    if answer.response.truncated:
        return "The answer is too long for a token endpoint: check the URL"
    if 300 <= answer.response.status < 400:
        return (
            "The token endpoint redirects, and secrets are not sent to another URL: give the final "
            "URL, with https and the context path"
        )
    if answer.coding:
        return (
            f"The answer has a content coding that was not asked for ({answer.coding}), so it was not "
            "decoded: find the server or proxy that compresses. If the answer was a success, it held the "
            "next refresh token"
        )
    if 200 <= answer.response.status < 300 and answer.is_cut_off:
        return (
            "The answer is a success that is cut off before its end: check proxies between here and the "
            "server. If the server has rotated the refresh token, the answer held the next one"
        )
    if 200 <= answer.response.status < 300:
        return (
            "The answer is a success without a usable bearer token, such as a login page: check the "
            "URL and any proxy"
        )
    return "The answer is not one of a token endpoint: check the URL, with its context path"


# With these statuses the server behind the gateway may have served the request, and its answer was lost.
_AMBIGUOUS = (502, 504)

_TOKEN_REFUSED = (
    "The refresh token was refused: it was used elsewhere, has expired, or the person changed the "
    "password or withdrew the consent. A person has to authorize again"
)

# Data Center's provider (Confluence 7.17 to 8.x) answers invalid_request to a code that is unknown or has
# expired. To a code that was used it answers invalid_grant, and removes all tokens of that code. A code lives
# for atlassian.oauth2.provider.max.client.delay.seconds: 10 or 60, by version.
_CODE_REFUSED = (
    "The authorization code was refused: a code works once, for seconds rather than minutes, and "
    "only with the client, redirect URI and PKCE verifier of its login. Start the login again for a new code"
)

_ERRORS = {
    Verdict.TRANSIENT: _transient_error,
    Verdict.CONSENT_LOST: _consent_lost_error,
    Verdict.CONFIGURATION: _configuration_error,
    Verdict.UNKNOWN: _unknown_error,
}
