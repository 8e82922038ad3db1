"""Whatever arrives whenever, between pages and runs and in spite of crashes: all of it is collected.

The collector's own loop, against the emulator's audit log, with pages of three events.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlassian_auth.testing import ManualClock
from atlassian_auth.testing._audit_views import (
    confluence_cloud_page,
    data_center_page,
    jira_cloud_page,
)
from atlassian_auth.testing.audit import AuditLog

pytestmark = pytest.mark.campaign

LIMIT = 3
LATEST = 300

arrivals = st.lists(st.tuples(st.integers(1, 5), st.integers(0, LATEST)), max_size=2)
between_requests = st.lists(st.tuples(st.integers(0, 2000), arrivals), max_size=4)
runs = st.lists(
    st.tuples(st.integers(0, 80 * 3600_000), between_requests, st.booleans()),
    min_size=1,
    max_size=4,
)


class Server:
    """An audit log whose clock may differ from ours; things happen each time it is asked."""

    def __init__(self, page, skew_seconds):
        self.page, self.skew = page, timedelta(seconds=skew_seconds)
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.log = AuditLog(self.clock.time)
        self.happened = Counter()
        self.schedule = []

    def happen(self, events):
        for count, late_by in events:
            when = self.clock.now() + self.skew - timedelta(seconds=late_by)
            for _ in range(count):
                self.happened[self.log.add("Event", at=when).created_ms] += 1

    def answer(self, request):
        query = dict(request.url.params)
        reply = self.page(self.log, query)
        if self.schedule:
            milliseconds, events = self.schedule.pop()
            self.clock.advance(milliseconds / 1000)
            self.happen(events)
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body)


def installed(module, product, folder, skew_seconds):
    logs = {"cloud": module.CLOUD, "confluence": module.CONFLUENCE}
    log = (logs | {"data_center": module.DATA_CENTER})[product]
    log = replace(log, first={**log.first, "limit": LIMIT})
    pages = {
        "cloud": jira_cloud_page,
        "confluence": lambda log, query: confluence_cloud_page(log, query, "https://dc.example"),
        "data_center": lambda log, query: data_center_page(log, query, "https://dc.example/"),
    }
    server = Server(pages[product], skew_seconds)
    client = httpx.AsyncClient(
        base_url="https://dc.example/", transport=httpx.MockTransport(server.answer)
    )
    state = module.State(folder / "state", "https://dc.example/")
    return server, module.Collector(client, log, state, folder / "out", server.clock)


def run_with_crash(collector, crash):
    """Run; a crash between delivery and commit is a run whose last watermark was never written."""
    state = collector.state.path
    before = state.read_bytes() if state.exists() else None
    anyio.run(collector.run)
    if crash and before is not None:
        state.write_bytes(before)


@pytest.mark.parametrize("product", ["cloud", "confluence", "data_center"])
@settings(deadline=None)
@given(schedule=runs, skew_seconds=st.sampled_from([0, 0.25, -0.25, 3600, -3600]))
def test_every_schedule_is_collected(collector, product, schedule, skew_seconds):
    """Every event is delivered, and more than once only after a crash."""
    with TemporaryDirectory() as folder:
        server, installation = installed(collector, product, Path(folder), skew_seconds)

        for pause_milliseconds, server.schedule, crash in schedule:
            run_with_crash(installation, crash)
            server.happen([(1, 0)])
            server.clock.advance(pause_milliseconds / 1000)
        server.schedule = []
        server.clock.advance(7200)
        anyio.run(installation.run)

        lines = [json.loads(line) for line in installation.output.read_text().splitlines()]
    moments = {line["id"]: milliseconds(line["time"]) for line in lines}
    assert Counter(moments.values()) == server.happened
    if not any(crash for _, _, crash in schedule):
        assert len(lines) == len(moments)


def milliseconds(time):
    return round(datetime.fromisoformat(time).timestamp() * 1000)
