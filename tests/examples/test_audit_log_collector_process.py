"""The collector as a process: started, signalled, killed and started again, against a real port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.testing import FakeAtlassian, Fault, LoopbackServer

pytestmark = [pytest.mark.programs, pytest.mark.campaign]

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 300


@pytest.fixture
def server():
    # The process lives by the computer's clock, so the emulator does, too.
    with LoopbackServer(FakeAtlassian(SYSTEM_CLOCK)) as server:
        yield server


@pytest.fixture
def start(server, tmp_path):
    """Return a function that starts the collector; lines come through its stdout."""
    app = server.atlassian.data_center_app
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "ATLASSIAN_CLIENT_ID": app.client_id,
        "ATLASSIAN_CLIENT_SECRET": app.client_secret,
        "ATLASSIAN_REDIRECT_URI": app.redirect_uri,
        "ATLASSIAN_REFRESH_TOKEN": server.atlassian.issue_grant(app).refresh_token,
    }
    command = [sys.executable, ROOT / "examples" / "audit_log_collector.py", "--interval", "0.01"]
    target = ["--data-center", server.urls.dc_base_url]
    running = []

    def launch(*more):
        process = subprocess.Popen(
            [*command, *target, *more],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(DEADLINE_SECONDS, process.kill)
        watchdog.start()
        running.append((process, watchdog))
        return process

    yield launch
    for process, watchdog in running:
        watchdog.cancel()
        process.kill()
        process.communicate()


def stop(process, number=signal.SIGTERM):
    """Send a signal and return what the process still printed, and its exit status."""
    process.send_signal(number)
    return rest_of(process), process.wait()


def rest_of(process):
    """Return what the process prints until it ends."""
    return summaries(process.stdout.read().splitlines())


def summaries(lines):
    return [json.loads(line)["event"]["type"]["action"] for line in lines]


def next_lines(process, count):
    return summaries([process.stdout.readline() for _ in range(count)])


def some(server, *names):
    for name in names:
        server.atlassian.add_event(name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_and_goes_on(server, start, number):
    """Across a clean stop and a restart, each event is printed once; the exit status is 0."""
    some(server, "a", "b")
    first = start()
    before = next_lines(first, 2)
    some(server, "c")
    before += next_lines(first, 1)
    rest, status = stop(first, number)
    some(server, "d")

    second = start()
    after = next_lines(second, 1)

    assert status == 0
    assert sorted(before) == ["a", "b", "c"]
    assert (rest, after) == ([], ["d"])
    assert stop(second, number) == ([], 0)


def test_a_kill_loses_nothing(server, start):
    """Killed at an arbitrary moment after a delivery: events may come twice, and none is missing."""
    some(server, "a", "b")
    first = start()
    before = next_lines(first, 2)
    rest, _ = stop(first, signal.SIGKILL)
    some(server, "c")

    last = start("--once")
    after = rest_of(last)

    assert last.wait() == 0
    assert {*before, *rest, *after} == {"a", "b", "c"}


def test_stops_while_a_page_is_awaited(server, start):
    """A process that gets SIGTERM stops, even while a server does not answer."""
    gate = server.atlassian.hold("api")
    process = start()
    gate.arrived_sync()

    _, status = stop(process)

    gate.open()
    assert status == 0


def test_stops_in_a_pause(server, start):
    """A process that waits for an hour's Retry-After stops on SIGTERM."""
    server.atlassian.fault("api", Fault.rate_limited(3600))
    process = start()
    asked_again = process.stderr.readline()

    _, status = stop(process)

    assert "HTTP 429; asking again in 3600 s" in asked_again
    assert status == 0


def test_a_stop_in_the_middle_of_a_refresh_loses_no_grant(server, start):
    """The rotated refresh token is on its way when the signal comes: it is saved before the end."""
    some(server, "a")
    gate = server.atlassian.hold("token")
    first = start()
    gate.arrived_sync()
    first.send_signal(signal.SIGTERM)
    gate.open()
    first.wait()

    second = start()
    printed = next_lines(second, 1)

    assert (first.returncode, printed) == (0, ["a"])
    assert server.atlassian.reuses_outside_leeway == 0
    assert stop(second) == ([], 0)


def test_a_lost_grant_is_said_on_stderr(server, start):
    """A lost consent ends with status 1 and a message without traceback or secret."""
    [family] = server.atlassian.families
    server.atlassian.revoke_grant(family.refresh_token)

    process = start()
    errors = process.stderr.read()

    assert process.wait() == 1
    assert "ERROR" in errors
    assert "uthorize" in errors
    assert "Traceback" not in errors
    assert "secret-" not in errors
