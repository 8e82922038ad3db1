"""Injects faults, and watches the emulator's journal until each has ended.

This module does not know how the library reacts: it waits until requests succeed again.
"""

from __future__ import annotations

from collections.abc import Callable

from atlassian_auth._cli.demo.credentials import CLOUD, DATA_CENTER, Credential
from atlassian_auth._cli.demo.logbook import (
    LOST_ANSWER,
    RESTART,
    REVOKED,
    UNAVAILABLE,
    Logbook,
    Stage,
    Trouble,
)
from atlassian_auth._cli.demo.service import Service
from atlassian_auth._cli.demo.world import DemoWorld
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.protocol.tokens import Token
from atlassian_auth.testing import FakeAtlassian, Fault, Request

__all__ = ["before_the_restart", "until", "wait_for_answers"]

_GLANCE_SECONDS = 0.02


async def before_the_restart(world: DemoWorld, service: Service, logbook: Logbook) -> None:
    """Cause the first three faults, one after the other, and wait until the restart is due."""
    await _wait_until_due(REVOKED, logbook)
    await _revoke(world.atlassian, service)
    logbook.troubles[REVOKED] = Stage.SURVIVED
    await _wait_until_due(UNAVAILABLE, logbook)
    await _inject(world.atlassian, DATA_CENTER, Fault.status(503))
    logbook.troubles[UNAVAILABLE] = Stage.SURVIVED
    await _wait_until_due(LOST_ANSWER, logbook)
    await _inject(world.atlassian, CLOUD, Fault.lost_answer())
    logbook.troubles[LOST_ANSWER] = Stage.SURVIVED
    await _wait_until_due(RESTART, logbook)


async def wait_for_answers(logbook: Logbook) -> None:
    """Return when each credential has got an answer since the restart."""
    before = dict(logbook.answered)
    await until(lambda: all(logbook.answered[key] > count for key, count in before.items()))
    logbook.troubles[RESTART] = Stage.SURVIVED


async def until(happened: Callable[[], bool]) -> None:
    """Return when ``happened`` returns True."""
    while not happened():
        await SYSTEM_CLOCK.sleep(_GLANCE_SECONDS)


async def _wait_until_due(trouble: Trouble, logbook: Logbook) -> None:
    due = logbook.began_at + trouble.due * logbook.seconds
    await until(lambda: SYSTEM_CLOCK.time() >= due)
    logbook.troubles[trouble] = Stage.NOW


async def _revoke(atlassian: FakeAtlassian, service: Service) -> None:
    manager = service.managers[CLOUD.key]
    # A young token: an old one might be refreshed before a request fails with it.
    await until(lambda: _is_young(manager.peek(CLOUD.key)))
    token = await manager.token(CLOUD.key)
    family = atlassian.family_of(token.access_token)
    generation = family.generation
    atlassian.revoke_access_token(token.access_token)
    await until(
        lambda: (
            atlassian.count("api", family=family.id, generation=generation, status=401) > 0
            and family.generation > generation
        )
    )


async def _inject(atlassian: FakeAtlassian, credential: Credential, fault: Fault) -> None:
    """Apply the fault to the credential's next refresh, and return when a refresh has succeeded."""
    atlassian.fault(_refresh_of(credential), fault)
    await until(lambda: _is_over(atlassian, credential, fault))


def _is_over(atlassian: FakeAtlassian, credential: Credential, fault: Fault) -> bool:
    mine = [r for r in atlassian.token_requests if r.client_id == credential.client_id]
    met = any(request.fault == fault.name for request in mine)
    return met and mine[-1].outcome == "ok" and not mine[-1].fault


def _refresh_of(credential: Credential) -> Callable[[Request], bool]:
    def is_refresh(request: Request) -> bool:
        fields = request.fields
        wanted = ("refresh_token", credential.client_id)
        return (fields.get("grant_type"), fields.get("client_id")) == wanted

    return is_refresh


def _is_young(token: Token | None) -> bool:
    return token is not None and (
        SYSTEM_CLOCK.time() < token.obtained_at.timestamp() + token.lifetime.total_seconds() / 2
    )
