"""Flows: bound to the session that created them, each step once and in order, and only so long."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest

from atlassian_auth import ConfigurationError, InlineRunner, Settings
from atlassian_auth.connections import (
    ClientType,
    ConfigurationNotFound,
    Connections,
    FlowNotFound,
    FlowOutOfOrder,
    FlowPending,
    TokenNotFound,
)
from atlassian_auth.testing import Fault
from tests.connections.conftest import BASE_URL, CALLBACK, EVERY_STORE, SESSION

SUFFIX = CALLBACK.rpartition("/")[2]
TICK = timedelta(milliseconds=1)
DONE = "/done/{}".format


def provider(answer):
    """A provider that answers each token request so, in place of the emulator."""
    return httpx.MockTransport(lambda request: httpx.Response(200, json=answer))


@EVERY_STORE
async def test_a_person_connects(connections, config, consent, atlassian):
    """Seed 001, 1.21 and 1.23: create, start, consent, land, and the result names a saved token."""
    flow, landed = await consent(config)

    result = await connections.flows.get(SESSION, flow.id)

    assert landed == flow.landing_url == f"{BASE_URL}/done/{flow.id}"
    assert result.ok
    assert result.to_success() is result
    assert result.config_id == config.id
    assert await connections.tokens.list() == (result.token_id,)
    assert atlassian.count("token", outcome="ok") == 1


async def test_the_start_url_is_below_the_base_url(connections, config):
    """Seed 001, 1.21: the flow has an id and the URL that starts it, where Atlassian's plugin has it."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)

    assert flow.start_url == (
        f"{BASE_URL}/plugins/servlet/oauth2/client/callback?startFlow={flow.id}"
    )


async def test_the_wrong_accessor_raises(connections, config, consent, atlassian):
    """Seed 001, 1.23: a result is a success or an error, and asking for the other one raises."""
    good, _ = await consent(config)
    atlassian.deny_next_consent()
    bad, _ = await consent(config)

    with pytest.raises(ValueError, match="has succeeded"):
        (await connections.flows.get(SESSION, good.id)).to_error()
    error = await connections.flows.get(SESSION, bad.id)
    with pytest.raises(ValueError, match="has failed"):
        error.to_success()
    assert error.to_error() is error
    assert not error.ok
    assert (error.error, error.reason) == ("authorization_required", "declined")


async def test_a_flow_is_pending_until_the_callback(connections, config):
    """Seed 001, 1.22: before the callback there is no result yet."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)

    with pytest.raises(FlowPending):
        await connections.flows.get(SESSION, flow.id)
    await connections.flows.start(SESSION, flow.id)
    with pytest.raises(FlowPending):
        await connections.flows.get(SESSION, flow.id)


@EVERY_STORE
async def test_another_session_finds_nothing(connections, config, atlassian):
    """Seed 001, 1.22: for another session the flow does not exist, and its attempts change nothing."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    with pytest.raises(FlowNotFound):
        await connections.flows.start("session-of-eve", flow.id)
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))
    with pytest.raises(FlowNotFound):
        await connections.flows.callback("session-of-eve", SUFFIX, callback)
    with pytest.raises(FlowNotFound):
        await connections.flows.get("session-of-eve", flow.id)

    assert atlassian.count("token") == 0
    await connections.flows.callback(SESSION, SUFFIX, callback)
    assert (await connections.flows.get(SESSION, flow.id)).ok


@EVERY_STORE
async def test_a_second_start_ends_the_flow(connections, config, atlassian):
    """Each step comes once: who starts a flow again ends it."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))

    with pytest.raises(FlowOutOfOrder):
        await connections.flows.start(SESSION, flow.id)

    for step in (
        connections.flows.callback(SESSION, SUFFIX, callback),
        connections.flows.get(SESSION, flow.id),
        connections.flows.start(SESSION, flow.id),
    ):
        with pytest.raises(FlowNotFound):
            await step
    assert atlassian.count("token") == 0


@EVERY_STORE
async def test_two_starts_at_the_same_moment_end_the_flow(connections, config):
    """Of two starts at once one URL is returned at most, and the flow is over."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    refused = []

    async def start():
        try:
            await connections.flows.start(SESSION, flow.id)
        except (FlowOutOfOrder, FlowNotFound) as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        tasks.start_soon(start)

    assert len(refused) == 1
    with pytest.raises(FlowNotFound):
        await connections.flows.get(SESSION, flow.id)


@EVERY_STORE
async def test_a_replayed_callback_changes_nothing(connections, config, consent, atlassian):
    """A state works once: the same callback again finds no flow, and the result stays."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))
    await connections.flows.callback(SESSION, SUFFIX, callback)

    with pytest.raises(FlowNotFound):
        await connections.flows.callback(SESSION, SUFFIX, callback)

    assert (await connections.flows.get(SESSION, flow.id)).ok
    assert atlassian.count("token") == 1


async def test_the_same_callback_at_the_same_moment_is_exchanged_once(
    connections, config, atlassian
):
    """Of two equal callbacks at once one is exchanged."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))
    landed, refused = [], []

    async def come_back():
        try:
            landed.append(await connections.flows.callback(SESSION, SUFFIX, callback))
        except FlowNotFound as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(come_back)
        tasks.start_soon(come_back)

    assert (len(landed), len(refused)) == (1, 1)
    assert atlassian.count("token") == 1


@pytest.mark.parametrize("forged", ["?code=c", "?code=c&state=forged", ""])
async def test_a_forged_state_finds_no_flow(connections, config, atlassian, forged):
    """A callback with a state that was never sent, or with none, changes nothing."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))

    with pytest.raises(FlowNotFound):
        await connections.flows.callback(SESSION, SUFFIX, f"{CALLBACK}{forged}")

    await connections.flows.callback(SESSION, SUFFIX, callback)
    assert (await connections.flows.get(SESSION, flow.id)).ok


async def test_a_swapped_provider_is_noticed(connections, config, atlassian):
    """Seed 001, 1.16: a callback at the redirect URI of another provider ends the flow, its code unused."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))

    await connections.flows.callback(SESSION, "30kNE9SogRU19G0VsWHB5g", callback)

    error = await connections.flows.get(SESSION, flow.id)
    assert "another provider" in error.to_error().message
    assert atlassian.count("token") == 0


async def test_a_provider_that_is_down_ends_the_flow(connections, config, consent, atlassian):
    """An exchange that fails is the flow's result: the person lands all the same, and tries again."""
    atlassian.fault("token", Fault.status(503), times=None)

    flow, landed = await consent(config)

    error = (await connections.flows.get(SESSION, flow.id)).to_error()
    assert landed == flow.landing_url
    assert (error.error, error.reason) == ("transient", None)
    assert await connections.tokens.list() == ()


async def test_a_deleted_configuration_ends_its_flows(connections, config, atlassian):
    """A flow whose configuration was deleted meanwhile says so."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))
    await connections.configs.delete(config.id)

    await connections.flows.callback(SESSION, SUFFIX, callback)

    assert (await connections.flows.get(SESSION, flow.id)).error == "configuration_not_found"
    with pytest.raises(ConfigurationNotFound):
        await connections.flows.create(SESSION, config, landing=DONE)


@EVERY_STORE
async def test_another_process_receives_the_callback(
    connections_of, connections, config, atlassian
):
    """Each step may come to another process of the same store."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    callback = atlassian.browse(await connections_of().flows.start(SESSION, flow.id))
    await connections_of().flows.callback(SESSION, SUFFIX, callback)

    assert (await connections_of().flows.get(SESSION, flow.id)).ok


async def test_a_browser_that_hangs_up_loses_nothing(connections, config, atlassian):
    """If the request of the callback is cancelled, the exchange ends, and the result is there."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))
    gate = atlassian.hold("token")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connections.flows.callback, SESSION, SUFFIX, callback)
        await gate.arrived()
        tasks.cancel_scope.cancel()
    gate.open()
    await connections.aclose()

    while not await finished(connections, flow):
        await anyio.lowlevel.checkpoint()
    assert (await connections.flows.get(SESSION, flow.id)).ok


async def test_a_slow_exchange_outlives_the_window(connections, config, atlassian, atlassian_clock):
    """Who comes back in time gets the result, also if the provider answers after the window."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    consent_page = await connections.flows.start(SESSION, flow.id)
    atlassian_clock.advance(179)
    callback = atlassian.browse(consent_page)
    gate = atlassian.hold("token")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connections.flows.callback, SESSION, SUFFIX, callback)
        await gate.arrived()
        atlassian_clock.advance(10)
        gate.open()

    assert (await connections.flows.get(SESSION, flow.id)).ok


async def test_a_start_during_the_exchange_ends_the_flow(connections, config, atlassian):
    """Out of order is out of order: the callback finds that the flow has ended."""
    flow = await connections.flows.create(SESSION, config, landing=DONE)
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))
    gate = atlassian.hold("token")
    ended = []

    async def come_back():
        with pytest.raises(FlowNotFound):
            await connections.flows.callback(SESSION, SUFFIX, callback)
        ended.append(flow.id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(come_back)
        await gate.arrived()
        with pytest.raises(FlowOutOfOrder):
            await connections.flows.start(SESSION, flow.id)
        gate.open()

    assert ended == [flow.id]


async def finished(connections, flow):
    try:
        return await connections.flows.get(SESSION, flow.id)
    except FlowPending:
        return None


@pytest.mark.every_loop
async def test_one_object_for_all(store, atlassian_clock, mail, atlassian, app):
    """A `Connections` is a context, and works on each event loop."""
    async with Connections(store, base_url=f"{BASE_URL}/", clock=atlassian_clock) as connections:
        config = await connections.configs.save(mail)
        flow = await connections.flows.create(SESSION, config, landing=DONE)
        callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))
        await connections.flows.callback(SESSION, SUFFIX, callback)
        result = await connections.flows.get(SESSION, flow.id)

        assert await connections.handler.get_refreshed_token(result.to_success().token_id)


async def test_it_runs_where_its_managers_run(store, atlassian_clock, mail):
    """With a runner of one's own, configurations are kept in its event loop too."""
    options = {"clock": atlassian_clock, "runner": InlineRunner()}
    async with Connections(store, base_url=BASE_URL, **options) as connections:
        config = await connections.configs.save(mail)

        assert await connections.configs.list() == (config,)


@pytest.mark.parametrize("late", [False, True])
async def test_a_flow_is_started_in_time(connections_of, mail, atlassian_clock, late):
    """Seed 001, 1.3 and 1.4: from creation to start: ``max_client_delay_seconds`` and the clock skew."""
    settings = Settings(max_client_delay_seconds=5, max_clock_skew_seconds=2)
    connections = connections_of(settings=settings)
    flow = await connections.flows.create(
        SESSION, await connections.configs.save(mail), landing=DONE
    )

    atlassian_clock.advance(timedelta(seconds=7) - (timedelta() if late else TICK))

    if late:
        with pytest.raises(FlowNotFound):
            await connections.flows.start(SESSION, flow.id)
    else:
        assert await connections.flows.start(SESSION, flow.id)


@pytest.mark.parametrize("late", [False, True])
async def test_a_person_comes_back_in_time(connections_of, mail, atlassian, atlassian_clock, late):
    """Seed 001, 1.5: from start to callback: ``max_server_delay_seconds`` and the clock skew."""
    settings = Settings(max_server_delay_seconds=5, max_clock_skew_seconds=2)
    connections = connections_of(settings=settings)
    flow = await connections.flows.create(
        SESSION, await connections.configs.save(mail), landing=DONE
    )
    callback = atlassian.browse(await connections.flows.start(SESSION, flow.id))

    atlassian_clock.advance(timedelta(seconds=7) - (timedelta() if late else TICK))

    if late:
        with pytest.raises(FlowNotFound):
            await connections.flows.callback(SESSION, SUFFIX, callback)
    else:
        assert await connections.flows.callback(SESSION, SUFFIX, callback)
    assert atlassian.count("token") == (not late)


@EVERY_STORE
async def test_a_result_is_fetched_in_time(connections, config, consent, atlassian_clock):
    """Seed 001, 1.4: a result may be read again and again, for 60 seconds and the clock skew of 60."""
    flow, _ = await consent(config)

    atlassian_clock.advance(timedelta(seconds=120) - TICK)
    assert (await connections.flows.get(SESSION, flow.id)).ok
    atlassian_clock.advance(TICK)
    with pytest.raises(FlowNotFound):
        await connections.flows.get(SESSION, flow.id)


async def test_connecting_again_replaces_the_token(connections, config, consent, connected):
    """A flow for an existing token keeps its id and replaces its consent."""
    before = await connections.tokens.get(connected)

    flow, _ = await consent(config, token_id=connected)

    assert (await connections.flows.get(SESSION, flow.id)).to_success().token_id == connected
    assert (await connections.tokens.get(connected)).access_token != before.access_token
    assert await connections.tokens.list() == (connected,)


async def test_only_a_token_of_the_configuration_is_replaced(connections, config, connected):
    """A token of another configuration, or of none, is not found."""
    other = await connections.configs.save(config.changed(id=None, name="Other"))
    gone = f"{config.id}.{config.id}"

    for of, token_id in ((other, connected), (config, "x"), (config, gone)):
        with pytest.raises(TokenNotFound):
            await connections.flows.create(SESSION, of, landing=DONE, token_id=token_id)


@pytest.mark.parametrize(
    "landing",
    [
        "https://evil.example.com/",
        "https://app.example.com@evil.example.com/",
        "https://app.example.com:8443/",
        "http://app.example.com/",
        "/\\evil.example.com",
        "/done\r\nset-cookie: a=b",
        "javascript:alert(1)",
        "",
        None,
    ],
)
async def test_a_flow_lands_nowhere_else(connections, config, landing):
    """A landing page on another origin, or with a header in it, is refused: no open redirect."""
    with pytest.raises(ConfigurationError) as caught:
        await connections.flows.create(SESSION, config, landing=lambda _: landing)

    assert caught.value.argument == "landing"


@pytest.mark.parametrize(
    ("landing", "url"),
    [
        ("/done?ok=1", f"{BASE_URL}/done?ok=1"),
        ("//evil.example.com/", f"{BASE_URL}//evil.example.com/"),
        (f"{BASE_URL}/done", f"{BASE_URL}/done"),
    ],
)
async def test_a_flow_lands_at_home(connections, config, landing, url):
    """A path, or a URL of the base URL's origin, is the landing page."""
    flow = await connections.flows.create(SESSION, config, landing=lambda _: landing)

    assert flow.landing_url == url


@pytest.mark.parametrize("session", ["", None])
async def test_a_session_has_an_id(connections, config, session):
    """With an empty session id any session could go on: it is refused at each step."""
    flows = connections.flows

    for step in (
        flows.create(session, config, landing=DONE),
        flows.start(session, "id"),
        flows.callback(session, SUFFIX, CALLBACK),
        flows.get(session, "id"),
    ):
        with pytest.raises(ConfigurationError, match="session must be"):
            await step
    with pytest.raises(FlowNotFound):
        await flows.get(SESSION, "")


async def test_client_credentials_need_no_flow(connections, mail):
    """For an app that acts for itself the error names the call to use."""
    config = await connections.configs.save(mail.changed(type=ClientType.CLIENT_CREDENTIALS))

    with pytest.raises(ConfigurationError, match=r"tokens\.obtain"):
        await connections.flows.create(SESSION, config, landing=DONE)


@pytest.mark.parametrize(("days", "ok"), [(29, False), (30, True)])
async def test_a_token_that_soon_ends_is_refused(
    connections_of, consent, mail, days, ok, atlassian_clock
):
    """Seed 001, 1.2: without a refresh token the access token must live 30 days; else nothing is kept."""
    answer = {"access_token": "secret-t", "token_type": "bearer", "expires_in": days * 86400}
    connections = connections_of(transport=provider(answer))
    config = await connections.configs.save(mail)

    flow, _ = await consent(config, on=connections)

    result = await connections.flows.get(SESSION, flow.id)
    assert result.ok is ok
    assert len(await connections.tokens.list()) == ok
    if not ok:
        assert "minimum_access_token_only_lifetime" in result.to_error().message


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("GENERIC", {"prompt": "select_account", "scope": "READ"}),
        ("MICROSOFT", {"prompt": "select_account", "scope": "READ offline_access"}),
        (
            "GOOGLE",
            {"prompt": "select_account consent", "scope": "READ", "access_type": "offline"},
        ),
    ],
)
async def test_each_provider_gets_its_parameters(connections, mail, kind, expected):
    """Seed 001, 1.18: the consent page of each type has the parameters that Atlassian's plugin sends."""
    config = await connections.configs.save(mail.changed(type=kind))
    flow = await connections.flows.create(SESSION, config, landing=DONE)

    url = await connections.flows.start(SESSION, flow.id)

    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    usual = {"client_id", "code_challenge", "code_challenge_method", "redirect_uri"}
    assert query.keys() - usual - {"response_type", "state"} == expected.keys()
    assert expected.items() <= query.items()
    assert query["redirect_uri"] == CALLBACK


async def test_nothing_secret_is_shown(connections, config, consent):
    """Neither the flow nor its result shows a session or a token."""
    flow, _ = await consent(config)

    shown = f"{flow!r} {await connections.flows.get(SESSION, flow.id)!r}"

    assert SESSION not in shown
    assert "secret-" not in shown
