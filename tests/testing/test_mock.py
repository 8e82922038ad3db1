"""The emulator behind httpx: async and sync clients, any loop, any thread, beside other routes."""

from __future__ import annotations

import functools
import ssl
import threading

import anyio
import httpx
import pytest
from anyio import wait_all_tasks_blocked

from atlassian_auth import Settings
from atlassian_auth.sites import CLOUD_IDS, cloud_id_for_site
from atlassian_auth.testing import FakeAtlassian, Fault, LoopbackServer, ManualClock, mock_router

pytestmark = pytest.mark.every_loop

TLS = ssl.create_default_context()


@pytest.fixture
def router(fake):
    with mock_router(fake) as router:
        yield router


@pytest.fixture
async def http(router):
    async with httpx.AsyncClient(verify=TLS) as client:
        yield client


def bearer(token):
    return {"authorization": f"Bearer {token}"}


async def test_an_async_client_is_answered(fake, http):
    """On every event loop."""
    response = await http.get(fake.urls.identity_url, headers=bearer(fake.issue_grant()[0]))

    assert (response.status_code, response.json()["name"]) == (200, "Ada Admin")


async def test_a_sync_client_in_a_running_loop_is_answered(fake, http):
    """Also after an async one, and where the answer takes its time."""
    await http.get(fake.urls.identity_url)
    fake.fault("api", Fault.delayed(5))
    fake.fault("api", Fault.slow_body(1))

    assert _statuses(fake.urls.identity_url, times=2) == [401, 401]


def _statuses(url, *, times):
    with httpx.Client(verify=TLS) as http:
        return [http.get(url).status_code for _ in range(times)]


async def test_threads_are_answered(fake, http):
    """A client in another thread meets the same emulator."""
    response = await anyio.to_thread.run_sync(
        lambda: httpx.get(f"{fake.urls.site('acme')}/_edge/tenant_info", verify=TLS)
    )

    assert response.json() == {"cloudId": fake.cloud_id}


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_an_answer_that_never_comes_ends_with_the_read_timeout(fake, http, kind):
    """A hanging answer ends with the client's read timeout, by the emulator's clock."""
    fake.fault("api", Fault.hang())
    before = fake.clock.time()
    timeout = httpx.Timeout(300, read=7)

    with pytest.raises(httpx.ReadTimeout) as caught:
        if kind == "async":
            await http.get(fake.urls.identity_url, timeout=timeout)
        else:
            with httpx.Client(verify=TLS, timeout=timeout) as blocking:
                blocking.get(fake.urls.identity_url)

    assert str(caught.value.request.url) == fake.urls.identity_url
    assert fake.clock.time() == before + 7


async def test_a_hanging_token_endpoint_is_asked_again(atlassian, atlassian_credential):
    """After a hanging token request another one follows, and the test waits for no real time."""
    atlassian.fault("token", Fault.hang())
    before = atlassian.clock.time()

    await atlassian_credential.refresh()

    assert atlassian.count("token", fault="hang") == 1
    assert atlassian.clock.time() == before + Settings().read_timeout_seconds


async def test_an_answer_that_never_comes_waits_for_a_standing_clock():
    """With a clock that stands, the test decides when the client loses patience."""
    fake = FakeAtlassian(ManualClock(autojump=False))
    fake.fault("api", Fault.hang())
    ended = []

    async def ask():
        async with httpx.AsyncClient(verify=TLS, timeout=30) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.get(fake.urls.identity_url)
        ended.append(fake.clock.time())

    with mock_router(fake):
        before = fake.clock.time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await wait_all_tasks_blocked()
            fake.clock.advance(29.5)
            await wait_all_tasks_blocked()
            assert ended == []
            fake.clock.advance(0.5)

    assert ended == [before + 30]


async def test_an_answer_that_never_comes_can_be_cancelled(fake, http):
    """A client without a read timeout waits until it is cancelled."""
    fake.fault("api", Fault.hang())
    ask = functools.partial(http.get, fake.urls.identity_url, timeout=None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await wait_all_tasks_blocked()

        tasks.cancel_scope.cancel()

    assert fake.api_requests[0].fault == "hang"


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.lost_answer(), httpx.ReadError), (Fault.refused_connection(), httpx.ConnectError)],
    ids=["lost", "refused"],
)
async def test_a_broken_connection_is_httpxs_error(fake, http, fault, error):
    """With the request that met it, and no trace of how it was done."""
    fake.fault("api", fault)

    with pytest.raises(error) as caught:
        await http.get(fake.urls.identity_url)

    assert str(caught.value.request.url) == fake.urls.identity_url


async def test_a_delayed_answer_waits_for_the_clock():
    """With a clock that stands, the answer is under way until the test moves it."""
    fake = FakeAtlassian(ManualClock(autojump=False))
    fake.fault("api", Fault.delayed(30))
    statuses = []

    async def ask():
        async with httpx.AsyncClient(verify=TLS) as http:
            statuses.append((await http.get(fake.urls.identity_url)).status_code)

    with mock_router(fake):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await wait_all_tasks_blocked()
            fake.clock.advance(29.5)
            await wait_all_tasks_blocked()
            before = list(statuses)
            fake.clock.advance(0.5)

    assert (before, statuses) == ([], [401])


async def test_a_slow_body_arrives_whole(fake, http):
    """A client without haste reads all of it."""
    fake.fault("api", Fault.slow_body(1))
    start = fake.clock.time()

    response = await http.get(fake.urls.identity_url)

    assert response.json()["code"] == 401
    assert fake.clock.time() == start + len(response.content)


async def test_a_slow_body_runs_into_a_timeout_of_the_clock(fake, http):
    """A client that bounds the whole answer by the same clock gives up in no time."""
    fake.fault("api", Fault.slow_body(1))
    start = fake.clock.time()

    with pytest.raises(TimeoutError):
        await _get_within(fake.clock, 20, http, fake.urls.identity_url)

    assert fake.clock.time() == start + 20


async def _get_within(clock, seconds, http, url):
    async with clock.timeout(seconds):
        await http.get(url)


async def test_a_held_answer_comes_when_the_gate_opens(fake, http):
    """The test looks at the world between the work and the answer."""
    grant = fake.issue_grant()
    gate = fake.hold("api")
    responses = []

    async def ask():
        responses.append(await http.get(fake.urls.identity_url, headers=bearer(grant[0])))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await gate.arrived()
        served, answered = fake.count("api", status=200), len(responses)
        gate.open()

    assert (served, answered) == (1, 0)
    assert responses[0].status_code == 200


async def test_routes_have_names(fake, router, http):
    """The routes of respx are named by service, and count its requests."""
    await http.get(fake.urls.identity_url)
    await http.get(f"{fake.urls.site('acme')}/_edge/tenant_info")

    assert router["api"].call_count == 1
    assert router["site"].call_count == 1
    assert router["auth"].call_count == 0


async def test_routes_of_ones_own_work_beside_it(router, http):
    """The service under test talks to others too."""
    router.get("https://example.com/").respond(204)

    assert (await http.get("https://example.com/")).status_code == 204


async def test_an_address_without_a_mock_is_an_error(router, http):
    """A bearer on its way to the wrong host does not get there unnoticed."""
    with pytest.raises(AssertionError, match="not mocked"):
        await http.get("https://auth.atlassian.com.evil.example.com/authorize")


async def test_a_loopback_server_is_reached_through_it(fake, http):
    """A LoopbackServer can be used while the hosts are mocked."""
    with LoopbackServer(fake) as server:
        response = await http.get(f"{server.urls.site('acme')}/_edge/tenant_info")

    assert response.json() == {"cloudId": fake.cloud_id}


async def test_cloud_ids_are_those_of_its_sites():
    """An emulator's cloud ids are forgotten with it, so the next one is asked for its own."""
    for cloud_id in (
        "11111111-2222-3333-4444-555555555555",
        "66666666-7777-8888-9999-000000000000",
    ):
        fake = FakeAtlassian()
        fake.add_site("acme", cloud_id=cloud_id)
        with mock_router(fake):
            assert await cloud_id_for_site("acme") == cloud_id

    assert not CLOUD_IDS


async def test_afterwards_nothing_is_mocked(fake):
    """Leaving the router restores httpx."""
    with mock_router(fake):
        pass

    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient(verify=TLS) as http:
            await http.get("http://127.0.0.1:1/", timeout=60)


def test_many_threads_at_once_are_answered(fake, router):
    """Sync clients in many threads do not disturb each other."""
    grant, statuses = fake.issue_grant(), []

    def ask():
        response = httpx.get(fake.urls.identity_url, headers=bearer(grant[0]), verify=TLS)
        statuses.append(response.status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 8
