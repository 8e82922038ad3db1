"""requests: the same tokens and rules as in httpx, over real sockets and in the libraries that use it."""

from __future__ import annotations

import io
import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import anyio
import httpx
import httpx2
import pytest
import requests
from atlassian import Jira
from jira import JIRA
from requests.adapters import HTTPAdapter

from atlassian_auth import (
    AuthorizationRequired,
    ConfigurationError,
    OriginNotAllowed,
    ScopeMismatch,
    TransientError,
)
from atlassian_auth.requests import AtlassianAuth
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import Fault, cloud_grant, data_center_grant
from tests.raw_server import RawServer, answer

HOUR = timedelta(hours=1)
ME = "https://api.atlassian.com/me"


@pytest.fixture
def auth(atlassian, atlassian_server, atlassian_clock):
    """An auth whose grant and API are on the loopback server; authorized."""
    grant = cloud_grant(atlassian, atlassian_server.urls)
    store = MemoryStore(clock=atlassian_clock)
    auth = AtlassianAuth(grant, store=store, clock=atlassian_clock, allowed_origins=[ME])
    auth.add_sync(refresh_token=atlassian.issue_grant().refresh_token)
    with auth:
        yield auth


@pytest.fixture
def session(auth):
    with requests.Session() as session:
        session.auth = auth
        session.trust_env = False
        yield session


@pytest.fixture
def jira_url(auth, atlassian):
    return auth.endpoints.jira_url(atlassian.cloud_id).rstrip("/")


@pytest.fixture
def myself(jira_url):
    return f"{jira_url}/rest/api/3/myself"


def revoke(auth, atlassian):
    """End the access token at the server only: to us it looks valid."""
    atlassian.revoke_access_token(auth.token_sync().access_token)


def bearer(auth):
    return f"Bearer {auth.token_sync().access_token}"


class Scripted(HTTPAdapter):
    """Answers with these statuses, the last one again and again; keeps the headers and bodies it was sent."""

    def __init__(self, *statuses, **headers):
        super().__init__()
        self._statuses = list(statuses)
        self._headers = headers
        self.sent = []

    def send(self, request, **options):
        body = request.body
        read = body.read() if hasattr(body, "read") else body
        self.sent.append((request.headers["Authorization"], read))
        response = requests.Response()
        self.last, response.request, response.connection = response, request, self
        response.url, response.raw = request.url, io.BytesIO(b"body")
        response.headers.update(self._headers)
        response.status_code = self._statuses[0]
        self._statuses = self._statuses[1:] or self._statuses
        return response


# -- the libraries of users -----------------------------------------------------------------------


class OurJIRA(JIRA):
    """The client of jira, with an auth in the place of a fixed token."""

    def _create_token_session(self, token_auth):
        self._session.auth = token_auth


@pytest.mark.parametrize("library", ["jira", "atlassian-python-api"])
def test_a_job_over_many_lifetimes(auth, session, atlassian, atlassian_clock, jira_url, library):
    """A day and a night with one client: a token for each hour, a revocation, and no error is seen."""
    version = {"versionNumbers": [1001, 0, 0], "deploymentType": "Cloud"}
    atlassian.respond("GET", "/rest/api/2/serverInfo", json=version)
    if library == "jira":
        client = OurJIRA(jira_url, token_auth=auth)
    else:
        client = Jira(jira_url, session=session, cloud=True)
    names = set()

    for hour in range(24):
        names.add(client.myself()["displayName"])
        if hour == 12:
            revoke(auth, atlassian)
            names.add(client.myself()["displayName"])
        atlassian_clock.advance(HOUR)
    client.close()

    assert names == {"Ada Admin"}
    assert atlassian.count("token", grant_type="refresh_token") == 25
    assert atlassian.count("api", status=401) == 1


@pytest.mark.parametrize("library", ["jira", "atlassian-python-api"])
def test_a_lost_consent_is_told(auth, session, atlassian, atlassian_clock, jira_url, library):
    """No library on the way turns the error into another one, or tries again and again."""
    client = (
        OurJIRA(jira_url, token_auth=auth, get_server_info=False)
        if library == "jira"
        else Jira(jira_url, session=session, cloud=True)
    )
    atlassian.revoke_grant(auth.token_sync().access_token)
    atlassian_clock.advance(HOUR)

    with pytest.raises(AuthorizationRequired):
        client.myself()
    client.close()

    assert atlassian.count("token", outcome="ok") == 1


# -- threads, and other clients -------------------------------------------------------------------


def test_threads_share_a_refresh(auth, session, atlassian, atlassian_clock, myself):
    """Forty requests of eight threads meet an expired token, then a revoked one: one refresh each."""
    auth.token_sync()
    atlassian_clock.advance(HOUR)
    with ThreadPoolExecutor(8) as threads:
        expired = [*threads.map(lambda _: session.get(myself).status_code, range(40))]
        revoke(auth, atlassian)
        revoked = [*threads.map(lambda _: session.get(myself).status_code, range(40))]

    assert {*expired, *revoked} == {200}
    assert atlassian.count("token", grant_type="refresh_token") == 3


async def test_it_is_an_auth_of_httpx_too(auth, session, atlassian, myself):
    """One auth for the old code and the new: the sessions and the clients share the token."""
    async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
        statuses = {(await client.get(myself)).status_code}
    statuses.add(await anyio.to_thread.run_sync(lambda: session.get(myself).status_code))

    assert statuses == {200}
    assert atlassian.count("token") == 1


def test_a_client_of_httpx2_is_told_what_to_import(auth):
    """There it is no auth, and the error names the one that is."""
    with (
        httpx2.Client(auth=auth) as client,
        pytest.raises(ConfigurationError, match=r"from atlassian_auth\.httpx2 import"),
    ):
        client.get(ME)


def test_requests_may_be_absent(run):
    """The package works without it, and the module for it says what to install."""
    script = """
import sys
sys.modules["requests"] = None
import atlassian_auth
try:
    import atlassian_auth.requests
except ImportError as error:
    print(error)
"""
    assert "pip install 'atlassian-auth[requests]'" in " ".join(run(script))


# -- where the bearer goes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "http://api.atlassian.com/",
        "https://api.atlassian.com:8443/",
        "https://api.atlassian.com.evil.example/",
        "https://api.atlassian.com@evil.example/",
        "https://evil.example\\@api.atlassian.com/",
        "https://[::1]/",
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["no token yet", "a token"])
def test_the_bearer_goes_nowhere_else(auth, session, atlassian, url, first):
    """A request to another origin is refused before anything is sent or asked for."""
    if not first:
        auth.token_sync()
    session.mount("https://", Scripted(200))

    with pytest.raises(OriginNotAllowed, match="allowed_origins="):
        session.get(url)

    assert atlassian.count("token") == (0 if first else 1)


@pytest.mark.parametrize(
    "url", [ME, "https://API.Atlassian.com:443/me", "https://api.atlassian.com\\@evil.example/"]
)
def test_the_same_origin_is_the_same_however_written(auth, session, url):
    """Case and default port do not matter; requests takes what follows a backslash for the path."""
    scripted = Scripted(200)
    session.mount("https://", scripted)

    session.get(url, headers={"authorization": "placeholder"})

    assert scripted.sent == [(bearer(auth), None)]


def test_a_redirect_elsewhere_does_not_take_the_bearer_along(auth, session, atlassian):
    """What the other host answers says nothing of our token."""
    with (
        RawServer(answer(401), host="127.0.0.2") as elsewhere,
        RawServer(answer(302, f"location: {elsewhere.url}")) as server,
    ):
        session.auth = AtlassianAuth(auth.manager, allowed_origins=[server.url])
        response = session.get(server.url)

    assert (response.status_code, b"uthorization" in elsewhere.heads[0]) == (401, False)
    assert atlassian.count("token", grant_type="refresh_token") == 1


# -- a 401 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_a_401_is_refreshed_and_replayed_once(auth, session, atlassian, myself, stream):
    """The caller gets the answer to the second request, and finds the first in the history."""
    revoke(auth, atlassian)

    response = session.get(myself, stream=stream)

    assert response.json()["displayName"] == "Ada Admin"
    assert [one.status_code for one in response.history] == [401]
    assert [entry.status for entry in atlassian.api_requests] == [401, 200]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"data": b"bytes"}, b"bytes", id="bytes"),
        pytest.param({"data": {"a": "b"}}, "a=b", id="form"),
        pytest.param({"json": {"a": 1}}, b'{"a": 1}', id="json"),
        pytest.param({"data": io.BytesIO(b"a file")}, b"a file", id="file"),
    ],
)
def test_a_replay_is_the_same_byte_for_byte(auth, session, body, expected):
    """A file is read again from where it stood."""
    scripted = Scripted(401, 202)
    session.mount("https://", scripted)

    assert session.post(ME, **body).status_code == 202
    assert [sent for _header, sent in scripted.sent] == [expected, expected]
    assert len({header for header, _sent in scripted.sent}) == 2


def test_a_file_is_rewound_to_where_it_stood(auth, session):
    """Not to its first byte, if the application has read some."""
    scripted = Scripted(401, 202)
    session.mount("https://", scripted)
    file = io.BytesIO(b"head:rest")
    file.read(5)

    session.post(ME, data=file)

    assert [sent for _header, sent in scripted.sent] == [b"rest", b"rest"]


def test_a_spent_body_is_not_replayed(auth, session, atlassian, myself):
    """A generator can be sent only once: the 401 comes back, and the next call is fine."""
    revoke(auth, atlassian)

    first = session.get(myself, data=iter([b"{}"]))

    assert (first.status_code, session.get(myself).status_code) == (401, 200)


def test_the_second_401_is_the_callers(session, atlassian, myself):
    """An API that refuses every token answers its caller, and does not burn a rotation each time."""
    atlassian.fault("api", Fault.status(401), times=None)

    assert {session.get(myself).status_code for _ in range(3)} == {401}
    assert atlassian.count("token", grant_type="refresh_token") == 2


def test_a_prepared_request_may_be_kept(auth, session, atlassian_clock, myself):
    """It is signed when it is prepared; hours later its bearer is replaced each time."""
    prepared = session.prepare_request(requests.Request("GET", myself))

    for _ in range(3):
        assert session.send(prepared).status_code == 200
        atlassian_clock.advance(HOUR)


def test_hooks_of_the_session_see_the_second_answer(auth, session, atlassian, myself):
    """One that raises for each refusal does not come between a 401 and the refresh."""
    session.hooks["response"].append(lambda response, **_: response.raise_for_status())
    revoke(auth, atlassian)

    assert session.get(myself).status_code == 200


def test_a_response_gives_away_no_secret(auth, session, myself):
    """It has the request with the bearer: it is not pickled, and what is shown of its hooks is no secret."""
    response = session.get(myself)

    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(response)
    assert auth.token_sync().access_token not in repr(response.request.hooks)


@pytest.mark.parametrize("stream", [False, True])
def test_a_missing_scope_is_not_expiry(auth, session, atlassian, jira_url, stream):
    """A 401 that says so refreshes nothing, and is told with what was granted."""
    issued = atlassian.issue_grant(scopes="read:me")
    auth.add_sync(refresh_token=issued.refresh_token)

    with pytest.raises(ScopeMismatch) as caught:
        session.get(f"{jira_url}/rest/api/3/auditing/record", stream=stream)

    assert caught.value.granted == ("read:me", "offline_access")
    assert atlassian.count("token") == 1


def test_trouble_after_a_401_is_raised(auth, session, atlassian):
    """If the refused token cannot be refreshed, the caller learns why, and the response is closed."""
    scripted = Scripted(401)
    session.mount("https://", scripted)
    auth.token_sync()
    atlassian.fault("token", Fault.status(503), times=3)

    with pytest.raises(TransientError):
        session.get(ME, stream=True)

    assert scripted.last.raw.closed


def test_an_endless_refusal_of_a_stream_is_left(auth, atlassian):
    """A caller who streams gets the answer to the second request, however long the first one would be."""

    def endless():
        return itertools.chain([answer(401)], itertools.repeat(b"x" * 10_000))

    with RawServer(endless, answer(200, body=b"fine")) as server, requests.Session() as session:
        session.auth = AtlassianAuth(auth.manager, allowed_origins=[server.url])
        response = session.get(server.url, stream=True)
        assert (response.status_code, response.content) == (200, b"fine")


@pytest.mark.parametrize("anonymous_answer", ["401", "redirect", "page"])
def test_an_anonymous_answer_of_data_center(
    atlassian, atlassian_server, atlassian_clock, anonymous_answer
):
    """Data Center answers an unknown bearer as an anonymous call; in each form that counts as a 401."""
    grant = data_center_grant(atlassian, atlassian_server.urls)
    atlassian.rules.anonymous_answer = anonymous_answer
    refresh_token = atlassian.issue_grant(atlassian.data_center_app).refresh_token

    with AtlassianAuth(grant, store=MemoryStore(), clock=atlassian_clock) as auth:
        auth.add_sync(refresh_token=refresh_token)
        revoke(auth, atlassian)
        url = f"{atlassian_server.urls.dc_base_url}/rest/api/2/myself"
        response = requests.get(url, auth=auth, timeout=60)

    assert response.json()["name"] == "ada"
    assert atlassian.count("token") == 2
