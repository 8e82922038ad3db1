"""The ``httpx.Auth``: where the bearer goes, what a 401 means, and what is left alone."""

from __future__ import annotations

import copy
import gzip
import inspect
import itertools
import json
import pickle
import traceback
from datetime import timedelta

import anyio
import httpx
import httpx2
import pytest

from atlassian_auth import (
    AtlassianAuth,
    AuthorizationRequired,
    ClientCredentialsGrant,
    CloudGrant,
    ConfigurationError,
    DataCenterGrant,
    InlineRunner,
    OriginNotAllowed,
    ScopeMismatch,
    Settings,
    StaticToken,
    TransientError,
)
from atlassian_auth._tokens.http.origins import Origins
from atlassian_auth._tokens.http.sender import HttpxSender
from atlassian_auth.api_tokens import ApiToken, AuthRouter
from atlassian_auth.manager import ManagerOptions, TokenManager
from atlassian_auth.protocol.messages import HTTPResponse
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import (
    FakeAtlassian,
    Fault,
    ManualClock,
    cloud_grant,
    data_center_grant,
    data_center_service_account_grant,
    jira_software_grant,
)
from tests.raw_server import RawServer, answer

pytestmark = [pytest.mark.every_loop, pytest.mark.usefixtures("library")]

HOUR = timedelta(hours=1)


@pytest.fixture
def atlassian_credential(library, atlassian_credential):
    """The fixture of users, in the class for the client's library."""
    manager = atlassian_credential.manager
    return AtlassianAuth(manager) if library == "httpx2" else atlassian_credential


@pytest.fixture
def myself(atlassian):
    """A page of the Jira gateway that any token may read."""
    return f"https://api.atlassian.com/ex/jira/{atlassian.cloud_id}/rest/api/3/myself"


@pytest.fixture
def upload(atlassian):
    """A page that takes what is posted to it."""
    return f"https://api.atlassian.com/jira/builds/0.1/cloud/{atlassian.cloud_id}/bulk"


@pytest.fixture
def ci_auth(atlassian, atlassian_clock):
    """An auth for client credentials, which may post to `upload`."""
    auth = AtlassianAuth(jira_software_grant(atlassian), clock=atlassian_clock)
    yield auth
    anyio.run(auth.aclose)


async def revoke(auth, atlassian):
    """End the access token at the server only: to us it looks valid."""
    atlassian.revoke_access_token((await auth.token()).access_token)


# -- the bearer -----------------------------------------------------------------------------------


async def test_requests_carry_a_fresh_bearer(
    atlassian_credential, atlassian, atlassian_clock, myself
):
    """A client that runs for three hours gets an answer to each request, and no 401."""
    async with httpx.AsyncClient(auth=atlassian_credential) as client:
        for _ in range(3):
            assert (await client.get(myself)).status_code == 200
            atlassian_clock.advance(HOUR)

    assert atlassian.count("api", status=401) == 0
    assert atlassian.count("token", grant_type="refresh_token") == 2


def test_sync_clients_share_it(atlassian_credential, atlassian, atlassian_clock, myself):
    """A sync client sends the same token, and a refresh only blocks its thread."""
    with httpx.Client(auth=atlassian_credential) as client:
        assert client.get(myself).status_code == 200
        atlassian_clock.advance(HOUR)
        assert client.get(myself).status_code == 200

    assert atlassian.count("token", grant_type="refresh_token") == 1


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_client_refreshes_its_own_key(atlassian_credential, atlassian, myself, kind):
    """After a 401 it is the credential of this auth that is refreshed."""
    auth = AtlassianAuth(atlassian_credential.manager, key="tenant")
    await auth.add(refresh_token=atlassian.issue_grant().refresh_token)
    await auth.token()
    atlassian.expire_access_tokens()

    if kind == "async":
        async with httpx.AsyncClient(auth=auth) as client:
            response = await client.get(myself)
    else:
        with httpx.Client(auth=auth) as client:
            response = client.get(myself)

    assert response.status_code == 200
    assert (await auth.status()).refresh_count == 2


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_exactly_one_header_leaves(atlassian_credential, atlassian, myself, kind):
    """Whatever placeholder was there, one Authorization header leaves, spelled "Bearer"."""
    seen = []

    def look(request):
        seen.append(
            [value for name, value in request.headers.raw if name.lower() == b"authorization"]
        )
        return httpx.Response(200)

    headers = [("Authorization", "placeholder"), ("authorization", "Basic Zm9v")]
    transport = httpx.MockTransport(look)
    if kind == "async":
        async with httpx.AsyncClient(auth=atlassian_credential, transport=transport) as client:
            await client.get(myself, headers=headers)
    else:
        with httpx.Client(auth=atlassian_credential, transport=transport) as client:
            client.get(myself, headers=headers)

    token = await atlassian_credential.token()
    assert seen == [[f"Bearer {token.access_token}".encode()]]


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://evil.example/", id="another-host"),
        pytest.param("http://api.atlassian.com/", id="plain-http"),
        pytest.param("https://api.atlassian.com:8443/", id="another-port"),
        pytest.param("https://api.atlassian.com.evil.example/", id="a-longer-host"),
        pytest.param("https://auth.atlassian.com/", id="a-sibling"),
        pytest.param("https://api.atlassian.com@evil.example/", id="userinfo"),
    ],
)
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_bearer_goes_nowhere_else(atlassian_credential, url, kind):
    """A request to another origin is refused before it is sent, and the error says what is allowed."""

    def never(request):
        raise AssertionError("it was sent")

    transport = httpx.MockTransport(never)
    with pytest.raises(OriginNotAllowed, match="allowed_origins=") as caught:
        if kind == "async":
            async with httpx.AsyncClient(auth=atlassian_credential, transport=transport) as client:
                await client.get(url)
        else:
            with httpx.Client(auth=atlassian_credential, transport=transport) as client:
                client.get(url)

    assert caught.value.allowed == ("https://api.atlassian.com",)
    assert caught.value.origin.startswith(url[:8])


@pytest.mark.parametrize(
    "url", ["https://API.Atlassian.com:443/x", "https://api.atlassian.com/y?z#f"]
)
async def test_the_same_origin_is_the_same_however_written(atlassian_credential, url):
    """Case, default port, path and query do not matter."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200))

    async with httpx.AsyncClient(auth=atlassian_credential, transport=transport) as client:
        assert (await client.get(url)).status_code == 200


async def test_a_redirect_elsewhere_does_not_take_the_bearer_along(atlassian_credential, myself):
    """After a redirect to another origin the request has no bearer, and its 401 refreshes nothing."""
    seen = []

    def answer(request):
        seen.append(request)
        if request.url.host == "api.atlassian.com":
            return httpx.Response(302, headers={"Location": "https://evil.example/"})
        return httpx.Response(401)

    async with httpx.AsyncClient(
        auth=atlassian_credential, transport=httpx.MockTransport(answer), follow_redirects=True
    ) as client:
        response = await client.get(myself)
        with pytest.raises(OriginNotAllowed):
            await client.send(
                httpx.Request("GET", "https://evil.example/"), auth=atlassian_credential
            )

    assert response.status_code == 401
    assert [request.headers.get("Authorization", "") != "" for request in seen] == [True, False]


async def test_allowed_origins_widen(atlassian, atlassian_clock):
    """``allowed_origins`` adds origins, to those of the grant."""
    auth = AtlassianAuth(
        jira_software_grant(atlassian),
        clock=atlassian_clock,
        allowed_origins=["https://proxy.example.com/jira"],
    )
    transport = httpx.MockTransport(lambda _: httpx.Response(200))

    async with httpx.AsyncClient(auth=auth, transport=transport) as client:
        for url in ("https://proxy.example.com/a", "https://api.atlassian.com/b"):
            assert (await client.get(url)).status_code == 200
    await auth.aclose()


@pytest.mark.parametrize("origin", ["http://proxy.example.com", "proxy.example.com", ""])
def test_unsafe_origins_are_refused(atlassian, origin):
    """An origin that is no https URL is refused by the name of the argument."""
    with pytest.raises(ConfigurationError) as caught:
        AtlassianAuth(jira_software_grant(atlassian), allowed_origins=[origin])

    assert caught.value.argument == "allowed_origins"


async def test_data_center_has_one_origin(atlassian, atlassian_clock):
    """A Data Center bearer goes to that server's origin, below whatever context path."""
    auth = AtlassianAuth(
        data_center_grant(atlassian), store=MemoryStore(), clock=atlassian_clock, key="dc"
    )
    issued = atlassian.issue_grant(atlassian.data_center_app)
    await auth.manager.add("dc", refresh_token=issued.refresh_token)

    async with httpx.AsyncClient(auth=auth) as client:
        response = await client.get("https://jira.example.com/jira/rest/api/2/myself")
        with pytest.raises(OriginNotAllowed):
            await client.get("https://api.atlassian.com/me")
    await auth.aclose()

    assert response.status_code == 200


# -- a 401 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_401_is_refreshed_and_replayed_once(atlassian_credential, atlassian, myself, kind):
    """A token that ended early at the server is refreshed once and the request sent again."""
    await revoke(atlassian_credential, atlassian)

    if kind == "async":
        async with httpx.AsyncClient(auth=atlassian_credential) as client:
            response = await client.get(myself)
    else:
        with httpx.Client(auth=atlassian_credential) as client:
            response = client.get(myself)

    assert response.status_code == 200
    assert atlassian.count("token", grant_type="refresh_token") == 1
    assert [entry.status for entry in atlassian.api_requests] == [401, 200]


async def test_a_storm_of_401s_is_one_refresh(atlassian_credential, atlassian, myself):
    """A hundred requests with the same dead token are one refresh, and all are answered."""
    await revoke(atlassian_credential, atlassian)
    statuses = []

    async with httpx.AsyncClient(auth=atlassian_credential) as client:

        async def get():
            statuses.append((await client.get(myself)).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(get)

    assert statuses == [200] * 100
    assert atlassian.count("token", grant_type="refresh_token") == 1


async def test_a_newer_token_is_adopted_before_refreshing(atlassian, atlassian_clock, myself):
    """If another process has refreshed meanwhile, its token is taken from the store."""
    store, grant = MemoryStore(), cloud_grant(atlassian)
    ours, theirs = (AtlassianAuth(grant, store=store, clock=atlassian_clock) for _ in range(2))
    await ours.manager.add(refresh_token=atlassian.issue_grant().refresh_token)
    await revoke(ours, atlassian)
    await theirs.refresh()

    async with httpx.AsyncClient(auth=ours) as client:
        assert (await client.get(myself)).status_code == 200
    for auth in (ours, theirs):
        await auth.aclose()

    assert atlassian.count("token", grant_type="refresh_token") == 2


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"content": b"bytes"}, id="bytes"),
        pytest.param({"content": "text"}, id="text"),
        pytest.param({"json": {"builds": []}}, id="json"),
        pytest.param({"data": {"a": "b"}}, id="form"),
    ],
)
async def test_a_replay_is_the_same_byte_for_byte(ci_auth, atlassian, upload, body):
    """A body that can be sent again is sent again as it was."""
    seen = []

    def answer(request):
        seen.append(request.content)
        return httpx.Response(401 if len(seen) == 1 else 202)

    async with httpx.AsyncClient(auth=ci_auth, transport=httpx.MockTransport(answer)) as client:
        response = await client.post(upload, **body)

    assert response.status_code == 202
    assert seen[0] == seen[1] != b""


async def chunks():
    yield b"{}"


def sync_chunks():
    yield b"{}"


@pytest.mark.parametrize("kind", ["async", "sync", "multipart"])
async def test_a_spent_body_is_not_replayed(ci_auth, atlassian, upload, kind):
    """A body that can be sent only once: the 401 comes back, and the next call is fine."""
    await revoke(ci_auth, atlassian)

    if kind == "sync":
        with httpx.Client(auth=ci_auth) as client:
            first = client.post(upload, content=sync_chunks())
            second = client.post(upload, json={})
    else:
        once = {"content": chunks()} if kind == "async" else {"files": {"file": b"{}"}}
        async with httpx.AsyncClient(auth=ci_auth) as client:
            first = await client.post(upload, **once)
            second = await client.post(upload, json={})

    assert (first.status_code, second.status_code) == (401, 202)
    assert atlassian.count("token", grant_type="client_credentials") == 2


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_second_401_is_the_callers(atlassian_credential, atlassian, myself, kind):
    """An API that refuses every token answers its caller, and does not burn a rotation each time."""
    unauthorized = Fault.json({"code": 401, "message": "Unauthorized"}, status=401)
    atlassian.fault("api", unauthorized, times=None)
    statuses = []

    if kind == "async":
        async with httpx.AsyncClient(auth=atlassian_credential) as client:
            for _ in range(3):
                statuses.append((await client.get(myself)).status_code)
    else:
        with httpx.Client(auth=atlassian_credential) as client:
            for _ in range(3):
                statuses.append(client.get(myself).status_code)

    assert statuses == [401] * 3
    assert atlassian.count("token", grant_type="refresh_token") == 1


DATA_CENTER = "https://jira.example.com/jira"


@pytest.fixture
def on_premise(atlassian, atlassian_clock):
    """An auth for a Data Center, authorized."""
    grant = data_center_grant(atlassian)
    auth = AtlassianAuth(grant, store=MemoryStore(clock=atlassian_clock), clock=atlassian_clock)
    issued = atlassian.issue_grant(atlassian.data_center_app)
    anyio.run(lambda: auth.manager.add(refresh_token=issued.refresh_token))
    yield auth
    anyio.run(auth.aclose)


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("anonymous_answer", ["401", "redirect", "page"])
@pytest.mark.parametrize("service_account", [False, True], ids=["person", "service-account"])
async def test_an_anonymous_answer_of_data_center(
    on_premise, atlassian, atlassian_clock, kind, anonymous_answer, service_account
):
    """However Data Center says that it treats a request as anonymous, the answer counts as a 401."""
    auth = on_premise
    if service_account:
        auth = AtlassianAuth(data_center_service_account_grant(atlassian), clock=atlassian_clock)
    atlassian.rules.anonymous_answer = anonymous_answer
    await revoke(auth, atlassian)
    url = f"{DATA_CENTER}/rest/api/2/myself"

    if kind == "async":
        async with httpx.AsyncClient(auth=auth) as client:
            response = await client.get(url)
    else:
        with httpx.Client(auth=auth) as client:
            response = client.get(url)
    await auth.aclose()

    assert (response.status_code, response.json()["name"]) == (200, "ada")
    assert atlassian.count("token") == 2


ANONYMOUS = {
    "header": httpx.Response(200, headers={"X-AUSERNAME": "anonymous"}, json={}),
    "jira": httpx.Response(302, headers={"Location": "/jira/login.jsp?os_destination=%2Frest"}),
    "confluence": httpx.Response(303, headers={"Location": f"{DATA_CENTER}/login.action"}),
    "bitbucket": httpx.Response(302, headers={"Location": "https://git.example.com/login?next=/"}),
    "page": httpx.Response(200, headers={"Content-Type": "text/html;charset=UTF-8"}),
}


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("case", ANONYMOUS)
async def test_a_second_anonymous_answer_is_the_callers(on_premise, atlassian, case, kind):
    """If another token changes nothing, the answer comes back, and no rotation is burnt for each request."""
    seen = []

    def answer(request):
        seen.append(request.headers["Authorization"])
        known = ANONYMOUS[case]
        return httpx.Response(known.status_code, headers=known.headers, content=known.content)

    transport = httpx.MockTransport(answer)
    url = f"{DATA_CENTER}/rest/api/2/search"
    if kind == "async":
        async with httpx.AsyncClient(auth=on_premise, transport=transport) as client:
            statuses = {(await client.get(url)).status_code for _ in range(3)}
    else:
        with httpx.Client(auth=on_premise, transport=transport) as client:
            statuses = {client.get(url).status_code for _ in range(3)}

    assert statuses == {ANONYMOUS[case].status_code}
    assert (len(seen), len(set(seen))) == (4, 2)
    assert atlassian.count("token", grant_type="refresh_token") == 2


async def test_each_anonymous_answer_is_examined(on_premise, atlassian):
    """A new token that was accepted is refreshed again when it ends early."""
    async with httpx.AsyncClient(auth=on_premise) as client:
        for _ in range(2):
            await revoke(on_premise, atlassian)
            response = await client.get(f"{DATA_CENTER}/rest/api/2/myself")
            assert response.json()["name"] == "ada"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same-host", "another-host"])
async def test_a_login_page_behind_a_redirect(on_premise, atlassian, elsewhere):
    """A client that follows redirects ends on the login page; the request is sent again all the same."""
    first = (await on_premise.token()).access_token
    host = "https://login.example.com" if elsewhere else DATA_CENTER

    def answer(request):
        if request.url.path.endswith("/login"):
            return httpx.Response(200, html="<h1>Log in</h1>")
        if request.headers["Authorization"] == f"Bearer {first}":
            return httpx.Response(302, headers={"Location": f"{host}/login"})
        return httpx.Response(200, json={"name": "ada"})

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(
        auth=on_premise, transport=transport, follow_redirects=True
    ) as client:
        response = await client.get(f"{DATA_CENTER}/rest/api/2/myself")

    assert response.json() == {"name": "ada"}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/rest/api/2/myself", {"headers": {"X-AUSERNAME": "ada"}, "json": {}}),
        ("/browse/SHOP-1", {"html": "<h1>SHOP-1</h1>"}),
        ("/rest/api/2/attachment/1", {"status_code": 302, "headers": {"Location": "/secure/1"}}),
        ("/rest/api/2/search", {"status_code": 400, "html": "<h1>Bad request</h1>"}),
    ],
)
async def test_other_answers_of_data_center_are_answers(on_premise, atlassian, path, answer):
    """A page of a path that has pages, another redirect, another error: nothing is refreshed."""
    transport = httpx.MockTransport(lambda _: httpx.Response(**({"status_code": 200} | answer)))

    async with httpx.AsyncClient(auth=on_premise, transport=transport) as client:
        await client.get(f"{DATA_CENTER}{path}")

    assert atlassian.count("token") == 1


async def test_a_page_of_the_gateway_is_no_anonymous_answer(
    atlassian_credential, atlassian, myself
):
    """On Cloud only a 401 is examined: its gateway treats no token as anonymous."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, html="<h1>Log in</h1>"))

    async with httpx.AsyncClient(auth=atlassian_credential, transport=transport) as client:
        await client.get(myself)

    assert atlassian.count("token", grant_type="refresh_token") == 0


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_missing_scope_is_not_expiry(atlassian, atlassian_clock, kind):
    """A 401 for a missing scope refreshes nothing, and the error says which scopes were granted."""
    auth = AtlassianAuth(cloud_grant(atlassian), store=MemoryStore(), clock=atlassian_clock)
    issued = atlassian.issue_grant(scopes="read:me")
    await auth.manager.add(refresh_token=issued.refresh_token)
    url = f"https://api.atlassian.com/ex/jira/{atlassian.cloud_id}/rest/api/3/auditing/record"

    with pytest.raises(ScopeMismatch, match="refreshing would not help") as caught:
        if kind == "async":
            async with httpx.AsyncClient(auth=auth) as client:
                await client.get(url)
        else:
            with httpx.Client(auth=auth) as client:
                client.get(url)
    await auth.aclose()

    assert caught.value.granted == ("read:me", "offline_access")
    assert atlassian.count("token", outcome="ok") == 1


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_401_about_the_kind_of_credential_is_not_expiry(
    atlassian_credential, atlassian, myself, kind
):
    """If the API says that this kind of token does not fit its host, the error says which host does."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(
            401, headers={"X-Failure-Category": "FAILURE_CLIENT_AUTH_MISMATCH"}
        )
    )

    with pytest.raises(ConfigurationError, match=r"Endpoints\.jira_url"):
        if kind == "async":
            async with httpx.AsyncClient(auth=atlassian_credential, transport=transport) as client:
                await client.get(myself)
        else:
            with httpx.Client(auth=atlassian_credential, transport=transport) as client:
                client.get(myself)

    assert atlassian.count("token", grant_type="refresh_token") == 0


async def test_the_missing_scopes_are_named_where_the_api_names_them(atlassian_credential, myself):
    """A ``WWW-Authenticate`` that names the scopes needed says which are missing."""
    challenge = 'Bearer error="insufficient_scope", scope="read:me write:jira-work"'
    transport = httpx.MockTransport(
        lambda _: httpx.Response(401, headers={"WWW-Authenticate": challenge})
    )

    async with httpx.AsyncClient(auth=atlassian_credential, transport=transport) as client:
        with pytest.raises(ScopeMismatch, match=r"lacks .*: write:jira-work") as caught:
            await client.get(myself)

    assert caught.value.missing == ("write:jira-work",)


@pytest.mark.parametrize("status", [403, 404])
async def test_other_refusals_do_not_refresh_a_fresh_token(
    atlassian_credential, atlassian, myself, status
):
    """403 and 404 are answers, not expiry, while the clock says that the token is fresh."""
    atlassian.fault("api", Fault.status(status), times=5)

    async with httpx.AsyncClient(auth=atlassian_credential) as client:
        for _ in range(5):
            assert (await client.get(myself)).status_code == status

    assert atlassian.count("token", grant_type="refresh_token") == 0


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_an_expired_token_answered_403_or_404(
    atlassian_credential, atlassian_clock, status, kind
):
    """If the token ended while the request was under way, such an answer is looked into once."""
    seen = []

    def answer(request):
        seen.append(request)
        if len(seen) == 1:
            atlassian_clock.advance(HOUR)
            return httpx.Response(status)
        return httpx.Response(200)

    transport = httpx.MockTransport(answer)
    if kind == "async":
        async with httpx.AsyncClient(auth=atlassian_credential, transport=transport) as client:
            response = await client.get("https://api.atlassian.com/me")
    else:
        with httpx.Client(auth=atlassian_credential, transport=transport) as client:
            response = client.get("https://api.atlassian.com/me")

    assert (response.status_code, len(seen)) == (200, 2)


async def test_trouble_after_a_401_is_raised(atlassian_credential, atlassian, myself):
    """If the refused token cannot be refreshed, the caller learns why rather than seeing a bare 401."""
    await revoke(atlassian_credential, atlassian)
    atlassian.fault("token", Fault.status(503), times=3)

    async with httpx.AsyncClient(auth=atlassian_credential) as client:
        with pytest.raises(TransientError):
            await client.get(myself)
        atlassian.clock.advance(60)
        assert (await client.get(myself)).status_code == 200


async def test_a_lost_grant_is_raised(atlassian_credential, atlassian, atlassian_clock, myself):
    """A grant that was revoked is an error that asks for authorization, not a 401."""
    token = await atlassian_credential.token()
    atlassian.revoke_grant(token.access_token)
    atlassian_clock.advance(HOUR)

    async with httpx.AsyncClient(auth=atlassian_credential) as client:
        with pytest.raises(AuthorizationRequired):
            await client.get(myself)


# -- what is left alone ---------------------------------------------------------------------------


BOTH = (httpx.AsyncByteStream, httpx.SyncByteStream, httpx2.AsyncByteStream, httpx2.SyncByteStream)


class Watched(*BOTH):
    """A body that tells whether it was read."""

    def __init__(self):
        self.read = False

    async def __aiter__(self):
        self.read = True
        yield b"streamed"

    def __iter__(self):
        self.read = True
        yield b"streamed"


@pytest.mark.parametrize("status", [200, 204, 302, 400, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_other_answers_are_not_read(atlassian_credential, myself, status, kind):
    """The auth reads only the body of a 401, so other responses can be streamed."""
    body = Watched()
    transport = httpx.MockTransport(lambda _: httpx.Response(status, stream=body))

    if kind == "async":
        async with (
            httpx.AsyncClient(auth=atlassian_credential, transport=transport) as client,
            client.stream("GET", myself) as response,
        ):
            assert not body.read
            assert await response.aread() == b"streamed"
    else:
        with (
            httpx.Client(auth=atlassian_credential, transport=transport) as client,
            client.stream("GET", myself) as response,
        ):
            assert not body.read
            assert response.read() == b"streamed"


async def test_token_requests_are_not_the_users(
    atlassian_credential, atlassian, atlassian_clock, myself
):
    """Token requests are in no history, hook, cookie jar or connection pool of the user's client."""
    hooked = []

    async def hook(message):
        hooked.append(str(message.url))

    atlassian_clock.advance(HOUR)
    async with httpx.AsyncClient(
        auth=atlassian_credential, event_hooks={"request": [hook], "response": [hook]}
    ) as client:
        response = await client.get(myself)

    assert set(hooked) == {myself}
    assert response.history == []
    assert atlassian.count("token", grant_type="refresh_token") == 1


async def test_nothing_is_held_while_a_request_is_under_way(
    atlassian_credential, atlassian, myself
):
    """A request that hangs keeps no other from refreshing."""
    gate = atlassian.hold("api")

    async with (
        httpx.AsyncClient(auth=atlassian_credential) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.get, myself)
        await gate.arrived()
        await atlassian_credential.refresh()
        gate.open()

    assert atlassian.count("token", grant_type="refresh_token") == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_flow_may_be_closed_anywhere(atlassian_credential, myself):
    """A generator that httpx drops at its ``yield`` holds nothing: the next request is fine."""
    flow = atlassian_credential.async_auth_flow(httpx.Request("GET", myself))
    await anext(flow)
    await flow.aclose()

    assert (await atlassian_credential.refresh()).access_token


# -- the object -----------------------------------------------------------------------------------


async def test_without_httpx(atlassian_credential):
    """Programs without httpx can call `token`, `refresh` and `status`."""
    first = await atlassian_credential.token()
    second = await atlassian_credential.refresh()

    status = await atlassian_credential.status()

    assert first != second
    assert (status.key, status.refresh_count) == (atlassian_credential.key, 1)


async def test_ending_a_credential(atlassian_credential):
    """Revoking ends the grant; there is nothing left to revoke."""
    assert await atlassian_credential.revoke() is True
    assert await atlassian_credential.revoke() is False


async def test_it_shows_and_gives_away_no_secret(atlassian_credential):
    """Its repr has no secret, it cannot be pickled, and a copy of it is itself."""
    token = await atlassian_credential.token()

    assert token.access_token not in repr(atlassian_credential)
    assert "origins=['https://api.atlassian.com']" in repr(atlassian_credential)
    with pytest.raises(TypeError, match="secrets"):
        pickle.dumps(atlassian_credential)
    assert copy.deepcopy(atlassian_credential) is atlassian_credential


def test_its_repr_names_the_key(atlassian_credential):
    """The repr of an auth names its key, so logs and debuggers distinguish credentials."""
    other = atlassian_credential.manager.auth("tenant-42")

    assert repr(other) == "AtlassianAuth(key='tenant-42', origins=['https://api.atlassian.com'])"
    assert repr(object.__new__(AtlassianAuth)) == "AtlassianAuth(key=None, origins=[])"


class Closing(MemoryStore):
    """Knows how often it was closed."""

    closed = 0

    async def aclose(self):
        self.closed += 1
        await super().aclose()


@pytest.mark.parametrize(
    "wrap", [lambda auth: auth, lambda auth: auth.manager], ids=["auth", "manager"]
)
async def test_a_with_block_closes_it(atlassian, atlassian_clock, wrap):
    """The end of a `with` block finishes running refreshes and closes the store."""
    store = Closing(clock=atlassian_clock)
    auth = AtlassianAuth(cloud_grant(atlassian), store=store, clock=atlassian_clock)

    async with wrap(auth) as entered:
        assert entered is wrap(auth)
        await auth.add(refresh_token=atlassian.issue_grant().refresh_token)
    assert store.closed == 1
    with wrap(auth) as entered:
        assert entered is wrap(auth)
        assert (await auth.status()).refreshable
    assert store.closed == 2


def test_a_script_needs_no_event_loop(atlassian, atlassian_clock, myself):
    """From the first refresh token to the closing everything has a blocking form."""
    store, now = MemoryStore(clock=atlassian_clock), atlassian_clock.now()

    grant = cloud_grant(atlassian)
    with AtlassianAuth(grant, key="tenant", store=store, clock=atlassian_clock) as auth:
        refresh_token = atlassian.issue_grant().refresh_token
        added = auth.add_sync(refresh_token=refresh_token, authorized_at=now)
        auth.ping_sync()
        with httpx.Client(auth=auth) as client:
            assert client.get(myself).status_code == 200
        used = auth.status_sync()
        assert auth.token_sync() == auth.manager.peek("tenant")

    assert (added.key, added.state, used.state) == ("tenant", "pending", "ready")
    assert used.authorized_at == now


async def test_adding_a_token_with_its_date(atlassian_credential, atlassian, atlassian_clock):
    """A refresh token from elsewhere is stored under the key of the auth, with the date of its consent."""
    auth, now = atlassian_credential.manager.auth("tenant"), atlassian_clock.now()

    await auth.add(refresh_token=atlassian.issue_grant().refresh_token, authorized_at=now)

    status = await auth.manager.status("tenant")
    assert (status.state, status.authorized_at) == ("pending", now)


async def test_one_manager_many_keys(atlassian_credential, atlassian):
    """``manager.auth(key)`` gives auths that share the manager."""
    other = atlassian_credential.manager.auth("other")

    assert other.manager is atlassian_credential.manager
    assert other.key == "other"
    with pytest.raises(AuthorizationRequired):
        await other.token()


OF_NO_USE = {
    "store": MemoryStore(),
    "settings": Settings(),
    "clock": ManualClock(),
    "on_event": print,
    "sender": HttpxSender(),
    "transport": httpx.MockTransport(print),
    "verify": False,
    "proxy": "http://proxy.example.com:3128",
    "runner": InlineRunner(),
}


@pytest.mark.parametrize("argument", OF_NO_USE)
def test_an_argument_of_no_use_is_refused(atlassian_credential, argument):
    """Next to a manager, an argument for a grant is an error that names it."""
    with pytest.raises(ConfigurationError, match=f"{argument}= is of no use with a") as caught:
        AtlassianAuth(atlassian_credential.manager, **{argument: OF_NO_USE[argument]})

    assert caught.value.argument == argument


def test_an_auth_takes_what_a_manager_takes():
    """The options of `AtlassianAuth` are the manager's own: none is missing, none is another."""
    taken = inspect.signature(TokenManager).parameters.keys() - {"grant"}

    assert ManagerOptions.__optional_keys__ == taken


@pytest.mark.parametrize("wrong", [InlineRunner, "x", 5], ids=["class", "text", "number"])
@pytest.mark.parametrize("argument", ["clock", "runner", "sender"])
def test_a_port_is_checked_at_once(argument, wrong):
    """An argument without the methods of its port is refused by the constructor."""
    with pytest.raises(ConfigurationError, match=f"^{argument} must be a ") as caught:
        AtlassianAuth(cloud_grant(FakeAtlassian()), store=MemoryStore(), **{argument: wrong})

    assert caught.value.argument == argument


def test_an_auth_is_not_wrapped():
    """An auth in place of a grant is refused, and the error says how to use it."""
    bearer = StaticToken("bearer", origins=["https://jira.example.com"])

    with pytest.raises(ConfigurationError, match="StaticToken is an auth itself") as caught:
        AtlassianAuth(bearer)

    assert caught.value.argument == "source"


@pytest.mark.parametrize(
    ("wrong", "kind"), [(None, "NoneType"), ("grant", "str"), (CloudGrant, "the class CloudGrant")]
)
def test_a_source_is_checked_at_once(wrong, kind):
    """Anything but a grant or a manager is refused by the constructor."""
    with pytest.raises(
        ConfigurationError, match=f"source must be a grant .*, not {kind}"
    ) as caught:
        AtlassianAuth(wrong, store=MemoryStore())

    assert caught.value.argument == "source"


# -- hostile refusals -----------------------------------------------------------------------------


class TwoBearers:
    """A token endpoint that answers twice, with a bearer each."""

    def __init__(self, *, scope="read:x", on_send=lambda: None):
        self._bearers = iter(["first-bearer-1", "second-bearer-2"])
        self._scope = scope
        self._on_send = on_send

    async def send(self, request):
        self._on_send()
        token = {"access_token": next(self._bearers), "token_type": "Bearer", "expires_in": 3600}
        body = json.dumps(token | {"scope": self._scope}).encode()
        return HTTPResponse(status=200, headers={"content-type": "application/json"}, body=body)

    async def aclose(self):
        pass


def two_tokens(origin, *, clock=None, **answers):
    """Return an auth that has another token where one was refused."""
    grant = ClientCredentialsGrant.service_account("client-id", client_secret="secret")
    clock = clock or ManualClock()
    sender = TwoBearers(**answers)
    return AtlassianAuth(grant, sender=sender, clock=clock, allowed_origins=[origin])


async def status_of(server, auth, kind):
    """Return the status that a caller gets who streams."""
    if kind == "async":
        async with (
            httpx.AsyncClient(auth=auth, trust_env=False) as client,
            client.stream("GET", server.url) as response,
        ):
            return response.status_code
    with (
        httpx.Client(auth=auth, trust_env=False) as client,
        client.stream("GET", server.url) as response,
    ):
        return response.status_code


def endless(status):
    head = answer(status)
    return lambda: itertools.chain([head], itertools.repeat(b"x" * 10_000))


# Trio closes what is left half-way, and says so.
UNFINISHED = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")


@UNFINISHED
@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_an_endless_refusal_is_left(status, kind):
    """A caller that streams gets the second response, however long the first one is."""
    clock = ManualClock()

    def late():
        clock.advance(HOUR)  # now the clock says that the token has expired
        return endless(status)()

    with RawServer(late, answer(200)) as server:
        auth = two_tokens(server.url, clock=clock)

        assert await status_of(server, auth, kind) == 200

    assert [b"second-bearer-2" in head for head in server.heads] == [False, True]


@UNFINISHED
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_an_endless_refusal_is_the_callers(kind):
    """A caller that streams gets an endless 401 before its end if there is no other token."""
    with RawServer(endless(401)) as server:
        auth = StaticToken("bearer", origins=[server.url])

        assert await status_of(server, auth, kind) == 401


@UNFINISHED
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_scope_is_missing_whatever_follows(kind):
    """A missing scope named in the header is reported without reading the body."""
    challenge = 'www-authenticate: Bearer error="insufficient_scope", scope="write:x"'
    head = answer(401, challenge)
    with RawServer(lambda: itertools.chain([head], itertools.repeat(b"x" * 10_000))) as server:
        auth = StaticToken("bearer", origins=[server.url])
        with pytest.raises(ScopeMismatch, match="write:x"):
            await status_of(server, auth, kind)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_compressed_refusal_is_understood(kind):
    """The reason in a compressed 401 is read."""
    body = gzip.compress(b'{"code":401,"message":"Unauthorized; scope does not match"}')
    with RawServer(answer(401, "content-encoding: gzip", body=body)) as server:
        auth = two_tokens(server.url)
        with pytest.raises(ScopeMismatch):
            await status_of(server, auth, kind)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_first_refusal_stands_in_the_history(kind):
    """A short first refusal is complete in `response.history`."""
    with RawServer(answer(401, body=b"refused"), answer(200)) as server:
        auth = two_tokens(server.url)
        if kind == "async":
            async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
                response = await client.get(server.url)
        else:
            with httpx.Client(auth=auth, trust_env=False) as client:
                response = client.get(server.url)

    assert [(one.status_code, one.content) for one in response.history] == [(401, b"refused")]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_api_may_echo_the_bearer(kind):
    """If an API repeats the bearer, the error does not show it."""
    scope = "write:x first-bearer-1 \x1b]0;x"
    response = httpx.Response(
        401, headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
    )
    transport = httpx.MockTransport(lambda _: response)
    auth = two_tokens("https://a.example")
    with pytest.raises(ScopeMismatch) as caught:
        if kind == "async":
            async with httpx.AsyncClient(auth=auth, transport=transport) as client:
                await client.get("https://a.example")
        else:
            with httpx.Client(auth=auth, transport=transport) as client:
                client.get("https://a.example")

    assert caught.value.missing == ("write:x", "[secret]", "]0;x")
    assert str(caught.value).isprintable()


def test_granted_scopes_are_shown_in_short():
    """An authorization server that granted thousands does not fill the error."""
    challenge = {"www-authenticate": 'Bearer error="insufficient_scope"'}
    granted = " ".join(f"read:{number:094}" for number in range(100))
    auth = two_tokens("https://a.example", scope=granted)
    transport = httpx.MockTransport(lambda _: httpx.Response(401, headers=challenge))

    with (
        httpx.Client(auth=auth, transport=transport) as client,
        pytest.raises(ScopeMismatch) as caught,
    ):
        client.get("https://a.example")

    assert len(str(caught.value)) < 1000
    assert len(caught.value.granted) == 100


# -- the origin, where the header is set ----------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_url_that_changes_while_the_token_is_waited_for(kind):
    """The header is set for the URL that the request has then."""
    request = httpx.Request("GET", "https://a.example/")

    def change():
        request.url = httpx.URL("https://evil.example/")

    auth = two_tokens("https://a.example", on_send=change)
    with pytest.raises(OriginNotAllowed):
        if kind == "async":
            await anext(auth.async_auth_flow(request))
        else:
            next(auth.sync_auth_flow(request))

    assert "authorization" not in request.headers


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_url_that_changes_before_the_replay(kind):
    """A hook that turns the request elsewhere after a 401 does not send the second token there."""
    seen = []

    def answered(request):
        seen.append(request.url.host)
        return httpx.Response(401)

    def turn(response):
        response.request.url = httpx.URL("https://evil.example/")

    async def aturn(response):
        turn(response)

    auth = two_tokens("https://a.example")
    transport = httpx.MockTransport(answered)
    with pytest.raises(OriginNotAllowed):
        if kind == "async":
            hooks = {"response": [aturn]}
            async with httpx.AsyncClient(
                auth=auth, transport=transport, event_hooks=hooks
            ) as client:
                await client.get("https://a.example")
        else:
            hooks = {"response": [turn]}
            with httpx.Client(auth=auth, transport=transport, event_hooks=hooks) as client:
                client.get("https://a.example")

    assert seen == ["a.example"]


def test_a_foreign_host_is_named_in_short():
    """A long host name is shortened in the error."""
    with pytest.raises(OriginNotAllowed) as caught:
        Origins(["https://a.example"]).check(httpx.URL(f"https://{'b' * 5000}.example"))

    assert len(str(caught.value)) < 500


# -- reporters that show locals -------------------------------------------------------------------

REFUSED = {
    "AtlassianAuth": lambda: AtlassianAuth(
        ClientCredentialsGrant.service_account("id", client_secret="secret-a"),
        allowed_origins=["x"],
    ),
    "StaticToken": lambda: StaticToken("secret b", origins=["https://a.example"]),
    "StaticToken-origins": lambda: StaticToken("secret-a", origins=["x"]),
    "ApiToken": lambda: ApiToken("a@b.example", "secret b", site="acme"),
    "AuthRouter": lambda: AuthRouter({"x": httpx.Auth()}),
    "Origins": lambda: Origins(1),
    "CloudGrant": lambda: CloudGrant(
        client_id="a", client_secret="secret b", redirect_uri="http://127.0.0.1", scopes="a"
    ),
    "DataCenterGrant": lambda: DataCenterGrant(
        "https://a.example", client_id="", client_secret="b", redirect_uri="c", scopes="READ"
    ),
    "ClientCredentialsGrant": lambda: ClientCredentialsGrant.jira_software("", "secret b"),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_was_refused_can_be_shown(make):
    """An object that was never finished stands in the frames; reporters that show locals survive it."""
    with pytest.raises((ConfigurationError, TypeError)) as caught:
        make()

    frames = []
    frame = caught.value.__traceback__
    while frame:
        frames.append(repr(frame.tb_frame.f_locals.get("self")))
        frame = frame.tb_next

    assert len(frames) > 1
    assert traceback.TracebackException.from_exception(caught.value, capture_locals=True)


async def test_a_forced_refresh_names_no_secret(atlassian, atlassian_credential):
    """The frames of a traceback have no token in their local variables."""
    bearer = (await atlassian_credential.token()).access_token
    atlassian.fault("token", Fault.status(500), times=None)
    with pytest.raises(TransientError) as caught:
        await atlassian_credential.refresh()

    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [
        frame
        for frame in shown.stack
        if "atlassian_auth" in frame.filename and "tests" not in frame.filename
    ]
    assert len(ours) > 1
    assert not [frame for frame in ours if bearer in str(frame.locals)]
