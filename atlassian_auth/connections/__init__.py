"""Client configurations, login flows and tokens as a service for many people and many providers.

An administrator registers clients, people connect, and the service asks for a fresh token by its id. The
names are those of Atlassian's own OAuth client plugin. Begin with `Connections`.
"""

from __future__ import annotations

from atlassian_auth.connections.config import ClientConfig, ClientType
from atlassian_auth.connections.configs import ClientConfigs
from atlassian_auth.connections.errors import (
    ConfigurationNotFound,
    FlowNotFound,
    FlowOutOfOrder,
    FlowPending,
    TokenNotFound,
)
from atlassian_auth.connections.flows import FlowError, FlowRequest, FlowRequests, FlowSuccess
from atlassian_auth.connections.handler import TokenHandler, TokenService
from atlassian_auth.connections.service import Connections
from atlassian_auth.connections.tokens import ClientToken, ClientTokens

__all__ = [
    "ClientConfig",
    "ClientConfigs",
    "ClientToken",
    "ClientTokens",
    "ClientType",
    "ConfigurationNotFound",
    "Connections",
    "FlowError",
    "FlowNotFound",
    "FlowOutOfOrder",
    "FlowPending",
    "FlowRequest",
    "FlowRequests",
    "FlowSuccess",
    "TokenHandler",
    "TokenNotFound",
    "TokenService",
]
