"""Registered apps and credentials, and the sites of Cloud."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CLOUD_SCOPES", "App", "Product", "Site"]

CLOUD_SCOPES = (
    "manage:jira-configuration",
    "read:jira-user",
    "read:jira-work",
    "read:audit-log:confluence",
    "read:me",
)
"""The scopes of an app that is registered without any: they allow every API of the emulated Cloud."""

Product = Literal[
    "cloud", "data_center", "jira_software", "service_account", "data_center_service_account"
]
"""The kinds of app that can be registered; each has access tokens of its own lifetime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One registration at one of the emulated authorization servers.

    Args:
        product: The server at which it is registered, and whose rules apply.
        scopes: The scopes that it may request. For Cloud apps, None means any. A level of Data Center
            includes the lower ones.
        redirect_uri: The callback URL, which is compared exactly.
    """

    product: Product
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] | None = None
    redirect_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One Cloud site, with the products it has."""

    name: str
    cloud_id: str
    products: tuple[str, ...] = ("jira", "confluence")
