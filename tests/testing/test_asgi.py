"""The ASGI application: any server can run it; what only a server can do, it raises."""

from __future__ import annotations

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
    """The origin itself shows nothing."""
    assert (await http.get("/")).status_code == 404


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
