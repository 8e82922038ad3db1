"""An emulated Atlassian for tests: Cloud and Data Center in memory, with a clock that the test moves.

`FakeAtlassian` behaves like Atlassian, as documented and observed: rotation, reuse leeway, scopes, and
the texts of errors. `mock_router` connects it to httpx and httpx2, and `LoopbackServer` serves it on a
port. The pytest plugin has the fixtures ``atlassian``, ``atlassian_server``, ``atlassian_clock`` and
``atlassian_auth``. `mock_router`, `LoopbackServer` and the fixtures need
``pip install atlassian-auth[testing]``; the rest does not.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from atlassian_auth.testing.apps import App, Site
from atlassian_auth.testing.audit import AuditEvent
from atlassian_auth.testing.clock import ManualClock
from atlassian_auth.testing.faults import AnswerLost, ConnectionRefused, Fault, NeverAnswered
from atlassian_auth.testing.gate import Gate
from atlassian_auth.testing.journal import APIRequest, TokenRequest
from atlassian_auth.testing.ledger import Family
from atlassian_auth.testing.model import FakeAtlassian, IssuedTokens
from atlassian_auth.testing.rules import Rules
from atlassian_auth.testing.urls import Urls
from atlassian_auth.testing.wire import Reply, Request
from atlassian_auth.testing.wiring import (
    cloud_grant,
    data_center_grant,
    data_center_service_account_grant,
    jira_software_grant,
    service_account_grant,
)

if TYPE_CHECKING:
    from atlassian_auth.testing.mock import mock_router
    from atlassian_auth.testing.server import LoopbackServer

__all__ = [
    "APIRequest",
    "AnswerLost",
    "App",
    "AuditEvent",
    "ConnectionRefused",
    "FakeAtlassian",
    "Family",
    "Fault",
    "Gate",
    "IssuedTokens",
    "LoopbackServer",
    "ManualClock",
    "NeverAnswered",
    "Reply",
    "Request",
    "Rules",
    "Site",
    "TokenRequest",
    "Urls",
    "cloud_grant",
    "data_center_grant",
    "data_center_service_account_grant",
    "jira_software_grant",
    "mock_router",
    "service_account_grant",
]

# These need respx or uvicorn, and are imported on first use.
_HOMES = MappingProxyType({"LoopbackServer": "server", "mock_router": "mock"})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
