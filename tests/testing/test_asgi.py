"""The ASGI application: any server can run it; what only a server can do, it raises."""

from __future__ import annotations

import json

import anyio
import httpx
import pytest

from atlassian_auth.testing import AnswerLost, ConnectionRefused, Fault
from atlassian_auth.testing._asgi import ASGIApp

pytestmark = pytest.mark.every_loop


@pytest.fixture
async def http(fake):
    transport = httpx.ASGITransport(ASGIApp(fake))
    async with httpx.AsyncClient(transport=transport, base_url="http://emulator:81") as client:
        yield client


async def test_links_lead_back_to_the_origin_that_was_asked(fake, http):
    """Whatever name the server goes by, its answers name it."""
    token = fake.issue_grant().access_token
    headers = {"authorization": f"Bearer {token}"}

    response = await http.get("/api/oauth/token/accessible-resources", headers=headers)

    assert response.json()[0]["url"] == "http://emulator:81/site/acme"


async def test_what_is_below_no_service_is_not_found(http):
    """There is nothing beside the services and the pages of the emulator itself."""
    assert (await http.get("/nothing")).status_code == 404
    assert (await http.post("/state")).status_code == 404


async def test_a_page_shows_the_state_without_secrets(fake, http):
    """A person sees apps, consents, faults and requests; a program reads the same as JSON."""
    fake.register_cloud_app("<b>mine</b>")
    fake.issue_grant()
    fake.fault("token", Fault.status(503), times=2)
    await http.post("/auth/oauth/token", json={"grant_type": "refresh_token"})
    await http.get("/api/me")

    page, state = await http.get("/"), (await http.get("/state")).json()

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "&lt;b&gt;mine&lt;/b&gt;" in page.text
    assert "<b>mine" not in page.text
    assert "<td>/me</td>" in page.text
    assert [app["client_id"] for app in state["apps"]][-1] == "<b>mine</b>"
    assert state["consents"][0]["refresh_tokens"] == 1
    assert state["faults"] == ["status 503 (met 1 of 2)"]
    assert state["token_requests"][0]["fault"] == "status 503"
    assert "secret-" not in page.text + json.dumps(state)


async def test_other_languages_script_it(fake, http):
    """A test in another language defines answers and faults, and lets tokens expire."""
    token = fake.issue_grant().access_token
    url, headers = f"/api/ex/jira/{fake.cloud_id}/rest/x", {"authorization": f"Bearer {token}"}
    answer = {"method": "GET", "path": "/rest/x", "json": {"x": 1}, "scopes": "read:me"}
    fault = {"where": "api", "status": 503, "headers": {"retry-after": "5"}}

    changed = [
        await http.post(path, json=body)
        for path, body in [("/answers", answer), ("/faults", fault)]
    ]
    first, second = await http.get(url, headers=headers), await http.get(url, headers=headers)
    await http.post("/expire", json={})

    assert [change.status_code for change in changed] == [204, 204]
    assert (first.status_code, first.headers["retry-after"], second.json()) == (503, "5", {"x": 1})
    assert (await http.get(url, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/faults", {"status": 99999}, "ValueError: status is 99999, but must be"),
        ("/faults", {}, "KeyError: 'status'"),
        ("/answers", {"path": "/x"}, "'method'"),
        ("/answers", [], "the body must be a JSON object"),
        ("/expire", "{", "the body must be a JSON object"),
    ],
)
async def test_a_wrong_change_is_refused(http, path, body, error):
    """The answer says what is wrong."""
    content = body if isinstance(body, str) else json.dumps(body)

    refused = await http.post(path, content=content, headers={"content-type": "application/json"})

    assert refused.status_code == 400
    assert error in refused.json()["error"]


async def test_a_web_page_cannot_script_it(http):
    """A form of another origin has no JSON type."""
    assert (await http.post("/expire", data={"x": "1"})).status_code == 415


async def test_a_path_is_quoted_as_it_came(http):
    """An encoded question mark does not start a query."""
    response = await http.get("/api/a%3Fb")

    assert "GET /a%3Fb" in response.json()["error_description"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.lost_answer(), AnswerLost), (Fault.refused_connection(), ConnectionRefused)],
    ids=["lost", "refused"],
)
async def test_a_broken_connection_is_left_to_the_server(fake, http, fault, error):
    """An application cannot break a connection: it raises, and the server does as it likes."""
    fake.fault("api", fault)

    with pytest.raises(error):
        await http.get("/api/me")


async def test_only_http_is_spoken(fake):
    """A scope other than HTTP raises, which tells the server that it is not supported."""
    with pytest.raises(NotImplementedError, match="lifespan"):
        await ASGIApp(fake)({"type": "lifespan"}, None, None)


class Connection:
    """A client that sends a body in two parts and disconnects on request."""

    def __init__(self):
        self.sent = []
        self.gone = anyio.Event()
        self._parts = [(b"grant_type=", True), (b"password", False)]

    async def receive(self):
        if self._parts:
            body, more_body = self._parts.pop(0)
            return {"type": "http.request", "body": body, "more_body": more_body}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)

    scope = {  # noqa: RUF012
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/auth/oauth/token",
        "query_string": b"",
        "headers": [
            (b"host", b"emulator"),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ],
    }


async def test_a_body_in_parts_is_put_together(fake):
    """Bodies may arrive in pieces."""
    connection = Connection()

    await ASGIApp(fake)(connection.scope, connection.receive, connection.send)

    assert fake.token_requests[0].grant_type == "password"
    assert [message["type"] for message in connection.sent] == [
        "http.response.start",
        "http.response.body",
        "http.response.body",
    ]


@pytest.mark.parametrize("hanging", [True, False], ids=["hang", "held"])
async def test_a_client_that_goes_away_is_not_waited_for(fake, hanging):
    """The application ends with the connection, whatever it was waiting for."""
    connection = Connection()
    fake.hold("token") if not hanging else fake.fault("token", Fault.hang())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ASGIApp(fake), connection.scope, connection.receive, connection.send)
        await anyio.wait_all_tasks_blocked()
        connection.gone.set()

    assert connection.sent == []
