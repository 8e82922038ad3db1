"""From the authorization URL to the stored token: what completes a login, and all that must not."""

from __future__ import annotations

import functools
import hashlib
import logging
import pickle
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import anyio
import pytest

from atlassian_auth import (
    AtlassianAuthError,
    AuthorizationRequired,
    CloudGrant,
    ConfigurationError,
    StoreError,
    TransientError,
)
from atlassian_auth.events import ConsentDeclined
from atlassian_auth.flows import AuthorizationFlow, LoopbackLogin, UncheckedCallback
from atlassian_auth.scopes import OFFLINE_ACCESS
from atlassian_auth.stores import MemoryStore, SQLiteStore
from atlassian_auth.testing import (
    Fault,
    ManualClock,
    cloud_grant,
    data_center_grant,
    jira_software_grant,
)

TINY = timedelta(milliseconds=1)
TEN_MINUTES = timedelta(minutes=10)


def query_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def own_grant(app, **changes):
    """The grant of an app of the emulator, other than `cloud_grant` has it."""
    fields = {
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "redirect_uri": app.redirect_uri,
        "scopes": "read:me",
    }
    return CloudGrant(**(fields | changes))


@pytest.fixture
def contents(store):
    """What the store holds, to be compared before and after."""

    async def read():
        return {
            (namespace, key): await store.get(namespace, key)
            for namespace in ("flows", "tokens")
            for key in await store.keys(namespace)
        }

    return read


@pytest.fixture
def refused(atlassian, contents):
    """Complete a login that must fail: nothing stored changes, no token is requested."""

    async def complete(flow, *args, **options) -> AtlassianAuthError:
        before = await contents()
        with pytest.raises(AtlassianAuthError) as caught:
            await flow.complete(*args, **({"started_by": None} | options))
        assert await contents() == before
        assert atlassian.token_requests == ()
        assert "secret-" not in str(caught.value)
        return caught.value

    return complete


# -- the way it should go --------------------------------------------------------------------------


@pytest.mark.parametrize("grant_of", [cloud_grant, data_center_grant])
async def test_a_login_brings_a_token(flow_of, atlassian, contents, grant_of):
    """A completed login stores a token for its key, and the login is removed."""
    flow = flow_of(grant_of(atlassian))

    request = await flow.start("acme", started_by=None)
    result = await flow.complete(atlassian.browse(request.url), started_by=None)

    assert (result.key, result.missing_scopes) == ("acme", ())
    assert result.status == await flow.manager.status("acme")
    assert result.status.refreshable
    assert (await flow.manager.token("acme")).access_token.startswith("secret-")
    assert list(await contents()) == [("tokens", "acme")]
    assert len(atlassian.token_requests) == 1


async def test_cloud_with_pkce(flow_of, atlassian):
    """With PKCE the store keeps the verifier, and the URL has its challenge only."""
    flow = flow_of(own_grant(atlassian.cloud_app, pkce=True))

    request = await flow.start("acme", started_by=None)
    result = await flow.complete(atlassian.browse(request.url), started_by=None)

    assert query_of(request.url)["code_challenge_method"] == "S256"
    assert result.status.refreshable


async def test_what_start_says(flow, atlassian, atlassian_clock):
    """The URL with its state, the key, and until when; neither its repr nor a pickle shows the state."""
    request = await flow.start("acme", started_by=None)

    assert query_of(request.url)["state"] == request.state
    assert request.url == flow.manager.grant.authorization_url(state=request.state)
    assert (request.key, request.expires_at) == ("acme", atlassian_clock.now() + TEN_MINUTES)
    assert request.state not in repr(request)
    assert atlassian.token_requests == ()
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(request)


async def test_what_is_sent_cannot_be_guessed(flow_of, atlassian):
    """State and verifier are 32 random bytes each, asked for separately, and new for each login."""
    asked = []

    def random_bytes(count):
        asked.append(count)
        return bytes([len(asked)]) * count

    flow = flow_of(data_center_grant(atlassian), random_bytes=random_bytes)

    first, second = [query_of((await flow.start("acme", started_by=None)).url) for _ in "12"]

    assert asked == [32, 32, 32, 32]
    assert len(first["state"].partition(".")[2]) == 43
    assert first["state"] != second["state"]
    assert first["code_challenge"] != second["code_challenge"]


async def test_the_stores_keys_tell_no_state(flow, store):
    """A person who can list the store's keys cannot complete a login with them."""
    request = await flow.start("acme", started_by="session-1")

    (key,) = await store.keys("flows")
    assert request.state not in key
    assert b"session-1" not in (await store.get("flows", key)).value


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda url: {"callback": url}, id="url"),
        pytest.param(lambda url: {"callback": f"\n  {url[:60]}\n{url[60:]} \n"}, id="pasted"),
        pytest.param(lambda url: {"callback": urlsplit(url).query}, id="query"),
        pytest.param(lambda url: {"callback": UncheckedCallback.parse(url)}, id="parsed"),
        pytest.param(query_of, id="code-and-state"),
    ],
)
async def test_forms_of_a_callback(flow, atlassian, form):
    """A callback is accepted as a framework gives it, and as a person pastes it."""
    request = await flow.start("acme", started_by=None)

    result = await flow.complete(**form(atlassian.browse(request.url)), started_by=None)

    assert result.key == "acme"


async def test_start_and_callback_in_different_processes(flow_of, atlassian, tmp_path):
    """A process can complete a login that another process has started in the same store."""
    one, other = (flow_of(store=SQLiteStore(tmp_path / "tokens.db")) for _ in "12")
    request = await one.start("acme", started_by="session-1")

    await other.complete(atlassian.browse(request.url), started_by="session-1")

    assert (await one.manager.status("acme")).refreshable


async def test_two_logins_for_one_key(flow, atlassian):
    """Two logins of one key may complete in any order; the last one counts."""
    first, second = [await flow.start("acme", started_by=None) for _ in "12"]

    await flow.complete(atlassian.browse(second.url), started_by=None)
    second_token = await flow.manager.token("acme")
    await flow.complete(atlassian.browse(first.url), started_by=None)

    assert await flow.manager.token("acme") != second_token
    assert atlassian.count("token", outcome="ok") == 2


async def test_a_login_replaces_what_was_there(flow, atlassian):
    """Consenting again is the cure for a lost grant."""
    lost = atlassian.issue_grant().refresh_token
    atlassian.revoke_grant(lost)
    await flow.manager.add("acme", refresh_token=lost)
    with pytest.raises(AuthorizationRequired):
        await flow.manager.token("acme")

    request = await flow.start("acme", started_by=None)
    await flow.complete(atlassian.browse(request.url), started_by=None)

    assert (await flow.manager.token("acme")).access_token


async def test_a_cancelled_caller_loses_nothing(flow, atlassian):
    """The browser that hangs up in the middle of the exchange has authorized all the same."""
    request = await flow.start("acme", started_by=None)
    callback = atlassian.browse(request.url)
    gate = atlassian.hold("token")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(functools.partial(flow.complete, callback, started_by=None))
        await gate.arrived()
        tasks.cancel_scope.cancel()
    gate.open()

    assert (await flow.manager.token("acme")).access_token
    assert len(atlassian.token_requests) == 1


# -- what was granted ------------------------------------------------------------------------------


async def test_less_than_asked_for(flow_of, atlassian, caplog):
    """Scopes that were not granted are in the result, and in a warning that says what to do."""
    flow = flow_of(cloud_grant(atlassian, scopes="read:me read:jira-work"))
    request = await flow.start("acme", started_by=None)
    callback = atlassian.browse(request.url)
    atlassian.fault("token", Fault.edited(lambda answer: answer | {"scope": "read:me"}))

    result = await flow.complete(callback, started_by=None)

    assert result.missing_scopes == ("read:jira-work",)
    assert "'acme' was authorized without read:jira-work, although it was requested" in caplog.text


async def test_no_refresh_token(flow, atlassian, caplog):
    """Cloud left it out although it was asked for: a warning says until when that goes well."""
    request = await flow.start("acme", started_by=None)
    callback = atlassian.browse(request.url)
    atlassian.fault("token", Fault.edited(without_refresh_token))

    result = await flow.complete(callback, started_by=None)

    assert not result.status.refreshable
    assert result.missing_scopes == ()
    assert "without a refresh token, although offline_access was requested" in caplog.text
    assert str(result.status.access_expires_at) in caplog.text


def without_refresh_token(answer):
    return {name: value for name, value in answer.items() if name != "refresh_token"}


async def test_nothing_missing_nothing_said(flow_of, atlassian, caplog):
    """There is no warning if all scopes were granted, or offline_access was not requested."""
    once = own_grant(atlassian.cloud_app, offline_access=False)
    with caplog.at_level(logging.WARNING, "atlassian_auth"):
        for flow in (flow_of(), flow_of(once)):
            request = await flow.start("acme", started_by=None)
            result = await flow.complete(atlassian.browse(request.url), started_by=None)
            assert OFFLINE_ACCESS not in result.missing_scopes

    assert caplog.records == []


# -- state -----------------------------------------------------------------------------------------


async def test_a_second_callback(flow, atlassian):
    """A login works once: the error says so the second time, and no second code is exchanged."""
    request = await flow.start("acme", started_by=None)
    callback = atlassian.browse(request.url)
    await flow.complete(callback, started_by=None)
    token = await flow.manager.token("acme")

    with pytest.raises(ConfigurationError, match="completed already") as caught:
        await flow.complete(callback, started_by=None)

    assert caught.value.argument == "state"
    assert len(atlassian.token_requests) == 1
    assert await flow.manager.token("acme") == token


class OneStepBehind:
    """A store in which another process is always faster at deleting."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def delete(self, namespace, key, *, expected=None):
        await self._store.delete(namespace, key, expected=expected)
        return await self._store.delete(namespace, key, expected=expected)


async def test_two_callbacks_at_once(flow_of, atlassian, store):
    """If two processes get one callback, only the one that deletes the login exchanges the code."""
    flow = flow_of(store=OneStepBehind(store))
    request = await flow.start("acme", started_by=None)

    with pytest.raises(ConfigurationError, match="completed already") as caught:
        await flow.complete(atlassian.browse(request.url), started_by=None)

    assert caught.value.argument == "state"
    assert atlassian.token_requests == ()


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda state: state[:-1], id="shortened"),
        pytest.param(lambda state: state + "x", id="lengthened"),
        pytest.param(str.swapcase, id="other-case"),
        pytest.param(lambda _: "guess", id="guessed"),
        pytest.param(lambda state: state.partition(".")[2], id="without-its-mark"),
        pytest.param(lambda state: "0" * 16 + state[16:], id="with-another-keys-mark"),
        pytest.param(lambda state: state[:17], id="its-mark-alone"),
        pytest.param(lambda state: state + "\n", id="with-a-line-break"),
        pytest.param(lambda _: "\ud800", id="not-even-text"),
    ],
)
async def test_a_wrong_state(flow, atlassian, refused, forge):
    """A forged callback changes nothing, and the right one still works."""
    request = await flow.start("acme", started_by=None)
    right = query_of(atlassian.browse(request.url))

    error = await refused(flow, code=right["code"], state=forge(right["state"]))
    await flow.complete(**right, started_by=None)

    assert isinstance(error, ConfigurationError)
    assert error.argument == "state"


async def test_no_state(flow, atlassian, refused):
    """A callback without one is refused, however good its code."""
    request = await flow.start("acme", started_by=None)
    code = query_of(atlassian.browse(request.url))["code"]

    error = await refused(flow, f"http://127.0.0.1:8765/callback?code={code}")

    assert error.argument == "state"
    assert "has no state" in str(error)


@pytest.mark.parametrize(
    ("passed", "good"),
    [(TEN_MINUTES - TINY, True), (TEN_MINUTES, False), (TEN_MINUTES + TINY, False)],
    ids=["just-before", "exactly", "just-after"],
)
@pytest.mark.parametrize("precise", [True, False], ids=["store-expires", "store-keeps"])
async def test_how_long_it_is_answered(
    flow_of, atlassian, atlassian_clock, store, passed, good, precise
):
    """Ten minutes, even where the store's own clock goes after or its cleaning is lazy."""
    flow = flow_of(store=store if precise else MemoryStore(clock=ManualClock()))
    request = await flow.start("acme", started_by=None)

    atlassian_clock.advance(passed)
    callback = atlassian.browse(request.url)

    if good:
        assert (await flow.complete(callback, started_by=None)).key == "acme"
    else:
        with pytest.raises(ConfigurationError, match="took too long"):
            await flow.complete(callback, started_by=None)
        assert atlassian.token_requests == ()


async def test_the_lifetime_can_be_chosen(flow_of, atlassian, atlassian_clock, contents):
    """A login may have a lifetime of a minute, and an expired login does not stay in the store."""
    flow = flow_of(lifetime=timedelta(minutes=1))
    request = await flow.start("acme", started_by=None)
    callback = atlassian.browse(request.url)

    atlassian_clock.advance(60)

    with pytest.raises(ConfigurationError, match="took too long"):
        await flow.complete(callback, started_by=None)
    assert await contents() == {}


@pytest.mark.parametrize("lifetime", [timedelta(), -TINY, 600])
def test_a_lifetime_that_is_over_at_once(flow, lifetime):
    """A lifetime that is not positive is refused: no person could complete such a login."""
    with pytest.raises(ConfigurationError, match="lifetime must be positive") as caught:
        AuthorizationFlow(flow.manager, lifetime=lifetime)

    assert caught.value.argument == "lifetime"


# -- whose it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starter", "other"), [("alice", "bob"), ("alice", None), (None, "bob"), ("alice", "alice ")]
)
async def test_a_login_of_another_session(flow, atlassian, refused, starter, other):
    """A callback of another session's login is refused, and that login can still be completed."""
    request = await flow.start("acme", started_by=starter)
    callback = atlassian.browse(request.url)

    error = await refused(flow, callback, started_by=other)
    await flow.complete(callback, started_by=starter)

    assert isinstance(error, ConfigurationError)
    assert error.argument == "started_by"
    assert "started by another session" in str(error)


async def test_the_starter_is_never_left_out(flow, contents):
    """`started_by` has no default, because a web app that omits it is open to prepared links."""
    with pytest.raises(TypeError, match="started_by"):
        await flow.start("acme")
    with pytest.raises(TypeError, match="started_by"):
        await flow.complete("code=a&state=b")

    assert await contents() == {}


@pytest.mark.parametrize("starter", ["", 7, b"alice"])
async def test_a_starter_has_a_name(flow, contents, refused, starter):
    """An empty session id is refused: any session could complete the login."""
    with pytest.raises(ConfigurationError, match="non-empty text or None") as caught:
        await flow.start("acme", started_by=starter)
    error = await refused(flow, "code=a&state=b", started_by=starter)

    assert caught.value.argument == error.argument == "started_by"
    assert await contents() == {}


def other_app(atlassian):
    return cloud_grant(atlassian, app=atlassian.register_cloud_app("other"))


def moved_app(atlassian):
    return own_grant(atlassian.cloud_app, redirect_uri="https://app.example.com/cb")


@pytest.mark.parametrize(
    "grant_of",
    [
        pytest.param(other_app, id="another-app"),
        pytest.param(moved_app, id="another-redirect-uri"),
        pytest.param(data_center_grant, id="another-product"),
        pytest.param(
            lambda atlassian: own_grant(atlassian.cloud_app, pkce=True), id="pkce-switched-on"
        ),
    ],
)
async def test_a_callback_for_another_registration(flow, flow_of, atlassian, refused, grant_of):
    """A callback of another app is refused without a request, and the right app can complete it."""
    request = await flow.start("acme", started_by=None)
    callback = atlassian.browse(request.url)

    error = await refused(flow_of(grant_of(atlassian)), callback)

    assert isinstance(error, ConfigurationError)
    assert error.argument == "grant"
    assert "use the same grant, or start again" in str(error)
    assert (await flow.complete(callback, started_by=None)).key == "acme"


async def test_a_callback_for_another_key(flow, atlassian):
    """A callback authorizes the key of its own login, even if other logins are waiting."""
    one, other = (
        await flow.start("one", started_by=None),
        await flow.start("other", started_by=None),
    )

    result = await flow.complete(atlassian.browse(other.url), started_by=None)

    assert result.key == "other"
    assert await flow.manager.keys() == ["other"]
    assert one.state != other.state


# -- errors in the callback ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("access_denied", AuthorizationRequired),
        ("server_error", TransientError),
        ("temporarily_unavailable", TransientError),
        ("invalid_scope", ConfigurationError),
        ("invalid scope", ConfigurationError),
        ("unauthorized_client", ConfigurationError),
        ("invalid_request", ConfigurationError),
        ("unsupported_response_type", ConfigurationError),
        ("made_up", ConfigurationError),
    ],
)
async def test_an_error_instead_of_a_code(flow, atlassian, refused, said, kind):
    """Each error has its own class and changes nothing: the person may still consent on that page."""
    request = await flow.start("acme", started_by=None)

    error = await refused(
        flow, f"error={quote(said)}&error_description=Sorry&state={request.state}"
    )
    await flow.complete(atlassian.browse(request.url), started_by=None)

    assert type(error) is kind
    assert "Sorry" in str(error)


async def test_a_person_declines(flow, atlassian, refused):
    """If the person declines, the error names the key, and an event tells of it."""
    request = await flow.start("acme", started_by=None)
    atlassian.deny_next_consent()

    async with flow.manager.events() as told:
        error = await refused(flow, atlassian.browse(request.url))
        assert await anext(told) == ConsentDeclined(key="acme", at=atlassian.clock.now())

    assert (error.key, error.reason) == ("acme", "declined")


@pytest.mark.parametrize(
    ("extra", "argument"),
    [
        pytest.param("&code=again", "callback", id="duplicate-code"),
        pytest.param("&state=again", "callback", id="duplicate-state"),
        pytest.param("&iss=https://evil.example.com", "issuer", id="other-issuer"),
        pytest.param("", "issuer", id="no-issuer"),
    ],
)
async def test_a_callback_that_was_tampered_with(flow_of, atlassian, refused, extra, argument):
    """Added parameters and a wrong issuer are refused before anything is looked up or used."""
    flow = flow_of(issuer="https://as.example.com")
    request = await flow.start("acme", started_by=None)

    error = await refused(flow, atlassian.browse(request.url) + extra)

    assert isinstance(error, ConfigurationError)
    assert error.argument == argument


@pytest.mark.parametrize(
    "callback", [{"state": True}, {"state": True, "code": ""}, {"state": True, "code": "a b"}]
)
async def test_nothing_to_exchange(flow, refused, callback):
    """The right state without a usable code leaves the login waiting."""
    request = await flow.start("acme", started_by=None)

    error = await refused(flow, **(callback | {"state": request.state}))

    assert error.argument == "callback"


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((), {}),
        (("code=a&state=b",), {"code": "a"}),
        (("code=a&state=b",), {"state": "b"}),
        ((7,), {}),
    ],
    ids=["nothing", "both", "both-state", "not-text"],
)
async def test_what_complete_takes(flow, refused, args, options):
    """A callback, or its parts, and not both."""
    error = await refused(flow, *args, **options)

    assert isinstance(error, ConfigurationError)
    assert error.argument == "callback"


# -- start -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", None, 7])
async def test_a_key_has_a_name(flow, contents, key):
    """A login for no key is not started."""
    with pytest.raises(ConfigurationError) as caught:
        await flow.start(key, started_by=None)

    assert caught.value.argument == "key"
    assert await contents() == {}


async def test_no_consent_is_needed(flow_of, atlassian, contents):
    """Client credentials have no consent page."""
    flow = flow_of(jira_software_grant(atlassian))

    with pytest.raises(ConfigurationError):
        await flow.start("acme", started_by=None)

    assert await contents() == {}


# -- the exchange ----------------------------------------------------------------------------------


async def test_an_outage_of_the_token_endpoint(flow, atlassian, contents):
    """If the exchange fails, the error says that the login is used up."""
    request = await flow.start("acme", started_by=None)
    callback = atlassian.browse(request.url)
    atlassian.fault("token", Fault.rate_limited(3000), times=None)

    with pytest.raises(
        TransientError, match="cannot be completed any more: start a new one"
    ) as caught:
        await flow.complete(callback, started_by=None)

    assert caught.value.retry_after_seconds == 3000
    assert not caught.value.ambiguous
    assert await contents() == {}


async def test_a_code_that_came_too_late(flow_of, atlassian, atlassian_clock):
    """The error for an expired code says how long a code works."""
    flow = flow_of(data_center_grant(atlassian))
    request = await flow.start("acme", started_by=None)
    callback = atlassian.browse(request.url)
    atlassian_clock.advance(61)

    with pytest.raises(
        AtlassianAuthError, match="a code works once, for seconds rather than minutes"
    ):
        await flow.complete(callback, started_by=None)


async def test_a_store_that_fails(flow_of, atlassian):
    """A damaged record is reported and left alone."""
    store = MemoryStore()
    flow = flow_of(store=store)
    request = await flow.start("acme", started_by=None)
    (key,) = await store.keys("flows")
    await store.put("flows", key, b"damaged")

    with pytest.raises(StoreError, match="damaged"):
        await flow.complete(atlassian.browse(request.url), started_by=None)

    assert (await store.get("flows", key)).value == b"damaged"
    assert atlassian.token_requests == ()


@pytest.mark.parametrize("what", ["an auth", "a grant", "nothing"])
def test_a_flow_needs_a_manager(atlassian_credential, what):
    """A flow refuses anything but a manager, and the error says where to find one."""
    wrong = {
        "an auth": atlassian_credential,
        "a grant": atlassian_credential.manager.grant,
        "nothing": None,
    }

    with pytest.raises(
        ConfigurationError, match=r"a TokenManager, such as the \.manager of"
    ) as caught:
        AuthorizationFlow(wrong[what])

    assert caught.value.argument == "manager"


def test_a_loopback_login_needs_a_flow(atlassian_credential):
    """The same for a flow."""
    with pytest.raises(ConfigurationError, match=r"an AuthorizationFlow\(manager\)") as caught:
        LoopbackLogin(atlassian_credential.manager)

    assert caught.value.argument == "flow"


async def test_a_login_of_an_earlier_release(flow, flow_of, atlassian, store):
    """A login that was started before an upgrade can be completed after it."""
    request = await flow.start("acme", started_by=None)
    (name,) = await store.keys("flows")
    earlier = request.state.partition(".")[2]
    value = (await store.get("flows", name)).value.replace(request.state.encode(), earlier.encode())
    await store.delete("flows", name)
    await store.put("flows", hashlib.sha256(earlier.encode()).hexdigest(), value)
    callback = atlassian.browse(request.url.replace(request.state, earlier))

    result = await flow_of().complete(callback, started_by=None)

    assert result.key == "acme"
    assert await store.keys("flows") == []
