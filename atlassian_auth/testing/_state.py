"""The state of the emulator as a document."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from atlassian_auth.testing._world import World
from atlassian_auth.testing.faults import Faults
from atlassian_auth.testing.journal import Journal

__all__ = ["describe"]


def describe(world: World, journal: Journal, faults: Faults) -> dict[str, Any]:
    """Return the state as values of JSON, without secrets."""
    return {
        "time": _moment(world.now),
        "apps": [
            {
                "product": app.product,
                "client_id": app.client_id,
                "redirect_uri": app.redirect_uri,
                "scopes": app.scopes,
            }
            for app in world.apps.values()
        ],
        "sites": [asdict(site) for site in world.sites.values()],
        "consents": [
            {
                "id": family.id,
                "client_id": family.app.client_id,
                "alive": family.alive,
                "refresh_tokens": family.generation,
                "scopes": family.scopes,
            }
            for family in world.ledger.families.values()
        ],
        "faults": faults.unused,
        "token_requests": [asdict(e) | {"at": _moment(e.at)} for e in journal.token_requests],
        "api_requests": [asdict(e) | {"at": _moment(e.at)} for e in journal.api_requests],
    }


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")
