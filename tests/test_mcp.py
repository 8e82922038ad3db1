"""The MCP SDK, a library on httpx2; `nox -s lowest` leaves this file out, because the SDK is younger."""

from __future__ import annotations

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer

from atlassian_auth.httpx2 import AtlassianAuth
from tests.guarded import Guarded

LOOPBACK = "http://127.0.0.1:8000"


async def test_an_mcp_client_calls_tools_over_a_revocation(atlassian_auth, atlassian):
    """The client of the MCP SDK is answered before and after its bearer has ended at the server."""
    auth = AtlassianAuth(atlassian_auth.manager, allowed_origins=[LOOPBACK])
    server = MCPServer("jira")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    app = Guarded(server.streamable_http_app(json_response=True, stateless_http=True), atlassian)
    http = httpx2.AsyncClient(auth=auth, transport=httpx2.ASGITransport(app))
    sums = []
    async with (
        server.session_manager.run(),
        http,
        Client(streamable_http_client(f"{LOOPBACK}/mcp", http_client=http)) as client,
    ):
        for number in range(2):
            result = await client.call_tool("add", {"a": 1, "b": number})
            sums.append(result.structured_content)
            atlassian.revoke_access_token((await auth.token()).access_token)

    assert sums == [{"result": 1}, {"result": 2}]
    assert (app.statuses.count(401), app.statuses[0]) == (1, 200)
