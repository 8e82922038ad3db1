"""Prints your name in Jira. The smallest whole program: one credential and one request.

The refresh token is pasted once. The first request refreshes it, and its successors are kept in
``tokens.db``. Adding the same one again changes nothing, so the line may stay.
"""

from __future__ import annotations

import asyncio
from os import environ

import httpx

from atlassian_auth import AtlassianAuth, CloudGrant, scopes
from atlassian_auth.stores import SQLiteStore


async def main() -> None:
    grant = CloudGrant(
        client_id=environ["ATLASSIAN_CLIENT_ID"],
        client_secret=environ["ATLASSIAN_CLIENT_SECRET"],
        redirect_uri=environ["ATLASSIAN_REDIRECT_URI"],
        scopes=scopes.JIRA_AUDIT,
    )
    base_url = grant.endpoints.jira_url(environ["ATLASSIAN_CLOUD_ID"])
    auth = AtlassianAuth(grant, store=SQLiteStore("tokens.db"), key="acme")
    if refresh_token := environ.get("ATLASSIAN_REFRESH_TOKEN"):
        await auth.add(refresh_token=refresh_token)
    async with auth, httpx.AsyncClient(auth=auth, base_url=base_url) as jira:
        response = await jira.get("rest/api/3/myself")
        print(response.raise_for_status().json()["displayName"])


if __name__ == "__main__":
    asyncio.run(main())
