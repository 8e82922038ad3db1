"""Read and check the callback, which brings the browser back from the consent page (RFC 6749 section 4.1.2).

The rule of this file: a code cannot be exchanged before the callback's state was compared with the state that
was sent, because only `check_callback` makes an `AuthorizationCode`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, Self
from urllib.parse import parse_qsl

from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    TransientError,
)
from atlassian_auth.protocol._redaction import redact
from atlassian_auth.protocol.confidential import Confidential, same_secret
from atlassian_auth.protocol.tokens import is_visible_ascii

__all__ = ["AuthorizationCode", "UncheckedCallback", "check_callback", "check_state", "stated"]

_PARAMETERS = ("code", "state", "error", "error_description", "iss")

# What stands before the query: a URL, a path, or only a question mark. In a query alone, a "?" can only
# follow a "=", and belongs to the value (RFC 3986 section 3.4).
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://[^?]*|[^?=&]*)\?", re.IGNORECASE)

# More than the 8,000 characters that every server should accept (RFC 9110 section 4.1).
_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UncheckedCallback(Confidential):
    """The parameters of a callback, before any check: an attacker may have sent them.

    Make one with `parse`, or from the parameters that a web framework has read already. It cannot be
    pickled, and its ``repr`` holds neither code nor state.

    Args:
        code: The authorization code.
        state: The ``state`` of the authorization URL.
        error: The reason why there is no code.
        error_description: The reason in words; not to be trusted.
        iss: The issuer that sent the callback (RFC 9207).

    Raises:
        ConfigurationError: if a parameter is not text.
    """

    code: str | None = field(default=None, repr=False)
    state: str | None = field(default=None, repr=False)
    error: str | None = None
    error_description: str | None = field(default=None, repr=False)
    iss: str | None = None

    def __post_init__(self) -> None:
        for name in _PARAMETERS:
            value: object = getattr(self, name)
            if not isinstance(value, str | None):
                message = f"{name} must be text or None, not {type(value).__name__}"
                raise ConfigurationError(message, argument=name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the parameters of a callback, unchecked.

        Args:
            text: The whole URL or its query alone. Blanks and line breaks from pasting are dropped, and so is
                a fragment.

        Raises:
            ConfigurationError: if it is not text, is too long, or has a parameter twice.
        """
        # A URL has no blanks; a terminal that wraps lines adds some.
        url = "".join(_check_text(text).split())
        address = _ADDRESS.match(url)
        query = url[address.end() :] if address else url
        pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True)
        _check_single(pairs)
        # RFC 6749 section 3.1: "Parameters sent without a value MUST be treated as if they were omitted from
        # the request", and unrecognized ones must be ignored.
        return cls(**{name: value for name, value in pairs if name in _PARAMETERS and value})


def _check_text(text: object) -> str:
    if not isinstance(text, str):
        _refuse(f"callback must be text (str), not {type(text).__name__}: give the callback's URL")
    if len(text) > _LONGEST:
        _refuse(
            f"callback has {len(text)} characters, but no callback has more than {_LONGEST}: give only "
            "the URL in the browser's address bar"
        )
    return text


def _check_single(pairs: list[tuple[str, str]]) -> None:
    # RFC 6749 section 3.1: "Request and response parameters MUST NOT be included more than once."
    # Other parameters may belong to the redirect URI, which its owner chose.
    counts = Counter(name for name, _ in pairs)
    if repeated := [name for name in _PARAMETERS if counts[name] > 1]:
        _refuse(
            f"callback has {', '.join(repeated)} more than once, but no authorization server sends "
            "that: the URL was changed. Start again, and copy the URL as the browser shows it"
        )


@dataclass(frozen=True, slots=True, init=False, eq=False)
class AuthorizationCode(Confidential):
    """An authorization code whose callback was checked; only `check_callback` makes one.

    Attributes:
        value: The code; it can be exchanged once.
    """

    value: str = field(repr=False)

    def __init__(self) -> None:
        raise TypeError("only check_callback() makes an AuthorizationCode: call it instead")

    @classmethod
    def _checked(cls, value: str) -> Self:
        code = object.__new__(cls)
        object.__setattr__(code, "value", value)
        return code


def check_callback(
    callback: UncheckedCallback, *, state: str, issuer: str | None = None, key: str = ""
) -> AuthorizationCode:
    """Return the code of a callback that answers our own request.

    Args:
        callback: The callback.
        state: The state that was sent; compared in constant time.
        issuer: The issuer that must have sent the callback (RFC 9207); None if it is not known.
        key: The credential's key, for errors.

    Raises:
        AuthorizationRequired: if the person declined; its ``reason`` is ``"declined"``.
        TransientError: if the authorization server is temporarily unavailable.
        ConfigurationError: if the callback answers another request, comes from another server, says
            that the registration is wrong, or has neither a code nor an error.
    """
    check_state(callback, state)
    _check_issuer(callback, issuer)
    if callback.error:
        raise _error_of(callback, key)
    if not callback.code:
        _refuse(
            "callback has neither a code nor an error: give the whole URL of the page after the "
            "consent page, including everything after the '?'"
        )
    if not is_visible_ascii(callback.code):
        _refuse(
            "callback has a damaged code, probably from copying: start again, and copy the whole URL"
        )
    return AuthorizationCode._checked(callback.code)  # noqa: SLF001 -- of this file


def check_state(callback: UncheckedCallback, state: str) -> None:
    """Raise unless the callback answers the request that had this ``state``.

    Source: RFC 6749 section 10.12.

    Raises:
        ConfigurationError: if the callback has no state, or another one.
    """
    if not same_secret(stated(callback), state):
        message = (
            "callback answers another login than this one: its state is not the one that was sent. "
            "Use the page that was opened last, or start again. If you started no login, do not "
            "continue: another person has sent you this link"
        )
        raise ConfigurationError(message, argument="state")


def stated(callback: UncheckedCallback) -> str:
    """Return the callback's state, unchecked, to find the login that it answers.

    Raises:
        ConfigurationError: if the callback has none.
    """
    if not callback.state:
        raise _missing_state_error(callback)
    return callback.state


def _missing_state_error(callback: UncheckedCallback) -> ConfigurationError:
    # Cloud shows some refusals on its own page, https://id.atlassian.com/error. Its URL has no state but says
    # what is wrong, so a person may paste it here (developer community, 2026-08).
    if callback.error:
        message = f"The login was refused ({_quote(callback)}): {_login_error(callback).advice}."
        return ConfigurationError(
            message, argument=_login_error(callback).argument, error=_error_code(callback)
        )
    message = (
        "callback has no state, so the login that it answers cannot be found: give the whole URL of "
        "the page after the consent page, including everything after the '?'"
    )
    return ConfigurationError(message, argument="state")


def _check_issuer(callback: UncheckedCallback, issuer: str | None) -> None:
    # RFC 9207 section 2.4: compared as text. A callback without ``iss`` is refused too.
    if issuer is not None and callback.iss != issuer:
        found = redact(callback.iss or "", _secrets(callback)) or "no issuer"
        message = (
            f"callback names {found}, but the authorization server is {issuer}: its code must not be "
            "used. Start again; if it happens again, check the issuer"
        )
        raise ConfigurationError(message, argument="issuer")


# -- errors ----------------------------------------------------------------------------------------


class _LoginError(NamedTuple):
    advice: str
    argument: str | None = None


_DECLINED = "access_denied"
_TRANSIENT = frozenset({"server_error", "temporarily_unavailable"})

# RFC 6749 section 4.1.2.1, and how Atlassian's servers were seen to use it.
_MEANINGS = {
    # Data Center redirects with this; Cloud shows "Something went wrong" instead (2026-08).
    "invalid_scope": _LoginError(
        "the app may not ask for one of the scopes. On Cloud, add it under Permissions in the "
        "developer console; on Data Center, allow it on the incoming link; or ask for less",
        "scopes",
    ),
    # "Callback URL mismatch" on https://id.atlassian.com/error (developer community, 2026-08).
    "unauthorized_client": _LoginError(
        "the client id or the redirect URI is not the registered one. In the developer console, the "
        "Callback URL under Authorization must equal the redirect_uri exactly, including the path",
        "redirect_uri",
    ),
    "invalid_request": _LoginError(
        "the server did not understand the authorization URL: open it unchanged, and check "
        "client_id and redirect_uri against the app's settings"
    ),
    "unsupported_response_type": _LoginError(
        "the server does not offer the authorization code flow to this app: enable OAuth 2.0 (3LO) "
        "under Authorization in the developer console, or check the base URL of Data Center"
    ),
}
_UNKNOWN = _LoginError("check the app's settings, then start again")


def _error_code(callback: UncheckedCallback) -> str:
    # Data Center writes "invalid scope" with a space (provider of Confluence 7.17 to 8.x). `parse` has kept
    # the space, because it arrives encoded.
    return _redact(callback, callback.error or "").strip().lower().replace(" ", "_")


def _login_error(callback: UncheckedCallback) -> _LoginError:
    return _MEANINGS.get(_error_code(callback), _UNKNOWN)


def _error_of(callback: UncheckedCallback, key: str) -> AtlassianAuthError:
    error = _error_code(callback)
    if error == _DECLINED:
        message = (
            f"The person declined to give access ({_quote(callback)}). Start again when they are "
            "ready to consent; on Cloud it can also mean that their account may not use the app."
        )
        return AuthorizationRequired(message, key=key, reason="declined")
    if error in _TRANSIENT:
        message = (
            f"The authorization server is temporarily unavailable ({_quote(callback)}): try again "
            "later."
        )
        return TransientError(message)
    advice, argument = _login_error(callback)
    message = f"The login was refused ({_quote(callback)}): {advice}."
    return ConfigurationError(message, argument=argument, error=error)


def _quote(callback: UncheckedCallback) -> str:
    said = (callback.error or "", callback.error_description or "")
    return _redact(callback, ": ".join(filter(None, said)))


def _redact(callback: UncheckedCallback, text: str) -> str:
    return redact(text, _secrets(callback))


def _secrets(callback: UncheckedCallback) -> tuple[str, ...]:
    return tuple(filter(None, (callback.code, callback.state)))


def _refuse(message: str) -> NoReturn:
    raise ConfigurationError(message, argument="callback")
