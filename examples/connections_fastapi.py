"""A FastAPI service with its own login. Its people connect Jira, and the service asks Jira in their name.

Run it, and log in as ``anna`` or, to add clients, as ``boss``: the password is the name. Connect at
http://127.0.0.1:8000/connections/, then open http://127.0.0.1:8000/me.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.requests import Request
from starlette.responses import Response

from atlassian_auth import Token
from atlassian_auth.connections import Connections
from atlassian_auth.stores import SQLiteStore, Store
from atlassian_auth.web import Caller, Owners, connections_app

PEOPLE = ("anna", "boss")
PROMPT = {"WWW-Authenticate": "Basic"}

basic = HTTPBasic()


def logged_in(credentials: Annotated[HTTPBasicCredentials, Depends(basic)]) -> str:
    """Return who calls: the service's own login, whatever it is."""
    name, password = credentials.username, credentials.password
    if name not in PEOPLE or not secrets.compare_digest(password.encode(), name.encode()):
        raise HTTPException(401, "Log in first.", PROMPT)
    return name


async def authorize(request: Request) -> Caller | Response:
    """Let people in who are logged in to the service; the boss may change clients."""
    try:
        credentials = await basic(request)
        name = logged_in(credentials) if credentials else ""
    except HTTPException:
        return Response("Log in first.", 401, PROMPT)
    return Caller(id=name, administrator=name == "boss")


def create_app(store: Store, base_url: str) -> FastAPI:
    connections = Connections(store, base_url=base_url)
    owners = Owners(store)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        async with connections:
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/connections", connections_app(connections, store=store, authorize=authorize))

    @app.get("/me")
    async def me(name: Annotated[str, Depends(logged_in)]) -> Any:
        """Return what Atlassian says of the person."""
        config = await connections.configs.find_by_name("Jira")
        token_id = await owners.token_id(name, config.id or "") if config else None
        if token_id is None:
            raise HTTPException(409, "Connect Jira first, at /connections/.")

        async def ask(token: Token) -> Any:
            headers = {"Authorization": f"Bearer {token.access_token}"}
            async with httpx.AsyncClient(headers=headers) as client:
                answer = await client.get("https://api.atlassian.com/me")
            return answer.raise_for_status().json()

        return await connections.handler.execute(token_id, ask)

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(SQLiteStore("connections.db"), "http://127.0.0.1:8000/connections"))
