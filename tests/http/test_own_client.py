"""The library's own client: which addresses are public, and which URLs stay on this machine."""

from __future__ import annotations

import ssl

import pytest

from atlassian_auth import ConfigurationError
from atlassian_auth._tokens.http.own_client import RequestGuard, check_tls, is_direct
from atlassian_auth.testing import ManualClock

URL = "https://dc.example.com/token"


class Stream:
    """A connection as httpcore shows it to a ``trace``."""

    def __init__(self, address):
        self._known = {"server_addr": (address, 443)}
        self.closed = False

    def get_extra_info(self, name):
        return self._known[name]

    async def aclose(self):
        self.closed = True


async def connect(address, *, host="dc.example.com", public_only=True):
    stream = Stream(address)
    guard = RequestGuard(URL, public_only=public_only, clock=ManualClock())
    await guard("connection.connect_tcp.started", {"host": host})
    try:
        await guard("connection.connect_tcp.complete", {"return_value": stream})
    finally:
        assert stream.closed is (host == "dc.example.com" and address in PRIVATE and public_only)


PUBLIC = [
    "8.8.8.8",
    "104.192.136.1",
    "172.15.255.255",
    "172.32.0.0",
    "2606:4700::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
PRIVATE = [
    "127.0.0.1",
    "127.255.255.255",
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "172.16.0.0",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a00:1::1",
]


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_addresses_are_gone_to(address):
    """Also those that are written inside others."""
    await connect(address)


@pytest.mark.parametrize("address", PRIVATE)
async def test_other_addresses_are_not(address):
    """Loopback, private, link-local, shared, unspecified; also those that are written inside others."""
    with pytest.raises(ConfigurationError) as caught:
        await connect(address)

    assert address in str(caught.value)
    assert caught.value.argument == "public_addresses_only"


@pytest.mark.parametrize("address", PRIVATE)
async def test_only_if_it_was_asked_for(address):
    """Without `public_addresses_only`, a Data Center in a private network can be used."""
    await connect(address, public_only=False)


async def test_the_proxys_address_is_the_proxys():
    """Behind a proxy the connected address is the proxy's, and is not checked."""
    await connect("10.0.0.1", host="proxy.internal")


@pytest.mark.parametrize(
    ("url", "direct"),
    [
        ("http://localhost:8080/x", True),
        ("https://127.0.0.1/x", True),
        ("http://127.9.9.9/x", True),
        ("http://[::1]:80/x", True),
        ("https://localhost.example.com/x", False),
        ("https://10.0.0.1/x", False),
        ("https://[::1", False),
        ("https://b\u00fccher.example/x", False),
        ("https://xn--zzzzzz.net/", False),
    ],
)
def test_what_stays_on_this_machine(url, direct):
    """By its host alone."""
    assert is_direct(url) is direct


def test_tls_is_made_once():
    """Loading the authorities takes long; a context of the caller's own is used as it is."""
    own = ssl.create_default_context()

    assert check_tls(verify=True) is check_tls(verify=True)
    assert check_tls(verify=False).verify_mode is ssl.CERT_NONE
    assert check_tls(own) is own
