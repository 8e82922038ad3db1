"""Django in one file: two views for the login, one async view and one sync view that ask Jira.

    export ATLASSIAN_CLIENT_ID=… ATLASSIAN_CLIENT_SECRET=… SESSION_SECRET=…
    uvicorn django_app:application --port 8000

Register http://127.0.0.1:8000/jira/callback as the app's callback URL, or set ATLASSIAN_REDIRECT_URI. In a
project the settings, the views and the manager are in files of their own.
"""

from __future__ import annotations

import secrets
from os import environ
from typing import Any

import django
import httpx
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from atlassian_auth import (
    AtlassianAuthError,
    AuthorizationRequired,
    CloudGrant,
    TokenManager,
    scopes,
)
from atlassian_auth.flows import AuthorizationFlow

settings.configure(
    SECRET_KEY=environ["SESSION_SECRET"],
    ALLOWED_HOSTS=environ.get("ALLOWED_HOSTS", "127.0.0.1").split(","),
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()

grant = CloudGrant(
    client_id=environ["ATLASSIAN_CLIENT_ID"],
    client_secret=environ["ATLASSIAN_CLIENT_SECRET"],
    redirect_uri=environ.get("ATLASSIAN_REDIRECT_URI", "http://127.0.0.1:8000/jira/callback"),
    scopes=scopes.JIRA_READ,
)
# One for the process, for sync and async views alike. After a fork, as of gunicorn, each worker goes on.
manager = TokenManager(grant, store=environ.get("TOKEN_STORE", "tokens.db"))
flow = AuthorizationFlow(manager)
client = httpx.Client()  # threads may share it


@require_POST  # with Django's token against forged requests
async def connect(request: HttpRequest) -> HttpResponse:
    """Send the person to the consent page, if your own sign-in has put a tenant into the session."""
    if (tenant := await request.session.aget("tenant")) is None:
        return HttpResponse("Sign in first.", status=403)
    browser = await request.session.asetdefault("browser", secrets.token_urlsafe(32))
    started = await flow.start(tenant, started_by=f"{browser} {tenant}")
    return HttpResponseRedirect(started.url)


async def callback(request: HttpRequest) -> HttpResponse:
    """Complete the login of this browser and this tenant; any other callback changes nothing."""
    browser, tenant = [await request.session.aget(name) for name in ("browser", "tenant")]
    try:
        await flow.complete(request.get_full_path(), started_by=f"{browser} {tenant}")
    except AtlassianAuthError as error:
        return HttpResponse(f"Nothing was connected: {error}", "text/plain", 400)
    return HttpResponseRedirect("/")


async def myself(request: HttpRequest, cloud_id: str) -> HttpResponse:
    """Ask Jira in an async view. Its client lasts as long as its event loop, which may be the request."""
    auth = manager.auth(await request.session.aget("tenant", ""))
    try:
        async with httpx.AsyncClient(auth=auth) as jira:
            return shown(await jira.get(url_of(cloud_id)))
    except AuthorizationRequired:
        return JsonResponse({"detail": "Connect Jira first."}, status=409)


def myself_sync(request: HttpRequest, cloud_id: str) -> HttpResponse:
    """Ask Jira in a sync view: one client for all requests, and the tenant's auth for each."""
    auth = manager.auth(request.session.get("tenant", ""))
    try:
        return shown(client.get(url_of(cloud_id), auth=auth))
    except AuthorizationRequired:
        return JsonResponse({"detail": "Connect Jira first."}, status=409)


def url_of(cloud_id: str) -> str:
    return f"{grant.endpoints.jira_url(cloud_id)}rest/api/3/myself"


def shown(answer: httpx.Response) -> HttpResponse:
    account: dict[str, Any] = answer.raise_for_status().json()
    return JsonResponse({"name": account["displayName"]})


urlpatterns = [
    path("jira/connect", connect),
    path("jira/callback", callback),
    path("sites/<cloud_id>/myself", myself),
    path("sites/<cloud_id>/myself-sync", myself_sync),
]
application = get_asgi_application()
