"""The AtlassianApiModule's behavior under its own names, and none of its defects.

Each case of AtlassianApiModule_test.py (demisto/content, 2026-08) has its twin here. Tests that take
``client`` are run for Jira Cloud, Confluence Cloud and Data Center.

======================================================== ====================================================
There                                                    Here
======================================================== ====================================================
get_oauth_scopes, …_onprem; Confluence's                 test_what_is_asked_for, test_other_scopes
get_access_token_valid (2 products)                      test_a_valid_token_costs_nothing
get_access_token_missing (2)                             test_nothing_is_authorized
get_access_token_missing_refresh_token                   test_expired_with_nothing_to_refresh_with
expired_no_refresh (Confluence)                          the same
get_access_token_expired_refresh                         test_an_expired_token_is_refreshed_once
oauth2_retrieve_access_token_with_code (3)               test_a_code_is_exchanged
oauth2_retrieve_access_token_with_refresh_token, on-prem test_a_refresh_token_is_exchanged
both_params, no_params (3)                               test_either_a_code_or_a_refresh_token
http_error (3)                                           test_http_errors
connection_error (2)                                     test_connection_errors
oauth_start (2)                                          test_start_on_cloud
oauth_start_onprem                                       test_start_on_prem
oauth_start_onprem_failure_cleans_code_verifier          test_a_start_that_fails_leaves_nothing
oauth_start_onprem_no_url_cleans_code_verifier           the same: nothing is asked for the URL any more
oauth_complete (2), onprem_with_code                     test_start_and_complete
test_connection_success, …_failure (2)                   test_a_good_connection, test_a_bad_connection
server_url_trailing_slash_stripped                       test_a_trailing_slash
factory jira_cloud, onprem, confluence_cloud             test_the_factory, test_what_consumers_read
factory case_insensitive, default_jira                   the same
factory onprem_ignores_product                           the same
alias, alias_creates_cloud, alias_creates_onprem         test_the_alias
======================================================== ====================================================

======================================================== ====================================================
Defect there                                             Not here
======================================================== ====================================================
state is never compared                                  test_a_callback_of_another_login
state is never removed, used or not                      test_a_state_works_once, test_how_long_a_login_waits
no state on-prem                                         test_start_on_prem
an omitted refresh token overwrites the stored one       test_an_omitted_refresh_token
two workers refresh with the same token                  test_many_callers_one_exchange, test_two_workers
one identity for each instance                           test_two_identities
a second start overwrites the first                      test_two_starts
the verifier outlives a failed exchange                  test_a_code_that_is_refused
a missing expires_in is an expired token                 test_no_lifetime
bodies in messages; HTML ends in an untyped error        test_http_errors
test_connection passes with a revoked token              test_a_bad_connection
no redirect_uri in a refresh on-prem                     test_a_refresh_token_is_exchanged
neither cloud_id nor server_url                          test_where_it_is
no validation of what is given                           test_bad_arguments
======================================================== ====================================================
"""

from __future__ import annotations

import pickle
import socket
import ssl
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest

from atlassian_auth import (
    AtlassianAuth,
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    Endpoints,
    Settings,
    SiteNotFound,
    StoreError,
    TokenResponseError,
    TransientError,
    scopes,
)
from atlassian_auth.client import (
    AtlassianOAuthClient,
    ConfluenceCloudOAuthClient,
    JiraCloudOAuthClient,
    JiraOnPremOAuthClient,
    create_atlassian_oauth_client,
    create_jira_oauth_client,
)
from atlassian_auth.events import ConsentGiven, RefreshStarted, RefreshSucceeded
from atlassian_auth.exceptions import DiscoveryError
from atlassian_auth.protocol.pkce import code_challenge
from atlassian_auth.stores import MemoryStore, SQLiteStore
from atlassian_auth.testing import (
    FakeAtlassian,
    Fault,
    LoopbackServer,
    ManualClock,
    cloud_grant,
    mock_router,
)

SERVER = "https://jira.example.com/jira"
CALLBACK = "http://127.0.0.1:8765/callback"
ARGUMENTS = ("an-id", "secret-of-mine", "https://localhost/callback")
CLOUD_ID = "00000000-0000-4000-8000-000000000001"

PLACES = {
    "jira-cloud": {"cloud_id": CLOUD_ID},
    "confluence-cloud": {"cloud_id": CLOUD_ID, "product": "confluence"},
    "on-prem": {"server_url": SERVER},
}


def app_of(atlassian, options):
    app = atlassian.data_center_app if options.get("server_url") else atlassian.cloud_app
    return app.client_id, app.client_secret, app.redirect_uri


def query_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
def store(atlassian_clock):
    return MemoryStore(clock=atlassian_clock)


@pytest.fixture
def make(atlassian, atlassian_clock, store):
    """Make clients for the emulator's apps, on one store; close them at the end."""
    made = []

    def make(**options):
        shared = {"store": store, "clock": atlassian_clock}
        client = create_atlassian_oauth_client(*app_of(atlassian, options), **(shared | options))
        made.append(client)
        return client

    yield make
    for client in made:
        anyio.run(client.aclose)


@pytest.fixture(params=PLACES.values(), ids=PLACES)
def place(request):
    return request.param


@pytest.fixture
def client(make, place):
    return make(**place)


@pytest.fixture
def on_prem(make):
    """Data Center, where no token is refreshed ahead of time."""
    return make(server_url=SERVER)


@pytest.fixture
def consent(atlassian):
    """Start a login, let a person consent, and complete it with the callback's URL."""

    async def consent(client):
        return await client.oauth_complete(atlassian.browse(await client.oauth_start()))

    return consent


@pytest.fixture
def token_fields(atlassian):
    """The fields of each token request, as they arrive."""
    seen = []

    def look(request):
        if request.method == "POST":
            seen.append(request.fields)
        return False

    atlassian.fault(look, Fault.empty())
    yield seen
    atlassian.clear_faults()  # it was there to look, and met no request


def without_refresh_token(answer):
    return {name: value for name, value in answer.items() if name != "refresh_token"}


# -- the factory ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "base_url"),
    [
        (
            {"cloud_id": CLOUD_ID},
            JiraCloudOAuthClient,
            f"https://api.atlassian.com/ex/jira/{CLOUD_ID}/",
        ),
        (
            {"cloud_id": CLOUD_ID, "product": "JIRA"},
            JiraCloudOAuthClient,
            f"https://api.atlassian.com/ex/jira/{CLOUD_ID}/",
        ),
        (
            {"cloud_id": CLOUD_ID, "product": "Confluence"},
            ConfluenceCloudOAuthClient,
            f"https://api.atlassian.com/ex/confluence/{CLOUD_ID}/wiki/",
        ),
        ({"cloud_id": "", "server_url": SERVER}, JiraOnPremOAuthClient, SERVER),
        ({"server_url": SERVER, "product": "confluence"}, JiraOnPremOAuthClient, SERVER),
        (
            {"cloud_id": CLOUD_ID, "server_url": "https://acme.atlassian.net"},
            JiraCloudOAuthClient,
            f"https://api.atlassian.com/ex/jira/{CLOUD_ID}/",
        ),
        (
            {"cloud_id": CLOUD_ID, "endpoints": Endpoints.government()},
            JiraCloudOAuthClient,
            f"https://api.atlassian-us-gov-mod.com/ex/jira/{CLOUD_ID}/",
        ),
        (
            {"server_url": "http://jira.intranet", "allow_insecure_http": True},
            JiraOnPremOAuthClient,
            "http://jira.intranet",
        ),
    ],
    ids=[
        "jira-cloud",
        "any-case",
        "confluence-cloud",
        "on-prem",
        "on-prem-ignores-product",
        "cloud-id-decides",
        "government",
        "intranet",
    ],
)
def test_the_factory(options, kind, base_url):
    """A cloud id means Cloud, otherwise a server means Data Center, and the product counts on Cloud."""
    client = create_atlassian_oauth_client(*ARGUMENTS, store=MemoryStore(), **options)

    assert type(client) is kind
    assert isinstance(client, AtlassianOAuthClient)
    assert client.base_url == base_url


def test_the_alias():
    """The older name is the same function."""
    assert create_jira_oauth_client is create_atlassian_oauth_client


def test_as_the_page_calls_it():
    """The call of the module's page works as it stands there, with a store."""
    client = create_atlassian_oauth_client(
        client_id="your-client-id",
        client_secret="your-client-secret",
        callback_url="https://localhost/callback",
        cloud_id="",
        server_url="https://jira.company.com",
        verify=True,
        proxy=False,
        store=MemoryStore(),
    )

    assert isinstance(client, JiraOnPremOAuthClient)


def test_where_it_is():
    """Without a place nothing is guessed."""
    with pytest.raises(ConfigurationError, match=r"Give cloud_id .* or server_url") as caught:
        create_atlassian_oauth_client(*ARGUMENTS, store=MemoryStore())

    assert caught.value.argument == "cloud_id"


def test_what_consumers_read():
    """The app and its place can be read, and not changed; the secret cannot be read."""
    cloud = create_atlassian_oauth_client(
        *ARGUMENTS, cloud_id=CLOUD_ID, server_url="https://acme.atlassian.net", store=MemoryStore()
    )
    on_prem = create_atlassian_oauth_client(
        *ARGUMENTS, server_url=f"{SERVER}/", store=MemoryStore()
    )

    assert {(each.client_id, each.callback_url) for each in (cloud, on_prem)} == {
        (ARGUMENTS[0], ARGUMENTS[2])
    }
    # JiraEventCollector takes a client with a cloud id for one of Cloud.
    assert (cloud.cloud_id, on_prem.cloud_id, on_prem.server_url) == (CLOUD_ID, "", SERVER)
    assert not hasattr(cloud, "server_url")
    assert not hasattr(cloud, "client_secret")
    with pytest.raises(AttributeError):
        cloud.cloud_id = "3-4"


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"cloud_id": CLOUD_ID, "allow_insecure_http": True}, "allow_insecure_http"),
        ({"server_url": SERVER, "endpoints": Endpoints.cloud()}, "endpoints"),
    ],
)
def test_an_option_of_the_other_kind(options, argument):
    """An option that only the other kind of client uses is refused, by its name."""
    with pytest.raises(ConfigurationError) as caught:
        create_atlassian_oauth_client(*ARGUMENTS, store=MemoryStore(), **options)

    assert caught.value.argument == argument


async def test_options_are_passed_on(atlassian, atlassian_clock, make, place, consent):
    """The buffer, other origins and events are those of the auth behind it."""
    seen = []
    client = make(
        **place,
        settings=Settings(buffer_seconds=120, refresh_ahead_seconds=0),
        allowed_origins=["https://proxy.example.com"],
        on_event=seen.append,
    )
    await consent(client)
    old = await client.get_access_token()
    atlassian_clock.advance(3600 - 120)

    assert await client.get_access_token() != old
    await client.aclose()  # events are reported after the outcome
    assert "https://proxy.example.com" in repr(client.auth)
    assert [type(event) for event in seen] == [ConsentGiven, RefreshStarted, RefreshSucceeded]


async def test_another_cloud(atlassian_clock, store):
    """Live calls go to the cloud that was named."""
    atlassian = FakeAtlassian(atlassian_clock)
    with LoopbackServer(atlassian) as server:
        endpoints = cloud_grant(atlassian, server.urls).endpoints
        app, pasted = atlassian.cloud_app, atlassian.issue_grant().refresh_token
        async with create_atlassian_oauth_client(
            app.client_id,
            app.client_secret,
            app.redirect_uri,
            atlassian.cloud_id,
            endpoints=endpoints,
            store=store,
            clock=atlassian_clock,
        ) as client:
            await client.oauth2_retrieve_access_token(refresh_token=pasted)

            await client.test_connection()

    assert [request.path for request in atlassian.api_requests] == [
        "/oauth/token/accessible-resources"
    ]


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"product": "bitbucket"}, "product"),
        ({"product": None}, "product"),
        ({"product": "bitbucket", "cloud_id": "", "server_url": SERVER}, "product"),
        ({"cloud_id": "https://acme.atlassian.net"}, "cloud_id"),
        ({"client_id": ""}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"callback_url": "localhost/callback"}, "callback_url"),
        ({"callback_url": "http://app.example.com/cb"}, "callback_url"),
        ({"callback_url": "", "cloud_id": "", "server_url": SERVER}, "callback_url"),
        ({"cloud_id": "", "server_url": "http://jira.example.com"}, "server_url"),
        ({"scopes": ()}, "scopes"),
        ({"scopes": "ADMIN"}, "scopes"),
        ({"store": None}, "store"),
        ({"key": ""}, "key"),
    ],
)
def test_bad_arguments(changes, argument):
    """Each is refused when the client is made, by its name."""
    good = {"client_id": "an-id", "client_secret": "secret", "callback_url": CALLBACK}
    good |= {"cloud_id": CLOUD_ID, "store": MemoryStore()}

    with pytest.raises(ConfigurationError) as caught:
        create_atlassian_oauth_client(**(good | changes))

    assert caught.value.argument == argument


def test_an_unknown_option():
    """A misspelled option is not taken silently."""
    with pytest.raises(TypeError, match="stor"):
        create_atlassian_oauth_client(*ARGUMENTS, cloud_id=CLOUD_ID, stor=MemoryStore())


def test_the_base_class_is_abstract():
    """The base class cannot be used: the program has to choose Cloud or Data Center."""
    with pytest.raises(TypeError, match="abstract"):
        AtlassianOAuthClient(None, SERVER)


async def test_a_trailing_slash(make):
    """A trailing slash of the server's URL makes no difference, and the context path is kept."""
    with_slash, without = make(server_url=SERVER + "/"), make(server_url=SERVER)

    assert with_slash.base_url == without.base_url == SERVER
    assert with_slash.auth.manager.grant.endpoints == without.auth.manager.grant.endpoints
    assert (await with_slash.oauth_start()).startswith(f"{SERVER}/rest/oauth2/latest/authorize?")


# -- what is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("jira-cloud", {*scopes.JIRA_AUDIT_XSOAR}),
        ("confluence-cloud", {*scopes.CONFLUENCE_AUDIT_XSOAR}),
        ("on-prem", {"ADMIN"}),
    ],
)
def test_what_is_asked_for(make, place, expected):
    """The audit log, the right to read it, users, and on Cloud a refresh token."""
    client = make(**PLACES[place])

    assert {*client.get_oauth_scopes()} == {*client.auth.manager.grant.scopes} == expected
    assert ("offline_access" in expected) == (place != "on-prem")


@pytest.mark.parametrize(
    ("place", "asked"),
    [("jira-cloud", "read:jira-user offline_access"), ("on-prem", "READ")],
)
async def test_other_scopes(make, place, asked):
    """The scopes to request can be given, for an app with other scopes."""
    client = make(**PLACES[place], scopes=asked)

    assert query_of(await client.oauth_start())["scope"] == asked
    assert client.get_oauth_scopes() == asked.split()


async def test_a_subclass_with_scopes_of_its_own(store):
    """A subclass can override `get_oauth_scopes`, as in XSOAR."""

    class WithWork(JiraCloudOAuthClient):
        def get_oauth_scopes(self):
            return [*super().get_oauth_scopes(), "write:jira-work"]

    async with WithWork(*ARGUMENTS, CLOUD_ID, store=store) as client:
        asked = query_of(await client.oauth_start())["scope"].split()

    assert {*asked} == {*scopes.JIRA_AUDIT_XSOAR, "write:jira-work"}


# -- start ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["jira-cloud", "confluence-cloud"])
async def test_start_on_cloud(atlassian, make, store, place):
    """The URL has all that Atlassian asks for, its state is remembered, and nothing is sent."""
    client = make(**PLACES[place])

    url = await client.oauth_start()

    asked = query_of(url)
    assert url.startswith("https://auth.atlassian.com/authorize?")
    assert {name: asked[name] for name in ("audience", "prompt", "response_type")} == {
        "audience": "api.atlassian.com",
        "prompt": "consent",
        "response_type": "code",
    }
    assert (asked["client_id"], asked["redirect_uri"]) == (atlassian.cloud_app.client_id, CALLBACK)
    assert asked["scope"].split() == [*client.default_scopes]
    assert len(asked["state"].partition(".")[2]) == 43
    assert len(await store.keys("flows")) == 1
    assert atlassian.token_requests == atlassian.api_requests == ()


async def test_start_on_prem(atlassian, on_prem, store):
    """A challenge of S256, and a state as well; the verifier is remembered, and nothing is sent."""
    asked = query_of(await on_prem.oauth_start())

    assert asked["client_id"] == atlassian.data_center_app.client_id
    assert (asked["code_challenge_method"], asked["scope"]) == ("S256", "ADMIN")
    assert len(asked["code_challenge"]) == len(asked["state"].partition(".")[2]) == 43
    assert len(await store.keys("flows")) == 1
    assert atlassian.token_requests == atlassian.api_requests == ()


class Unwritable(MemoryStore):
    async def put(self, namespace, key, value, *, expected=None, ttl_seconds=None):
        raise OSError("no space")


async def test_a_start_that_fails_leaves_nothing(make, place):
    """If `oauth_start` fails, the store keeps no verifier and no login."""
    store = Unwritable()
    client = make(**place, store=store)

    with pytest.raises(StoreError):
        await client.oauth_start()

    assert await store.keys("flows") == await store.keys("tokens") == []


# -- complete -------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False], ids=["whole-url", "code-and-state"])
async def test_start_and_complete(atlassian, client, store, token_fields, whole):
    """`oauth_complete` exchanges the code, stores the tokens, and removes the login."""
    url = await client.oauth_start()
    callback = atlassian.browse(url)
    parts = query_of(callback)

    result = await client.oauth_complete(
        callback if whole else parts["code"], **({} if whole else {"state": parts["state"]})
    )

    (sent,) = token_fields
    assert (sent["grant_type"], sent["code"]) == ("authorization_code", parts["code"])
    assert (sent["client_id"], sent["redirect_uri"]) == (
        client.auth.manager.grant.client_id,
        CALLBACK,
    )
    assert "refresh_token" not in sent
    verifier = sent.get("code_verifier")
    assert query_of(url).get("code_challenge") == (verifier and code_challenge(verifier))
    assert (result.key, result.missing_scopes, result.status.refreshable) == ("default", (), True)
    assert (await store.keys("flows"), await store.keys("tokens")) == ([], ["default"])
    assert (await client.get_access_token()).startswith("secret-")


async def test_a_callback_of_another_login(atlassian, client, store):
    """A code without its state, or with another, is not exchanged; the right one still works."""
    right = query_of(atlassian.browse(await client.oauth_start()))

    for wrong in ({}, {"state": ""}, {"state": "guessed"}, {"state": right["state"][:-1]}):
        with pytest.raises(ConfigurationError) as caught:
            await client.oauth_complete(right["code"], **wrong)
        assert caught.value.argument == "state"

    assert atlassian.token_requests == ()
    assert await store.keys("tokens") == []
    await client.oauth_complete(right["code"], state=right["state"])


@pytest.mark.parametrize("code", ["", "a b"])
async def test_no_code(atlassian, client, code):
    """The right state without a usable code is refused before any request."""
    state = query_of(await client.oauth_start())["state"]

    with pytest.raises(ConfigurationError, match="code"):
        await client.oauth_complete(code, state=state)

    assert atlassian.token_requests == ()


async def test_a_state_works_once(atlassian, client):
    """A callback that comes again starts no exchange."""
    callback = atlassian.browse(await client.oauth_start())
    await client.oauth_complete(callback)

    with pytest.raises(ConfigurationError, match="completed already"):
        await client.oauth_complete(callback)

    assert len(atlassian.token_requests) == 1


@pytest.mark.parametrize(("seconds", "good"), [(599.999, True), (600, False)])
async def test_how_long_a_login_waits(atlassian, atlassian_clock, make, place, seconds, good):
    """Ten minutes by the client's clock, also where a store forgets later."""
    client = make(**place, store=MemoryStore(clock=ManualClock()))
    url = await client.oauth_start()
    atlassian_clock.advance(seconds)
    callback = atlassian.browse(url)

    if good:
        await client.oauth_complete(callback)
    else:
        with pytest.raises(ConfigurationError, match="took too long"):
            await client.oauth_complete(callback)

    assert len(atlassian.token_requests) == good


async def test_two_starts(atlassian, client):
    """Two people can log in at the same time."""
    first, second = [await client.oauth_start() for _ in "12"]

    await client.oauth_complete(atlassian.browse(second))
    await client.oauth_complete(atlassian.browse(first))

    assert atlassian.count("token", outcome="ok") == 2


async def test_a_code_that_is_refused(atlassian, client, store):
    """After an exchange, even a failed one, the store keeps neither state nor verifier."""
    callback = atlassian.browse(await client.oauth_start())
    atlassian.fault("token", Fault.json({"error": "invalid_grant"}, status=400))

    with pytest.raises(AtlassianAuthError):
        await client.oauth_complete(callback)

    assert await store.keys("flows") == await store.keys("tokens") == []


async def test_a_person_declines(atlassian, client):
    """The error for a declined consent says that the person declined."""
    atlassian.deny_next_consent()

    with pytest.raises(AuthorizationRequired) as caught:
        await client.oauth_complete(atlassian.browse(await client.oauth_start()))

    assert caught.value.reason == "declined"


# -- tokens ---------------------------------------------------------------------------------------


async def test_a_valid_token_costs_nothing(atlassian, client, consent):
    """A valid token is returned without a request."""
    await consent(client)

    tokens = {await client.get_access_token() for _ in range(3)}

    assert len(tokens) == 1
    assert len(atlassian.token_requests) == 1


async def test_nothing_is_authorized(atlassian, client):
    """The error says so, and nothing is sent."""
    with pytest.raises(AuthorizationRequired) as caught:
        await client.get_access_token()

    assert (caught.value.reason, caught.value.key) == ("missing", "default")
    assert atlassian.token_requests == ()


async def test_expired_with_nothing_to_refresh_with(atlassian, atlassian_clock, client, consent):
    """An expired token without a refresh token is an error with its own reason, without a request."""
    atlassian.fault("token", Fault.edited(without_refresh_token))
    await consent(client)
    atlassian_clock.advance(3600)

    with pytest.raises(AuthorizationRequired) as caught:
        await client.get_access_token()

    assert caught.value.reason == "no_refresh_token"
    assert len(atlassian.token_requests) == 1


async def test_an_expired_token_is_refreshed_once(
    atlassian, atlassian_clock, make, place, client, consent
):
    """An expired token is refreshed with one request, and a new client finds the new token."""
    await consent(client)
    old = await client.get_access_token()
    atlassian_clock.advance(3600)

    new = await client.get_access_token()

    assert new != old
    assert await client.get_access_token() == await make(**place).get_access_token() == new
    assert atlassian.count("token", grant_type="refresh_token") == 1


@pytest.mark.parametrize(
    ("seconds_left", "refreshed"), [(10.001, False), (10, True), (9.999, True)]
)
async def test_the_buffer(atlassian, atlassian_clock, on_prem, consent, seconds_left, refreshed):
    """Ten seconds, as there."""
    await consent(on_prem)
    old = await on_prem.get_access_token()

    atlassian_clock.advance(3600 - seconds_left)

    assert (await on_prem.get_access_token() != old) == refreshed


async def test_an_omitted_refresh_token(atlassian, atlassian_clock, client, consent):
    """The stored one stays, and works the next time."""
    await consent(client)
    kept = atlassian.families[0].refresh_token
    answer = {"access_token": "secret-by-hand", "expires_in": 3600}
    atlassian.fault("token", Fault.json(answer | {"refresh_token": ""}))
    atlassian_clock.advance(3600)
    assert await client.get_access_token() == "secret-by-hand"

    atlassian_clock.advance(3600)
    refreshed = await client.get_access_token()

    assert atlassian.family_of(refreshed) is atlassian.family_of(kept)
    assert (await client.auth.status()).refreshable


async def test_no_lifetime(atlassian, atlassian_clock, client, consent):
    """An answer that does not say how long the token lives is not taken for an expired one."""

    def without_lifetime(answer):
        return {name: value for name, value in answer.items() if name != "expires_in"}

    atlassian.fault("token", Fault.edited(without_lifetime))
    await consent(client)

    atlassian_clock.advance(60)
    await client.get_access_token()

    assert len(atlassian.token_requests) == 1


async def test_many_callers_one_exchange(atlassian, atlassian_clock, client, consent):
    """A thousand callers with an expired token share one request and one new token."""
    await consent(client)
    atlassian_clock.advance(3600)
    tokens = []

    async def ask():
        tokens.append(await client.get_access_token())

    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(ask)

    assert (len(tokens), len(set(tokens))) == (1000, 1)
    assert atlassian.count("token", grant_type="refresh_token") == 1


async def test_two_workers(atlassian, atlassian_clock, make, place, consent, tmp_path):
    """Two workers on one store present each refresh token once."""
    workers = [make(**place, store=SQLiteStore(tmp_path / "tokens.db")) for _ in "12"]
    await consent(workers[0])
    tokens = []

    async def ask(client):
        tokens.append(await client.get_access_token())

    for _ in range(3):
        atlassian_clock.advance(3600)
        async with anyio.create_task_group() as tasks:
            for client in workers * 5:
                tasks.start_soon(ask, client)

    assert len(set(tokens)) == 3
    assert atlassian.count("token", grant_type="refresh_token") == 3


async def test_two_identities(atlassian, make, place, consent):
    """Two instances of an integration on one store have a credential each."""
    one, other = make(**place, key="one"), make(**place, key="other")

    await consent(one)
    with pytest.raises(AuthorizationRequired):
        await other.get_access_token()
    await consent(other)

    assert await one.get_access_token() != await other.get_access_token()
    assert len(atlassian.families) == 2


# -- exchanges ------------------------------------------------------------------------------------


async def test_a_code_is_exchanged(atlassian, client, store, token_fields):
    """A code that was asked for elsewhere is exchanged, with its verifier on-prem, and kept."""
    grant = client.auth.manager.grant
    verifier = "v" * 43 if grant.uses_pkce else None
    challenge = code_challenge(verifier) if verifier else None
    url = grant.authorization_url(state="compared-elsewhere", code_challenge=challenge)
    code = query_of(atlassian.browse(url))["code"]

    token = await client.oauth2_retrieve_access_token(code=code, code_verifier=verifier)

    (sent,) = token_fields
    assert (sent["grant_type"], sent["code"]) == ("authorization_code", code)
    assert sent.get("code_verifier") == verifier
    assert "refresh_token" not in sent
    assert token == await client.get_access_token()
    assert await store.keys("tokens") == ["default"]


async def test_a_code_of_data_center_without_its_verifier(atlassian, on_prem):
    """A Data Center code without its verifier is refused without a request."""
    with pytest.raises(ConfigurationError) as caught:
        await on_prem.oauth2_retrieve_access_token("some-code")

    assert caught.value.argument == "code_verifier"
    assert atlassian.token_requests == ()


async def test_a_refresh_token_is_exchanged(atlassian, client, place, token_fields):
    """A refresh token is exchanged without code and verifier, and its successor is stored."""
    on_prem = "server_url" in place
    app = atlassian.data_center_app if on_prem else atlassian.cloud_app
    pasted = atlassian.issue_grant(app).refresh_token

    token = await client.oauth2_retrieve_access_token(refresh_token=pasted)

    (sent,) = token_fields
    assert (sent["grant_type"], sent["refresh_token"]) == ("refresh_token", pasted)
    assert {"code", "code_verifier", "scope"}.isdisjoint(sent)
    assert ("redirect_uri" in sent) == on_prem
    assert token == await client.get_access_token()
    assert atlassian.family_of(token).refresh_token != pasted


async def test_the_same_refresh_token_again(atlassian, client, place):
    """A service that gives its configured token at each start spends it once."""
    app = atlassian.data_center_app if "server_url" in place else atlassian.cloud_app
    pasted = atlassian.issue_grant(app).refresh_token

    tokens = {await client.oauth2_retrieve_access_token("", pasted) for _ in "123"}

    assert len(tokens) == len(atlassian.token_requests) == 1


@pytest.mark.parametrize(
    "given", [{}, {"code": "a", "refresh_token": "b"}], ids=["neither", "both"]
)
async def test_either_a_code_or_a_refresh_token(atlassian, client, store, given):
    """Giving both or neither is refused before any request, and the store does not change."""
    with pytest.raises(ConfigurationError, match="either code or refresh_token"):
        await client.oauth2_retrieve_access_token(**given)

    assert atlassian.token_requests == ()
    assert await store.keys("tokens") == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault.status(500, "secret-body"), TransientError, id="500"),
        pytest.param(Fault.html(), TokenResponseError, id="page"),
        pytest.param(Fault.html(403), TokenResponseError, id="page-403"),
        pytest.param(Fault.truncated(), TokenResponseError, id="truncated"),
        pytest.param(
            Fault.json({"error": "invalid_grant"}, status=403), AuthorizationRequired, id="dead"
        ),
        pytest.param(
            Fault.json({"error": "invalid_client"}, status=401), ConfigurationError, id="client"
        ),
    ],
)
async def test_http_errors(atlassian, client, place, fault, kind):
    """Each has its kind, and none quotes a body or a secret."""
    app = atlassian.data_center_app if "server_url" in place else atlassian.cloud_app
    pasted = atlassian.issue_grant(app).refresh_token
    atlassian.fault("token", fault, times=None)

    with pytest.raises(AtlassianAuthError) as caught:
        await client.oauth2_retrieve_access_token(refresh_token=pasted)

    assert type(caught.value) is kind
    assert "secret-" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_connection_errors(atlassian, client, place):
    """A failed connection is an error that says what happened, and the credential is kept."""
    app = atlassian.data_center_app if "server_url" in place else atlassian.cloud_app
    pasted = atlassian.issue_grant(app).refresh_token
    atlassian.fault("token", Fault.refused_connection(), times=None)

    with pytest.raises(TransientError, match="Connect"):
        await client.oauth2_retrieve_access_token(refresh_token=pasted)

    assert (await client.auth.status()).refreshable


# -- the connection -------------------------------------------------------------------------------


async def test_a_good_connection(atlassian, client, consent):
    """`test_connection` makes a request and raises nothing."""
    await consent(client)

    assert await client.test_connection() is None

    (asked,) = atlassian.api_requests
    assert asked.status == 200


async def test_a_bad_connection(atlassian, client, consent):
    """`test_connection` notices a revoked consent, even if the token looks valid."""
    with pytest.raises(AuthorizationRequired):
        await client.test_connection()
    await consent(client)
    atlassian.revoke_grant(atlassian.families[0].refresh_token)

    with pytest.raises(AuthorizationRequired) as caught:
        await client.test_connection()

    assert caught.value.reason == "refused"


async def test_what_answers_is_not_atlassian(atlassian, client, consent):
    """A login page is not a connection."""
    await consent(client)
    atlassian.fault("api", Fault.html(), times=None)

    with pytest.raises(DiscoveryError):
        await client.test_connection()


@pytest.mark.parametrize("product", ["jira", "confluence"])
async def test_another_site(make, consent, product):
    """If the credential cannot use this cloud id, the error names the site that it can use."""
    client = make(cloud_id="99999999-0000-4000-8000-000000000001", product=product)
    await consent(client)

    with pytest.raises(SiteNotFound, match=r"acme\.atlassian\.net"):
        await client.test_connection()


async def test_through_httpx(atlassian, atlassian_clock, make, consent):
    """A client of httpx reads pages for a day without handling tokens itself."""
    client = make(cloud_id=atlassian.cloud_id)
    await consent(client)

    async with client, httpx.AsyncClient(auth=client.auth, base_url=client.base_url) as jira:
        for _ in range(24):
            page = await jira.get("rest/api/3/auditing/record")
            assert page.status_code == 200
            atlassian_clock.advance(timedelta(hours=1))

    assert isinstance(client.auth, AtlassianAuth)


async def test_a_proxy(atlassian_clock):
    """The client sends all its own requests through the proxy; XSOAR's False means no proxy."""
    atlassian, store = FakeAtlassian(atlassian_clock), MemoryStore(clock=atlassian_clock)
    with LoopbackServer(atlassian) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        shared = {"server_url": server.urls.dc_base_url, "store": store, "clock": atlassian_clock}
        app, proxy = app_of(atlassian, shared), f"http://127.0.0.1:{closed.getsockname()[1]}"
        direct = create_atlassian_oauth_client(*app, proxy=False, **shared)
        behind = create_atlassian_oauth_client(*app, proxy=proxy, **shared)
        async with direct, behind, httpx.AsyncClient() as browser:
            page = await browser.get(await direct.oauth_start())
            await direct.oauth_complete(page.headers["location"])
            await direct.test_connection()

            await behind.test_connection()  # loopback is reached without it

    assert (direct.auth.manager._sender._proxy, direct._proxy) == (None, None)
    assert (behind.auth.manager._sender._proxy, behind._proxy) == (proxy, proxy)
    assert (len(atlassian.token_requests), len(atlassian.api_requests)) == (1, 2)


class Recorded(ssl.SSLContext):
    """Counts the connections that are made with it."""

    connections = 0

    def wrap_bio(self, *args, **options):
        type(self).connections += 1
        return super().wrap_bio(*args, **options)


async def test_verify(atlassian_clock):
    """A private certificate authority counts for all requests of the client."""
    Recorded.connections = 0
    context = Recorded(ssl.PROTOCOL_TLS_CLIENT)
    with LoopbackServer() as speaks_no_tls:
        address = speaks_no_tls.origin.replace("http:", "https:")
        atlassian = FakeAtlassian(atlassian_clock, data_center_url=address)
        options = {"server_url": address, "verify": context, "clock": atlassian_clock}
        app = app_of(atlassian, options)
        store = MemoryStore(clock=atlassian_clock)
        client = create_atlassian_oauth_client(*app, store=store, **options)
        with mock_router(atlassian):
            await client.oauth_complete(atlassian.browse(await client.oauth_start()))

        with pytest.raises(TransientError):
            await client.test_connection()
        asked = Recorded.connections
        atlassian_clock.advance(3600)
        with pytest.raises(TransientError):
            await client.get_access_token()
        await client.aclose()

    assert 0 < asked < Recorded.connections


# -- secrets --------------------------------------------------------------------------------------


async def test_nothing_secret_is_shown(client, consent, caplog):
    """No repr, log record or result shows a secret, and the client cannot be pickled."""
    caplog.set_level("DEBUG")

    result = await consent(client)
    await client.test_connection()

    assert "secret-" not in f"{client!r} {client.auth!r} {result!r} {vars(client)}"
    ours = [entry for entry in caplog.records if entry.name == "atlassian_auth"]
    assert "secret-" not in "".join(entry.getMessage() for entry in ours)
    with pytest.raises(TypeError):
        pickle.dumps(client)
