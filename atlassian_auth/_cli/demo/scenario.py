"""Runs the demonstration: consent, work, faults, a restart, and a last poll.

It prints nothing and checks nothing; it returns the evidence.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from atlassian_auth._cli.demo.collector import CLOUD_LOG, DATA_CENTER_LOG, AuditLogView
from atlassian_auth._cli.demo.consent import consent
from atlassian_auth._cli.demo.credentials import (
    CLOUD,
    CREDENTIALS,
    DATA_CENTER,
    JIRA_SOFTWARE,
    Credential,
)
from atlassian_auth._cli.demo.logbook import Logbook, Stage
from atlassian_auth._cli.demo.service import Job, client, in_background, open_service
from atlassian_auth._cli.demo.troubles import before_the_restart, until, wait_for_answers
from atlassian_auth._cli.demo.verdict import Delivery, Evidence, have_outlived_tokens
from atlassian_auth._cli.demo.world import DemoWorld, new_atlassian
from atlassian_auth.ports import SYSTEM_CLOCK, utc_now
from atlassian_auth.testing import FakeAtlassian
from atlassian_auth.testing.server import LoopbackServer

__all__ = ["perform"]

# The time that a run may take beyond its plan on a busy computer; then it is stopped and checked as it is.
_PATIENCE_SECONDS = 120.0

# Events come in threes, and one of them appears late in the log, as at Atlassian. A collector that does not
# read overlapping windows would miss it.
_DELAYS = (timedelta(), timedelta(), timedelta(seconds=1))


async def perform(logbook: Logbook, *, patience_seconds: float = _PATIENCE_SECONDS) -> Evidence:
    """Run the service with all faults until a token of each credential has expired; return the evidence.

    That takes at least ``logbook.seconds``.

    Args:
        logbook: A new one; it may be read meanwhile.
        patience_seconds: The additional time that the faults may take.
    """
    atlassian = new_atlassian()
    with (
        TemporaryDirectory(prefix="atlassian-auth-") as folder,
        LoopbackServer(atlassian) as server,
    ):
        world = DemoWorld(atlassian=atlassian, urls=server.urls, path=Path(folder, "tokens.db"))
        with anyio.move_on_after(logbook.seconds + patience_seconds):
            await _run_story(world, logbook)
    return _evidence(world, logbook)


async def _run_story(world: DemoWorld, logbook: Logbook) -> None:
    await _give_consent(world, logbook)
    async with in_background(_incidents(world, logbook)):
        async with open_service(world, logbook) as service, in_background(*service.jobs):
            await before_the_restart(world, service, logbook)
        async with open_service(world, logbook) as service, in_background(*service.jobs):
            await wait_for_answers(logbook)
            await until(lambda: SYSTEM_CLOCK.time() >= logbook.began_at + logbook.seconds)
            await until(lambda: have_outlived_tokens(_evidence(world, logbook)))
    async with open_service(world, logbook) as service:
        await service.collect()


async def _give_consent(world: DemoWorld, logbook: Logbook) -> None:
    async with (
        open_service(world, logbook) as service,
        client() as browser,
    ):
        for credential in (CLOUD, DATA_CENTER):
            logbook.note_request(credential.key, SYSTEM_CLOCK.time())
            await consent(service.managers[credential.key], credential.key, browser)


def _incidents(world: DemoWorld, logbook: Logbook) -> Job:
    async def happen() -> None:
        for delay in _DELAYS:
            summary = f"User {len(logbook.generated) + 1} added to group"
            when = utc_now(SYSTEM_CLOCK) - delay
            logbook.generated.append(world.atlassian.add_event(summary, at=when))

    return happen


def _evidence(world: DemoWorld, logbook: Logbook) -> Evidence:
    atlassian = world.atlassian
    return Evidence(
        credentials=CREDENTIALS,
        token_requests=atlassian.token_requests,
        api_requests=atlassian.api_requests,
        asked={key: tuple(moments) for key, moments in logbook.asked.items()},
        deliveries=(
            _collection(CLOUD, CLOUD_LOG, logbook),
            _collection(DATA_CENTER, DATA_CENTER_LOG, logbook),
            _builds(atlassian, logbook),
        ),
        failures=tuple(logbook.failures),
        reuses_outside_leeway=atlassian.reuses_outside_leeway,
        troubles={
            trouble.title: stage is Stage.SURVIVED for trouble, stage in logbook.troubles.items()
        },
    )


def _collection(credential: Credential, view: AuditLogView, logbook: Logbook) -> Delivery:
    return Delivery(
        key=credential.key,
        title=f"{credential.title} events",
        expected=tuple(map(view.identify, logbook.generated)),
        arrived=tuple(entry.id for entry in logbook.collected[credential.key]),
    )


def _builds(atlassian: FakeAtlassian, logbook: Logbook) -> Delivery:
    received = [build for taken in atlassian.submissions for build in taken["document"]["builds"]]
    return Delivery(
        key=JIRA_SOFTWARE.key,
        title="Builds",
        expected=tuple(map(str, logbook.builds)),
        arrived=tuple(str(build["buildNumber"]) for build in received),
    )
