"""A FastAPI service: each tenant connects its own Jira, and one client serves all of them.

    export ATLASSIAN_CLIENT_ID=… ATLASSIAN_CLIENT_SECRET=… SESSION_SECRET=…
    uvicorn --factory fastapi_app:create_app --port 8000

Register http://127.0.0.1:8000/jira/callback as the app's callback URL, or set ATLASSIAN_REDIRECT_URI.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from os import environ
from typing import Annotated, Any
from urllib.parse import quote

import anyio
import httpx
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.middleware.sessions import SessionMiddleware

from atlassian_auth import (
    AuthorizationRequired,
    CloudGrant,
    ConfigurationError,
    StoreError,
    TokenManager,
    TransientError,
    scopes,
)
from atlassian_auth.flows import AuthorizationFlow, LoginApp
from atlassian_auth.sites import accessible_resources, select_site

router = APIRouter()


async def tenant_of(scope: MutableMapping[str, Any]) -> str | None:
    """Return the tenant of the person who is signed in: the key of the tenant's credential."""
    session: dict[str, str] = scope["session"]
    return session.get("tenant")


async def signed_in(request: Request) -> str:
    if (tenant := await tenant_of(request.scope)) is None:
        raise HTTPException(401, "Sign in first.")
    return tenant


@router.post("/sign-in/{tenant}")
async def sign_in(request: Request, tenant: str) -> None:
    """Stand in for your own sign-in, which knows the tenant of each person."""
    request.session["tenant"] = tenant


@router.get("/myself")
async def myself(request: Request, tenant: Annotated[str, Depends(signed_in)]) -> Any:
    """Show who the tenant's credential is in Jira."""
    client: httpx.AsyncClient = request.app.state.client
    auth = request.app.state.manager.auth(tenant)  # cheap: make one for each request
    # A service keeps the cloud id beside the tenant; it does not change.
    site = select_site(await accessible_resources(auth))
    answer = await client.get(
        f"{auth.endpoints.jira_url(site.cloud_id)}rest/api/3/myself", auth=auth
    )
    return {"tenant": tenant, "name": answer.raise_for_status().json()["displayName"]}


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Tell the orchestrator whether the store can be read."""
    try:
        with anyio.fail_after(1):
            await request.app.state.manager.ping()
    except (TimeoutError, StoreError, ConfigurationError):
        return Response(status_code=503)
    return Response(status_code=204)


async def connect_first(request: Request, _: Exception) -> Response:
    """Send a person whose tenant has no consent to the consent page, and back again."""
    return RedirectResponse(f"/jira/login?next={quote(request.url.path)}", 303)


async def try_later(_request: Request, error: Exception) -> Response:
    seconds = getattr(error, "retry_after_seconds", None) or 5
    headers = {"Retry-After": str(round(seconds))}
    return JSONResponse({"detail": "Try again later."}, 503, headers)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    manager: TokenManager = app.state.manager
    async with manager, httpx.AsyncClient() as client, anyio.create_task_group() as tasks:
        app.state.client = client
        # Any number of processes may run it: each idle credential is refreshed once.
        tasks.start_soon(manager.keep_alive)
        yield
        tasks.cancel_scope.cancel()


def create_app() -> FastAPI:
    grant = CloudGrant(
        client_id=environ["ATLASSIAN_CLIENT_ID"],
        client_secret=environ["ATLASSIAN_CLIENT_SECRET"],
        redirect_uri=environ.get("ATLASSIAN_REDIRECT_URI", "http://127.0.0.1:8000/jira/callback"),
        scopes=scopes.JIRA_READ,
    )
    app = FastAPI(lifespan=lifespan)
    app.state.manager = manager = TokenManager(grant, store=environ.get("TOKEN_STORE", "tokens.db"))
    app.include_router(router)
    # …/jira/login and …/jira/callback, bound to the browser and to the tenant.
    app.mount("/jira", LoginApp(AuthorizationFlow(manager), key=tenant_of, after="/myself"))
    app.add_middleware(SessionMiddleware, secret_key=environ["SESSION_SECRET"])
    app.add_exception_handler(AuthorizationRequired, connect_first)
    app.add_exception_handler(TransientError, try_later)
    return app
