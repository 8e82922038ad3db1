"""The checkpoints of a call: each has a name, and a test may stop the call at any of them.

Nothing of this is in the library: a store, a clock and two transports around the real ones report where
a refresh is. Between two checkpoints the library awaits nothing that another task could notice.
"""

from __future__ import annotations

import threading
from collections import Counter

import anyio
import httpx

from atlassian_auth.testing import ConnectionRefused, Gate
from tests.harness.store import WatchedStore

IDLE_SECONDS = 30


class Track:
    """The checkpoints of one call in the order it passes them; the second "put" is "put 2"."""

    def __init__(self):
        self._guard = threading.Lock()
        self.begin()

    def begin(self):
        """Forget the checkpoints that were passed until now."""
        self.passed = []
        self._seen = Counter()
        self._gates = {}
        self.is_open = False

    def stop_at(self, checkpoint):
        """Stop the call that reaches a checkpoint until the gate that is returned is opened."""
        return self._gates.setdefault(checkpoint, Gate())

    def open(self):
        """Let every call go on, and stop none from now on."""
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


class TrackedStore(WatchedStore):
    """A store of any kind whose points are checkpoints; those of logins have the namespace in their names."""

    def __init__(self, store, track):
        super().__init__(store)
        self._track = track

    async def reach(self, point, namespace, key, value=None):
        await self._track.reach(point if namespace == "tokens" else f"{namespace} {point}")
        await super().reach(point, namespace, key, value)


class TrackedClock:
    """A manual clock whose sleeps are checkpoints; a sleep between two rounds never ends."""

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
