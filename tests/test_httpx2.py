"""httpx2: the logic is httpx's, and the tests of auths run on both; here is where the two libraries meet."""

from __future__ import annotations

import inspect

import httpx
import httpx2
import openai
import pytest
import requests

import atlassian_auth.httpx2 as twins
from atlassian_auth import AtlassianAuth, ConfigurationError, StaticToken, api_tokens
from atlassian_auth.api_tokens import AuthRouter
from atlassian_auth.sites import accessible_resources
from atlassian_auth.testing import Fault
from tests.guarded import Guarded

LOOPBACK = "http://127.0.0.1:8000"
SITE = "https://jira.example.com"


@pytest.fixture
def auth(atlassian_auth):
    """The auth of the fixture, for httpx2, which may also send to the tests' own server."""
    return twins.AtlassianAuth(atlassian_auth.manager, allowed_origins=[LOOPBACK])


async def revoke(auth, atlassian):
    atlassian.revoke_access_token((await auth.token()).access_token)


# -- real clients ---------------------------------------------------------------------------------


async def test_an_openai_client_asks_over_a_revocation(auth, atlassian):
    """The bearer takes the place of the API key, and is replaced when the server refuses it."""

    async def models(scope, receive, send):
        headers = [(b"content-type", b"application/json")]
        body = b'{"object": "list", "data": [{"id": "rovo", "object": "model"}]}'
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    app = Guarded(models, atlassian)
    await revoke(auth, atlassian)
    http = httpx2.AsyncClient(auth=auth, transport=httpx2.ASGITransport(app))
    async with openai.AsyncOpenAI(
        api_key="unused", base_url=LOOPBACK, http_client=http, max_retries=0
    ) as client:
        names = [model.id async for model in client.models.list()]

    assert (names, app.statuses) == (["rovo"], [401, 200])


async def test_an_event_stream_begins_after_a_401(auth, atlassian):
    """The methods that httpx has not, such as ``sse``, use the same flow."""

    async def events(scope, receive, send):
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: one\n\ndata: two\n\n"})

    app = Guarded(events, atlassian)
    await revoke(auth, atlassian)
    transport = httpx2.ASGITransport(app)
    async with (
        httpx2.AsyncClient(auth=auth, transport=transport) as client,
        client.sse(LOOPBACK) as stream,
    ):
        received = [event.data async for event in stream]

    assert (received, app.statuses) == (["one", "two"], [401, 200])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.lost_answer(), httpx2.ReadError),
        (Fault.refused_connection(), httpx2.ConnectError),
        (Fault.hang(), httpx2.ReadTimeout),
    ],
    ids=["lost", "refused", "hang"],
)
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_emulator_answers_httpx2(auth, atlassian, fault, error, kind):
    """A client of httpx2 gets the answers of the fixture, and its own library's errors."""
    url = atlassian.urls.identity_url
    atlassian.fault("api", fault)
    if kind == "async":
        async with httpx2.AsyncClient(auth=auth) as client:
            with pytest.raises(error):
                await client.get(url)
            assert (await client.get(url)).status_code == 200
    else:
        with httpx2.Client(auth=auth) as client:
            with pytest.raises(error):
                client.get(url)
            assert client.get(url).status_code == 200


# -- one class for both ---------------------------------------------------------------------------


async def test_it_serves_both_libraries_and_the_functions(auth, atlassian):
    """An auth for httpx2 is one for httpx too, so each function that takes an auth takes it."""
    async with httpx.AsyncClient(auth=auth) as old, httpx2.AsyncClient(auth=auth) as new:
        statuses = [
            (await client.get(atlassian.urls.identity_url)).status_code for client in (old, new)
        ]

    assert statuses == [200, 200]
    assert len(await accessible_resources(auth)) == 1


@pytest.mark.parametrize(
    "name", sorted({*twins.__all__, *api_tokens.__all__} - {"FixedCredential"})
)
def test_each_auth_has_a_twin(name):
    """It has the same arguments, and is an auth of httpx2."""
    ours, twin = getattr(api_tokens, name, AtlassianAuth), getattr(twins, name)

    assert {ours, httpx2.Auth} <= {*twin.__mro__}
    assert [*inspect.signature(twin).parameters] == [*inspect.signature(ours).parameters]


def test_a_router_takes_auths_of_both():
    """Whatever auth the client takes, and those of this library for httpx."""
    router = twins.AuthRouter(
        {
            SITE: httpx2.BasicAuth("ada", "secret"),
            "https://b.example": StaticToken("bearer", origins=["https://b.example"]),
        }
    )
    seen = []

    def look(request):
        seen.append(request.headers["authorization"].split()[0])
        return httpx2.Response(200)

    with httpx2.Client(auth=router, transport=httpx2.MockTransport(look)) as client:
        client.get(SITE)
        client.get("https://b.example")

    assert seen == ["Basic", "Bearer"]


# -- an auth of the application around ours -------------------------------------------------------


class Adapter(httpx2.Auth):
    """What an application writes that has an ``httpx.Auth`` and a client of httpx2."""

    def __init__(self, auth):
        self._auth = auth

    def async_auth_flow(self, request):
        return self._auth.async_auth_flow(request)

    def sync_auth_flow(self, request):
        return self._auth.sync_auth_flow(request)


class Wrapper(httpx2.Auth):
    """One that knows of the third method only."""

    def __init__(self, auth):
        self._auth = auth

    def auth_flow(self, request):
        yield from self._auth.auth_flow(request)


@pytest.mark.parametrize("wrap", [Adapter, Wrapper])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_replay_survives_an_adapter(atlassian_auth, atlassian, wrap, kind):
    """What may be replayed is not told by the classes of httpx: a 401 is answered by a second request."""
    await revoke(atlassian_auth, atlassian)
    auth, url = wrap(atlassian_auth), atlassian.urls.identity_url

    if kind == "async":
        async with httpx2.AsyncClient(auth=auth) as client:
            response = await client.request("GET", url, content=b"body")
    else:
        with httpx2.Client(auth=auth) as client:
            response = client.request("GET", url, content=b"body")

    assert response.status_code == 200
    assert [entry.status for entry in atlassian.api_requests] == [401, 200]


# -- the wrong client -----------------------------------------------------------------------------


class Derived(StaticToken):
    """A class of the application."""


@pytest.mark.parametrize(
    ("send", "advice"),
    [
        (
            lambda auth: httpx2.Client(auth=auth).get(SITE),
            "Import the class for httpx2: from atlassian_auth.httpx2 import {}.",
        ),
        (
            lambda auth: requests.get(SITE, auth=auth, timeout=1),
            "For requests there is one class: from atlassian_auth.requests import AtlassianAuth.",
        ),
        (lambda auth: auth(None), "No class of this library is for them"),
    ],
    ids=["httpx2", "requests", "another"],
)
@pytest.mark.parametrize("name", ["AtlassianAuth", "StaticToken", "AuthRouter", "Derived"])
def test_the_wrong_client_is_told_what_to_import(atlassian_auth, send, advice, name):
    """Nothing is sent, and the error names the class for this client."""
    token = StaticToken("bearer", origins=[SITE])
    auths = {
        "AtlassianAuth": atlassian_auth,
        "StaticToken": token,
        "AuthRouter": AuthRouter({SITE: token}),
        "Derived": Derived("bearer", origins=[SITE]),
    }

    with pytest.raises(ConfigurationError, match="so nothing was sent") as caught:
        send(auths[name])

    ours = "StaticToken" if name == "Derived" else name
    assert advice.format(ours) in str(caught.value)
    assert caught.value.argument == "auth"


async def test_a_transport_of_the_other_library_is_refused(auth):
    """The library's own requests go through httpx; what carries them must be a transport of it."""
    transport = httpx2.MockTransport(print)
    with pytest.raises(ConfigurationError, match=r"transport must be an httpx\.") as caught:
        twins.AtlassianAuth(auth.manager.grant, store="memory://", transport=transport)
    with pytest.raises(ConfigurationError, match=r"transport must be an httpx\."):
        await accessible_resources(auth, transport=transport)

    assert caught.value.argument == "transport"


# -- one library, the other, or one under the name of the other -----------------------------------

WITHOUT_HTTPX = "import sys; sys.modules['httpx'] = sys.modules['httpcore'] = None"
WITHOUT_HTTPX2 = "import sys; sys.modules['httpx2'] = sys.modules['httpcore2'] = None"
ALIASED = "import httpx2; httpx2.alias_httpx()"
# A login's refresh token, a revocation, a look-up of our own.
WORK = """
import asyncio, httpx2, sys
import atlassian_auth
from atlassian_auth.httpx2 import AtlassianAuth
from atlassian_auth.sites import accessible_resources
from atlassian_auth.testing import LoopbackServer, cloud_grant

async def main(server):
    atlassian = server.atlassian
    auth = AtlassianAuth(cloud_grant(atlassian, server.urls), store="memory://")
    await auth.add(refresh_token=atlassian.issue_grant().refresh_token)
    async with auth, httpx2.AsyncClient(auth=auth) as client:
        atlassian.revoke_access_token((await auth.token()).access_token)
        await client.get(server.urls.identity_url)
        await accessible_resources(auth)
    print(*[entry.status for entry in atlassian.api_requests], sys.modules["httpx"] in (None, httpx2))
    print(issubclass(atlassian_auth.AtlassianAuth, httpx2.Auth))

with LoopbackServer() as server:
    asyncio.run(main(server))
"""


@pytest.mark.parametrize("before", [WITHOUT_HTTPX, ALIASED], ids=["httpx is absent", "alias"])
def test_httpx2_alone(run, before):
    """Where there is no httpx, or it is httpx2 by another name, everything goes through httpx2."""
    assert run(before + WORK) == ["401", "200", "200", "True", "True"]


def test_httpx_alone(run):
    """The package and its fixtures work without httpx2, and the module for it says what to install."""
    script = f"""{WITHOUT_HTTPX2}
import httpx
from atlassian_auth.testing import FakeAtlassian, mock_router

with mock_router(FakeAtlassian()):
    print(httpx.get("https://api.atlassian.com/me").status_code)
try:
    import atlassian_auth.httpx2
except ImportError as error:
    print(error)
"""
    status, *sentence = run(script)

    assert status == "401"
    assert "pip install 'atlassian-auth[httpx2]'" in " ".join(sentence)
