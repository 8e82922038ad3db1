"""What these tests share: processes to kill, a server they refresh at, and stores of every kind."""

from __future__ import annotations

import os
import secrets

import pytest

from atlassian_auth.testing import FakeAtlassian, LoopbackServer
from tests.fleet.crew import LEASES, Place
from tests.fleet.nursery import Nursery
from tests.fleet.report import report
from tests.model.acceptor import accept
from tests.model.recording import read
from tests.servers import postgres_url, redis_url  # noqa: F401 -- fixtures

if not hasattr(os, "fork"):
    collect_ignore_glob = ["test_*.py"]

FULL = os.environ.get("ATLASSIAN_AUTH_TEST_FLEET") == "full"

_fleets = pytest.StashKey[list]()
_campaigns = pytest.StashKey[dict]()


@pytest.fixture(scope="session")
def nursery():
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def server():
    with LoopbackServer(FakeAtlassian()) as server:
        yield server


@pytest.fixture(params=["sqlite", "file", "redis", "postgres"])
def store(request):
    return request.param


@pytest.fixture
def url(request, store, tmp_path):
    """The store's URL: files in the test's own folder, or a server that the tests share."""
    if store == "sqlite":
        return f"sqlite:///{tmp_path / 'tokens.db'}"
    if store == "file":
        return f"file://{tmp_path / 'tokens'}"
    return request.getfixturevalue(f"{store}_url")


@pytest.fixture(params=["cloud", "data_center"])
def product(request):
    return request.param


@pytest.fixture
def place(server, product, url, tmp_path_factory):
    # Not in the folder of the store, whose files are counted.
    trace = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    # A server may have been here before us: its keys are not ours.
    yield Place(server.origin, product, url, secrets.token_hex(8), trace)
    if trace.exists():
        accept(read(trace), product, lease=url.startswith(LEASES))


@pytest.fixture
def fleets(request):
    return request.config.stash.setdefault(_fleets, [])


@pytest.fixture
def campaigns(request):
    return request.config.stash.setdefault(_campaigns, {})


def pytest_terminal_summary(terminalreporter, config):
    tables = report(config.stash.get(_fleets, []), config.stash.get(_campaigns, {}))
    if tables:
        terminalreporter.section("fleets and kills")
        terminalreporter.write_line(tables)
