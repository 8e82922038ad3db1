"""Client configurations: saved under unique names, checked, and never giving out their secret."""

from __future__ import annotations

import asyncio
import functools
import pickle

import anyio
import pytest

from atlassian_auth import (
    ClientCredentialsGrant,
    CloudGrant,
    ConfigurationError,
    DataCenterGrant,
    Endpoints,
    GenericGrant,
    Settings,
    TransientError,
)
from atlassian_auth.connections import ClientConfig, ClientType, ConfigurationNotFound
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.ports._runtime.future import SharedFuture
from atlassian_auth.stores import MemoryStore
from atlassian_auth.stores.records import perform
from tests.connections.conftest import BASE_URL, CALLBACK, EVERY_STORE, OAUTH

CLOUD = Endpoints.cloud()
EMULATED = Endpoints.below("http://127.0.0.1:8080")


@EVERY_STORE
async def test_a_new_configuration_gets_an_id(connections, mail):
    """Seed 001, 1.14: what is saved comes back with an id and its redirect URI suffix."""
    saved = await connections.configs.save(mail)

    assert saved.id is not None
    assert saved.redirect_uri_suffix == CALLBACK.rpartition("/")[2]
    assert await connections.configs.get(saved.id) == saved


@EVERY_STORE
async def test_all_configurations_are_listed(connections, config, mail):
    """Seed 001, 1.13 and 1.19: the list has them all, by name."""
    other = await connections.configs.save(mail.changed(name="Calendar"))

    assert await connections.configs.list() == (other, config)


@EVERY_STORE
async def test_a_configuration_is_found_by_its_name(connections, config):
    """Seed 001, 1.19: a name that no configuration has finds None."""
    assert await connections.configs.find_by_name(" Mail ") == config
    assert await connections.configs.find_by_name("mail") is None


async def test_the_store_stays_open(connections_of, mail, consent, atlassian_clock):
    """A configuration that is deleted closes its manager, and leaves the store to the others."""
    closed = []

    class Watched(MemoryStore):
        async def aclose(self):
            closed.append(self)

    connections = connections_of(on=Watched(clock=atlassian_clock))
    config = await connections.configs.save(mail)
    await consent(config, on=connections)

    await connections.configs.delete(config.id)
    assert closed == []

    await connections.aclose()
    assert len(closed) == 1


async def test_closing_waits_for_a_call_without_a_caller(connections_of, atlassian_clock):
    """A call whose caller was cancelled ends before the store is closed, which it would open again."""
    began, may_end, seen = SharedFuture(), SharedFuture(), []

    class Slow(MemoryStore):
        async def keys(self, namespace):
            began.set_result(None)
            await may_end.wait()
            seen.append("listed")
            return await super().keys(namespace)

        async def aclose(self):
            seen.append("closed")

    connections = connections_of(on=Slow(clock=atlassian_clock))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connections.configs.list)
        await began.wait()
        tasks.cancel_scope.cancel()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connections.aclose)
        await anyio.wait_all_tasks_blocked()
        for _ in range(10):  # turns of the runner's loop, in which the store could be closed
            await perform(functools.partial(asyncio.sleep, 0))
        may_end.set_result(None)

    assert seen == ["listed", "closed"]


@EVERY_STORE
async def test_a_deleted_configuration_is_gone(connections, config):
    """Seed 001, 1.15 and 1.19: getting it raises, deleting it again says that there was none."""
    assert await connections.configs.delete(config.id)
    assert not await connections.configs.delete(config.id)
    assert not await connections.configs.delete("")
    for config_id in (config.id, "", "no-such-id"):
        with pytest.raises(ConfigurationNotFound, match="List the configurations"):
            await connections.configs.get(config_id)


@EVERY_STORE
async def test_saving_with_an_id_updates(connections, config):
    """Seed 001, 1.15 and 1.20: a changed copy with the same id replaces the configuration."""
    changed = await connections.configs.save(config.changed(description="Mail handler"))

    assert await connections.configs.list() == (changed,)
    assert changed.description == "Mail handler"


@EVERY_STORE
async def test_an_update_keeps_the_secret(connections, config):
    """Seed 001, 1.15: an update without a secret keeps the stored one."""
    update = config.changed(client_secret=None, name="Post")

    assert (await connections.configs.save(update)).client_secret == "secret-one"


async def test_a_stored_secret_goes_to_no_other_host(connections, config):
    """Who moves the token endpoint to another origin has to know the secret."""
    moved = config.changed(client_secret=None, token_endpoint="https://evil.example.com/token")

    with pytest.raises(ConfigurationError, match="given again") as caught:
        await connections.configs.save(moved)

    assert caught.value.argument == "client_secret"
    assert await connections.configs.get(config.id) == config


async def test_an_unknown_id_is_not_created(connections, config):
    """Ids are made by the library: saving under another id raises."""
    with pytest.raises(ConfigurationNotFound):
        await connections.configs.save(config.changed(id="mine", name="Other"))


@EVERY_STORE
async def test_names_are_unique(connections, config):
    """A second configuration with the same name is refused, and the first may be saved again."""
    with pytest.raises(ConfigurationError, match="'Mail' is taken") as caught:
        await connections.configs.save(config.changed(id=None))

    assert caught.value.argument == "name"
    assert await connections.configs.save(config) == config


@EVERY_STORE
async def test_names_are_unique_across_processes(connections_of, mail, app):
    """Of many who save the same name at the same moment on one store, one succeeds."""
    outcomes = []

    async def save(connections):
        try:
            outcomes.append((await connections.configs.save(mail)).name)
        except ConfigurationError as error:
            outcomes.append(error.argument)

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(save, connections_of(clock=SYSTEM_CLOCK))

    assert sorted(outcomes) == ["Mail", *["name"] * 5]


class Lock:
    """A lock that others hold for too long, or that is lost as soon as it is held."""

    def __init__(self, *, busy):
        self.busy = busy

    async def __aenter__(self):
        if self.busy:
            raise TimeoutError
        return self

    async def __aexit__(self, *error):
        return None

    async def confirm(self, seconds=0):
        return False


@pytest.mark.parametrize("busy", [True, False], ids=["busy", "lost"])
async def test_without_the_lock_nothing_is_saved(connections_of, mail, atlassian_clock, busy):
    """Without the lock of the names two processes could save one name: the error says to try again."""
    store = MemoryStore(clock=atlassian_clock)
    store.lock = lambda *names, timeout_seconds: Lock(busy=busy)
    connections = connections_of(on=store)

    with pytest.raises(TransientError, match="nothing was saved"):
        await connections.configs.save(mail)

    assert await connections.configs.list() == ()


def test_scopes_are_tidy(mail):
    """Scopes are trimmed, sorted, and each stands once."""
    assert mail.changed(scopes=" b a  b").scopes == ("a", "b")
    assert mail.changed(scopes=["b ", "a", "b"]).scopes == ("a", "b")


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        pytest.param({"name": " "}, "name", id="blank-name"),
        pytest.param({"name": "Mail\r\nSet-Cookie: a"}, "name", id="header-injection"),
        pytest.param({"name": "x" * 256}, "name", id="long-name"),
        pytest.param({"client_id": "a b"}, "client_id", id="client-id"),
        pytest.param({"client_secret": ""}, "client_secret", id="client-secret"),
        pytest.param({"type": "YAHOO"}, "type", id="type"),
        pytest.param({"scopes": "a,b"}, "scopes", id="scopes"),
        pytest.param({"colour": "red"}, "colour", id="unknown-field"),
    ],
)
def test_malformed_fields_are_refused(mail, changes, argument):
    """The error names the field, and shows no secret."""
    with pytest.raises(ConfigurationError) as caught:
        mail.changed(**changes)

    assert caught.value.argument == argument
    assert "secret-one" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        pytest.param({"client_secret": None}, "client_secret", id="new-without-secret"),
        pytest.param({"token_endpoint": "http://jira.example.com/t"}, "token_endpoint", id="http"),
        pytest.param({"token_endpoint": ""}, "token_endpoint", id="no-endpoint"),
        pytest.param({"authorization_endpoint": ""}, "authorization_endpoint", id="no-authorize"),
        pytest.param({"redirect_uri_suffix": "x"}, "redirect_uri_suffix", id="wrong-suffix"),
        pytest.param({"type": "ATLASSIAN_CLOUD"}, "authorization_endpoint", id="not-cloud"),
        pytest.param(
            {"type": "ATLASSIAN_DATA_CENTER", "token_endpoint": "https://jira.example.com/t"},
            "token_endpoint",
            id="not-data-center",
        ),
        pytest.param(
            {"type": "CLIENT_CREDENTIALS", "token_endpoint": CLOUD.token_url},
            "scopes",
            id="scopes-of-a-service-account",
        ),
    ],
)
async def test_what_does_not_fit_is_not_saved(connections, mail, changes, argument):
    """Seed 001, 1.33: endpoints must be https, and the fields must fit the type; nothing is stored."""
    with pytest.raises(ConfigurationError) as caught:
        await connections.configs.save(mail.changed(**changes))

    assert caught.value.argument == argument
    assert await connections.configs.list() == ()


async def test_the_provider_may_be_plain_http_if_a_setting_says_so(connections_of, mail):
    """Seed 001, 1.10: ``skip_provider_https_requirement`` accepts endpoints that are plain http."""
    plain = mail.changed(token_endpoint="http://idp.internal/token")
    connections = connections_of(settings=Settings(skip_provider_https_requirement=True))

    assert (await connections.configs.save(plain)).token_endpoint == "http://idp.internal/token"


async def test_loopback_needs_no_https(connections, mail):
    """Seed 001, 1.33: endpoints on this machine may always be plain http."""
    plain = mail.changed(token_endpoint="http://127.0.0.1:8080/token")

    assert (await connections.configs.save(plain)).id


def test_the_base_url_must_be_https(connections_of):
    """Seed 001, 1.9: a plain http base URL is refused unless the setting says otherwise."""
    with pytest.raises(ConfigurationError) as caught:
        connections_of("http://app.example.com")
    skip = Settings(skip_base_url_https_requirement=True)

    assert caught.value.argument == "base_url"
    assert connections_of("http://app.example.com/", settings=skip).base_url == (
        "http://app.example.com"
    )


async def test_a_plain_http_base_url_works_to_the_end(connections_of, mail):
    """Seed 001, 1.9: with the setting, redirect URIs are plain http too."""
    connections = connections_of(
        "http://app.example.com", settings=Settings(skip_base_url_https_requirement=True)
    )

    saved = await connections.configs.save(mail)

    assert saved.grant("http://app.example.com", allow_insecure_http=True).redirect_uri.startswith(
        "http://app.example.com/"
    )


@pytest.mark.parametrize("wrong", ["app.example.com", "https://app.example.com?a=b", None])
def test_a_malformed_base_url_is_refused(connections_of, wrong):
    """Redirect URIs are built on the base URL, so it is an absolute URL without a query."""
    with pytest.raises(ConfigurationError, match="base_url"):
        connections_of(wrong)


def test_settings_must_be_settings(connections_of):
    """A dictionary is no `Settings`."""
    with pytest.raises(ConfigurationError, match="settings must be Settings"):
        connections_of(settings={"stripes": 1})


def test_the_redirect_uri_names_the_provider(connections):
    """Seed 001, 1.16: one stable URI for each endpoint, with the suffix of Atlassian's plugin."""
    uri = connections.configs.redirect_uri("https://authorizationserver.com/oauth2/authorize")

    assert uri == f"{BASE_URL}/plugins/servlet/oauth2/client/callback/30kNE9SogRU19G0VsWHB5g"
    assert uri != connections.configs.redirect_uri("https://other.example.com/authorize")
    with pytest.raises(ConfigurationError, match="authorization_endpoint"):
        connections.configs.redirect_uri("http://other.example.com/authorize")


async def test_the_secret_is_shown_nowhere(connections, config):
    """Seed 001, 1.17: neither repr nor JSON has the secret, and a configuration cannot be pickled."""
    assert (
        "secret-one" not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"
    )
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(config)


@pytest.mark.parametrize(
    ("kind", "endpoints", "scopes", "expected"),
    [
        pytest.param("GENERIC", CLOUD, "a", GenericGrant, id="generic"),
        pytest.param("MICROSOFT", CLOUD, "a", GenericGrant, id="microsoft"),
        pytest.param("GOOGLE", CLOUD, "a", GenericGrant, id="google"),
        pytest.param("ATLASSIAN_CLOUD", CLOUD, "read:me", CloudGrant, id="cloud"),
        pytest.param(
            "ATLASSIAN_CLOUD", Endpoints.government(), "read:me", CloudGrant, id="government"
        ),
        pytest.param("ATLASSIAN_CLOUD", EMULATED, "read:me", CloudGrant, id="emulated-cloud"),
        pytest.param(
            "ATLASSIAN_DATA_CENTER",
            Endpoints.data_center("https://host/jira"),
            "READ",
            DataCenterGrant,
            id="data-center",
        ),
        pytest.param(
            "CLIENT_CREDENTIALS",
            Endpoints.jira_software(),
            "",
            ClientCredentialsGrant,
            id="jira-software",
        ),
        pytest.param("CLIENT_CREDENTIALS", CLOUD, "", ClientCredentialsGrant, id="service-account"),
        pytest.param(
            "CLIENT_CREDENTIALS", EMULATED, "", ClientCredentialsGrant, id="emulated-account"
        ),
        pytest.param(
            "CLIENT_CREDENTIALS",
            EMULATED.for_jira_software(),
            "",
            ClientCredentialsGrant,
            id="emulated-jira-software",
        ),
        pytest.param(
            "CLIENT_CREDENTIALS",
            Endpoints.data_center("https://host/jira"),
            "READ",
            ClientCredentialsGrant,
            id="data-center-account",
        ),
        pytest.param(
            "CLIENT_CREDENTIALS",
            Endpoints(token_url="https://idp.example.com/t", api_url="https://idp.example.com"),
            "a",
            ClientCredentialsGrant,
            id="any-account",
        ),
    ],
)
def test_each_type_has_its_grant(kind, endpoints, scopes, expected):
    """Seed 001, 1.18: the type decides which grant a configuration makes, and its endpoints."""
    config = ClientConfig(
        name="n",
        type=kind,
        client_id="i",
        client_secret="s",
        authorization_endpoint=endpoints.authorize_url or "",
        token_endpoint=endpoints.token_url,
        scopes=scopes,
    )

    grant = config.grant(BASE_URL)

    assert type(grant) is expected
    assert grant.endpoints.token_url == endpoints.token_url
    if kind != "GENERIC" and "generic" not in grant.kind:
        assert grant.endpoints.api_url == endpoints.api_url
    assert (grant.redirect_uri is None) == (kind == "CLIENT_CREDENTIALS")


async def test_client_credentials_need_no_redirect_uri(connections, mail):
    """An app that acts for itself has no authorization endpoint and no suffix."""
    alone = mail.changed(type=ClientType.CLIENT_CREDENTIALS, authorization_endpoint="")

    assert (await connections.configs.save(alone)).redirect_uri_suffix is None


def test_a_suffix_that_is_right_is_accepted(mail):
    """The example of Atlassian's REST interface gives the suffix with the configuration."""
    assert mail.changed(redirect_uri_suffix=CALLBACK.rpartition("/")[2]).redirect_uri_suffix
    assert mail.authorization_endpoint == f"{OAUTH}/authorize"
