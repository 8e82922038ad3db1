"""The emulator behind httpx and httpx2: a respx router that answers for Atlassian's own addresses."""

from __future__ import annotations

from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import httpx

try:
    import respx
except ImportError as _missing:
    raise ImportError(
        "mock_router needs respx: pip install 'atlassian-auth[testing]'"
    ) from _missing

from atlassian_auth.sites import CLOUD_IDS
from atlassian_auth.testing._delivery import carry, carry_sync, drip, drip_sync
from atlassian_auth.testing.faults import AnswerLost, ConnectionRefused, NeverAnswered
from atlassian_auth.testing.gate import Gate
from atlassian_auth.testing.model import FakeAtlassian
from atlassian_auth.testing.wire import Reply

__all__ = ["mock_router"]

_is_async: ContextVar[bool] = ContextVar("_is_async", default=False)

# The library of the client, whose errors it gets: respx makes each request one of httpx.
_library: ContextVar[ModuleType] = ContextVar("_library", default=httpx)


def mock_router(atlassian: FakeAtlassian) -> respx.MockRouter:
    """Return a router that lets ``atlassian`` answer clients of httpx, sync and async; of httpx2 too.

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
    """Records whether the client is async, because the side effect of a route cannot see that.

    Its sites have their own cloud ids, so those that the process has looked up are forgotten at both ends.
    """

    def start(self) -> None:
        CLOUD_IDS.clear()
        super().start()
        self._of_httpx2 = _Httpx2Router(self) if find_spec("httpx2") else None
        if self._of_httpx2:
            self._of_httpx2.start()

    def stop(self, clear: bool = True, reset: bool = True, quiet: bool = False) -> None:  # noqa: FBT001, FBT002
        if self._of_httpx2:
            self._of_httpx2.stop()
        super().stop(clear, reset, quiet)
        CLOUD_IDS.clear()

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        token = _is_async.set(True)
        try:
            return await super().async_handler(request)
        finally:
            _is_async.reset(token)


class _Httpx2Router(respx.MockRouter):
    """Hands the requests of httpx2's clients to the router of httpx's."""

    def __init__(self, router: _Router) -> None:
        import_module("pytest_httpx2")  # registers "httpcore2" with respx
        super().__init__(using="httpcore2", assert_all_called=False)
        self._router = router

    def handler(self, request: httpx.Request) -> httpx.Response:
        token = _library.set(import_module("httpx2"))
        try:
            return self._router.handler(request)
        finally:
            _library.reset(token)

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        token = _library.set(import_module("httpx2"))
        try:
            return await self._router.async_handler(request)
        finally:
            _library.reset(token)


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
            raise _read_timeout() from None
        await carry(reply, self._atlassian.clock)
        body = drip(reply, self._atlassian.clock) if reply.pause_seconds else reply.body
        return _response(reply, body)

    def _answer_sync(self, request: httpx.Request) -> httpx.Response:
        try:
            reply = self._handle(request)
        except NeverAnswered:
            carry_sync(_read_timeout_reply(request), self._atlassian.clock)
            raise _read_timeout() from None
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
            raise _library.get().ReadError("the emulator lost its answer") from None
        except ConnectionRefused:
            raise _library.get().ConnectError("the emulator refused") from None


def _read_timeout_reply(request: httpx.Request) -> Reply:
    """Return an answer that takes as long as the read timeout of the client."""
    seconds: float | None = request.extensions.get("timeout", {}).get("read")
    return Reply(0, gate=Gate()) if seconds is None else Reply(0, delay_seconds=seconds)


def _read_timeout() -> Exception:
    error: Exception = _library.get().ReadTimeout("the emulator never answers")
    return error


def _response(reply: Reply, body: Any) -> httpx.Response:
    return httpx.Response(reply.status, headers=dict(reply.headers), content=body)
