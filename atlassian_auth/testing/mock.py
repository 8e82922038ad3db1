"""The emulator behind httpx: a respx router that answers for Atlassian's own addresses."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import httpx

try:
    import respx
except ImportError as _missing:
    raise ImportError(
        "mock_router needs respx: pip install 'atlassian-auth[testing]'"
    ) from _missing

from atlassian_auth.testing._delivery import carry, carry_sync, drip, drip_sync
from atlassian_auth.testing.faults import AnswerLost, ConnectionRefused, NeverAnswered
from atlassian_auth.testing.gate import Gate
from atlassian_auth.testing.model import FakeAtlassian
from atlassian_auth.testing.wire import Reply

__all__ = ["mock_router"]

_is_async: ContextVar[bool] = ContextVar("_is_async", default=False)


def mock_router(atlassian: FakeAtlassian) -> respx.MockRouter:
    """Return a router that lets ``atlassian`` answer httpx's clients, sync and async.

    Enter it (``with mock_router(atlassian) as router:``) to make it work; your own routes may be
    added to it. Its routes are named ``auth``, ``api``, ``id``, ``dc`` and ``site``. Requests to
    127.0.0.1 pass through.

    It works for requests from any thread. An answer that never comes ends with ``httpx.ReadTimeout`` after
    the client's own read timeout, measured by the emulator's clock: at once, if that is a `ManualClock`
    whose sleeps jump. A client without a read timeout waits for ever.
    """
    router = _Router(assert_all_called=False)
    skin = _Skin(atlassian)
    for name, pattern in atlassian.urls.patterns.items():
        router.route(url__regex=pattern, name=name).mock(side_effect=skin.answer)
    router.route(host="127.0.0.1", name="loopback").pass_through()
    return router


class _Router(respx.MockRouter):
    """Tells the skin whether an async client is asking; a route's side effect cannot see that."""

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        token = _is_async.set(True)
        try:
            return await super().async_handler(request)
        finally:
            _is_async.reset(token)


class _Skin:
    def __init__(self, atlassian: FakeAtlassian) -> None:
        self._atlassian = atlassian

    def answer(self, request: httpx.Request, **_parts: str) -> Any:
        if _is_async.get():
            return self._answer(request)
        return self._answer_sync(request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            reply = self._ask(request)
        except NeverAnswered:
            await carry(_patience_of(request), self._atlassian.clock)
            raise _read_timeout(request) from None
        await carry(reply, self._atlassian.clock)
        body = drip(reply, self._atlassian.clock) if reply.pause_seconds else reply.body
        return _response(reply, body)

    def _answer_sync(self, request: httpx.Request) -> httpx.Response:
        try:
            reply = self._ask(request)
        except NeverAnswered:
            carry_sync(_patience_of(request), self._atlassian.clock)
            raise _read_timeout(request) from None
        carry_sync(reply, self._atlassian.clock)
        body = drip_sync(reply, self._atlassian.clock) if reply.pause_seconds else reply.body
        return _response(reply, body)

    def _ask(self, request: httpx.Request) -> Reply:
        headers = dict(request.headers)
        try:
            return self._atlassian.handle(
                request.method, str(request.url), headers, request.content
            )
        except AnswerLost:
            raise httpx.ReadError("the emulator lost its answer", request=request) from None
        except ConnectionRefused:
            raise httpx.ConnectError("the emulator refused", request=request) from None


def _patience_of(request: httpx.Request) -> Reply:
    """Return an answer that is under way for as long as the client waits for one."""
    seconds: float | None = request.extensions.get("timeout", {}).get("read")
    return Reply(0, gate=Gate()) if seconds is None else Reply(0, delay_seconds=seconds)


def _read_timeout(request: httpx.Request) -> httpx.ReadTimeout:
    return httpx.ReadTimeout("the emulator never answers", request=request)


def _response(reply: Reply, body: Any) -> httpx.Response:
    return httpx.Response(reply.status, headers=dict(reply.headers), content=body)
