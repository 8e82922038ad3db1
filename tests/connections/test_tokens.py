"""Client tokens: saved, read, refreshed and deleted by their id."""

from __future__ import annotations

import base64
import json
import pickle
from datetime import timedelta

import anyio
import httpx
import pytest

from atlassian_auth import (
    AuthorizationRequired,
    ConfigurationError,
    CredentialState,
    Settings,
    StoreError,
    TokenManager,
    TokenRejected,
    TokenStatus,
    TransientError,
)
from atlassian_auth.connections import (
    ClientToken,
    ClientType,
    ConfigurationNotFound,
    TokenNotFound,
)
from atlassian_auth.events import RefreshSucceeded
from atlassian_auth.stores import EncryptedStore, MemoryStore
from atlassian_auth.testing import Fault
from tests.connections.conftest import BASE_URL, EVERY_STORE, OAUTH

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(milliseconds=1)


@pytest.fixture
def issued(config, app, atlassian, atlassian_clock):
    """A token with its five fields, not saved yet."""
    pair = atlassian.issue_grant(app, ["READ"])
    return ClientToken(
        config_id=config.id,
        access_token=pair.access_token,
        access_token_expiration=atlassian_clock.now() + HOUR,
        refresh_token=pair.refresh_token,
        refresh_token_expiration=atlassian_clock.now() + 90 * DAY,
    )


def jwt(**claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.secret-signature"


async def fail(*args, **options):
    raise OSError("the disk is full")


async def bearer(token):
    return token.access_token


@EVERY_STORE
class TestStorage:
    async def test_the_five_fields_come_back(self, connections, issued):
        """Seed 001, 1.24: a token is saved under a new id, with its five fields."""
        saved = await connections.tokens.save(issued)

        assert saved.id is not None
        assert await connections.tokens.get(saved.id) == saved
        assert saved == issued.changed(id=saved.id)
        assert await connections.tokens.list() == (saved.id,)

    async def test_saving_with_an_id_overwrites(self, connections, issued, atlassian, app):
        """Seed 001, 1.20 and 1.24: a changed copy with the same id replaces the token."""
        saved = await connections.tokens.save(issued)
        newer = atlassian.issue_grant(app, ["READ"])

        await connections.tokens.save(
            saved.changed(access_token=newer.access_token, refresh_token=newer.refresh_token)
        )

        assert await connections.handler.execute(saved.id, bearer) == newer.access_token
        assert await connections.tokens.list(issued.config_id) == (saved.id,)

    async def test_an_older_token_does_not_overwrite(self, connections, issued):
        """A token that was refreshed since it was read is not saved: its refresh token is spent."""
        saved = await connections.tokens.save(issued)
        newer = await connections.handler.refresh(saved.id)

        with pytest.raises(ConfigurationError, match="older than the stored one"):
            await connections.tokens.save(saved)

        assert await connections.handler.execute(saved.id, bearer) == newer.access_token
        assert await connections.handler.refresh(saved.id)

    async def test_deleting_is_idempotent(self, connections, connected):
        """Seed 001, 1.24: a deleted token is gone, and deleting it again says that there was none."""
        assert await connections.tokens.delete(connected)
        assert not await connections.tokens.delete(connected)
        assert not await connections.tokens.delete("no-such-id")
        for ask in (
            connections.tokens.get(connected),
            connections.tokens.status(connected),
            connections.handler.get_refreshed_token(connected),
            connections.handler.refresh(connected),
            connections.handler.auth(connected),
            connections.handler.execute(connected, bearer),
        ):
            with pytest.raises(TokenNotFound, match="List the tokens") as caught:
                await ask
            assert caught.value.reason == "missing"

    async def test_an_unknown_token_is_not_found(self, connections, config, issued):
        """Saving under an id that was never given raises, and stores nothing."""
        with pytest.raises(TokenNotFound):
            await connections.tokens.save(issued.changed(id=f"{config.id}.{config.id}"))

        assert await connections.tokens.list() == ()

    async def test_a_token_stays_with_its_configuration(self, connections, config, issued):
        """A token works only with the client that got it, so it cannot move to another."""
        saved = await connections.tokens.save(issued)
        other = await connections.configs.save(config.changed(id=None, name="Other"))

        with pytest.raises(ConfigurationError, match="must stay the same"):
            await connections.tokens.save(saved.changed(config_id=other.id))
        assert await connections.tokens.list(other.id) == ()

    async def test_a_token_needs_a_configuration(self, connections, issued):
        """Without its configuration a token is not saved."""
        with pytest.raises(ConfigurationNotFound):
            await connections.tokens.save(issued.changed(config_id="gone"))

    async def test_the_configuration_was_deleted(self, connections, config, connected):
        """The token is still there, and the error says what is missing; it can be deleted."""
        await connections.configs.delete(config.id)

        for ask in (
            connections.tokens.get(connected),
            connections.handler.execute(connected, bearer),
        ):
            with pytest.raises(ConfigurationNotFound):
                await ask
        assert await connections.tokens.delete(connected)
        assert await connections.tokens.list() == ()

    async def test_a_refresh_token_alone_is_no_token_yet(self, connections, config, store, issued):
        """A refresh token that a manager was given under such an id has no access token to return."""
        saved = await connections.tokens.save(issued)
        await connections.tokens.get(saved.id)
        manager = TokenManager(config.grant(BASE_URL), store=store)
        await manager.add(saved.id, refresh_token="secret-other")

        with pytest.raises(TokenNotFound):
            await connections.tokens.get(saved.id)
        assert (await connections.tokens.status(saved.id)).state is CredentialState.PENDING

    async def test_secrets_are_encrypted_at_rest(
        self, connections_of, mail, issued, atlassian_clock
    ):
        """Seed 001, 1.17: with an `EncryptedStore` neither client secrets nor tokens can be read."""
        inner = MemoryStore(clock=atlassian_clock)
        keys = [EncryptedStore.generate_key()]
        connections = connections_of(on=EncryptedStore(inner, keys=keys, clock=atlassian_clock))
        config = await connections.configs.save(mail)
        saved = await connections.tokens.save(issued.changed(config_id=config.id))

        assert (await connections.configs.get(config.id)).client_secret == mail.client_secret
        assert await connections.tokens.get(saved.id) == saved
        for namespace in ("client_configs", "tokens", "refresh_token_expirations"):
            for key in await inner.keys(namespace):
                assert b"secret-" not in (await inner.get(namespace, key)).value

    async def test_the_tokens_are_shown_nowhere(self, issued):
        """Neither repr nor JSON has a token, and it cannot be pickled."""
        shown = f"{issued!r} {issued.model_dump()} {issued.model_dump_json()}"

        assert "secret-" not in shown
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(issued)

    @pytest.mark.parametrize("field", ["access_token", "refresh_token"])
    async def test_a_mangled_token_is_refused(self, issued, field):
        """A token with a line break is no token; the error names the field and does not quote it."""
        with pytest.raises(ConfigurationError) as caught:
            issued.changed(**{field: "secret-t\r\nset-cookie: a=b"})

        assert caught.value.argument == field
        assert "secret-" not in str(caught.value)

    async def test_a_token_that_soon_ends_is_not_saved(self, connections, issued, atlassian_clock):
        """Seed 001, 1.2: a new token without a refresh token must live for 30 days."""
        alone = issued.changed(refresh_token=None, refresh_token_expiration=None)

        with pytest.raises(ConfigurationError, match="minimum_access_token_only_lifetime"):
            await connections.tokens.save(alone)
        long = alone.changed(access_token_expiration=atlassian_clock.now() + 30 * DAY)
        saved = await connections.tokens.save(long)

        assert await connections.tokens.get(saved.id) == saved

    async def test_the_minimum_is_a_setting(self, connections_of, issued):
        """Seed 001, 1.2: ``minimum_access_token_only_lifetime`` may be lower."""
        settings = Settings(minimum_access_token_only_lifetime=HOUR)
        alone = issued.changed(refresh_token=None)

        assert (await connections_of(settings=settings).tokens.save(alone)).id


class TestRefreshTokenExpiration:
    @pytest.mark.parametrize("days", [30, 7])
    async def test_it_is_assumed(self, connections_of, issued, atlassian_clock, days):
        """Seed 001, 1.1: without a date it is ``default_refresh_token_duration`` after the issue."""
        settings = Settings(default_refresh_token_duration=days * DAY)
        connections = connections_of(settings=settings)
        saved = await connections.tokens.save(issued.changed(refresh_token_expiration=None))

        token = await connections.tokens.get(saved.id)

        assert token.refresh_token_expiration == atlassian_clock.now() + days * DAY

    async def test_it_restarts_with_a_refresh(self, connections, issued, atlassian_clock):
        """Seed 001, 1.1: a new refresh token has a new expiry, also if the first one was given."""
        saved = await connections.tokens.save(issued)
        atlassian_clock.advance(DAY)

        await connections.handler.refresh(saved.id)

        token = await connections.tokens.get(saved.id)
        assert token.refresh_token_expiration == atlassian_clock.now() + 30 * DAY

    @pytest.mark.parametrize(
        ("refresh_token", "days"),
        [
            pytest.param(jwt(exp=1767268800 + 5 * 86400), 5, id="jwt"),
            pytest.param(jwt(sub="ann"), 30, id="jwt-without-exp"),
            pytest.param("a.b.c", 30, id="no-jwt"),
            pytest.param(jwt(exp=True) + ".", 30, id="four-parts"),
        ],
    )
    async def test_the_refresh_token_may_say_it(
        self, connections, issued, refresh_token, days, atlassian_clock
    ):
        """Seed 001, 1.1: a refresh token that is a JWT says when it ends."""
        saved = await connections.tokens.save(
            issued.changed(refresh_token=refresh_token, refresh_token_expiration=None)
        )

        token = await connections.tokens.get(saved.id)

        assert token.refresh_token_expiration == atlassian_clock.now() + days * DAY

    async def test_an_assumed_end_stops_nothing(self, connections, connected, atlassian_clock):
        """Seed 001, 1.1: the date is an assumption: after it a refresh is still tried, and succeeds."""
        atlassian_clock.advance(31 * DAY)

        status = await connections.tokens.status(connected)

        assert status.state is CredentialState.REAUTHORIZE
        assert await connections.handler.get_refreshed_token(connected)
        assert (await connections.tokens.status(connected)).state is CredentialState.READY


class TestStatus:
    async def test_it_follows_the_refreshes(
        self, connections, connected, atlassian, atlassian_clock
    ):
        """Seed 001, 1.11, 1.29, 1.30: RECOVERABLE while it fails, UNRECOVERABLE after 7 days, VALID again."""
        tokens, seen = connections.tokens, []
        seen.append((await tokens.status(connected)).refresh_status)
        await connections.handler.refresh(connected)
        seen.append((await tokens.status(connected)).refresh_status)
        refreshed_at = (await tokens.status(connected)).last_refreshed_at
        atlassian.fault("token", Fault.status(503), times=None)
        for _ in range(9):
            atlassian_clock.advance(DAY - HOUR)
            with pytest.raises(TransientError):
                await connections.handler.get_refreshed_token(connected)
            seen.append((await tokens.status(connected)).refresh_status)
        atlassian.clear_faults()
        atlassian_clock.advance(HOUR)
        await connections.handler.get_refreshed_token(connected)
        status = await tokens.status(connected)

        assert seen[:3] == [TokenStatus.UNKNOWN, TokenStatus.VALID, TokenStatus.RECOVERABLE]
        assert seen[-2:] == [TokenStatus.RECOVERABLE, TokenStatus.UNRECOVERABLE]
        assert status.refresh_status is TokenStatus.VALID
        assert status.refresh_count == 2
        assert status.last_refreshed_at > refreshed_at
        assert status.refresh_status_since == status.last_refreshed_at

    async def test_a_dead_grant_is_unrecoverable_at_once(
        self, connections, connected, atlassian, atlassian_clock
    ):
        """Seed 001, 1.29: a refresh token that the provider refuses asks for a person, without a request."""
        token = await connections.tokens.get(connected)
        atlassian.revoke_grant(token.refresh_token)
        atlassian_clock.advance(HOUR)
        for _ in range(2):
            with pytest.raises(AuthorizationRequired) as caught:
                await connections.handler.execute(connected, bearer)

        assert caught.value.reason == "refused"
        assert (await connections.tokens.status(connected)).refresh_status is (
            TokenStatus.UNRECOVERABLE
        )
        assert atlassian.count("token", grant_type="refresh_token") == 1

    async def test_the_failing_period_is_a_setting(
        self, connections_of, connected, atlassian, atlassian_clock
    ):
        """Seed 001, 1.11: ``unrecoverable_token_failing_period`` says after how long it is UNRECOVERABLE."""
        settings = Settings(unrecoverable_token_failing_period=2 * HOUR)
        connections = connections_of(settings=settings)
        atlassian.fault("token", Fault.status(503), times=None)
        for _ in range(3):
            atlassian_clock.advance(HOUR)
            with pytest.raises(TransientError):
                await connections.handler.get_refreshed_token(connected)

        status = await connections.tokens.status(connected)

        assert status.refresh_status is TokenStatus.UNRECOVERABLE


class TestHandler:
    async def test_a_fresh_token_is_handed_out(self, connections, connected, atlassian):
        """Seed 001, 1.25 and 1.26: a token that is valid is used as it is; the result is returned."""
        stored = await connections.tokens.get(connected)

        assert await connections.handler.execute(connected, bearer) == stored.access_token
        token = await connections.handler.get_refreshed_token(connected)
        assert token.access_token == stored.access_token
        assert atlassian.count("token", grant_type="refresh_token") == 0

    @EVERY_STORE
    async def test_a_refreshed_token_is_saved_before_it_is_used(
        self, connections, connections_of, connected, atlassian_clock
    ):
        """Seed 001, 1.25: while ``fn`` runs, another process already reads the token that it has."""
        atlassian_clock.advance(HOUR)

        async def compare(token):
            stored = await connections_of().tokens.get(connected)
            return stored.access_token == token.access_token

        assert await connections.handler.execute(connected, compare)

    async def test_a_rejected_token_is_replaced_once(self, connections, connected, atlassian):
        """Seed 001, 1.25: `TokenRejected` refreshes once and calls ``fn`` once more, not more often."""
        seen = []

        async def reject(token):
            seen.append(token.access_token)
            raise TokenRejected("401")

        with pytest.raises(TokenRejected):
            await connections.handler.execute(connected, reject)

        assert len(set(seen)) == 2
        assert atlassian.count("token", grant_type="refresh_token") == 1

    @pytest.mark.parametrize(("early", "refreshes"), [(TICK, 0), (timedelta(), 1)])
    async def test_the_skew_counts_without_a_margin(
        self, connections, connected, atlassian, atlassian_clock, early, refreshes
    ):
        """Seed 001, 1.3: a token is refreshed ``max_clock_skew_seconds`` before its end."""
        atlassian_clock.advance(HOUR - timedelta(seconds=60) - early)

        await connections.handler.get_refreshed_token(connected)

        assert atlassian.count("token", grant_type="refresh_token") == refreshes

    @pytest.mark.parametrize(("early", "refreshes"), [(TICK, 0), (timedelta(), 1)])
    async def test_the_skew_is_added_to_the_margin(
        self, connections_of, connected, atlassian, atlassian_clock, early, refreshes
    ):
        """Seed 001, 1.26: refreshed if it ends within the margin and the clock skew."""
        connections = connections_of(settings=Settings(max_clock_skew_seconds=30))
        atlassian_clock.advance(HOUR - timedelta(minutes=10, seconds=30) - early)

        await connections.handler.get_refreshed_token(connected, margin=timedelta(minutes=10))

        assert atlassian.count("token", grant_type="refresh_token") == refreshes

    async def test_a_margin_beyond_the_lifetime_always_refreshes(
        self, connections, connected, atlassian
    ):
        """The default of Atlassian's plugin, 3650 days, refreshes each time; no margin is too long."""
        for margin in (3650 * DAY, timedelta.max):
            await connections.handler.execute(connected, bearer, margin=margin)

        assert atlassian.count("token", grant_type="refresh_token") == 2

    @pytest.mark.parametrize("stripes", [1, 64])
    async def test_many_callers_cost_one_refresh(
        self, connections_of, connected, atlassian, atlassian_clock, stripes
    ):
        """Seed 001, 1.8 and 1.32: one refresh for many callers, whatever the number of stripes."""
        connections = connections_of(settings=Settings(stripes=stripes))
        atlassian_clock.advance(HOUR)

        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(connections.handler.get_refreshed_token, connected)

        assert atlassian.count("token", grant_type="refresh_token") == 1

    async def test_one_token_delays_no_other(
        self, connections_of, consent, config, connected, atlassian, atlassian_clock
    ):
        """Seed 001, 1.32: while the provider hangs for one token, another on the same stripe is refreshed."""
        connections = connections_of(settings=Settings(stripes=1))
        await consent(config)
        other = next(one for one in await connections.tokens.list() if one != connected)
        atlassian_clock.advance(HOUR)
        gate = atlassian.hold("token")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connections.handler.get_refreshed_token, connected)
            await gate.arrived()
            assert await connections.handler.get_refreshed_token(other)
            gate.open()

    @EVERY_STORE
    async def test_another_process_has_refreshed(
        self, connections_of, connected, atlassian, atlassian_clock
    ):
        """Seed 001, 1.34: a token that node B has refreshed is seen by node A, which sends no request."""
        node_a, node_b = connections_of(), connections_of()
        await node_a.handler.get_refreshed_token(connected)
        atlassian_clock.advance(HOUR)
        token = await node_b.handler.get_refreshed_token(connected)

        assert await node_a.handler.get_refreshed_token(connected) == token
        assert atlassian.count("token", grant_type="refresh_token") == 1

    async def test_a_changed_configuration_counts_at_once(
        self, connections, connections_of, config, connected, atlassian, atlassian_clock, app
    ):
        """A new secret that another process saves is used by the next refresh."""
        await connections.handler.get_refreshed_token(connected)
        atlassian.register_data_center_app(
            app.client_id, client_secret="secret-two", redirect_uri=app.redirect_uri
        )
        await connections_of().configs.save(config.changed(client_secret="secret-two"))
        atlassian_clock.advance(HOUR)

        assert await connections.handler.get_refreshed_token(connected)

    async def test_a_changed_configuration_loses_no_unsaved_token(
        self, connections_of, mail, issued, atlassian_clock
    ):
        """While a rotated token cannot be saved, its manager stays, and the error says so."""
        store = MemoryStore(clock=atlassian_clock)
        connections = connections_of(on=store)
        config = await connections.configs.save(mail)
        saved = await connections.tokens.save(issued.changed(config_id=config.id))
        put, store.put = store.put, fail
        with pytest.raises(StoreError, match="kept in memory"):
            await connections.handler.refresh(saved.id)
        store.put = put
        await connections_of(on=store).configs.save(config.changed(description="changed"))
        store.put = fail
        with pytest.raises(StoreError):
            await connections.handler.get_refreshed_token(saved.id)
        store.put = put

        assert await connections.handler.refresh(saved.id)

    async def test_a_client_of_httpx_uses_it(self, connections, connected, atlassian_clock):
        """The handler returns an ``httpx.Auth``, whose requests have a fresh bearer."""
        atlassian_clock.advance(HOUR)
        auth = await connections.handler.auth(connected)

        async with httpx.AsyncClient(auth=auth, base_url="https://jira.example.com/jira/") as jira:
            response = await jira.get("rest/api/2/myself")

        assert response.status_code == 200

    async def test_events_are_reported(self, connections_of, connected):
        """The options of `TokenManager` are those of `Connections`: here ``on_event``."""
        told = []
        connections = connections_of(on_event=told.append)

        await connections.handler.refresh(connected)
        while not any(isinstance(event, RefreshSucceeded) for event in told):
            await anyio.lowlevel.checkpoint()

        assert {event.key for event in told} == {connected}

    async def test_the_request_timeout_is_a_setting(
        self, connections_of, connected, atlassian_clock
    ):
        """Seed 001, 1.12: ``exchange_timeout_seconds`` ends a refresh whose provider does not answer."""

        async def hang(request):
            atlassian_clock.advance(3)
            await anyio.sleep_forever()

        connections = connections_of(
            settings=Settings(exchange_timeout_seconds=2), transport=httpx.MockTransport(hang)
        )
        atlassian_clock.advance(HOUR)

        with pytest.raises(TransientError, match="time for the exchange ran out"):
            await connections.handler.get_refreshed_token(connected)


class TestService:
    async def test_a_forced_refresh_is_not_saved(
        self, connections, config, connected, atlassian, atlassian_clock
    ):
        """Seed 001, 1.27: the provider is always asked, the new token is returned, the store untouched."""
        token = await connections.tokens.get(connected)

        newer = await connections.service.force_refresh(config, token)

        assert newer.access_token != token.access_token
        assert newer.refresh_token != token.refresh_token
        assert newer.refresh_token_expiration == atlassian_clock.now() + 30 * DAY
        assert newer.id == connected
        assert await connections.tokens.get(connected) == token
        assert atlassian.count("token", grant_type="refresh_token") == 1

    async def test_a_refreshed_token_may_be_saved(self, connections, config, connected):
        """Who refreshes without saving saves the result; then the handler goes on with it."""
        token = await connections.tokens.get(connected)

        newer = await connections.service.force_refresh(config, token)
        await connections.tokens.save(newer)

        assert await connections.handler.execute(connected, bearer) == newer.access_token
        assert await connections.handler.refresh(connected)

    async def test_without_a_refresh_token_nothing_is_refreshed(
        self, connections, config, issued, atlassian, atlassian_clock
    ):
        """A token without a refresh token is returned as it is, and a forced refresh raises."""
        alone = issued.changed(refresh_token=None)
        atlassian_clock.advance(2 * HOUR)

        assert await connections.service.refresh_if_needed(config, alone) is alone
        with pytest.raises(ConfigurationError, match="no refresh token"):
            await connections.service.force_refresh(config, alone)
        assert atlassian.count("token") == 0

    @pytest.mark.parametrize(("early", "refreshes"), [(TICK, 0), (timedelta(), 1)])
    async def test_it_is_refreshed_if_it_ends_within_the_margin(
        self, connections, config, issued, atlassian, atlassian_clock, early, refreshes
    ):
        """Seed 001, 1.28: refreshed if now, the margin and the clock skew reach its end; nothing is saved."""
        atlassian_clock.advance(HOUR - timedelta(minutes=11) - early)

        token = await connections.service.refresh_if_needed(config, issued, timedelta(minutes=10))

        assert (token != issued) == refreshes
        assert atlassian.count("token", grant_type="refresh_token") == refreshes
        assert await connections.tokens.list() == ()

    async def test_a_refused_token_is_terminal(self, connections, config, issued, atlassian):
        """Seed 001, 1.29: the service raises what the handler raises."""
        atlassian.revoke_grant(issued.refresh_token)

        with pytest.raises(AuthorizationRequired):
            await connections.service.force_refresh(config, issued)


class TestClientCredentials:
    @pytest.fixture
    def robot(self, connections, mail, atlassian):
        app = atlassian.data_center_service_account_app
        config = mail.changed(
            name="Robot",
            type=ClientType.CLIENT_CREDENTIALS,
            client_id=app.client_id,
            client_secret=app.client_secret,
            authorization_endpoint="",
            token_endpoint=f"{OAUTH}/token",
        )
        return anyio.run(connections.configs.save, config)

    async def test_a_token_is_obtained_without_a_person(
        self, connections, robot, atlassian, atlassian_clock
    ):
        """The first token is requested at once; the handler requests the next ones."""
        token = await connections.tokens.obtain(robot)
        atlassian_clock.advance(HOUR)

        newer = await connections.handler.get_refreshed_token(token.id)

        assert token.refresh_token is None
        assert newer.access_token != token.access_token
        assert atlassian.count("token", grant_type="client_credentials") == 2

    async def test_a_token_of_its_own_may_be_short(self, connections, robot, issued):
        """Seed 001, 1.2: an app that acts for itself has no refresh token, and needs none."""
        alone = issued.changed(config_id=robot.id, refresh_token=None)

        assert (await connections.tokens.save(alone)).id

    async def test_a_deleted_token_is_not_obtained_again(self, connections, robot, atlassian):
        """An id that was deleted stays unknown, although the secret could get a token."""
        token = await connections.tokens.obtain(robot)
        await connections.tokens.delete(token.id)

        with pytest.raises(TokenNotFound):
            await connections.handler.get_refreshed_token(token.id)
        assert atlassian.count("token") == 1

    async def test_other_types_need_a_person(self, connections, config):
        """For the other types the error names the flow."""
        with pytest.raises(ConfigurationError, match="create a flow"):
            await connections.tokens.obtain(config)
