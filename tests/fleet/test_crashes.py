"""Processes are killed in mid-refresh, at every point and anywhere in between."""

from __future__ import annotations

import hashlib
import signal
from contextlib import suppress

import psycopg
import pytest
from redis import Redis

from atlassian_auth import Settings
from tests.fleet.campaign import BEHIND_AT, KILLED, Campaign
from tests.fleet.conftest import FULL
from tests.fleet.crew import LEASE_SECONDS, Refresh

KILLS = 1000 if FULL else 16
NAME_AT_SERVER = "atlassian-auth"  # PostgreSQL's, of all connections of the store
# Of one credential: the database with its log, or the record, the version and a new file; two locks.
MOST_FILES = 6
NOTES = hashlib.sha256(b"pasted").hexdigest()  # one for each refresh token that was added
LARGEST_FILE = 5_000_000  # SQLite empties its log when it has grown to 1,000 pages of 4 KiB


@pytest.fixture
def aftermath(store, url, tmp_path):
    """Return a function that checks, after each kill, what the dead process left."""
    if store == "redis":
        with Redis.from_url(url) as client:
            yield lambda: end_leases(client)
    elif store == "postgres":
        with psycopg.connect(url, autocommit=True) as connection:
            yield lambda: wait_for_ends(connection)
    else:
        yield lambda: check_files(tmp_path)


def check_files(folder):
    """See that files do not pile up where the store keeps them."""
    files = [path for path in folder.rglob("*") if path.is_file() and NOTES not in path.name]
    assert len(files) <= MOST_FILES
    assert max((path.stat().st_size for path in files), default=0) <= LARGEST_FILE


def end_leases(client):
    """See that a dead process's lock ends with its lease, and end it now."""
    longest = Settings().standstill_seconds + LEASE_SECONDS
    for lock in client.scan_iter(match="*:lock:*"):
        assert 0 < client.pttl(lock) <= longest * 1000
        client.pexpire(lock, 1)


def wait_for_ends(connection):
    """Wait until the server has ended a dead process's connections, and so their locks."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    while connection.execute(others, [NAME_AT_SERVER]).fetchone() != (0,):
        pass


@pytest.fixture
def result(nursery, server, store, place, aftermath, campaigns):
    """Kill processes that use one credential, each the successor of the last."""
    result = Campaign(nursery, server, place).run(KILLS, aftermath)
    campaigns[store, place.product] = result
    return result


def fell_behind(deaths):
    return [death for death in deaths if death.behind]


def at_points(deaths):
    return [death for death in deaths if death.kind[0] == "point"]


@pytest.mark.parametrize("product", ["cloud"])
def test_no_kill_loses_a_grant_on_cloud(server, result):
    """After a kill at any point another process goes on, if necessary within Cloud's leeway."""
    deaths = result.deaths

    assert {death.exit_code for death in deaths} <= KILLED
    assert [death for death in deaths if death.lost] == []
    assert server.atlassian.leeway_reuses == len(fell_behind(deaths))
    assert server.atlassian.reuses_outside_leeway == 0
    for death in at_points(deaths):
        assert death.behind == (death.kind[1] in BEHIND_AT)


@pytest.mark.parametrize("product", ["data_center"])
def test_a_kill_loses_a_grant_on_data_center_only_before_it_is_saved(server, result):
    """Without a leeway the consent is lost exactly if the kill fell between rotation and save."""
    deaths = result.deaths

    assert {death.exit_code for death in deaths} <= KILLED
    assert [death for death in deaths if death.lost] == fell_behind(deaths)
    assert {death.lost for death in deaths} <= {"", "refused"}
    assert server.atlassian.reuses_outside_leeway == len(fell_behind(deaths))
    for death in at_points(deaths):
        assert death.behind == (death.kind[1] in BEHIND_AT)


@pytest.mark.parametrize("store", ["sqlite", "file"])
@pytest.mark.parametrize("product", ["cloud"])
@pytest.mark.parametrize("milliseconds", range(1, 11))
def test_a_kill_while_the_store_is_made_spoils_nothing(nursery, place, milliseconds):
    """A process is killed when it has only just begun to make the files: the next one makes them."""
    dead = nursery.start(Refresh(place, seconds_to_live=milliseconds / 1000))
    with suppress(EOFError):
        while dead.link.poll(60):
            dead.link.recv()
    assert dead.wait_for_end() == -signal.SIGALRM

    newcomer = nursery.start(Refresh(place))

    assert newcomer.link.recv() == ("found", None)
    newcomer.link.send(None)
    assert newcomer.wait_for_end() == 0
