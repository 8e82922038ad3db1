"""Whatever is done in whatever order, the stores do what a dict with a clock would do."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from atlassian_auth.exceptions import VersionConflict
from atlassian_auth.stores import ABSENT, MemoryStore, SQLiteStore, Stored
from atlassian_auth.testing.clock import ManualClock

NAMESPACES = st.sampled_from(["tokens", "flows"])
KEYS = st.sampled_from(["a", "B", "é", "a\0", "a/b"])
VALUES = st.binary(max_size=20)
LIFETIMES = st.none() | st.sampled_from([0, 0.5, 1, 10])


class StoreMachine(RuleBasedStateMachine):
    """A store, and a dict of what it must hold: name -> (value, version, end)."""

    @initialize()
    def open(self):
        self.clock = ManualClock()
        self.loop = asyncio.Runner()
        self.store = self.make_store()
        self.model = {}
        self.issued = [ABSENT]

    def do(self, coroutine):
        return self.loop.run(coroutine)

    def unexpired(self, *name):
        stored = self.model.get(name)
        if stored is None or (stored[2] is not None and stored[2] <= self.clock.time()):
            return None
        return Stored(*stored[:2])

    def expect_conflict(self, name, expected):
        alive = self.unexpired(*name)
        return expected is not None and expected != (alive.version if alive else ABSENT)

    @rule(
        name=st.tuples(NAMESPACES, KEYS),
        value=VALUES,
        ttl_seconds=LIFETIMES,
        data=st.data(),
        how=st.sampled_from(["any version", "the present version", "some version"]),
    )
    def put(self, name, value, ttl_seconds, data, how):
        expected = self.choose(name, how, data)
        options = {"expected": expected, "ttl_seconds": ttl_seconds}
        if self.expect_conflict(name, expected):
            with pytest.raises(VersionConflict):
                self.do(self.store.put(*name, value, **options))
        else:
            version = self.do(self.store.put(*name, value, **options))
            assert version > max(self.issued)
            end = None if ttl_seconds is None else self.clock.time() + ttl_seconds
            self.model[name] = (value, version, end)
            self.issued.append(version)

    @rule(
        name=st.tuples(NAMESPACES, KEYS),
        data=st.data(),
        how=st.sampled_from(["any version", "the present version", "some version"]),
    )
    def delete(self, name, data, how):
        expected = self.choose(name, how, data)
        if self.expect_conflict(name, expected):
            with pytest.raises(VersionConflict):
                self.do(self.store.delete(*name, expected=expected))
        else:
            assert self.do(self.store.delete(*name, expected=expected)) is (
                self.unexpired(*name) is not None
            )
            self.model.pop(name, None)

    def choose(self, name, how, data):
        alive = self.unexpired(*name)
        match how:
            case "any version":
                return None
            case "the present version":
                return alive.version if alive else ABSENT
            case _:
                return data.draw(st.sampled_from(self.issued))

    @rule(name=st.tuples(NAMESPACES, KEYS))
    def get(self, name):
        assert self.do(self.store.get(*name)) == self.unexpired(*name)

    @rule(seconds=st.sampled_from([0.25, 0.5, 1, 10]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule()
    def close(self):
        self.do(self.store.aclose())

    @invariant()
    def lists_what_is_there(self):
        for namespace in ("tokens", "flows"):
            assert self.do(self.store.keys(namespace)) == sorted(
                key
                for family, key in self.model
                if family == namespace and self.unexpired(family, key)
            )

    def teardown(self):
        self.do(self.store.aclose())
        self.loop.close()


class MemoryMachine(StoreMachine):
    def make_store(self):
        return MemoryStore(clock=self.clock)


class SQLiteMachine(StoreMachine):
    def make_store(self):
        self.folder = tempfile.TemporaryDirectory()
        return SQLiteStore(Path(self.folder.name) / "tokens.db", clock=self.clock)

    def teardown(self):
        super().teardown()
        self.folder.cleanup()


RULES = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class TestMemoryModel(MemoryMachine.TestCase):
    """MemoryStore behaves as the model."""

    settings = RULES


@pytest.mark.campaign
class TestSQLiteModel(SQLiteMachine.TestCase):
    """SQLiteStore behaves as the model."""

    settings = RULES
