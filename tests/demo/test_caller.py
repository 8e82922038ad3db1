"""What is noted about each request."""

from __future__ import annotations

import httpx
import pytest

from atlassian_auth._cli.demo.caller import DemoCaller
from atlassian_auth.exceptions import TransientError


def client(answer):
    return httpx.AsyncClient(
        transport=httpx.MockTransport(answer), base_url="https://api.example.com/"
    )


def drop(request):
    raise httpx.ReadError("reset", request=request)


def give_up(_request):
    raise TransientError("not answered")


async def test_answers_are_counted(logbook):
    """A good answer is handed on, and counted as asked and answered."""
    async with client(lambda request: httpx.Response(200, json=request.method)) as http:
        caller = DemoCaller("cloud", http, logbook)

        assert (await caller.get("x"), await caller.post("x", {})) == ("GET", "POST")

    assert (logbook.requests["cloud"], logbook.answered["cloud"]) == (2, 2)
    assert logbook.failures == []


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (lambda _request: httpx.Response(500), "cloud: HTTPStatusError: "),
        (drop, "cloud: ReadError: reset"),
        (give_up, "cloud: TransientError: not answered"),
    ],
    ids=["status", "network", "token"],
)
async def test_failures_are_noted(logbook, answer, failure):
    """Each failure of a call goes into the logbook, and no error is raised."""
    async with client(answer) as http:
        assert await DemoCaller("cloud", http, logbook).get("x") is None

    assert (logbook.requests["cloud"], logbook.answered["cloud"]) == (1, 0)
    assert len(logbook.failures) == 1
    assert logbook.failures[0].startswith(failure)
