"""The emulator as an ASGI application: all services below one origin, each with its own path.

``/auth``, ``/api``, ``/id``, ``/site/<name>`` and ``/dc`` with Data Center's context path; ``/`` is a page
that shows the state. It needs only the standard library and anyio; any ASGI server can run it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

import anyio

from atlassian_auth.testing._control import control
from atlassian_auth.testing._delivery import carry
from atlassian_auth.testing.faults import NeverAnswered
from atlassian_auth.testing.model import FakeAtlassian
from atlassian_auth.testing.urls import Urls
from atlassian_auth.testing.wire import Reply

__all__ = ["ASGIApp", "Message", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ASGIApp:
    """Answers HTTP requests of ASGI from ``atlassian``.

    For a lost answer or a refused connection it raises ``AnswerLost`` or ``ConnectionRefused``, because only
    a server can break a connection.
    """

    def __init__(self, atlassian: FakeAtlassian) -> None:
        self._atlassian = atlassian

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the emulator speaks HTTP, not {scope['type']}")
        body = await _body(receive)
        try:
            reply = self._ask(scope, body)
        except NeverAnswered:
            await receive()  # after the body, the next message is the disconnection
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
            await self._deliver(reply, send)
            tasks.cancel_scope.cancel()

    def _ask(self, scope: Scope, body: bytes) -> Reply:
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        own = control(self._atlassian, scope["method"], scope["path"], headers, _json(body))
        if own is not None:
            return own
        origin = f"{scope['scheme']}://{headers['host']}"
        query = scope["query_string"].decode("latin-1")
        return self._atlassian.handle(
            scope["method"],
            f"{origin}{quote(scope['path'])}?{query}",
            headers,
            body,
            urls=Urls.below(origin, self._atlassian.urls.dc_base_url),
        )

    async def _deliver(self, reply: Reply, send: Send) -> None:
        await carry(reply, self._atlassian.clock)
        headers = {**reply.headers, "content-length": str(len(reply.body))}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        for piece in _pieces(reply):
            if reply.pause_seconds:
                await self._atlassian.clock.sleep(reply.pause_seconds)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _pieces(reply: Reply) -> list[bytes]:
    return [bytes([byte]) for byte in reply.body] if reply.pause_seconds else [reply.body]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    await receive()
    scope.cancel()
