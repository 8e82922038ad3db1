"""The contract is kept by no store that breaks a promise."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.programs

# Each breaks what its name says; all else is the reference.
BROKEN = """
import itertools, threading
from contextlib import asynccontextmanager
import anyio
import pytest
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.stores import ABSENT, MemoryStore, Stored
from atlassian_auth.testing.store_contract import ThreadSafeStoreContract

@pytest.fixture
def anyio_backend():
    return "asyncio"

class Contract(ThreadSafeStoreContract):
    @pytest.fixture
    def store(self, clock):
        return self.make(clock=clock)
    @pytest.fixture
    def second(self, store):
        return store

class TestSound(Contract):
    make = MemoryStore

class TestVersionsOfEachKey(Contract):
    class make(MemoryStore):
        def __init__(self, **options):
            super().__init__(**options)
            self.alone, self.counts = threading.Lock(), {}
        async def put(self, namespace, key, value, **options):
            with self.alone:  # no other task comes in between: the inherited method waits for nothing
                name = str(namespace), str(key)
                self._versions = self.counts.setdefault(name, itertools.count(1))
                return await super().put(namespace, key, value, **options)

class TestVersionsStartAgain(Contract):
    class make(MemoryStore):
        async def delete(self, namespace, key, *, expected=None):
            found = await super().delete(namespace, key, expected=expected)
            self._versions = itertools.count(1)
            return found

class TestNothingIsCompared(Contract):
    class make(MemoryStore):
        async def put(self, namespace, key, value, *, expected=None, ttl_seconds=None):
            return await super().put(namespace, key, value, ttl_seconds=ttl_seconds)

class TestComparedTooEarly(Contract):
    class make(MemoryStore):
        async def put(self, namespace, key, value, *, expected=None, ttl_seconds=None):
            if expected is not None:
                version = self._version((namespace, key))
                await anyio.sleep(0)
                if version == expected:
                    expected = None
            return await super().put(
                namespace, key, value, expected=expected, ttl_seconds=ttl_seconds
            )

class TestDeletesAnyVersion(Contract):
    class make(MemoryStore):
        async def delete(self, namespace, key, *, expected=None):
            return await super().delete(namespace, key)

class TestNothingEnds(Contract):
    class make(MemoryStore):
        def _delete_expired(self):
            pass

class TestEndsTooLate(Contract):
    class make(MemoryStore):
        def _delete_expired(self):
            now = self._clock.time()
            for name, entry in list(self._entries.items()):
                if entry.expires_at is not None and entry.expires_at < now:
                    del self._entries[name]

class TestFirstTimeCounts(Contract):
    class make(MemoryStore):
        def _delete_expired(self):
            while self._expiring and self._expiring[0][0] <= self._clock.time():
                self._entries.pop(self._expiring.pop(0)[1], None)

class TestKeysAreFolded(Contract):
    class make(MemoryStore):
        async def get(self, namespace, key):
            return await super().get(namespace, key.lower())
        async def put(self, namespace, key, value, **options):
            return await super().put(namespace, key.lower(), value, **options)

class TestNamesAreJoined(Contract):
    class make(MemoryStore):
        def lock(self, namespace, key, *, timeout_seconds):
            name = f"{namespace}/{key}"
            return super().lock("locks", name, timeout_seconds=timeout_seconds)

class TestAnyNameGoes(Contract):
    class make(MemoryStore):
        async def get(self, namespace, key):
            return await super().get(namespace or "-", key or "-")

class TestNobodyIsExcluded(Contract):
    class make(MemoryStore):
        @asynccontextmanager
        async def lock(self, namespace, key, *, timeout_seconds):
            yield

class TestReentrant(Contract):
    class make(MemoryStore):
        @asynccontextmanager
        async def lock(self, namespace, key, *, timeout_seconds):
            line = self._lines.get((namespace, key))
            if line and getattr(line[0], "task", None) == anyio.get_current_task().id:
                yield
                return
            async with super().lock(namespace, key, timeout_seconds=timeout_seconds):
                self._lines[namespace, key][0].task = anyio.get_current_task().id
                yield

class TestOneLockForAll(Contract):
    class make(MemoryStore):
        def lock(self, namespace, key, *, timeout_seconds):
            return super().lock("all", "all", timeout_seconds=timeout_seconds)

class TestGivesUpAtOnce(Contract):
    class make(MemoryStore):
        def lock(self, namespace, key, *, timeout_seconds):
            return super().lock(namespace, key, timeout_seconds=min(timeout_seconds, 1))

class TestExceptionsKeepTheLock(Contract):
    class make(MemoryStore):
        kept = []
        @asynccontextmanager
        async def lock(self, namespace, key, *, timeout_seconds):
            inside = super().lock(namespace, key, timeout_seconds=timeout_seconds)
            self.kept.append(inside)  # or it would be left when nothing refers to it
            await inside.__aenter__()
            yield
            await inside.__aexit__(None, None, None)

class TestHeldForEver(Contract):
    class make(MemoryStore):
        async def confirm(self, seconds=0):
            return True
        @asynccontextmanager
        async def lock(self, namespace, key, *, timeout_seconds):
            async with super().lock(namespace, key, timeout_seconds=timeout_seconds):
                yield self

class TestNeverHeld(Contract):
    class make(TestHeldForEver.make):
        async def confirm(self, seconds=0):
            return False

class TestCancelledWaitersStay(Contract):
    class make(MemoryStore):
        @asynccontextmanager
        async def lock(self, namespace, key, *, timeout_seconds):
            turn = self._join((namespace, key))
            async with self._clock.timeout(timeout_seconds):
                await turn.wait()
            try:
                yield
            finally:
                self._leave((namespace, key), turn)

class TestLockHindersRecords(Contract):
    class make(MemoryStore):
        async def get(self, namespace, key):
            assert (namespace, key) not in self._lines
            return await super().get(namespace, key)

class TestForgetsWhenClosed(Contract):
    class make(MemoryStore):
        async def aclose(self):
            self._entries.clear()

class TestClosesForGood(Contract):
    class make(MemoryStore):
        async def aclose(self):
            self._guard = None

class TestOwnHandle(Contract):
    make = MemoryStore
    @pytest.fixture
    def second(self, clock):
        return self.make(clock=clock)

class TestShowsValues(Contract):
    class make(MemoryStore):
        async def put(self, namespace, key, value, *, expected=None, ttl_seconds=None):
            try:
                return await super().put(
                    namespace, key, value, expected=expected, ttl_seconds=ttl_seconds
                )
            except Exception as error:
                raise type(error)(str(value)) from None

class TestOneLoopOnly(Contract):
    class make(MemoryStore):
        @asynccontextmanager
        async def lock(self, namespace, key, *, timeout_seconds):
            name = (namespace, str(threading.get_ident()) + key)
            async with super().lock(*name, timeout_seconds=timeout_seconds):
                yield

class TestNoStore(ThreadSafeStoreContract):
    pass

class TestNoSecondHandle(ThreadSafeStoreContract):
    @pytest.fixture
    def store(self, clock):
        return MemoryStore(clock=clock)
"""

# Which promise each of them breaks.
GUARDS = {
    "TestVersionsStartAgain": "test_versions_are_never_used_again",
    "TestNothingIsCompared": "test_put_at_another_version",
    "TestComparedTooEarly": "test_one_wins",
    "TestDeletesAnyVersion": "test_delete_at_a_version",
    "TestNothingEnds": "test_time_to_live",
    "TestEndsTooLate": "test_time_to_live",
    "TestFirstTimeCounts": "test_time_to_live_counts_from_the_last_put",
    "TestKeysAreFolded": "test_names_are_exact",
    "TestNamesAreJoined": "test_names_are_exact",
    "TestAnyNameGoes": "test_what_is_no_name",
    "TestNobodyIsExcluded": "test_the_lock_excludes",
    "TestReentrant": "test_the_lock_is_not_reentrant",
    "TestOneLockForAll": "test_keys_are_locked_apart",
    "TestGivesUpAtOnce": "test_the_lock_times_out",
    "TestExceptionsKeepTheLock": "test_an_exception_releases_the_lock",
    "TestHeldForEver": "test_the_lock_can_be_asked",
    "TestNeverHeld": "test_the_lock_can_be_asked",
    "TestCancelledWaitersStay": "test_cancelled_while_waiting",
    "TestLockHindersRecords": "test_the_lock_hinders_no_record",
    "TestForgetsWhenClosed": "test_used_after_closing",
    "TestClosesForGood": "test_used_after_closing",
    "TestOwnHandle": "test_another_handle_sees_the_records",
    "TestShowsValues": "test_conflicts_show_no_value",
    "TestOneLoopOnly": "test_the_lock_excludes_loops",
    "TestNoStore": "test_what_is_put_is_there",
}
SOUND = {"TestSound", "TestVersionsOfEachKey", "TestNoSecondHandle"}


def run_with_patience(command):
    """Return what the command prints. Stores that are broken may hang: then they are run once more."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    except subprocess.TimeoutExpired:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    return done.stdout


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return, for each store, which outcomes its tests had."""
    file = tmp_path_factory.mktemp("broken") / "test_broken.py"
    file.write_text(BROKEN)
    options = ["-p", "no:cacheprovider", "-c", "/dev/null", "--tb=no", "-rA", "-q"]
    tests = [f"{file}::{store}::{test}" for store, test in GUARDS.items()]
    sound = [f"{file}::{store}" for store in SOUND]
    command = [sys.executable, "-m", "pytest", *options, *tests, *sound]
    report = run_with_patience(command)
    outcomes = {}
    for outcome, store in re.findall(r"^([A-Z]+) \S+::(Test\w+)::", report, re.MULTILINE):
        outcomes.setdefault(store, set()).add(outcome)
    return outcomes


@pytest.mark.parametrize("store", GUARDS)
def test_broken_stores_fail(outcomes, store):
    """A store that breaks a promise fails the test of that promise."""
    assert outcomes[store] & {"FAILED", "ERROR"}


def test_sound_stores_pass(outcomes):
    """A store that keeps all promises passes all tests, and none asks for more than the promises."""
    assert {store: outcomes[store] for store in SOUND} == {store: {"PASSED"} for store in SOUND}


def test_all_stores_are_run(outcomes):
    """No store is left out."""
    assert set(re.findall(r"^class (Test\w+)", BROKEN, re.MULTILINE)) == outcomes.keys()
