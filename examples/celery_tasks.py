"""Celery: tasks ask Jira for a tenant. All worker processes share one store, and refresh each token once.

    export ATLASSIAN_CLIENT_ID=… ATLASSIAN_CLIENT_SECRET=… CELERY_BROKER_URL=redis://127.0.0.1
    celery -A celery_tasks worker

The tenants have consented in your web app, which uses the same store. JIRA_ORIGIN may name an emulator.
"""

from __future__ import annotations

import functools
from os import environ
from typing import Any

import httpx
from celery import Celery, signals

from atlassian_auth import CloudGrant, Endpoints, TokenManager, TransientError, scopes

origin = environ.get("JIRA_ORIGIN")
grant = CloudGrant(
    client_id=environ["ATLASSIAN_CLIENT_ID"],
    client_secret=environ["ATLASSIAN_CLIENT_SECRET"],
    redirect_uri=environ.get("ATLASSIAN_REDIRECT_URI", "http://127.0.0.1:8000/jira/callback"),
    scopes=scopes.JIRA_READ,
    endpoints=Endpoints.below(origin) if origin else Endpoints.cloud(),
)
# Made before the workers are forked, and used in each of them: it opens nothing until it is used.
manager = TokenManager(grant, store=environ.get("TOKEN_STORE", "tokens.db"))
app = Celery("celery_tasks")


@functools.cache
def client() -> httpx.Client:
    """Return the client of this process: connections must not be shared with a forked process."""
    return httpx.Client()


# Jira or the token endpoint is temporarily unavailable: the consent is unharmed, so try again.
@app.task(autoretry_for=(TransientError,), retry_backoff=True, max_retries=5)
def display_name(tenant: str, cloud_id: str) -> str:
    auth = manager.auth(tenant)
    answer = client().get(f"{auth.endpoints.jira_url(cloud_id)}rest/api/3/myself", auth=auth)
    return str(answer.raise_for_status().json()["displayName"])


@signals.worker_process_shutdown.connect
def close(**_: Any) -> None:
    """Finish a refresh that is under way, and close the store, when a worker process ends."""
    manager.close()
