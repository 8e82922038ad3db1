"""The marker ``atlassian`` of the pytest fixtures: which credential a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from atlassian_auth.auth import AtlassianAuth
from atlassian_auth.flows import AuthorizationFlow
from atlassian_auth.grants import Grant
from atlassian_auth.scopes import parse_scopes
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing._elsewhere import run_elsewhere
from atlassian_auth.testing._names import check_name
from atlassian_auth.testing.apps import Product
from atlassian_auth.testing.model import FakeAtlassian
from atlassian_auth.testing.rules import Rules
from atlassian_auth.testing.wiring import (
    cloud_grant,
    data_center_grant,
    data_center_service_account_grant,
    jira_software_grant,
    service_account_grant,
)

if TYPE_CHECKING:
    import pytest

__all__ = ["Marked", "authorize"]

_APP = "app-of-the-test"
_GRANTS: MappingProxyType[Product, Callable[..., Grant]] = MappingProxyType(
    {
        "cloud": cloud_grant,
        "data_center": data_center_grant,
        "jira_software": jira_software_grant,
        "service_account": service_account_grant,
        "data_center_service_account": data_center_service_account_grant,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What ``@pytest.mark.atlassian(...)`` says about a test.

    Args:
        product: The product for which the credential is.
        scopes: The scopes of the credential. Default: those of the grants of `wiring`.
        lifetime_seconds: How long the product's access tokens live. Default: as at Atlassian.
    """

    product: Product = "cloud"
    scopes: str | Iterable[str] | None = None
    lifetime_seconds: float | None = None

    @classmethod
    def of(cls, node: pytest.Item) -> Marked:
        """Return what the markers of a test, its class and its module say; the nearest one decides.

        Raises:
            ValueError: if an argument is unknown or has no use.
        """
        said: dict[str, Any] = {}
        for mark in reversed([*node.iter_markers("atlassian")]):
            if mark.args:
                raise ValueError('name the arguments: @pytest.mark.atlassian(product="cloud")')
            for name in mark.kwargs:
                check_name(name, cls.__slots__, what="argument of the marker atlassian")
            said |= mark.kwargs
        return cls(**said)

    def __post_init__(self) -> None:
        check_name(self.product, get_args(Product), what="product")
        if self.product == "jira_software" and self.scopes is not None:
            raise ValueError("tokens of jira_software have no scopes: leave scopes out")

    def apply(self, rules: Rules) -> None:
        """Change the rules of an emulator."""
        if self.lifetime_seconds is not None:
            rules.access_token_lifetime_seconds[self.product] = self.lifetime_seconds


def authorize(atlassian: FakeAtlassian, marked: Marked) -> AtlassianAuth:
    """Return an auth for a marked test, with a consent if its product needs one."""
    store = MemoryStore(clock=atlassian.clock)
    auth = AtlassianAuth(_grant(atlassian, marked), store=store, clock=atlassian.clock)
    if auth.manager.grant.rotates:
        run_elsewhere(lambda: _consent(atlassian, auth))
    return auth


async def _consent(atlassian: FakeAtlassian, auth: AtlassianAuth) -> None:
    flow = AuthorizationFlow(auth.manager)
    login = await flow.start(auth.key, started_by=None)
    await flow.complete(atlassian.browse(login.url), started_by=None)


def _grant(atlassian: FakeAtlassian, marked: Marked) -> Grant:
    make = _GRANTS[marked.product]
    if marked.scopes is None:
        return make(atlassian)
    scopes = parse_scopes(marked.scopes)
    match marked.product:
        case "service_account":  # its scopes are those of its registration
            return make(
                atlassian, app=atlassian.register_2lo("service_account", _APP, scopes=scopes)
            )
        case "data_center_service_account" as product:
            app = atlassian.register_2lo(product, _APP, scopes=scopes)
            return make(atlassian, app=app, scopes=scopes)
        case _:
            return make(atlassian, scopes=scopes)
