"""Let a person authorize a credential in a browser, which comes back to a web app or to this computer.

`AuthorizationFlow` is for web apps and for callbacks that a person pastes, `LoopbackLogin` for command lines.
Both send a browser to the consent page, check the callback, and store the token.
"""

from __future__ import annotations

from atlassian_auth.flows.authorization import (
    AuthorizationFlow,
    AuthorizationRequest,
    AuthorizationResult,
)
from atlassian_auth.flows.loopback import LoopbackLogin
from atlassian_auth.protocol.callback import UncheckedCallback

__all__ = [
    "AuthorizationFlow",
    "AuthorizationRequest",
    "AuthorizationResult",
    "LoopbackLogin",
    "UncheckedCallback",
]
