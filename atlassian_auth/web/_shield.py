"""What holds for every request and response: a limit for bodies, and headers that protect the browser."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Shield"]

# Pages load one style sheet and nothing else. No script runs, also none that was injected.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)

_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # With `no-referrer`, browsers send the Origin "null" with forms, which we check.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


class Shield:
    """An ASGI application that limits the bodies sent to another one, and adds headers to its responses.

    Args:
        app: The application.
        max_body_bytes: The longest body of a request.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; other kinds of connection, such as the lifespan, go on as they are."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await self._app(scope, self._limited(scope, receive), _with_headers(send))

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        stated = Headers(scope=scope).get("content-length", "")
        left = self._max_body_bytes

        async def limited() -> Message:
            nonlocal left
            if stated.isdecimal() and int(stated) > self._max_body_bytes:
                raise self._too_large()
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> HTTPException:
        message = f"The body must have at most {self._max_body_bytes} bytes."
        return HTTPException(413, message, headers={"Connection": "close"})


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS:
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
