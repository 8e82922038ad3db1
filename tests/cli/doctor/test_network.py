"""Which step to a host fails, and the difference between clocks."""

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
    """`reach` sends no credential and accepts any answer."""
    assert "date" in await reach(TOKEN_URL)

    assert atlassian.count("token") == 0


def test_an_unknown_name(monkeypatch):
    """An unknown host name is reported as DNS."""
    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(TransientError, match=r"https://nowhere.invalid .* \(DNS\)"):
        anyio.run(reach, "https://nowhere.invalid/token")


def test_an_error_that_is_its_own_cause(atlassian):
    """A circular chain of errors does not hang the search."""
    atlassian.fault(lambda _request: True, Fault.refused_connection())

    with pytest.raises(TransientError, match="ConnectError"):
        anyio.run(reach, TOKEN_URL)


async def test_no_secure_connection():
    """A server without TLS is reported as TLS."""
    with LoopbackServer() as server:
        url = server.origin.replace("http:", "https:")

        with pytest.raises(TransientError, match=r"\(TLS\)"):
            await reach(url)


def test_no_server_listens():
    """A refused connection is reported with the name of its error."""
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
    """The difference is computed from the Date header, if it can be parsed."""
    headers = httpx.Headers({} if date is None else {"date": date})

    assert skew_seconds(headers, NOON) == skew
