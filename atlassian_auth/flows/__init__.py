"""Let a person authorize a credential in a browser, which comes back to a web app or to this computer.

`LoginApp` is for web apps, `LoopbackLogin` for command lines, and `AuthorizationFlow`, on which both stand,
for pages of your own and for callbacks that a person pastes. They send a browser to the consent page, check
the callback, and store the token.
"""

from __future__ import annotations

from atlassian_auth.flows.authorization import (
    AuthorizationFlow,
    AuthorizationRequest,
    AuthorizationResult,
)
from atlassian_auth.flows.login_app import LoginApp
from atlassian_auth.flows.loopback import LoopbackLogin
from atlassian_auth.protocol.callback import UncheckedCallback

__all__ = [
    "AuthorizationFlow",
    "AuthorizationRequest",
    "AuthorizationResult",
    "LoginApp",
    "LoopbackLogin",
    "UncheckedCallback",
]
