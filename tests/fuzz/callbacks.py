"""Callback URLs, as an attacker sends them or a person pastes them."""

from __future__ import annotations

from atlassian_auth.exceptions import AuthorizationRequired, ConfigurationError, TransientError
from atlassian_auth.protocol.callback import UncheckedCallback, check_callback
from atlassian_auth.protocol.tokens import is_visible_ascii

STATE = "c3RhdGU.4Zq9"
ISSUER = "https://login.example.com"


def fuzz(data):
    """A code is accepted only with the state and the issuer; all else is refused with our errors."""
    try:
        callback = UncheckedCallback.parse(data.decode(errors="surrogateescape"))
        code = check_callback(callback, state=STATE, issuer=ISSUER)
    except (AuthorizationRequired, ConfigurationError, TransientError) as error:
        assert str(error).isprintable()
    else:
        assert (callback.state, callback.iss) == (STATE, ISSUER)
        assert is_visible_ascii(code.value)
