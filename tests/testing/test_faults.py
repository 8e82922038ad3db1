"""Faults meet the requests they were ordered for, and each looks to a client as the real thing does."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from atlassian_auth.testing import (
    AnswerLost,
    ConnectionRefused,
    Fault,
    NeverAnswered,
    Reply,
)


@pytest.fixture
def grant(caller):
    return caller.fake.issue_grant()


# Which requests are met


def test_a_fault_meets_as_many_requests_as_ordered(caller, grant):
    """A fault meets `times` requests; then the server answers normally."""
    caller.fake.fault("token", Fault.status(503), times=2)

    statuses = [caller.cloud_refresh(grant.refresh_token).status_code for _ in range(3)]

    assert statuses == [503, 503, 200]


def test_faults_come_in_the_order_they_were_given(caller, grant):
    """Faults for the same requests come in the order in which they were scripted."""
    caller.fake.fault("token", Fault.status(503))
    caller.fake.fault("token", Fault.status(502))

    statuses = [caller.cloud_refresh(grant.refresh_token).status_code for _ in range(3)]

    assert statuses == [503, 502, 200]


@pytest.mark.parametrize("kind", ["authorize", "token", "revoke", "api", "site"])
def test_a_fault_meets_only_its_kind(caller, grant, kind):
    """A fault of one service does not meet requests to another."""
    calls = {
        "authorize": lambda: caller.http.get(caller.cloud_authorize_url()),
        "token": lambda: caller.cloud_refresh(grant.refresh_token),
        "revoke": lambda: caller.http.post(caller.urls.revoke_url),
        "api": lambda: caller.me(grant.access_token),
        "site": lambda: caller.http.get(f"{caller.urls.site('acme')}/_edge/tenant_info"),
    }
    caller.fake.fault(kind, Fault.status(599))

    statuses = {name: call().status_code for name, call in calls.items()}

    assert [name for name, status in statuses.items() if status == 599] == [kind]


def test_a_predicate_chooses_requests(caller, grant):
    """A predicate chooses the requests that a fault meets."""
    caller.fake.fault(lambda request: request.path == "/me", Fault.status(599))

    assert caller.jira_audit(grant.access_token).status_code == 200
    assert caller.me(grant.access_token).status_code == 599


def test_a_predicate_sees_the_fields(caller, grant):
    """A predicate sees the fields of the form, so it can choose one of two grants."""
    other = caller.fake.issue_grant()
    caller.fake.fault(
        lambda request: request.fields.get("refresh_token") == other.refresh_token,
        Fault.status(599),
    )

    assert caller.cloud_refresh(grant.refresh_token).status_code == 200
    assert caller.cloud_refresh(other.refresh_token).status_code == 599


def test_faults_can_be_called_off(caller, grant):
    """`clear_faults` ends all faults at once."""
    caller.fake.fault("token", Fault.status(503), times=100)

    caller.fake.clear_faults()

    assert caller.cloud_refresh(grant.refresh_token).status_code == 200


# What they look like


def test_a_status_comes_with_body_and_headers(caller, grant):
    """The server does nothing."""
    caller.fake.fault("token", Fault.status(503, "busy", headers={"retry-after": "7"}))

    response = caller.cloud_refresh(grant.refresh_token)

    assert (response.status_code, response.text) == (503, "busy")
    assert response.headers["retry-after"] == "7"
    assert caller.fake.family_of(grant.refresh_token).generation == 1


def test_any_reply_can_be_given(caller, grant):
    """`Fault.reply` sends any reply."""
    caller.fake.fault("token", Fault.reply(Reply(418, {"x-pot": "tea"}, b"\x00\xff")))

    response = caller.cloud_refresh(grant.refresh_token)

    assert (response.status_code, response.content) == (418, b"\x00\xff")
    assert response.headers["x-pot"] == "tea"


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        (None, None),
        (30, "30"),
        (1.5, "1.5"),
        (datetime(2026, 1, 1, 12, 1, tzinfo=UTC), "Thu, 01 Jan 2026 12:01:00 GMT"),
    ],
    ids=str,
)
def test_a_rate_limit_says_when_to_come_back(caller, grant, retry_after, header):
    """In seconds, as a date, or not at all."""
    caller.fake.fault("api", Fault.rate_limited(retry_after))

    response = caller.me(grant.access_token)

    assert response.status_code == 429
    assert response.headers.get("retry-after") == header


def test_a_rate_limit_may_be_a_503(caller, grant):
    """Some 503 carry Retry-After too."""
    caller.fake.fault("api", Fault.rate_limited(3, status=503))

    assert caller.me(grant.access_token).status_code == 503


def test_a_page_comes_instead_of_json(caller, grant):
    """A login wall answers 200."""
    caller.fake.fault("token", Fault.html())

    response = caller.cloud_refresh(grant.refresh_token)

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


def test_a_redirect_leads_elsewhere(caller, grant):
    """The client is sent to another host."""
    caller.fake.fault("token", Fault.redirect("https://evil.example.com/", status=307))

    response = caller.cloud_refresh(grant.refresh_token)

    assert response.status_code == 307
    assert response.headers["location"] == "https://evil.example.com/"


@pytest.mark.parametrize("document", [[], None, "text", {"error": "server_error"}], ids=repr)
def test_any_json_can_be_given(caller, grant, document):
    """A list, null, an error of the test's own."""
    caller.fake.fault("token", Fault.json(document))

    response = caller.cloud_refresh(grant.refresh_token)

    assert (response.status_code, response.json()) == (200, document)


@pytest.mark.parametrize("size", [2**20, 10_000_000])
def test_an_answer_can_be_too_big(caller, grant, size):
    """Valid JSON of exactly that many bytes."""
    caller.fake.fault("token", Fault.oversized(size))

    response = caller.cloud_refresh(grant.refresh_token)

    assert len(response.content) == size
    assert set(response.json()) == {"padding"}


def test_an_answer_can_be_empty(caller, grant):
    """200, and nothing in it."""
    caller.fake.fault("token", Fault.empty())

    response = caller.cloud_refresh(grant.refresh_token)

    assert (response.status_code, response.content) == (200, b"")


def test_a_token_can_be_edited(caller, grant):
    """The server rotates, and the answer says something else."""
    caller.fake.fault("token", Fault.edited(lambda token: token | {"expires_in": "soon"}))

    token = caller.cloud_refresh(grant.refresh_token).json()

    assert token["expires_in"] == "soon"
    assert caller.fake.family_of(token["refresh_token"]).generation == 2


def test_an_answer_can_be_cut_off(caller, grant):
    """The server rotates, and half of the answer comes through."""
    caller.fake.fault("token", Fault.truncated())

    response = caller.cloud_refresh(grant.refresh_token)

    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        response.json()
    assert caller.fake.family_of(grant.refresh_token).generation == 2


def test_a_lost_answer_was_served(caller, grant):
    """The connection breaks after the server has rotated."""
    caller.fake.fault("token", Fault.lost_answer())

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        caller.cloud_refresh(grant.refresh_token)

    assert caller.fake.family_of(grant.refresh_token).generation == 2


def test_a_refused_connection_reaches_nothing(caller, grant):
    """The server has not rotated. On a port that is open, refusing looks like breaking."""
    caller.fake.fault("token", Fault.refused_connection())

    with pytest.raises((httpx.ConnectError, httpx.RemoteProtocolError)):
        caller.cloud_refresh(grant.refresh_token)

    assert caller.fake.family_of(grant.refresh_token).generation == 1


def test_a_hanging_server_does_nothing(caller, grant):
    """A client that waits for it runs into its own timeout."""
    caller.fake.fault("token", Fault.hang())

    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(caller.urls.token_url, json={}, timeout=httpx.Timeout(300, read=0.01))

    assert caller.cloud_refresh(grant.refresh_token).status_code == 200


def test_a_delay_takes_the_clocks_time(caller, grant):
    """With a jumping clock a slow server is slow in no time."""
    before = caller.clock.time()
    caller.fake.fault("token", Fault.delayed(30))

    response = caller.cloud_refresh(grant.refresh_token)

    assert response.status_code == 200
    assert caller.clock.time() == before + 30
    assert parsedate_to_datetime(response.headers["date"]).timestamp() == before


def test_a_slow_body_takes_time_with_every_byte(caller, grant):
    """A slow body takes time for each byte, and arrives complete."""
    before = caller.clock.time()
    caller.fake.fault("token", Fault.slow_body(2))

    response = caller.cloud_refresh(grant.refresh_token)

    assert response.json()["access_token"]
    assert caller.clock.time() == before + 2 * len(response.content)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.lost_answer(), AnswerLost),
        (Fault.refused_connection(), ConnectionRefused),
        (Fault.hang(), NeverAnswered),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_without_a_skin_a_broken_connection_is_an_exception(fake, fault, error):
    """`handle` raises an exception for a broken connection, as there is no server around it."""
    fake.fault("token", fault)

    with pytest.raises(error):
        fake.handle("POST", fake.urls.token_url)


def test_a_fault_of_ones_own_decides_about_the_work(fake):
    """A fault is a name and a function of the server's work."""
    fake.fault("api", Fault("twice", lambda work: (work(), work())[1]))

    reply = fake.handle("GET", fake.urls.identity_url)

    assert reply.status == 401
    assert fake.api_requests[0].fault == "twice"


@pytest.mark.parametrize("fault", [503, "hang", None, Fault.hang], ids=repr)
def test_what_is_no_fault(fake, fault):
    """A status, or a method that was not called, in place of a fault is refused with what was meant."""
    with pytest.raises(TypeError, match=r"must be a Fault, such as Fault\.status\(503\)"):
        fake.fault("token", fault)
