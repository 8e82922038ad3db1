"""An MCP server that searches Jira for the person who runs it: ``python mcp_server.py acme``.

    export ATLASSIAN_CLIENT_ID=… ATLASSIAN_CLIENT_SECRET=…

Log in before, with ``sync_script.py`` or ``atlassian-auth login``: a program that an assistant starts has no
terminal to ask at.
"""

from __future__ import annotations

import sys
from os import environ

import anyio
import httpx2
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from atlassian_auth import AuthorizationRequired, CloudGrant, scopes
from atlassian_auth.httpx2 import AtlassianAuth
from atlassian_auth.sites import cloud_id_for_site


def server_for(jira: httpx2.AsyncClient) -> MCPServer:
    """Return a server whose tools use this client."""
    server = MCPServer("jira")

    @server.tool()
    async def find_issues(jql: str) -> list[dict[str, str]]:
        """Return the keys and summaries of the first 20 issues that match a JQL query."""
        wanted: dict[str, str] = {"jql": jql, "fields": "summary", "maxResults": "20"}
        try:
            answer = await jira.get("rest/api/3/search/jql", params=wanted)
        except AuthorizationRequired as error:
            raise ToolError(f"{error} Ask the person to log in again.") from None
        if answer.is_client_error:
            raise ToolError(f"Jira refused the query: {answer.text}")
        found = answer.raise_for_status().json()["issues"]
        return [{"key": issue["key"], "summary": issue["fields"]["summary"]} for issue in found]

    return server


async def main(site: str) -> None:
    grant = CloudGrant(
        client_id=environ["ATLASSIAN_CLIENT_ID"],
        client_secret=environ["ATLASSIAN_CLIENT_SECRET"],
        redirect_uri=environ.get("ATLASSIAN_REDIRECT_URI", "http://127.0.0.1:8765/callback"),
        scopes=scopes.JIRA_READ,
    )
    auth = AtlassianAuth(grant, store=environ.get("TOKEN_STORE", "tokens.db"), key="me")
    base_url = grant.endpoints.jira_url(await cloud_id_for_site(site))
    async with auth, httpx2.AsyncClient(auth=auth, base_url=base_url) as jira:
        await server_for(jira).run_stdio_async()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
