"""How credentials begin, are described and end."""

from __future__ import annotations

import gc
import hashlib
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from atlassian_auth import (
    CloudGrant,
    ConfigurationError,
    CredentialState,
    Settings,
    StoreError,
    Token,
    TokenManager,
    TransientError,
)
from atlassian_auth._tokens.http.sender import HttpxSender
from atlassian_auth.events import ConsentGiven, RefreshSucceeded
from atlassian_auth.flows import AuthorizationFlow
from atlassian_auth.ports import Network, utc_now
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.stores import MemoryStore, SQLiteStore
from atlassian_auth.stores.records import perform
from atlassian_auth.testing import (
    Fault,
    cloud_grant,
    data_center_grant,
    jira_software_grant,
    service_account_grant,
)
from tests.manager.scene import (
    HOUR,
    _code,
)

pytestmark = pytest.mark.every_loop


async def test_a_code_makes_a_credential(manager_of, atlassian, atlassian_clock, told):
    """An authorization code becomes a credential that refreshes itself, and an event tells of it."""
    manager = manager_of()

    status = await manager.authorize("acme", _code(atlassian, manager))

    assert status.refreshable
    assert "offline_access" in status.scopes
    assert manager.peek("acme") is not None
    token, now = await manager.refresh("acme"), utc_now(atlassian_clock)
    await manager.keys()
    assert told[0] == ConsentGiven(key="acme", at=now)
    assert told[-1] == RefreshSucceeded(
        key="acme",
        at=now,
        duration_seconds=0,
        refresh_count=1,
        expires_at=token.expires_at,
        consent_expires_at=now + timedelta(days=365),
    )


async def test_a_code_whose_token_cannot_be_saved_at_once(acme, watched, atlassian):
    """A code works once: if saving its token fails, the token is kept and saved the next time."""
    code = _code(atlassian, acme)
    watched.failures["put"] = 3

    with pytest.raises(StoreError):
        await acme.authorize("fresh", code)

    assert (await acme.token("fresh")).access_token
    assert atlassian.count("token", grant_type="authorization_code") == 1


async def test_a_credential_that_was_never_saved_can_be_forgotten(acme, watched, atlassian):
    """A pair that only this process has is forgotten too, and `forget` says that there was one."""
    watched.failures["put"] = 3
    with pytest.raises(StoreError):
        await acme.authorize("fresh", _code(atlassian, acme))

    assert await acme.forget("fresh") is True
    assert await acme.forget("fresh") is False


async def test_a_credential_whose_save_was_doubtful_stays_forgotten(acme, watched, atlassian):
    """A pair that was saved in spite of an error is not saved again after it was forgotten."""
    watched.failures["after put"] = 1
    await acme.authorize("fresh", _code(atlassian, acme))

    await watched.delete("tokens", "fresh")
    await acme.aclose()

    assert (await acme.status("fresh")).state is CredentialState.NEW


async def test_adding_the_same_token_again_keeps_its_successors(cloud, atlassian):
    """A service may add its configured refresh token at each start: only the first time counts."""
    pasted = atlassian.issue_grant().refresh_token
    await cloud.add("other", refresh_token=pasted)
    token = await cloud.token("other")

    status = await cloud.add("other", refresh_token=pasted)

    assert status.refresh_count == 1
    assert await cloud.token("other") == token


async def test_adding_the_same_token_again_corrects_its_date(
    manager_of, cloud, atlassian, atlassian_clock
):
    """The date of a consent may be given later, and counts for each process; nothing else changes."""
    pasted = atlassian.issue_grant().refresh_token
    await cloud.add("other", refresh_token=pasted)
    token, earlier = await cloud.token("other"), utc_now(atlassian_clock) - HOUR

    await cloud.add("other", refresh_token=pasted, authorized_at=earlier)

    assert (await manager_of().status("other")).authorized_at == earlier
    assert await cloud.token("other") == token


async def test_adding_what_another_process_has_added_takes_its_token(manager_of, cloud, atlassian):
    """If another process has added the same refresh token, its access token is used at once."""
    await cloud.token("acme")
    pasted = atlassian.issue_grant().refresh_token
    other = manager_of()
    await other.add("acme", refresh_token=pasted)
    theirs = await other.token("acme")

    await cloud.add("acme", refresh_token=pasted)

    assert cloud.peek("acme") == theirs


async def test_a_new_credential_is_not_paused(cloud, atlassian):
    """The pause after a failure ends when the key gets another refresh token."""
    atlassian.fault("token", Fault.status(503), times=3)
    with pytest.raises(TransientError):
        await cloud.token("acme")

    await cloud.add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    assert (await cloud.token("acme")).access_token


async def test_one_refresh_token_under_two_keys(manager_of, cloud, atlassian):
    """The second key is refused, in any process, as long as the first one has it; the error names both."""
    pasted = atlassian.issue_grant().refresh_token
    await cloud.add("site-1", refresh_token=pasted)
    token = await cloud.token("site-1")

    with pytest.raises(ConfigurationError, match=r"'site-1'.*'site-2'") as caught:
        await manager_of().add("site-2", refresh_token=pasted)

    assert caught.value.argument == "refresh_token"
    assert pasted not in str(caught.value)
    assert await cloud.keys() == ["acme", "site-1"]
    assert await cloud.token("site-1") == token
    assert atlassian.count("token", outcome="ok") == 1


async def test_a_refresh_token_changes_its_key(cloud, atlassian):
    """A refresh token may go to another key after its first key has forgotten or replaced it."""
    for number, leave in enumerate([cloud.forget, cloud.revoke]):
        pasted = atlassian.issue_grant().refresh_token
        await cloud.add("old", refresh_token=pasted)
        await leave("old")

        await cloud.add(f"new-{number}", refresh_token=pasted)

    pasted = atlassian.issue_grant().refresh_token
    await cloud.add("old", refresh_token=pasted)
    await cloud.add("old", refresh_token=atlassian.issue_grant().refresh_token)
    await cloud.add("another", refresh_token=pasted)
    with pytest.raises(ConfigurationError, match="'another'"):
        await cloud.add("third", refresh_token=pasted)
    assert await cloud.keys() == ["acme", "another", "new-0", "new-1", "old"]


class Raced(MemoryStore):
    """Lets something happen before a note about a refresh token is written."""

    meanwhile = None

    async def put(self, namespace, key, value, **options):
        if namespace == "pasted" and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await super().put(namespace, key, value, **options)


async def test_a_refresh_token_is_remembered_for_a_year(cloud, atlassian, store, atlassian_clock):
    """By then it has ended, so the note of its key is no longer needed."""
    await cloud.add("old", refresh_token=atlassian.issue_grant().refresh_token)
    notes = await store.keys("pasted")

    atlassian_clock.advance(timedelta(days=365, seconds=-1))
    assert await store.keys("pasted") == notes
    atlassian_clock.advance(1)
    assert await store.keys("pasted") == []


async def test_a_note_that_cannot_be_read(cloud, atlassian, store, caplog):
    """A damaged one does not keep its refresh token out for ever."""
    pasted = atlassian.issue_grant().refresh_token
    await store.put("pasted", hashlib.sha256(pasted.encode()).hexdigest(), b"damaged")

    await cloud.add("other", refresh_token=pasted)

    assert (await cloud.token("other")).access_token
    [logged] = [record for record in caplog.records if "It was not noted that" in record.msg]
    assert logged.key == "other"


async def test_a_note_that_cannot_be_written(manager_of, atlassian, atlassian_clock, caplog):
    """The refresh token is added all the same: the note only guards against a mistake."""
    store = Raced(clock=atlassian_clock)

    async def fail():
        raise StoreError("no space")

    store.meanwhile = fail
    manager = manager_of(store=store)

    await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    assert (await manager.token("acme")).access_token
    assert "under key 'acme': no space" in caplog.text


async def test_one_refresh_token_under_two_keys_at_once(manager_of, atlassian, atlassian_clock):
    """If two processes add one refresh token under two keys, one of them is refused."""
    store = Raced(clock=atlassian_clock)
    first, second = manager_of(store=store), manager_of(store=store)
    pasted = atlassian.issue_grant().refresh_token
    store.meanwhile = lambda: first.add("site-1", refresh_token=pasted)

    with pytest.raises(ConfigurationError, match=r"'site-1'.*'site-2'"):
        await second.add("site-2", refresh_token=pasted)

    assert await second.keys() == ["site-1"]


async def test_adding_at_a_start_does_not_undo_a_login(cloud, atlassian):
    """A refresh token that stays in a service's configuration does not replace the consent given since."""
    pasted = atlassian.issue_grant().refresh_token
    await cloud.add("acme", refresh_token=pasted)
    flow = AuthorizationFlow(cloud)
    request = await flow.start("acme", started_by=None)
    await flow.complete(atlassian.browse(request.url), started_by=None)
    token, status = await cloud.token("acme"), await cloud.status("acme")
    earlier = status.authorized_at - HOUR

    await cloud.add("acme", refresh_token=pasted, authorized_at=earlier)

    assert await cloud.token("acme") == token
    assert await cloud.status("acme") == status


async def test_a_token_brings_no_refresh_token(cloud, atlassian, atlassian_clock):
    """Callers get a bearer: neither the token, nor the cache that serves it, knows the refresh token."""
    seen = []

    async def use(token):
        seen.append(token)

    await cloud.execute("acme", use)
    seen += [await cloud.token("acme"), cloud.peek("acme"), await cloud.refresh("acme")]
    atlassian_clock.advance(HOUR)
    seen += [await anyio.to_thread.run_sync(cloud.token_sync, "acme")]

    assert {type(token) for token in seen} == {Token}
    assert not any(hasattr(token, "refresh_token") for token in seen)


async def test_a_refresh_token_is_revealed_by_name_only(cloud, manager_of, atlassian):
    """Only a method whose name says so returns the refresh token."""
    await cloud.token("acme")

    revealed = await cloud.reveal_refresh_token("acme")

    assert revealed == atlassian.families[0].refresh_token
    assert await cloud.reveal_refresh_token("unknown") is None


async def test_a_pair_is_saved_and_revealed(cloud, atlassian, atlassian_clock):
    """A pair issued elsewhere takes the place of the key's own and is used as it is."""
    await cloud.token("acme")
    issued, now = atlassian.issue_grant(), atlassian_clock.now()
    pair = Token(issued.access_token, now, now + HOUR).paired(issued.refresh_token)

    status = await cloud.save("acme", pair)

    assert (status.key, status.state) == ("acme", CredentialState.READY)
    assert await cloud.reveal_pair("acme") == pair
    assert await cloud.token("acme") == pair.bearer
    assert (await cloud.refresh("acme")).access_token != issued.access_token
    assert await cloud.reveal_pair("unknown") is None


async def test_a_pair_with_the_stored_refresh_token_is_saved(cloud, atlassian_clock):
    """If a server does not rotate, a pair issued elsewhere has the refresh token that is stored already."""
    await cloud.token("acme")
    stored, now = await cloud.reveal_pair("acme"), atlassian_clock.now()
    pair = Token("secret-newer", now, now + HOUR).paired(stored.refresh_token)

    await cloud.save("acme", pair)

    assert await cloud.reveal_pair("acme") == pair


async def test_a_spent_pair_is_not_saved(cloud):
    """A pair that was refreshed since it was read is refused, and the newer one stays."""
    await cloud.token("acme")
    older = await cloud.reveal_pair("acme")
    await cloud.refresh("acme")
    newer = await cloud.reveal_pair("acme")

    with pytest.raises(ConfigurationError, match=r"'acme'.* has spent its refresh token") as caught:
        await cloud.save("acme", older)

    assert caught.value.argument == "pair"
    assert await cloud.reveal_pair("acme") == newer
    assert (await cloud.save("acme", newer)).refreshable


async def test_a_pair_of_another_registration_is_not_replaced(cloud, manager_of, atlassian):
    """A key that belongs to another app is refused, and keeps what it has."""
    await cloud.token("acme")
    kept = await cloud.reveal_pair("acme")

    with pytest.raises(ConfigurationError, match="Key 'acme' holds a credential"):
        await manager_of(data_center_grant(atlassian)).save("acme", kept)

    assert await cloud.reveal_pair("acme") == kept


async def test_a_store_is_used_where_managers_use_it(cloud, store):
    """`perform` runs work in the event loop of the managers, for a store that has none of its own."""
    assert await perform(lambda: store.keys("tokens")) == ["acme"]


async def test_adding_another_token_replaces(cloud, atlassian):
    """Another refresh token takes the place of the old credential."""
    await cloud.token("acme")

    await cloud.add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    assert cloud.peek("acme") is None
    assert (await cloud.token("acme")).access_token


@pytest.mark.parametrize(
    "wrong",
    ["", "two words", "pasted\n", "tökén", None],
    ids=["empty", "words", "line", "odd", "none"],
)
async def test_a_mangled_refresh_token_is_refused(manager_of, wrong):
    """A text that cannot be a refresh token is refused before anything is stored."""
    manager = manager_of()

    with pytest.raises(ConfigurationError, match="Paste it again") as caught:
        await manager.add("acme", refresh_token=wrong)

    assert caught.value.argument == "refresh_token"
    assert await manager.keys() == []


async def test_client_credentials_have_nothing_to_add(manager_of, atlassian):
    """A grant without refresh tokens says so."""
    with pytest.raises(ConfigurationError, match="no refresh tokens") as caught:
        await manager_of(jira_software_grant(atlassian)).add("ci", refresh_token="token")

    assert caught.value.argument == "refresh_token"


async def test_the_date_of_a_consent_is_a_datetime(cloud):
    """A date that was written as text is refused by name."""
    with pytest.raises(
        ConfigurationError, match=r"^authorized_at must be a datetime, not str\."
    ) as caught:
        await cloud.add("other", refresh_token="token", authorized_at="2026-01-01")

    assert caught.value.argument == "authorized_at"


@pytest.mark.parametrize("wrong", ["", None, 7, b"acme", "acme\ud800"])
async def test_a_key_must_be_a_name(manager_of, wrong):
    """A key that is empty, no text, or has no UTF-8 form is refused, wherever it is used."""
    manager = manager_of()

    for use in (manager.token, manager.refresh, manager.status, manager.forget):
        with pytest.raises(
            ConfigurationError, match="cannot name a record; expected text"
        ) as caught:
            await use(wrong)
        assert caught.value.argument == "key"
    with pytest.raises(ConfigurationError):
        manager.auth(wrong)


@pytest.mark.parametrize(
    ("argument", "wrong", "expected"),
    [
        ("settings", {"attempts": 2}, "settings must be Settings"),
        ("settings", Settings, "not the class Settings"),
        ("on_event", "print", "on_event must be a function that takes an event, not str"),
        ("clock", 7, "clock must be a Clock such as .*, not int"),
        ("store", MemoryStore, "not the class MemoryStore"),
        ("store", 7, "store must be a store such as"),
        ("store", {}, "the path of a SQLite file, not dict"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused_at_once(manager_of, argument, wrong, expected):
    """A wrong argument is an error of the constructor that names it, not of the first request."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        manager_of(**{argument: wrong})

    assert caught.value.argument == argument


@pytest.mark.parametrize("wrong", [None, "grant", CloudGrant], ids=repr)
def test_a_manager_needs_a_grant(wrong):
    """Whatever is no grant is refused by name."""
    with pytest.raises(
        ConfigurationError, match="grant must be a grant such as CloudGrant"
    ) as caught:
        TokenManager(wrong, store=MemoryStore())

    assert caught.value.argument == "grant"


@pytest.mark.parametrize("form", ["sqlite:///{path}", "{path}", Path])
async def test_a_store_by_its_url_or_path(manager_of, atlassian, tmp_path, form):
    """`store=` takes what `open_store` takes; a path means a SQLite store."""
    path = tmp_path / "tokens.db"
    manager = manager_of(store=form.format(path=path) if isinstance(form, str) else form(path))

    await manager.add("acme", refresh_token=atlassian.issue_grant().refresh_token)

    assert await manager_of(store=SQLiteStore(path)).keys() == ["acme"]


async def test_a_store_by_its_path_has_the_managers_clock(manager_of, atlassian_clock, tmp_path):
    """What it stores for a time expires by the manager's clock."""
    store = manager_of(store=tmp_path / "tokens.db").store
    await store.put("flows", "login", b"value", ttl_seconds=60)

    atlassian_clock.advance(60)

    assert await store.get("flows", "login") is None


def test_network_options_are_for_all_own_requests(manager_of):
    """TLS, proxy, settings and clock count for token requests and for look-ups."""
    tls, proxy, settings = httpx.create_ssl_context(), "http://proxy:3128", Settings(attempts=1)
    transport = httpx.MockTransport(print)

    manager = manager_of(settings=settings, verify=tls, proxy=proxy, transport=transport)

    expected = {"verify": tls, "proxy": proxy, "clock": manager.clock}
    assert manager.network == Network(settings=settings, **expected)
    assert vars(manager._sender) == vars(HttpxSender(settings, transport=transport, **expected))


@pytest.mark.parametrize("argument", ["transport", "verify", "proxy"])
def test_what_a_sender_does_not_use_is_refused(manager_of, argument):
    """Next to `sender=`, options that only the default sender uses are refused."""
    given = {"transport": httpx.MockTransport(print), "verify": False, "proxy": "http://proxy:3128"}
    manager_of(sender=HttpxSender())

    with pytest.raises(ConfigurationError, match="Give it to the sender") as caught:
        manager_of(sender=HttpxSender(), **{argument: given[argument]})

    assert caught.value.argument == argument


async def test_a_key_of_another_app_is_refused(manager_of, cloud, atlassian):
    """A stored credential of another registration is neither presented to this one's server nor replaced."""
    other = manager_of(data_center_grant(atlassian))
    issued = atlassian.issue_grant(atlassian.data_center_app)
    uses = [
        other.token("acme"),
        other.add("acme", refresh_token=issued.refresh_token),
        other.authorize("acme", "code", code_verifier="v" * 43),
    ]

    for use in uses:
        with pytest.raises(ConfigurationError, match="Use another key") as caught:
            await use
        assert caught.value.argument == "key"

    assert atlassian.token_requests == ()
    assert (await cloud.token("acme")).access_token


async def test_forgetting(cloud):
    """A forgotten credential is deleted from memory and store; forgetting it again changes nothing."""
    await cloud.token("acme")

    assert await cloud.forget("acme") is True
    assert await cloud.forget("acme") is False

    assert (cloud.peek("acme"), await cloud.keys()) == (None, [])
    assert (await cloud.status("acme")).state is CredentialState.NEW


async def test_what_is_forgotten_is_not_kept_in_memory(cloud, young_heap):
    """After a credential was forgotten, no object of the library holds its refresh token."""
    await cloud.token("acme")

    await cloud.forget("acme")

    gc.collect()
    assert [pair for pair in gc.get_objects() if isinstance(pair, TokenPair)] == []


async def test_a_store_is_asked_for_where_it_matters(atlassian):
    """Without a store a rotating grant is refused with the choice; client credentials are fine."""
    for grant in (cloud_grant(atlassian), data_center_grant(atlassian)):
        with pytest.raises(ConfigurationError, match=r"SQLiteStore.*MemoryStore") as caught:
            TokenManager(grant)
        assert caught.value.argument == "store"

    TokenManager(jira_software_grant(atlassian))


@pytest.mark.parametrize("grant", [jira_software_grant, service_account_grant])
async def test_client_credentials_refresh_themselves(manager_of, atlassian, atlassian_clock, grant):
    """Client credentials take the same path, without a refresh token."""
    manager = manager_of(grant(atlassian))
    first = await manager.token()

    atlassian_clock.advance(HOUR)
    second = await manager.token()

    assert first != second
    assert atlassian.count("token", grant_type="client_credentials") == 2
    assert (await manager.status()).refresh_count == 2


async def test_a_code_is_text(cloud):
    """A parsed callback in place of its code is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match=r"code must be the text .*, not object"):
        await cloud.authorize("acme", object())
