"""Where a call is: each place it passes has a name, and a test may stop it at any of them.

Nothing of this is in the library: a store, a clock and two transports around the real ones say where
a refresh is. What happens between two checkpoints holds no ``await`` of ours that anybody could see.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import asynccontextmanager

import anyio
import httpx

from atlassian_auth.exceptions import StoreError
from atlassian_auth.testing import ConnectionRefused, Gate

IDLE_SECONDS = 30


class Track:
    """The checkpoints of one call in the order it passes them; the second "put" is "put 2"."""

    def __init__(self):
        self._guard = threading.Lock()
        self.begin()

    def begin(self):
        """Forget what was passed on the way here."""
        self.passed = []
        self._seen = Counter()
        self._gates = {}
        self.is_open = False

    def stop_at(self, checkpoint):
        """Stop whoever comes there until the gate that is returned is opened."""
        return self._gates.setdefault(checkpoint, Gate())

    def open(self):
        """Stop nobody any more."""
        self.is_open = True
        while self._gates:
            _, gate = self._gates.popitem()
            gate.open()

    async def reach(self, name):
        gate = self._gates.get(self._note(name))
        if gate is not None and not self.is_open:
            await gate.pass_through()

    def reach_sync(self, name):
        gate = self._gates.get(self._note(name))
        if gate is not None and not self.is_open:
            gate._arrived.set_result(None)
            gate._opened.wait_sync()

    def _note(self, name):
        with self._guard:
            self._seen[name] += 1
            checkpoint = name if self._seen[name] == 1 else f"{name} {self._seen[name]}"
            self.passed.append(checkpoint)
        return checkpoint


class TrackedStore:
    """A store of any kind; puts of credentials can be made to fail, and who holds a lock is known."""

    def __init__(self, store, track):
        self.inner = store
        self.failures = 0
        self.held = set()
        self._reach = track.reach

    async def get(self, namespace, key):
        await self._reach(_named(namespace, "get"))
        stored = await self.inner.get(namespace, key)
        await self._reach(_named(namespace, "got"))
        return stored

    async def put(self, namespace, key, value, **options):
        await self._reach(_named(namespace, "put"))
        if self.failures and namespace == "tokens":
            self.failures -= 1
            raise StoreError("a put fails on order")
        version = await self.inner.put(namespace, key, value, **options)
        await self._reach(_named(namespace, "saved"))
        return version

    async def delete(self, namespace, key, **options):
        await self._reach(_named(namespace, "delete"))
        existed = await self.inner.delete(namespace, key, **options)
        await self._reach(_named(namespace, "deleted"))
        return existed

    async def keys(self, namespace):
        await self._reach(_named(namespace, "list"))
        return await self.inner.keys(namespace)

    @asynccontextmanager
    async def lock(self, namespace, key, *, timeout_seconds):
        await self._reach("lock")
        async with self.inner.lock(namespace, key, timeout_seconds=timeout_seconds) as hold:
            assert key not in self.held
            self.held.add(key)
            try:
                await self._reach("locked")
                yield hold
                await self._reach("release")
            finally:
                self.held.discard(key)
        await self._reach("released")

    async def aclose(self):
        await self._reach("close store")
        await self.inner.aclose()


class TrackedClock:
    """A manual clock whose sleeps are checkpoints; between two looks of a repository it stands still."""

    def __init__(self, clock, track):
        self._clock = clock
        self._reach = track.reach
        self.time = clock.time
        self.timeout = clock.timeout

    async def sleep(self, seconds):
        if seconds >= IDLE_SECONDS:
            await self._reach("idle")
            await anyio.sleep_forever()
        await self._reach("pause")
        await self._clock.sleep(seconds)


class TokenTransport(httpx.AsyncBaseTransport):
    """The network between the library and the token endpoint."""

    def __init__(self, atlassian, track):
        self._atlassian = atlassian
        self._track = track

    async def handle_async_request(self, request):
        await self._track.reach("send")
        try:
            reply = answer(self._atlassian, request)
        except ConnectionRefused:
            raise httpx.ConnectError("refused on order", request=request) from None
        await self._track.reach("answered")
        return httpx.Response(
            reply.status,
            headers=dict(reply.headers),
            stream=_Body(reply.body, self._track, "token"),
        )


class APITransport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """The network between the user's clients and the API."""

    def __init__(self, atlassian, track):
        self._atlassian = atlassian
        self._track = track

    async def handle_async_request(self, request):
        await self._track.reach("request")
        reply = answer(self._atlassian, request)
        return httpx.Response(
            reply.status, headers=dict(reply.headers), stream=_Body(reply.body, self._track, "body")
        )

    def handle_request(self, request):
        self._track.reach_sync("request")
        reply = answer(self._atlassian, request)
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body)


class _Body(httpx.AsyncByteStream):
    def __init__(self, content, track, name):
        self._content = content
        self._track = track
        self._name = name

    async def __aiter__(self):
        await self._track.reach(self._name)
        yield self._content


def answer(atlassian, request):
    return atlassian.handle(
        request.method, str(request.url), dict(request.headers), request.content
    )


def _named(namespace, operation):
    return operation if namespace == "tokens" else f"{namespace} {operation}"
