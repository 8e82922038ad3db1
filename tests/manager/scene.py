"""What the tests of the manager share: stores and runners that misbehave, and shorthands."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from atlassian_auth.ports._runtime.runner import SHARED_RUNNER
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import (
    Fault,
)

HOUR = timedelta(hours=1)


TINY = timedelta(milliseconds=1)


def without_refresh_token(answer):
    return {name: value for name, value in answer.items() if name != "refresh_token"}


def issue_without_rotation(atlassian, times):
    """Let the next token requests be answered as by a server that keeps the refresh token as it is."""
    for number in range(times):
        answer = {
            "access_token": f"secret-unrotated-{number}",
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        atlassian.fault("token", Fault.json(answer))


def nothing_was_revoked(atlassian):
    """Return whether the fault that waited for a revocation has met none, and take it away."""
    waiting = atlassian.unused_faults
    atlassian.clear_faults()
    return waiting == ("status 400 (met 0 of 1)",)


def names(told):
    # Ask the manager for something first: events are reported after waiting callers have their answer.
    return [type(event).__name__ for event in told]


class WatchedStore(MemoryStore):
    """A store in memory that fails, and runs errands, as the test says."""

    def __init__(self, clock):
        super().__init__(clock=clock)
        self.failures = {}
        self.before_put = self.after_get = None
        self.locked_by_others = False
        self.locked = 0
        self.held = []
        self.confirmed = []
        self.raises = OSError

    def lock(self, namespace, key, *, timeout_seconds):
        if self.locked_by_others:
            return HeldByOthers()
        return self._releasing(super().lock(namespace, key, timeout_seconds=timeout_seconds))

    @contextlib.asynccontextmanager
    async def _releasing(self, lock):
        async with lock:
            self.locked += 1
            yield self
        self._maybe_fail("release")

    async def confirm(self, seconds=0):
        self.confirmed.append(seconds)
        self._maybe_fail("confirm")
        return self.held.pop(0) if self.held else True

    async def get(self, namespace, key):
        self._maybe_fail("get")
        stored = await super().get(namespace, key)
        if self.after_get is not None:
            errand, self.after_get = self.after_get, None
            await errand()
        return stored

    async def put(self, namespace, key, value, *, expected=None, ttl_seconds=None):
        if self.before_put is not None:
            errand, self.before_put = self.before_put, None
            await errand()
        self._maybe_fail("put")
        version = await super().put(
            namespace, key, value, expected=expected, ttl_seconds=ttl_seconds
        )
        self._maybe_fail("after put")
        return version

    async def delete(self, namespace, key, *, expected=None):
        self._maybe_fail("delete")
        return await super().delete(namespace, key, expected=expected)

    def _maybe_fail(self, action):
        if self.failures.get(action, 0):
            self.failures[action] -= 1
            raise self.raises(action)


class WatchedRunner:
    """The shared runner, which notes what it is given, and holds it back until it is opened."""

    home, check_may_wait = SHARED_RUNNER.home, SHARED_RUNNER.check_may_wait

    def __init__(self, *, is_open=True):
        self.works = []
        self._is_open = is_open

    def submit(self, work):
        self.works.append(work)
        if self._is_open:
            SHARED_RUNNER.submit(work)

    def open(self):
        self._is_open = True
        for work in self.works:
            SHARED_RUNNER.submit(work)


class HeldByOthers:
    """A lock that other processes hold for longer than the caller waits."""

    async def __aenter__(self):
        raise TimeoutError

    async def __aexit__(self, *_):
        raise AssertionError("it was never held")


def _code(atlassian, manager, **parameters) -> str:
    url = manager.grant.authorization_url(state="state", **parameters)
    return atlassian.browse(url).partition("code=")[2].partition("&")[0]
