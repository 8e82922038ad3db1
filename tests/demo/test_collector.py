"""The collector: everything once, whatever order it comes in."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from atlassian_auth._cli.demo.caller import DemoCaller
from atlassian_auth._cli.demo.collector import CLOUD_LOG, DATA_CENTER_LOG, Collector
from atlassian_auth.testing import Fault


@pytest.fixture(params=["cloud", "data center"])
def log(request, emulator, transport, logbook):
    """A view, a client of that product, and what was collected so far."""
    cloud = request.param == "cloud"
    app = emulator.cloud_app if cloud else emulator.data_center_app
    urls = emulator.urls
    client = httpx.AsyncClient(
        base_url=urls.jira(emulator.cloud_id) if cloud else f"{urls.dc_base_url}/",
        headers={"authorization": f"Bearer {emulator.issue_grant(app).access_token}"},
        transport=transport,
    )
    view = CLOUD_LOG if cloud else DATA_CENTER_LOG
    return view, DemoCaller("cloud", client, logbook), logbook.collected["cloud"]


def ids(collected):
    return [entry.id for entry in collected]


async def test_everything_is_collected_once(log, emulator):
    """Polls that overlap bring each event once, the oldest first."""
    view, caller, collected = log
    collector = Collector(caller, view, collected)
    events = [emulator.add_event("Event 1"), emulator.add_event("Event 2")]

    await collector.poll()
    await collector.poll()
    events.append(emulator.add_event("Event 3"))
    await collector.poll()

    assert ids(collected) == [view.identify(event) for event in events]


async def test_late_events_are_collected(log, emulator):
    """An event that shows up later than its time says is found by looking back; a newest one counts on."""
    view, caller, collected = log
    collector = Collector(caller, view, collected)
    events = [emulator.add_event("Event 1")]
    await collector.poll()

    events.append(emulator.add_event("Late", at=emulator.clock.now() - timedelta(seconds=2)))
    await collector.poll()

    assert ids(collected) == [view.identify(event) for event in events]


async def test_too_late_is_lost(log, emulator):
    """Beyond the overlap nothing is found: that the demonstration passes is no accident."""
    view, caller, collected = log
    collector = Collector(caller, view, collected)
    first = emulator.add_event("Event 1")
    await collector.poll()

    emulator.add_event("Too late", at=emulator.clock.now() - timedelta(seconds=2.001))
    await collector.poll()

    assert ids(collected) == [view.identify(first)]


async def test_a_new_collector_goes_on(log, emulator):
    """After a restart the collector collects no event twice and skips none."""
    view, caller, collected = log
    events = [emulator.add_event("Event 1")]
    await Collector(caller, view, collected).poll()
    emulator.clock.advance(60)
    events.append(emulator.add_event("Event 2"))

    await Collector(caller, view, collected).poll()

    assert ids(collected) == [view.identify(event) for event in events]


async def test_a_failed_poll_changes_nothing(log, emulator):
    """After a failed poll, the next one collects the missed events."""
    view, caller, collected = log
    collector = Collector(caller, view, collected)
    event = emulator.add_event("Event 1")
    emulator.fault("api", Fault.status(500))

    await collector.poll()
    assert ids(collected) == []
    await collector.poll()

    assert ids(collected) == [view.identify(event)]
