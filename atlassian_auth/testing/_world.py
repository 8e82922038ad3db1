"""The state that the emulated servers share: clock, registered apps, issued tokens and the audit log."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any

from atlassian_auth.ports import Clock
from atlassian_auth.testing.answers import Answers
from atlassian_auth.testing.apps import App, Product, Site
from atlassian_auth.testing.audit import AuditLog
from atlassian_auth.testing.ledger import Ledger
from atlassian_auth.testing.rules import Rules

__all__ = ["USER", "World"]

# The person who consents, as /me and the products describe them.
USER: dict[str, object] = {
    "account_id": "712020:5b10ac8d-82e0-5b22-cc7d-4ef5aabbccdd",
    "name": "Ada Admin",
    "email": "ada@example.com",
    "email_verified": True,
    "picture": "https://avatar.example.com/ada.png",
}


@dataclass(slots=True)
class World:
    """The state of all endpoints. An endpoint is a function of a world and a request."""

    clock: Clock
    rules: Rules
    ledger: Ledger
    log: AuditLog
    apps: dict[str, App] = field(default_factory=dict[str, App])
    sites: dict[str, Site] = field(default_factory=dict[str, Site])
    answers: Answers = field(default_factory=Answers)
    denials: int = 0
    submissions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def now(self) -> float:
        """The time by the emulator's clock."""
        return self.clock.time()

    def app(self, client_id: str | None, *products: Product) -> App | None:
        """Return the app with that id, if it is registered for one of ``products``."""
        app = self.apps.get(client_id or "")
        return app if app and app.product in products else None

    def client(self, client_id: str | None, secret: str | None, *products: Product) -> App | None:
        """Return the app with that id and secret, if it is registered for one of ``products``."""
        app = self.app(client_id, *products)
        if app is None or not hmac.compare_digest(app.client_secret, secret or ""):
            return None
        return app

    def site_of(self, cloud_id: str) -> Site | None:
        """Return the site with that cloud id."""
        return next((s for s in self.sites.values() if s.cloud_id == cloud_id), None)
