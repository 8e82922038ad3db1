"""An emulator behind an httpx transport, a logbook, and evidence."""

from __future__ import annotations

import httpx
import pytest

from atlassian_auth._cli.demo.credentials import CREDENTIALS
from atlassian_auth._cli.demo.logbook import TROUBLES, Logbook
from atlassian_auth._cli.demo.verdict import Delivery, Evidence
from atlassian_auth.testing import APIRequest, FakeAtlassian, TokenRequest


@pytest.fixture
def emulator():
    return FakeAtlassian()


@pytest.fixture
def transport(emulator):
    """Brings requests to the emulator, without a network."""

    def answer(request):
        reply = emulator.handle(
            request.method, str(request.url), dict(request.headers), request.content
        )
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body)

    return httpx.MockTransport(answer)


@pytest.fixture
def logbook():
    return Logbook(seconds=5, began_at=0)


@pytest.fixture
def evidence():
    """Two token requests, one refused and one good API request for each credential."""
    return evidence_of


def token_request(credential, at):
    return TokenRequest(
        at=at,
        service="",
        grant_type="",
        client_id=credential.client_id,
        outcome="ok",
        fault="",
        family=credential.key,
        generation=None,
    )


def api_request(credential, status):
    return APIRequest(
        at=0,
        service="",
        method="",
        path="",
        status=status,
        fault="",
        family=credential.key,
        generation=None,
    )


def evidence_of(*, failures=(), survived=True):
    return Evidence(
        credentials=CREDENTIALS,
        token_requests=tuple(token_request(c, at) for c in CREDENTIALS for at in (0, 10)),
        api_requests=tuple(api_request(c, status) for c in CREDENTIALS for status in (401, 200)),
        asked={},
        deliveries=tuple(
            Delivery(key=c.key, title=c.title, expected=("1", "2"), arrived=("1", "2"))
            for c in CREDENTIALS
        ),
        failures=failures,
        reuses_outside_leeway=0,
        troubles={trouble.title: survived for trouble in TROUBLES},
    )
