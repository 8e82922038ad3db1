"""The loopback server: it serves inside its block, and ends with it, even if a client still waits."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from json import load
from urllib.parse import urlencode

import httpx
import pytest

from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.testing import FakeAtlassian, Fault, LoopbackServer


def test_any_language_can_use_it():
    """Nothing but HTTP on a port: here, Python's own client redeems a code."""
    with LoopbackServer() as server:
        app = server.atlassian.cloud_app
        grant = server.atlassian.issue_grant()
        body = {
            "grant_type": "refresh_token",
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "refresh_token": grant.refresh_token,
        }

        with urllib.request.urlopen(server.urls.token_url, urlencode(body).encode()) as answer:  # noqa: S310
            token = load(answer)

    assert token["expires_in"] == 3600
    assert server.atlassian.count("token", outcome="ok") == 1


def test_idle_connections_stay_open():
    """The server keeps an idle connection for longer than a client of httpx goes on using it."""
    with LoopbackServer() as server:
        keeps_seconds = server._server.config.timeout_keep_alive

    assert keeps_seconds > 10 * httpx.Limits().keepalive_expiry


def test_it_listens_on_loopback_only():
    """The server listens on 127.0.0.1 only: no other computer reaches it."""
    with LoopbackServer() as server:
        assert server.origin.startswith("http://127.0.0.1:")
        assert server.urls.token_url == f"{server.origin}/auth/oauth/token"


def test_the_port_can_be_chosen():
    """A browser's bookmark survives a restart."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    with LoopbackServer(port=port) as server:
        assert server.origin == f"http://127.0.0.1:{port}"


def test_after_leaving_the_port_is_closed():
    """Nothing is left behind."""
    with LoopbackServer() as server:
        pass

    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.origin)  # noqa: S310


@pytest.mark.parametrize("waits_for", ["hang", "gate"])
def test_leaving_hangs_up_on_who_still_waits(waits_for):
    """A client whose answer never came gets a broken connection, and leaving does not wait for it."""
    fake, arrived, errors = FakeAtlassian(), threading.Event(), []
    fault = Fault.hang()

    def hang(work):
        arrived.set()
        return fault.run(work)

    def ask(url):
        try:
            httpx.get(url, trust_env=False, timeout=300)
        except httpx.HTTPError as error:
            errors.append(error)

    if waits_for == "hang":
        fake.fault("api", Fault("hang", hang))
    else:
        gate = fake.hold("api")
    with LoopbackServer(fake) as server:
        asking = threading.Thread(target=ask, args=(server.urls.identity_url,))
        asking.start()
        arrived.wait() if waits_for == "hang" else gate.arrived_sync()

    asking.join()
    assert isinstance(errors[0], httpx.RemoteProtocolError | httpx.ReadError)


def test_a_broken_connection_harms_no_other():
    """Clients that wait for their own answers get them."""
    statuses = []

    def ask(url):
        statuses.append(httpx.get(url, trust_env=False).status_code)

    with LoopbackServer() as server:
        gate = server.atlassian.hold("site")
        url = f"{server.urls.site('acme')}/_edge/tenant_info"
        bystander = threading.Thread(target=ask, args=(url,))
        bystander.start()
        gate.arrived_sync()
        server.atlassian.fault("api", Fault.lost_answer())

        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(server.urls.identity_url, trust_env=False)

        gate.open()
        bystander.join()

    assert statuses == [200]


def test_it_goes_by_this_computers_clock():
    """The program that uses it has no other one: tokens end for both in the same moment."""
    assert LoopbackServer().atlassian.clock is SYSTEM_CLOCK
