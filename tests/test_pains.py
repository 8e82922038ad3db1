"""The fifteen worst pains of people who do OAuth with Atlassian, each brought about, worst first.

Found in issues, forums and source code of those who went without a library. Where the pain can no longer
happen, its test shows that. Where a person has to act, it shows what they read: what was wrong, what was
expected, what to do. A change of such a text changes this file, too.
"""

from __future__ import annotations

import errno
import os
import pickle
import socket
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import httpx
import httpx2
import pytest

import atlassian_auth
from atlassian_auth import (
    AtlassianAuth,
    AuthorizationRequired,
    CloudGrant,
    ConfigurationError,
    DataCenterGrant,
    OriginNotAllowed,
    ScopeMismatch,
    StoreError,
    TokenManager,
    TokenResponseError,
    TransientError,
)
from atlassian_auth.api_tokens import ApiToken
from atlassian_auth.exceptions import AmbiguousSite, SiteNotFound
from atlassian_auth.flows import AuthorizationFlow, LoopbackLogin
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.sites import accessible_resources, select_site
from atlassian_auth.stores import MemoryStore, SQLiteStore
from atlassian_auth.testing import (
    FakeAtlassian,
    Fault,
    LoopbackServer,
    cloud_grant,
    data_center_grant,
)

ROOT = Path(atlassian_auth.__path__[0]).parent
CALLBACK = "http://127.0.0.1:8765/callback"


@pytest.fixture
async def opened():
    """Auths to be closed at the end of the test."""
    auths = []
    yield auths
    for auth in auths:
        await auth.aclose()


@pytest.fixture
def auth_of(opened, atlassian, atlassian_clock):
    """Build an auth; without a store it is in memory."""

    def build(grant=None, *, store=None, **options):
        auth = AtlassianAuth(
            grant or cloud_grant(atlassian),
            store=store or MemoryStore(clock=atlassian_clock),
            clock=atlassian_clock,
            **options,
        )
        opened.append(auth)
        return auth

    return build


@pytest.fixture
def jira(atlassian):
    """The URL of a Jira's own account."""
    return f"https://api.atlassian.com/ex/jira/{atlassian.cloud_id}/rest/api/3/myself"


async def pasted(auth, atlassian, **consent):
    """Let a person consent, and give the auth the refresh token."""
    tokens = atlassian.issue_grant(**consent)
    await auth.manager.add(auth.key, refresh_token=tokens.refresh_token)
    return auth


def refreshes(atlassian):
    return atlassian.count("token", grant_type="refresh_token")


# -- 1: concurrent refreshes burn the rotating token -----------------------------------------------


async def test_fifty_tasks_refresh_at_once(atlassian, atlassian_credential, atlassian_clock, jira):
    """Fifty tasks share one refresh, after an expiry and after a refusal by the API."""
    for spoil in (lambda: atlassian_clock.advance(3600), atlassian.expire_access_tokens):
        before, answers = refreshes(atlassian), []

        async def call(client, answers=answers):
            answers.append((await client.get(jira)).status_code)

        async with httpx.AsyncClient(auth=atlassian_credential) as client:
            await client.get(jira)
            before = refreshes(atlassian)
            spoil()
            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(call, client)

        assert (answers, refreshes(atlassian) - before) == ([200] * 50, 1)
    assert atlassian.leeway_reuses == 0


# -- 2: the rotated refresh token is not saved -----------------------------------------------------


class Full(MemoryStore):
    """A store whose disk can be full."""

    full = False

    async def put(self, *args, **options):
        if self.full:
            raise OSError("no space left on device")
        return await super().put(*args, **options)


async def test_the_store_fails_after_the_rotation(atlassian, atlassian_clock, auth_of):
    """The error says what to do; the pair is kept in memory, and saved first."""
    store = Full(clock=atlassian_clock)
    auth = await pasted(auth_of(store=store), atlassian)
    store.full = True

    with pytest.raises(StoreError) as caught:
        await auth.token()

    assert str(caught.value) == (
        "The store could not write (Full: OSError). See that it is reachable and writable. The refresh "
        "token of key 'default' has been rotated; its successor is kept in memory and saved before "
        "anything else as soon as the store works. Keep this process running."
    )
    store.full = False
    await auth.token()
    restarted = auth_of(store=store)
    assert (await restarted.token()).access_token == (await auth.token()).access_token
    assert (refreshes(atlassian), atlassian.leeway_reuses) == (1, 0)


@pytest.mark.parametrize("refresh_token", [None, ""])
async def test_an_answer_without_a_refresh_token(
    atlassian, atlassian_credential, atlassian_clock, refresh_token
):
    """The refresh token that was sent is kept; no empty one takes its place."""
    await atlassian_credential.token()
    before = await atlassian_credential.manager.reveal_refresh_token()
    atlassian.fault("token", Fault.edited(lambda said: said | {"refresh_token": refresh_token}))

    atlassian_clock.advance(3600)

    await atlassian_credential.token()
    assert await atlassian_credential.manager.reveal_refresh_token() == before


# -- 3: two processes invalidate each other --------------------------------------------------------


@pytest.fixture
def command(tmp_path):
    """The command line as a process, with a home of its own."""
    inherited = {
        name: value for name, value in os.environ.items() if name in ("PATH", "SYSTEMROOT")
    }
    home = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_DATA_HOME"), str(tmp_path))
    started = []

    def start(*arguments, stdin="", **variables):
        process = subprocess.Popen(
            [sys.executable, "-m", "atlassian_auth", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**inherited, **home, "PYTHONPATH": str(ROOT), **variables},
        )
        process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def end_of(process):
    """How a process ended, and what it said."""
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def variables_of(app, urls, **more):
    """The environment that tells the command line about an emulated Cloud."""
    settings = {
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "redirect_uri": app.redirect_uri,
        "scopes": "read:me",
        "authorize_url": urls.authorize_url,
        "token_url": urls.token_url,
        "api_url": urls.api_url,
        **more,
    }
    return {f"ATLASSIAN_AUTH_{name.upper()}": value for name, value in settings.items()}


@pytest.mark.campaign
def test_processes_share_a_credential(command):
    """Four start with the same stale credential: one refreshes it, and all print the same new token."""
    atlassian = FakeAtlassian(SYSTEM_CLOCK)
    refresh_token = atlassian.issue_grant(scopes="read:me").refresh_token
    with LoopbackServer(atlassian) as server:
        variables = variables_of(atlassian.cloud_app, server.urls)
        assert end_of(command("add", stdin=refresh_token, **variables))[0] == 0

        ends = [end_of(one) for one in [command("token", **variables) for _ in range(4)]]

    assert {status for status, _, _ in ends} == {0}
    assert len({output for _, output, _ in ends}) == 1
    assert (refreshes(atlassian), atlassian.leeway_reuses) == (1, 0)


# -- 4: dead tokens and short outages are taken for each other ---------------------------------------

_REFUSED = (
    "The consent of key 'default' is lost. The refresh token was refused: it was used elsewhere, has "
    "expired, or the person changed the password or withdrew the consent. A person has to authorize again "
)


@pytest.mark.parametrize(
    ("error", "description"),
    [
        ("unauthorized_client", "refresh_token is invalid"),
        ("invalid_grant", "Unknown or invalid refresh token."),
    ],
)
async def test_a_dead_grant(atlassian, auth_of, error, description):
    """The error says what happened and who has to act; the server is not asked again and again."""
    auth = await pasted(auth_of(), atlassian)
    said = {"error": error, "error_description": description}
    atlassian.fault("token", Fault.json(said, status=403))

    for _ in range(3):
        with pytest.raises(AuthorizationRequired) as caught:
            await auth.token()

    assert f"{caught.value}" == f"{_REFUSED}(HTTP 403, {error}: {description})."
    assert caught.value.reason == "refused"
    assert len(atlassian.token_requests) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        pytest.param(
            Fault.json({"error": "access_denied", "error_description": "Unauthorized"}, status=401),
            ConfigurationError,
            "The token endpoint refused the request (HTTP 401, access_denied: Unauthorized): the client "
            "secret is wrong or missing: copy it again from the app's settings. The consent is not "
            "lost.",
            id="wrong-secret",
        ),
        pytest.param(
            Fault.json({"error": "invalid_client"}, status=401),
            ConfigurationError,
            "The token endpoint refused the request (HTTP 401, invalid_client): the client id or the "
            "client secret is wrong, or belongs to another server: copy both again from the app's "
            "settings.",
            id="wrong-client",
        ),
        pytest.param(
            Fault.status(503),
            TransientError,
            "The token endpoint is temporarily unavailable (HTTP 503): try again later.",
            id="503",
        ),
        pytest.param(
            Fault.refused_connection(),
            TransientError,
            "The token endpoint https://auth.atlassian.com/oauth/token could not be reached "
            "(ConnectError). Nothing was sent; try again later, and check network, proxy and TLS settings "
            "if it lasts.",
            id="network",
        ),
        pytest.param(
            Fault.html(),
            TokenResponseError,
            "The answer is a success without a usable bearer token, such as a login page: check the URL "
            "and any proxy (HTTP 200).",
            id="login-page",
        ),
    ],
)
async def test_an_outage_costs_no_consent(
    atlassian, atlassian_clock, auth_of, fault, kind, message
):
    """After an outage the stored refresh token still works, and each error says what happened."""
    auth = await pasted(auth_of(), atlassian)
    atlassian.fault("token", fault, times=9)

    with pytest.raises(kind) as caught:
        await auth.token()

    assert str(caught.value) == message
    atlassian.clear_faults()
    atlassian_clock.advance(timedelta(hours=1))
    await auth.token()
    assert atlassian.leeway_reuses == 0


# -- 5: the token dies after an hour ---------------------------------------------------------------


async def test_a_session_of_three_hours(atlassian_credential, atlassian_clock, jira):
    """A client that is used for three hours gets no 401."""
    async with httpx.AsyncClient(auth=atlassian_credential) as client:
        statuses = set()
        for _ in range(3 * 60):
            statuses.add((await client.get(jira)).status_code)
            atlassian_clock.advance(timedelta(minutes=1))

    assert statuses == {200}


# -- 6: an expired token is answered 403 or 404 ----------------------------------------------------


@pytest.mark.parametrize("status", [403, 404])
async def test_an_expired_token_looks_forbidden(
    atlassian, atlassian_credential, atlassian_clock, jira, status
):
    """If the token ended on the way, the request is sent again; while it is fresh, the answer stands."""
    odd = Fault.json({}, status=status)
    async with httpx.AsyncClient(auth=atlassian_credential) as client:
        atlassian.fault("api", odd, times=5)
        fresh = [(await client.get(jira)).status_code for _ in range(5)]
        asked = refreshes(atlassian)

        def end(_work):
            atlassian_clock.advance(timedelta(hours=1))
            return odd.run(_work)

        atlassian.fault("api", Fault("ends on the way", end))
        late = (await client.get(jira)).status_code

    assert (fresh, asked) == ([status] * 5, 0)
    assert (late, refreshes(atlassian)) == (200, 1)


# -- 7: "scope does not match" is taken for expiry -------------------------------------------------


async def test_a_scope_is_missing(atlassian, auth_of, jira):
    """The error says which scopes were granted and that a new consent is needed; nothing is refreshed."""
    auth = await pasted(auth_of(), atlassian, scopes="read:me")

    async with httpx.AsyncClient(auth=auth) as client:
        with pytest.raises(ScopeMismatch) as caught:
            await client.get(jira)

    assert str(caught.value) == (
        "The token lacks a scope this call needs; it was granted: read:me offline_access. Add the scope "
        "to the app's permissions and to scopes=, then authorize again; refreshing would not help."
    )
    assert refreshes(atlassian) == 1  # the one that used the pasted refresh token


# -- 8: the wrong site is chosen -------------------------------------------------------------------


async def test_several_sites(atlassian, atlassian_credential, atlassian_clock):
    """No site is guessed: the sites are listed, and each way to name one finds it."""
    other = atlassian.add_site("globex")

    found = await accessible_resources(atlassian_credential, clock=atlassian_clock)
    with pytest.raises(AmbiguousSite) as caught:
        select_site(found)

    assert str(caught.value) == (
        "The token may use several sites: choose one by id, URL or host: "
        f"https://acme.atlassian.net ({atlassian.cloud_id}); "
        f"https://globex.atlassian.net ({other.cloud_id})."
    )
    for name in (other.cloud_id, "globex.ATLASSIAN.net", "https://globex.atlassian.net/wiki"):
        assert select_site(reversed(found), name).cloud_id == other.cloud_id


async def test_no_site(atlassian, auth_of, atlassian_clock):
    """The error names the likely causes; the scopes, which can be checked, come first."""
    auth = await pasted(auth_of(), atlassian, scopes="read:me")

    found = await accessible_resources(auth, clock=atlassian_clock)
    with pytest.raises(SiteNotFound) as caught:
        select_site(found)

    assert str(caught.value) == (
        "The token may use no site. Likely causes: the person has no access to a site any more; the scopes "
        "name no product, such as read:me alone; an administrator has blocked the app. Check the scopes, "
        "then authorize again and choose a site on the consent page."
    )


async def test_another_site(atlassian_credential, atlassian_clock):
    """A name that no site has is not taken for the nearest one."""
    found = await accessible_resources(atlassian_credential, clock=atlassian_clock)

    with pytest.raises(SiteNotFound) as caught:
        select_site(found, "acm")

    assert str(caught.value) == (
        "No site is 'acm'. The token may use https://acme.atlassian.net: name one of these, or "
        "authorize again and choose the site on the consent page, signed in as a person who has access to "
        "it."
    )


# -- 9: no refresh token, because offline_access is missing ----------------------------------------


async def logged_in(auth, atlassian):
    flow = AuthorizationFlow(auth.manager)
    return await flow.complete(
        atlassian.browse((await flow.start(auth.key, started_by=None)).url), started_by=None
    )


async def test_offline_access_is_asked_for(atlassian, auth_of):
    """The user does not have to know of it."""
    auth = auth_of(cloud_grant(atlassian, scopes="read:me"))

    result = await logged_in(auth, atlassian)

    assert result.status.refreshable


async def test_no_refresh_token_comes(atlassian, auth_of, caplog):
    """The error comes at the login, not an hour later."""
    auth = auth_of(cloud_grant(atlassian, scopes="read:me"))
    atlassian.fault("token", Fault.edited(lambda said: said | {"refresh_token": None}))

    result = await logged_in(auth, atlassian)

    assert not result.status.refreshable
    assert (
        "Key 'default' was authorized without a refresh token, although offline_access was requested: "
        "a person has to log in again at "
    ) in caplog.text


async def test_no_refresh_token_was_wanted(atlassian, auth_of, atlassian_clock):
    """When the access token ends, the message names the scope that would have helped."""
    app = atlassian.cloud_app
    grant = CloudGrant(
        client_id=app.client_id,
        client_secret=app.client_secret,
        redirect_uri=app.redirect_uri,
        scopes="read:me",
        offline_access=False,
    )
    auth = auth_of(grant)
    await logged_in(auth, atlassian)
    atlassian_clock.advance(timedelta(hours=1))

    with pytest.raises(AuthorizationRequired) as caught:
        await auth.token()

    assert str(caught.value) == (
        "The access token of key 'default' has expired and no refresh token came with it. Authorize again; "
        "on Cloud the app must ask for the scope offline_access."
    )


# -- 10: what holds for Cloud is assumed of Data Center --------------------------------------------


async def test_data_center_is_asked_as_it_wants(atlassian, auth_of, atlassian_clock):
    """A form, PKCE, the redirect URI on each request; no audience, no prompt, no offline_access."""
    asked = []
    atlassian.fault(lambda request: bool(asked.append(request)), Fault.html())  # meets none
    auth = auth_of(data_center_grant(atlassian))
    await logged_in(auth, atlassian)
    atlassian_clock.advance(timedelta(hours=2))

    await auth.token()

    atlassian.clear_faults()
    login, exchange, refresh = asked
    assert {"audience", "prompt"}.isdisjoint(login.query)
    assert (login.query["scope"], login.query["code_challenge_method"]) == ("ADMIN", "S256")
    for request in (exchange, refresh):
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert b"redirect_uri=" in request.body
        assert b"audience" not in request.body


@pytest.mark.parametrize(
    ("base_url", "scope", "message"),
    [
        (
            "https://jira.example.com",
            "read:jira-work",
            (
                "scopes contains read:jira-work, which belongs to Cloud: on Data Center, scopes look like "
                "READ, WRITE or ADMIN. For a site on atlassian.net use CloudGrant"
            ),
        ),
        (
            "https://acme.atlassian.net",
            "READ",
            "base_url is Atlassian Cloud, not a Data Center: use CloudGrant instead",
        ),
    ],
)
def test_cloud_is_mistaken_for_data_center(base_url, scope, message):
    """The error comes before anything is sent."""
    with pytest.raises(ConfigurationError) as caught:
        DataCenterGrant(
            base_url, client_id="id", client_secret="s", redirect_uri=CALLBACK, scopes=scope
        )

    assert str(caught.value) == message


def test_data_center_is_mistaken_for_cloud():
    """A Data Center scope in a CloudGrant is an error that names DataCenterGrant."""
    with pytest.raises(ConfigurationError) as caught:
        CloudGrant(client_id="id", client_secret="s", redirect_uri=CALLBACK, scopes="ADMIN")

    assert str(caught.value) == (
        "scopes contains ADMIN, which belongs to Data Center: on Cloud, scopes look like read:jira-work. "
        "For a Data Center instance use DataCenterGrant"
    )


# -- 11: the right token at the wrong host ---------------------------------------------------------


async def test_oauth_at_the_sites_address(atlassian, atlassian_credential):
    """The token is not sent where it would be refused; the message says which URL to use."""
    async with httpx.AsyncClient(auth=atlassian_credential) as client:
        with pytest.raises(OriginNotAllowed) as caught:
            await client.get("https://acme.atlassian.net/rest/api/3/myself")

    assert str(caught.value) == (
        "The credential was about to go to https://acme.atlassian.net, but it belongs to "
        "https://api.atlassian.com. Nothing was sent. A site's own address accepts no OAuth token and no API "
        "token with scopes: use Endpoints.jira_url(cloud_id) or Endpoints.confluence_url(cloud_id) as the "
        "base URL."
    )
    assert atlassian.api_requests == ()


def test_the_client_is_of_another_library(atlassian_credential):
    """The libraries that one needs have gone from httpx to httpx2; the error says what to import there."""
    with (
        httpx2.Client(auth=atlassian_credential) as client,
        pytest.raises(ConfigurationError) as caught,
    ):
        client.get("https://api.atlassian.com/me")

    assert str(caught.value) == (
        "This AtlassianAuth is not for clients of httpx2, so nothing was sent. Import the class for httpx2: "
        "from atlassian_auth.httpx2 import AtlassianAuth."
    )


async def test_an_api_token_of_the_wrong_kind(atlassian):
    """A 401 because of the host is not taken for one because of the token."""
    scoped = ApiToken("ada@example.com", "a-token-with-scopes", site="acme")

    async with httpx.AsyncClient(auth=scoped) as client:
        with pytest.raises(ConfigurationError) as caught:
            await client.get("https://acme.atlassian.net/rest/api/3/myself")

    assert str(caught.value) == (
        "The API refused this kind of credential (FAILURE_CLIENT_AUTH_MISMATCH). An API token without "
        "scopes works on https://SITE.atlassian.net only. An API token with scopes, a service account's "
        "token and an OAuth token work on https://api.atlassian.com/ex/... only. The email must be that of "
        "the token's owner."
    )


# -- 12: one refresh token, two holders ------------------------------------------------------------


async def test_jira_and_confluence_share_a_grant(
    atlassian, atlassian_credential, atlassian_clock, jira
):
    """Two clients, or two auths for one key of a store, are one holder."""
    manager = atlassian_credential.manager
    twin = AtlassianAuth(manager.grant, store=manager.store, clock=atlassian_clock)
    audit = manager.grant.endpoints.confluence_url(atlassian.cloud_id) + "rest/api/audit"
    clients = [
        httpx.AsyncClient(auth=auth) for auth in (atlassian_credential, manager.auth(), twin)
    ]

    for _ in range(3):
        atlassian_clock.advance(timedelta(hours=1))
        for client in clients:
            assert [(await client.get(url)).status_code for url in (jira, audit)] == [200, 200]
    for client in clients:
        await client.aclose()
    await twin.aclose()

    assert (refreshes(atlassian), atlassian.leeway_reuses) == (3, 0)


async def test_another_tool_holds_the_same_token(atlassian, auth_of, atlassian_clock):
    """The library cannot prevent that; the message names it as the first thing to look for."""
    refresh_token = atlassian.issue_grant().refresh_token
    ours, theirs = auth_of(), auth_of()
    for auth in (ours, theirs):
        await auth.manager.add(auth.key, refresh_token=refresh_token)
    await theirs.token()
    atlassian_clock.advance(timedelta(minutes=11))  # the server forgives it for ten minutes

    with pytest.raises(AuthorizationRequired, match="was refused: it was used elsewhere"):
        await ours.token()


# -- 13: storage -----------------------------------------------------------------------------------


def test_no_store_is_named(atlassian):
    """The error asks for a store: the library chooses no file, and loses no token, by itself."""
    with pytest.raises(ConfigurationError) as caught:
        AtlassianAuth(cloud_grant(atlassian))

    assert str(caught.value) == (
        "CloudGrant needs a store: its refresh tokens rotate, and a token that was not stored is lost at "
        'the next restart. Pass store=SQLiteStore("tokens.db"), or store=MemoryStore() if it may '
        "be lost."
    )


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
async def test_others_read_the_file(atlassian, auth_of, tmp_path):
    """Other users cannot read the store's files, whatever the umask is."""
    before = os.umask(0)
    try:
        auth = await pasted(auth_of(store=SQLiteStore(tmp_path / "tokens.db")), atlassian)
        await auth.token()
        modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert modes == {0}


async def test_another_programs_file(auth_of, tmp_path):
    """A file of another program is left as it is, and the error asks for another path."""
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 100)
    auth = auth_of(store=SQLiteStore(path))

    with pytest.raises(StoreError) as caught:
        await auth.token()

    assert str(caught.value) == (
        f"{path} cannot be used (file is not a database). Its content was left as it is. Choose another "
        "path."
    )
    assert path.read_text() == "my notes\n" * 100


# -- 14: "expired" after an hour, and the real end as a surprise -----------------------------------


async def test_three_ends_are_three_dates(atlassian, auth_of, atlassian_clock):
    """A credential is ready as long as it refreshes itself; its access token, its rest and its age differ."""
    auth = auth_of()
    began = (await logged_in(auth, atlassian)).status
    atlassian_clock.advance(timedelta(hours=2))

    status = await auth.status()

    assert status.state == "ready"
    assert status.access_expires_at == began.authorized_at + timedelta(hours=1)
    assert status.inactive_by == began.authorized_at + timedelta(days=90)
    assert status.consent_expires_at == began.authorized_at + timedelta(days=365)


async def test_never_authorized(auth_of):
    """A key without a credential is not called expired; the error says what to do."""
    with pytest.raises(AuthorizationRequired) as caught:
        await auth_of().token()

    assert caught.value.reason == "missing"
    assert str(caught.value) == (
        "Nothing is stored for key 'default': authorize it once, or add a refresh token, before the first "
        "request."
    )


# -- 15: the callback ------------------------------------------------------------------------------

_UNKNOWN = (
    "No login is waiting for this callback: the login was completed already, took too long, was started with "
    "another store, or was never started here. Nothing was changed; start again."
)


async def refusal_of(flow, callback):
    with pytest.raises(ConfigurationError) as caught:
        await flow.complete(callback, started_by=None)
    return str(caught.value)


async def test_forged_and_repeated_callbacks(atlassian, auth_of):
    """Wrong callbacks are refused before any token request; the right one still works, once."""
    auth = auth_of()
    flow = AuthorizationFlow(auth.manager)
    right = atlassian.browse((await flow.start(auth.key, started_by=None)).url)

    assert await refusal_of(flow, f"{CALLBACK}?code=secret-forged&state=forged") == _UNKNOWN
    assert await refusal_of(flow, f"{CALLBACK}?code=secret-forged") == (
        "callback has no state, so the login that it answers cannot be found: give the whole URL of the page "
        "after the consent page, including everything after the '?'"
    )
    assert "callback has code more than once" in await refusal_of(flow, f"{right}&code=secret-b")
    assert atlassian.token_requests == ()
    await flow.complete(right, started_by=None)
    assert await refusal_of(flow, right) == _UNKNOWN
    assert len(atlassian.token_requests) == 1


async def test_the_person_declines(atlassian, auth_of):
    """A consent that the person denied is not called a mistake."""
    auth = auth_of()
    flow = AuthorizationFlow(auth.manager)
    atlassian.deny_next_consent()

    with pytest.raises(AuthorizationRequired, match="The person declined to give access") as caught:
        await flow.complete(
            atlassian.browse((await flow.start(auth.key, started_by=None)).url), started_by=None
        )

    assert caught.value.reason == "declined"


async def test_the_callback_url_is_not_the_registered_one(auth_of):
    """If Cloud shows an error page instead of a callback, its URL says what to change."""
    flow = AuthorizationFlow(auth_of().manager)
    page = "https://id.atlassian.com/error?error=unauthorized_client&error_description="

    said = await refusal_of(flow, f"{page}Callback%20URL%20mismatch")

    assert said == (
        "The login was refused (unauthorized_client: Callback URL mismatch): the client id or the redirect "
        "URI is not the registered one. In the developer console, the Callback URL under Authorization "
        "must equal the redirect_uri exactly, including the path."
    )


async def test_a_browser_asks_for_its_favicon(atlassian, auth_of):
    """A request for another path does not end the login."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"http://127.0.0.1:{free.getsockname()[1]}"
    app = atlassian.register_cloud_app("local", redirect_uri=f"{place}/callback")
    manager = auth_of(cloud_grant(atlassian, app=app)).manager
    statuses, urls, started = [], [], anyio.Event()

    def on_url(url):
        urls.append(url)
        started.set()

    async with (
        anyio.create_task_group() as tasks,
        httpx.AsyncClient(trust_env=False, timeout=300) as browser,
    ):
        login = LoopbackLogin(AuthorizationFlow(manager), open_browser=None, on_url=on_url)
        tasks.start_soon(login.login, "acme")
        await started.wait()
        for method, url in [
            ("GET", f"{place}/favicon.ico"),
            ("POST", f"{place}/callback"),
            ("GET", f"{place}/callback?code=secret-forged&state=forged"),
            ("GET", atlassian.browse(urls[0])),
        ]:
            statuses.append((await browser.request(method, url)).status_code)

    assert statuses == [404, 405, 400, 200]
    assert await manager.keys() == ["acme"]


def test_the_port_is_in_use(command):
    """Before it opens a browser the command says which port, which setting it comes from, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        atlassian = FakeAtlassian(SYSTEM_CLOCK)
        redirect_uri = f"http://127.0.0.1:{port}/callback"
        app = atlassian.register_cloud_app("local", redirect_uri=redirect_uri)
        variables = variables_of(app, atlassian.urls, redirect_uri=redirect_uri)

        status, output, errors = end_of(command("login", **variables))

    assert (status, output) == (2, "")
    assert errors.splitlines()[-1] == (
        f"atlassian-auth: The login cannot listen on port {port} of 127.0.0.1, which redirect_uri names "
        f"({os.strerror(errno.EADDRINUSE)}). If another program uses the port, such as a login that still "
        "waits, end it; otherwise register a redirect URI with another port. It comes from "
        "ATLASSIAN_AUTH_REDIRECT_URI."
    )


async def test_secrets_leak(atlassian, atlassian_clock, opened, caplog):
    """Secrets are in no repr, log record or error, and cannot be pickled."""
    caplog.set_level("DEBUG", logger="atlassian_auth")
    manager = TokenManager(
        cloud_grant(atlassian), store=MemoryStore(clock=atlassian_clock), clock=atlassian_clock
    )
    opened.append(manager)
    await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)
    shown = [repr(manager), repr(manager.grant), repr(await manager.token("acme"))]
    atlassian.fault("token", Fault.json({"error": "invalid_grant"}, status=403))
    with pytest.raises(AuthorizationRequired) as caught:
        await manager.refresh("acme")
    shown += [
        repr(caught.value),
        repr(caught.value.__context__),
        repr(await manager.status("acme")),
    ]

    assert "secret-" not in "".join([*shown, caplog.text])
    with pytest.raises(TypeError):
        pickle.dumps(manager.grant)
