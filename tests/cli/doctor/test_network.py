"""Where the way to a host ends, and how far clocks are apart."""

from __future__ import annotations

import socket

import anyio
import httpx
import pytest

from atlassian_auth import TransientError
from atlassian_auth._cli.doctor.network import reach, skew_seconds
from atlassian_auth.testing import Fault, LoopbackServer

TOKEN_URL = "https://auth.atlassian.com/oauth/token"
NOON = 1_767_268_800.0


def unknown(*_args, **_options):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def test_whatever_answers_will_do(atlassian):
    """No credential is sent, so a refusal is what is expected."""
    assert "date" in await reach(TOKEN_URL)

    assert atlassian.count("token") == 0


def test_an_unknown_name(monkeypatch):
    """It is told from other trouble."""
    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(TransientError, match=r"https://nowhere.invalid .* \(DNS\)"):
        anyio.run(reach, "https://nowhere.invalid/token")


def test_an_error_that_is_its_own_cause(atlassian):
    """Chains of errors may be circles; the search for what is behind one ends all the same."""
    atlassian.fault(lambda _request: True, Fault.refused_connection())

    with pytest.raises(TransientError, match="ConnectError"):
        anyio.run(reach, TOKEN_URL)


async def test_no_secure_connection():
    """A server that speaks no TLS, or whose certificate nobody trusts."""
    with LoopbackServer() as server:
        url = server.origin.replace("http:", "https:")

        with pytest.raises(TransientError, match=r"\(TLS\)"):
            await reach(url)


def test_nobody_listens():
    """The kind of failure is named."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(TransientError, match=f"127.0.0.1:{port} cannot be reached: ConnectError"):
        anyio.run(reach, f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("date", "skew"),
    [
        ("Thu, 01 Jan 2026 12:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 11:59:30 GMT", 30),
        ("Thu, 01 Jan 2026 12:01:00 -0000", -60),
        ("yesterday", None),
        (None, None),
    ],
)
def test_how_far_clocks_are_apart(date, skew):
    """By the server's own word, if it gives one that can be read."""
    headers = httpx.Headers({} if date is None else {"date": date})

    assert skew_seconds(headers, NOON) == skew
