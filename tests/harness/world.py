"""An emulated Atlassian and managers that use it; the model has to allow each step that they take."""

from __future__ import annotations

from atlassian_auth import TokenManager
from atlassian_auth.testing import cloud_grant, data_center_grant
from tests.model.acceptor import accept
from tests.model.recording import Event, watch

KEY = "acme"
PRODUCTS = ("cloud", "data_center")
GRANTS = {"cloud": cloud_grant, "data_center": data_center_grant}


class World:
    """One emulated Atlassian, one of its apps, and the managers that use it.

    Args:
        product: ``"cloud"`` or ``"data_center"``.
        atlassian: The emulator; its clock is the world's.
        urls: Where the emulator is reached; by default at Atlassian's own addresses.
    """

    def __init__(self, product, atlassian, urls=None):
        self.product = product
        self.atlassian = atlassian
        self.clock = atlassian.clock
        self.app = getattr(atlassian, f"{product}_app")
        self.grant = GRANTS[product](atlassian, urls)
        endpoints = self.grant.endpoints
        self.identity_url = endpoints.identity_url
        if product == "data_center":
            self.identity_url = f"{endpoints.api_url}/rest/api/2/myself"
        self.managers = []
        self.recorders = []
        self.trace = []
        self.family = None

    def new_manager(self, store, *, trace=None, **options):
        """Return another manager; what it does is written to the trace, or to a list of the caller's."""
        options = {"clock": self.clock, "jitter": lambda: 0.0, **options}
        manager = TokenManager(self.grant, store=store, **options)
        write = (self.trace if trace is None else trace).append
        self.recorders.append(watch(manager, write, len(self.recorders) + 1))
        self.managers.append(manager)
        return manager

    def new_refresh_token(self):
        """Return the refresh token of a new consent, and remember its family."""
        refresh_token = self.atlassian.issue_grant(self.app).refresh_token
        self.family = self.atlassian.family_of(refresh_token)
        return refresh_token

    def happened(self, what, data=None, key=KEY):
        """Write into the trace what is done to the credential from outside."""
        self.trace.append(Event("outside", key, what, data))

    def judge(self):
        """Raise if a manager did what the model does not allow."""
        accept(list(self.trace), self.product)
