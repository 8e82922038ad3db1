"""What comes back from the consent page: parsed, then checked, and only then a code (RFC 6749 4.1.2).

The rule of this file: a code that was not checked against the state that was sent cannot be
exchanged, because only `check_callback` makes an `AuthorizationCode`.
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

# What precedes the query of a URL, a path, or nothing but a question mark. In a bare query a "?"
# can only follow a "=", and belongs to a value (RFC 3986 section 3.4).
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://[^?]*|[^?=&]*)\?", re.IGNORECASE)

# Servers and browsers take URLs of 8,000 characters or so (RFC 9110 section 4.1); this is more.
_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UncheckedCallback(Confidential):
    """What a callback says; anybody may have sent it.

    Make one with `parse`, or of the parameters that a web framework has read already. It cannot be
    pickled, and its ``repr`` holds neither code nor state.

    Args:
        code: The authorization code.
        state: What the authorization URL had as ``state``.
        error: Why there is no code.
        error_description: The same, for people; text of a stranger.
        iss: Who says so (RFC 9207).

    Raises:
        ConfigurationError: if one is not text.
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
        """Return what a callback says, without believing it.

        Args:
            text: The whole URL, its query alone, or either as somebody pasted it: blanks and line
                breaks around and within are dropped, and so is a fragment.

        Raises:
            ConfigurationError: if it is not text, is far too long, or has a parameter twice.
        """
        # No URL has blanks in it; a terminal that wraps lines adds some.
        url = "".join(_checked_text(text).split())
        query = _ADDRESS.sub("", url, count=1) if _ADDRESS.match(url) else url
        pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True)
        _check_single(pairs)
        # RFC 6749 section 3.1: "Parameters sent without a value MUST be treated as if they were
        # omitted", and those that are not known must be ignored.
        return cls(**{name: value for name, value in pairs if name in _PARAMETERS and value})


def _checked_text(text: object) -> str:
    if not isinstance(text, str):
        _refuse(f"callback must be text (str), not {type(text).__name__}: give the callback's URL")
    if len(text) > _LONGEST:
        _refuse(
            f"callback has {len(text)} characters, and no callback has more than {_LONGEST}: give "
            "the URL that the browser ended at, and nothing else"
        )
    return text


def _check_single(pairs: list[tuple[str, str]]) -> None:
    # RFC 6749 section 3.1: "Request and response parameters MUST NOT be included more than once."
    # Others than these may stand in the redirect URI itself, where they are its owner's business.
    counts = Counter(name for name, _ in pairs)
    if repeated := [name for name in _PARAMETERS if counts[name] > 1]:
        _refuse(
            f"callback has {', '.join(repeated)} more than once, which no authorization server "
            "sends: somebody has added to it. Start again, and take the URL as the browser shows it"
        )


@dataclass(frozen=True, slots=True, init=False, eq=False)
class AuthorizationCode(Confidential):
    """An authorization code whose callback was checked; only `check_callback` makes one.

    Attributes:
        value: The code; works once.
    """

    value: str = field(repr=False)

    def __init__(self) -> None:
        raise TypeError("an AuthorizationCode is made by check_callback(), and by nothing else")

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
        callback: What came back.
        state: What was sent; compared in constant time.
        issuer: Who must have answered (RFC 9207); None where the server's name for itself is not
            known.
        key: The credential it is for, to be named in errors.

    Raises:
        AuthorizationRequired: if the person declined; its ``reason`` is ``"declined"``.
        TransientError: if the authorization server has a bad minute.
        ConfigurationError: if the callback answers another request, comes from another server, says
            that the registration is wrong, or has neither a code nor an error.
    """
    check_state(callback, state)
    _check_issuer(callback, issuer)
    if callback.error:
        raise _refusal(callback, key)
    if not callback.code:
        _refuse(
            "callback has neither a code nor an error: give the whole URL that the browser ended "
            "at after the consent page, with all that follows the '?'"
        )
    if not is_visible_ascii(callback.code):
        _refuse("callback has a damaged code, most likely from copying: start again, and copy all")
    return AuthorizationCode._checked(callback.code)  # noqa: SLF001 -- the door is in this file


def check_state(callback: UncheckedCallback, state: str) -> None:
    """Return if the callback answers the request that had this ``state``.

    Source: RFC 6749 section 10.12.

    Raises:
        ConfigurationError: if it has no state, or another one.
    """
    if not same_secret(stated(callback), state):
        message = (
            "callback answers another login than this one: its state is not the one that was sent. "
            "Use the page that was opened last, or start again; if you started none, somebody else "
            "has sent you this link"
        )
        raise ConfigurationError(message, argument="state")


def stated(callback: UncheckedCallback) -> str:
    """Return the callback's state, whatever that is worth: a login can be looked up by it.

    Raises:
        ConfigurationError: if it has none.
    """
    if not callback.state:
        raise _stateless(callback)
    return callback.state


def _stateless(callback: UncheckedCallback) -> ConfigurationError:
    # Cloud shows some refusals on a page of its own, https://id.atlassian.com/error, whose URL has
    # no state: pasted here it still tells what is wrong (developer community, 2026-08).
    if callback.error:
        message = f"The login was refused ({_quoted(callback)}): {_meaning(callback).advice}."
        return ConfigurationError(
            message, argument=_meaning(callback).argument, error=_error(callback)
        )
    message = (
        "callback has no state, so nobody can tell which login it answers: give the whole URL that "
        "the browser ended at after the consent page, with all that follows the '?'"
    )
    return ConfigurationError(message, argument="state")


def _check_issuer(callback: UncheckedCallback, issuer: str | None) -> None:
    # RFC 9207 section 2.4: compared as text, and refused where a server that sends it did not.
    if issuer is not None and callback.iss != issuer:
        found = redact(callback.iss or "", _secrets(callback)) or "nobody"
        message = (
            f"callback says it comes from {found}, but the authorization server is {issuer}: its "
            "code must not be used. Start again; if it happens again, check the issuer"
        )
        raise ConfigurationError(message, argument="issuer")


# -- errors ----------------------------------------------------------------------------------------


class _Meaning(NamedTuple):
    advice: str
    argument: str | None = None


_DECLINED = "access_denied"
_TRANSIENT = frozenset({"server_error", "temporarily_unavailable"})

# RFC 6749 section 4.1.2.1, and what Atlassian's servers were seen to mean by it.
_MEANINGS = {
    # Data Center redirects with it; Cloud shows "Something went wrong" instead (2026-08).
    "invalid_scope": _Meaning(
        "the app may not ask for one of the scopes. On Cloud, add it under Permissions in the "
        "developer console; on Data Center, allow it on the incoming link; or ask for less",
        "scopes",
    ),
    # "Callback URL mismatch", on https://id.atlassian.com/error (developer community, 2026-08).
    "unauthorized_client": _Meaning(
        "the client id or the redirect URI is not the registered one. In the developer console, the "
        "Callback URL under Authorization must be the redirect_uri to the letter, path included",
        "redirect_uri",
    ),
    "invalid_request": _Meaning(
        "the server did not understand the authorization URL: open it as it was given, and check "
        "client_id and redirect_uri against the app's settings"
    ),
    "unsupported_response_type": _Meaning(
        "the server does not offer the authorization code flow to this app: enable OAuth 2.0 (3LO) "
        "under Authorization in the developer console, or check the base URL of Data Center"
    ),
}
_UNKNOWN = _Meaning("check the app's settings, then start again")


def _error(callback: UncheckedCallback) -> str:
    # Data Center writes "invalid scope" with a space (provider of Confluence 7.17 to 8.x); `parse`
    # has dropped none of it, since it arrives encoded.
    return _shown(callback, callback.error or "").strip().lower().replace(" ", "_")


def _meaning(callback: UncheckedCallback) -> _Meaning:
    return _MEANINGS.get(_error(callback), _UNKNOWN)


def _refusal(callback: UncheckedCallback, key: str) -> AtlassianAuthError:
    error = _error(callback)
    if error == _DECLINED:
        message = (
            f"The person declined to give access ({_quoted(callback)}). Start again when they are "
            "ready to consent; on Cloud it can also mean that their account may not use the app."
        )
        return AuthorizationRequired(message, key=key, reason="declined")
    if error in _TRANSIENT:
        message = (
            f"The authorization server has a bad minute ({_quoted(callback)}): try again later."
        )
        return TransientError(message)
    advice, argument = _meaning(callback)
    message = f"The login was refused ({_quoted(callback)}): {advice}."
    return ConfigurationError(message, argument=argument, error=error)


def _quoted(callback: UncheckedCallback) -> str:
    said = (callback.error or "", callback.error_description or "")
    return _shown(callback, ": ".join(filter(None, said)))


def _shown(callback: UncheckedCallback, text: str) -> str:
    return redact(text, _secrets(callback))


def _secrets(callback: UncheckedCallback) -> tuple[str, ...]:
    return tuple(filter(None, (callback.code, callback.state)))


def _refuse(message: str) -> NoReturn:
    raise ConfigurationError(message, argument="callback")
