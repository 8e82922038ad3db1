"""An API that takes Atlassian's bearers, as an ASGI app."""

from __future__ import annotations


class Guarded:
    """An ASGI app that only a bearer which the emulated Atlassian knows may reach; it keeps the statuses."""

    def __init__(self, app, atlassian):
        self._app = app
        self._atlassian = atlassian
        self.statuses = []

    async def __call__(self, scope, receive, send):
        bearer = dict(scope["headers"]).get(b"authorization", b"").decode()
        url, headers = self._atlassian.urls.identity_url, {"authorization": bearer}
        status = self._atlassian.handle("GET", url, headers, b"").status
        self.statuses.append(status)
        if status == 200:
            await self._app(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})
