"""The errors of connections that no other part of the library raises."""

from __future__ import annotations

from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
)

__all__ = [
    "ConfigurationNotFound",
    "FlowNotFound",
    "FlowOutOfOrder",
    "FlowPending",
    "TokenNotFound",
]


class ConfigurationNotFound(ConfigurationError):
    """No client configuration has this id: it was deleted, or never existed."""

    code = "configuration_not_found"


class TokenNotFound(AuthorizationRequired):
    """No token has this id: it was deleted, or never existed. A person has to connect again."""

    code = "token_not_found"


class FlowNotFound(AtlassianAuthError):
    """This session has no such flow: it has ended, took too long, or belongs to another session."""

    code = "flow_not_found"


class FlowPending(AtlassianAuthError):
    """The flow has no result yet: the person has not come back from the provider."""

    code = "flow_pending"


class FlowOutOfOrder(AtlassianAuthError):
    """A step of the flow came twice, or before its turn. The flow has ended: create a new one."""

    code = "flow_out_of_order"
