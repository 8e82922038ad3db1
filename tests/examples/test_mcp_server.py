"""The MCP server finds issues for its person, over expiries, and says when the person has to log in again."""

from __future__ import annotations

import sys

import httpx2
import pytest
from mcp import Client, StdioServerParameters

from atlassian_auth.httpx2 import AtlassianAuth
from atlassian_auth.testing import LoopbackServer
from tests.examples.conftest import EXAMPLES, load

QUERY = {"jql": "project = ACME"}


@pytest.fixture
async def client(atlassian, atlassian_credential):
    """A client of the server, whose Jira has one issue."""
    issue = {"key": "ACME-1", "fields": {"summary": "Say hello"}}
    atlassian.respond(
        "GET", "/rest/api/3/search/jql", json={"issues": [issue]}, scopes="read:jira-work"
    )
    auth = AtlassianAuth(atlassian_credential.manager)
    async with (
        httpx2.AsyncClient(auth=auth, base_url=atlassian.jira_url) as jira,
        Client(load("mcp_server").server_for(jira)) as client,
    ):
        yield client


async def test_issues_are_found_over_expiries(client, atlassian, atlassian_clock):
    """The tool answers again after the access token has expired."""
    for _ in range(2):
        result = await client.call_tool("find_issues", QUERY)
        assert result.structured_content == {"result": [{"key": "ACME-1", "summary": "Say hello"}]}
        atlassian_clock.advance(3600)

    assert atlassian.refreshes == 1


async def test_a_lost_consent_is_said(client, atlassian, atlassian_credential):
    """If the consent is withdrawn, the assistant reads that its person has to log in again."""
    atlassian.revoke_grant((await atlassian_credential.token()).access_token)

    result = await client.call_tool("find_issues", QUERY)

    assert result.is_error
    assert "Ask the person to log in again." in result.content[0].text


async def test_a_refused_query_is_said(client, atlassian):
    """What Jira says of a wrong query reaches the assistant."""
    atlassian.respond(
        "GET", "/rest/api/3/search/jql", json={"errorMessages": ["No JQL"]}, status=400
    )

    result = await client.call_tool("find_issues", QUERY)

    assert result.is_error
    assert "No JQL" in result.content[0].text


@pytest.mark.programs
async def test_an_assistant_starts_it(tmp_path):
    """A program that an assistant starts lists its tool on standard output."""
    with LoopbackServer() as server:
        variables = {
            "ATLASSIAN_CLIENT_ID": server.atlassian.cloud_app.client_id,
            "ATLASSIAN_CLIENT_SECRET": server.atlassian.cloud_app.client_secret,
            "ATLASSIAN_AUTH_EMULATOR": server.origin,
            "TOKEN_STORE": str(tmp_path / "tokens.db"),
        }
        started = StdioServerParameters(
            command=sys.executable,
            args=[str(EXAMPLES / "mcp_server.py"), "acme"],
            env=variables,
        )
        async with Client(started) as client:
            tools = (await client.list_tools()).tools

    assert [tool.name for tool in tools] == ["find_issues"]
