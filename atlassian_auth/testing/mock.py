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

    Open it as a context (``with mock_router(atlassian) as router:``); you may add your own
    routes. Its routes are named ``auth``, ``api``, ``id``, ``dc`` and ``site``. Requests to
    127.0.0.1 pass through.

    It works for requests from any thread. If no answer comes, ``httpx.ReadTimeout`` is raised after the
    client's read timeout by the emulator's clock: at once for a `ManualClock` with ``autojump``. A client
    without a read timeout waits for ever.
    """
    router = _Router(assert_all_called=False)
    responder = _Responder(atlassian)
    for name, pattern in atlassian.urls.patterns.items():
        router.route(url__regex=pattern, name=name).mock(side_effect=responder.answer)
    router.route(host="127.0.0.1", name="loopback").pass_through()
    return router


class _Router(respx.MockRouter):
    """Records whether the client is async, because the side effect of a route cannot see that."""

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        token = _is_async.set(True)
        try:
            return await super().async_handler(request)
        finally:
            _is_async.reset(token)


class _Responder:
    def __init__(self, atlassian: FakeAtlassian) -> None:
        self._atlassian = atlassian

    def answer(self, request: httpx.Request, **_parts: str) -> Any:
        if _is_async.get():
            return self._answer(request)
        return self._answer_sync(request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        try:
            reply = self._handle(request)
        except NeverAnswered:
            await carry(_read_timeout_reply(request), self._atlassian.clock)
            raise _read_timeout(request) from None
        await carry(reply, self._atlassian.clock)
        body = drip(reply, self._atlassian.clock) if reply.pause_seconds else reply.body
        return _response(reply, body)

    def _answer_sync(self, request: httpx.Request) -> httpx.Response:
        try:
            reply = self._handle(request)
        except NeverAnswered:
            carry_sync(_read_timeout_reply(request), self._atlassian.clock)
            raise _read_timeout(request) from None
        carry_sync(reply, self._atlassian.clock)
        body = drip_sync(reply, self._atlassian.clock) if reply.pause_seconds else reply.body
        return _response(reply, body)

    def _handle(self, request: httpx.Request) -> Reply:
        headers = dict(request.headers)
        try:
            return self._atlassian.handle(
                request.method, str(request.url), headers, request.content
            )
        except AnswerLost:
            raise httpx.ReadError("the emulator lost its answer", request=request) from None
        except ConnectionRefused:
            raise httpx.ConnectError("the emulator refused", request=request) from None


def _read_timeout_reply(request: httpx.Request) -> Reply:
    """Return an answer that takes as long as the read timeout of the client."""
    seconds: float | None = request.extensions.get("timeout", {}).get("read")
    return Reply(0, gate=Gate()) if seconds is None else Reply(0, delay_seconds=seconds)


def _read_timeout(request: httpx.Request) -> httpx.ReadTimeout:
    return httpx.ReadTimeout("the emulator never answers", request=request)


def _response(reply: Reply, body: Any) -> httpx.Response:
    return httpx.Response(reply.status, headers=dict(reply.headers), content=body)
