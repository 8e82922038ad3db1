"""What one manager and its users send, judged at the moment it is sent.

A refresh token may leave only under the store's lock, only if it is the one on the disk, and never
while the same manager has a successor of it that it could not save.
"""

from __future__ import annotations

import asyncio

import httpx

from atlassian_auth.testing import AnswerLost, ConnectionRefused, NeverAnswered
from atlassian_auth.testing._delivery import carry
from atlassian_auth.testing.wire import Reply, Request


class Wire:
    """The network of one process: an httpx transport for token requests, and one for the API."""

    def __init__(self, owner, world):
        self._owner = owner
        self._world = world
        self.tokens = httpx.MockTransport(self._token_endpoint)
        self.api = httpx.MockTransport(self._api)
        self.statuses = []

    async def _api(self, request):
        bearer = request.headers["authorization"].partition(" ")[2]
        if not self._world.store.first_seen(bearer):
            self._world.rules.unsaved_token_was_seen()
        response = _response(self._serve(request))
        self.statuses.append(response.status_code)
        await asyncio.sleep(0)
        return response

    async def _token_endpoint(self, request):
        fields = _fields(self._world.atlassian.urls, request)
        exchange = self._world.rules.exchange(self._owner, fields)
        with exchange:
            try:
                reply = exchange.serve(lambda: self._serve(request))
            except NeverAnswered:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(0)
            await carry(reply, self._world.atlassian.clock)
            exchange.note_delivery()
        return _response(reply)

    def _serve(self, request):
        try:
            return self._world.atlassian.handle(
                request.method, str(request.url), dict(request.headers), request.content
            )
        except AnswerLost:
            raise httpx.ReadError("the answer was lost", request=request) from None
        except ConnectionRefused:
            raise httpx.ConnectError("the connection was refused", request=request) from None


def _fields(urls, request):
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(
        method="POST", service="", path="", urls=urls, headers=headers, body=request.content
    ).fields


def _response(reply: Reply):
    return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body)
