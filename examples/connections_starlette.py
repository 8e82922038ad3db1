"""A Starlette application with sessions of its own, and connections below ``/connections``.

It needs ``itsdangerous`` for the sessions. Who is not logged in is sent to the login, which here asks for
nothing: use yours in its place.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from atlassian_auth.connections import Connections
from atlassian_auth.stores import SQLiteStore, Store
from atlassian_auth.web import Caller, connections_app


def authorize(request: Request) -> Caller | Response:
    """Let people in who are logged in, and send others to the login."""
    person = request.session.get("person")
    if person is None:
        return RedirectResponse("/login")
    return Caller(id=person, administrator=True)


async def log_in(request: Request) -> Response:
    request.session["person"] = "anna"
    return RedirectResponse("/connections/")


def create_app(store: Store, base_url: str) -> Starlette:
    connections = Connections(store, base_url=base_url)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with connections:
            yield

    pages = connections_app(connections, store=store, authorize=authorize)
    return Starlette(
        routes=[Route("/login", log_in), Mount("/connections", pages)],
        # The callback comes from the provider's site: with "strict", it would come without the session.
        middleware=[Middleware(SessionMiddleware, secret_key=secrets.token_hex(), same_site="lax")],
        lifespan=lifespan,
    )


if __name__ == "__main__":
    uvicorn.run(create_app(SQLiteStore("connections.db"), "http://127.0.0.1:8000/connections"))
