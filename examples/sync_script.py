"""A script without async code, from the first login to the last request: ``python sync_script.py acme``.

    export ATLASSIAN_CLIENT_ID=… ATLASSIAN_CLIENT_SECRET=…

Register http://127.0.0.1:8765/callback as the app's callback URL, or set ATLASSIAN_REDIRECT_URI.
"""

from __future__ import annotations

import sys
from os import environ

import anyio
import httpx

from atlassian_auth import AtlassianAuth, CloudGrant, CredentialState, scopes
from atlassian_auth.flows import AuthorizationFlow, LoopbackLogin
from atlassian_auth.sites import cloud_id_for_site

NEEDS_A_PERSON = {CredentialState.NEW, CredentialState.REAUTHORIZE}


def main(site: str) -> None:
    grant = CloudGrant(
        client_id=environ["ATLASSIAN_CLIENT_ID"],
        client_secret=environ["ATLASSIAN_CLIENT_SECRET"],
        redirect_uri=environ.get("ATLASSIAN_REDIRECT_URI", "http://127.0.0.1:8765/callback"),
        scopes=scopes.JIRA_READ,
    )
    # The end of the block waits for a refresh that is under way, and closes the store.
    with AtlassianAuth(grant, store=environ.get("TOKEN_STORE", "tokens.db"), key="me") as auth:
        if auth.status_sync().state in NEEDS_A_PERSON:
            login = LoopbackLogin(AuthorizationFlow(auth.manager), on_url=print)
            anyio.run(login.login, auth.key)  # opens the browser, and waits for it
        jira_url = grant.endpoints.jira_url(anyio.run(cloud_id_for_site, site))
        with httpx.Client(auth=auth, base_url=jira_url) as jira:
            account = jira.get("rest/api/3/myself").raise_for_status().json()
            print(f"You are {account['displayName']}.")


if __name__ == "__main__":
    main(sys.argv[1])
