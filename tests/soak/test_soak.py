"""A service lives for months on each store, with outages, restarts and wrong clocks. ``nox -s soak``."""

from __future__ import annotations

import base64
import functools
import json
import os
import secrets
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest
from keyrings.alt.file import PlaintextKeyring

from atlassian_auth.stores import (
    EncryptedStore,
    FileStore,
    KeyringStore,
    MemoryStore,
    PostgresStore,
    RedisStore,
    SQLiteStore,
)
from atlassian_auth.testing import mock_router
from tests.harness.world import PRODUCTS
from tests.soak.months import MONTH, Service

# Six months of the calendar, or two of a day, with the same troubles.
FULL = os.environ.get("ATLASSIAN_AUTH_TEST_SOAK") == "full"
MONTHS, LENGTH = (6, MONTH) if FULL else (2, timedelta(days=1))
BUILD = Path("build/soak")

# How much more may be held at the end than after the first month.
SLACK = {
    "objects": 10,
    "threads": 0,
    "descriptors": 0,
    "records": 0,
    "files": 0,
    "kilobytes": 64,
}

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
STORES = ("memory", "sqlite", "file", "keyring", "encrypted", "redis", "postgres")


@pytest.fixture(params=STORES)
def new_store(request, tmp_path):
    """Open the store of a host: the hosts share what is stored, and nothing else."""
    kind, prefix = request.param, f"soak_{secrets.token_hex(4)}"
    backend = PlaintextKeyring()
    backend.file_path = str(tmp_path / "keyring.cfg")
    url = request.getfixturevalue(f"{kind}_url") if kind in {"redis", "postgres"} else ""

    @functools.cache
    def memory(clock):
        return MemoryStore(clock=clock)

    return {
        "memory": memory,
        "sqlite": lambda clock: SQLiteStore(tmp_path / "tokens.db", clock=clock),
        "file": lambda clock: FileStore(tmp_path / "tokens", clock=clock),
        "keyring": lambda clock: KeyringStore(backend=backend, clock=clock),
        "encrypted": lambda clock: EncryptedStore(
            SQLiteStore(tmp_path / "sealed.db", clock=clock), KEY, clock=clock
        ),
        "redis": lambda clock: RedisStore(url, prefix=prefix, clock=clock),
        "postgres": lambda clock: PostgresStore(url, table=prefix, clock=clock),
    }[kind]


@pytest.fixture
def quiet(caplog):
    """Keep no log records: their errors hold frames, and so managers that are long gone."""
    caplog.set_level("CRITICAL", logger="atlassian_auth")


@pytest.mark.parametrize("product", PRODUCTS)
async def test_months_pass(product, new_store, tmp_path, quiet, request):
    """No consent is lost, no refresh token is presented twice, and nothing that is held grows."""
    service = Service(product, new_store, tmp_path, LENGTH)

    with mock_router(service.atlassian) as router:
        first, *_, last = await service.live(MONTHS, forget=router.reset)

    for name, slack in SLACK.items():
        assert getattr(last, name) <= getattr(first, name) + slack, (name, first, last)
    if FULL:
        keep(request.node.callspec.id, service, first, last)


def keep(name, service, first, last):
    """Write what was seen for the page about quality."""
    BUILD.mkdir(parents=True, exist_ok=True)
    seen = {
        "refreshes": service.atlassian.refreshes,
        "failed": service.failed,
        "first": asdict(first),
        "last": asdict(last),
    }
    (BUILD / f"{name}.json").write_text(json.dumps(seen), "utf-8")
