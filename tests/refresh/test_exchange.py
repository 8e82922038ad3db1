"""One exchange with the token endpoint: its attempts, its pauses and its errors."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import anyio
import pytest

from atlassian_auth import (
    AuthorizationRequired,
    ClientCredentialsGrant,
    CloudGrant,
    ConfigurationError,
    DataCenterGrant,
    Settings,
    TokenResponseError,
    TransientError,
)
from atlassian_auth._tokens.http.sender import HttpxSender
from atlassian_auth._tokens.refresh.exchange import LockLost, TokenExchange
from atlassian_auth.ports import SYSTEM_CLOCK, NothingSent, Unanswered
from atlassian_auth.protocol.messages import HTTPResponse
from atlassian_auth.testing import ManualClock
from tests.raw_server import RawServer

OK = {"access_token": "new", "expires_in": 3600, "refresh_token": "next", "token_type": "Bearer"}

CLOUD = CloudGrant(
    client_id="id",
    client_secret="secret",
    redirect_uri="http://localhost:8765/callback",
    scopes=["read:jira-work"],
)
DATA_CENTER = DataCenterGrant(
    "https://jira.example.com",
    client_id="id",
    client_secret="secret",
    redirect_uri="http://localhost:8765/callback",
    scopes=["READ"],
)
TWO_LEGGED = ClientCredentialsGrant.jira_software("id", "secret")


def answer(document: object = None, status: int = 200, **headers: str) -> HTTPResponse:
    body = json.dumps(OK if document is None else document).encode()
    return HTTPResponse(status, {"content-type": "application/json", **headers}, body)


def error(name: str, status: int = 400) -> HTTPResponse:
    return answer({"error": name}, status)


UNAVAILABLE = answer({}, 503)
LOST = Unanswered("ReadTimeout")
REFUSED = NothingSent("ConnectError")


class Lock:
    """A lock whose answers come from a list."""

    def __init__(self, *held):
        self._held = list(held)

    async def confirm(self):
        return self._held.pop(0)


class ScriptedSender:
    """A sender whose responses come from a list; it remembers the time of each request."""

    def __init__(self, clock: ManualClock, *script: HTTPResponse | Exception) -> None:
        self._clock = clock
        self._start = clock.time()
        self._script = list(script)
        self.asked_at: list[float] = []
        self.bodies: list[bytes] = []

    async def send(self, request):
        self.asked_at.append(self._clock.time() - self._start)
        self.bodies.append(request.body)
        outcome = self._script.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def aclose(self):
        raise AssertionError("a service does not close what it was lent")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def service(clock):
    def build(grant, *script, jitter=0.0, **settings):
        sender = ScriptedSender(clock, *script)
        built = TokenExchange(
            grant, sender, settings=Settings(**settings), clock=clock, jitter=lambda: jitter
        )
        return built, sender

    return build


@pytest.mark.parametrize("grant", [CLOUD, DATA_CENTER], ids=lambda grant: grant.kind)
@pytest.mark.parametrize(
    ("script", "asked_at"),
    [
        pytest.param([answer()], [0], id="at-once"),
        pytest.param([REFUSED, answer()], [0, 0.5], id="nothing-sent"),
        pytest.param([REFUSED, REFUSED, answer()], [0, 0.5, 1.5], id="nothing-sent-twice"),
        pytest.param([UNAVAILABLE, answer()], [0, 0.5], id="503"),
        pytest.param([answer({}, 429, **{"retry-after": "5"}), answer()], [0, 5], id="retry-after"),
        pytest.param([LOST, answer()], [0, 0], id="lost-answer"),
        pytest.param([answer({}, 502), answer()], [0, 0], id="502"),
    ],
)
async def test_outages_are_survived(service, grant, script, asked_at):
    """A transient error is retried within the exchange, each kind after its own pause."""
    exchange, sender = service(grant, *script)

    token = await exchange.refresh("spent")

    assert (token.access_token, token.refresh_token) == ("new", "next")
    assert sender.asked_at == asked_at
    assert all(b"spent" in body for body in sender.bodies)


@pytest.mark.parametrize(
    ("grant", "script", "requests"),
    [
        pytest.param(CLOUD, [UNAVAILABLE] * 3, 3, id="503-for-ever"),
        pytest.param(CLOUD, [REFUSED] * 3, 3, id="unreachable"),
        pytest.param(CLOUD, [LOST] * 3, 3, id="cloud-asks-within-its-leeway"),
        pytest.param(DATA_CENTER, [LOST] * 2, 2, id="data-center-asks-once-more"),
        pytest.param(TWO_LEGGED, [LOST] * 3, 3, id="2lo-has-nothing-to-lose"),
        pytest.param(
            CLOUD, [answer({}, 429, **{"retry-after": "6"})], 1, id="a-long-retry-after-ends-it"
        ),
    ],
)
async def test_it_gives_up_in_time(service, grant, script, requests):
    """After a few requests an exchange raises `TransientError`."""
    exchange, sender = service(grant, *script)

    with pytest.raises(TransientError):
        await exchange.refresh("spent" if grant.rotates else None)

    assert len(sender.asked_at) == requests


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param([error("invalid_grant", 403)], AuthorizationRequired, id="dead"),
        pytest.param([error("invalid_client", 401)], ConfigurationError, id="client"),
        pytest.param([error("invalid_scope")], ConfigurationError, id="scope"),
        pytest.param([answer([])], TokenResponseError, id="not-a-token"),
        pytest.param([answer({}, 302)], TokenResponseError, id="redirect"),
    ],
)
async def test_definite_answers_are_not_questioned(service, script, expected):
    """A request whose error a repeat cannot change is made once."""
    exchange, sender = service(CLOUD, *script)

    with pytest.raises(expected):
        await exchange.refresh("spent")

    assert len(sender.asked_at) == 1


async def test_jitter_shortens_pauses(service):
    """Jitter makes a pause up to half shorter, so that the processes of a fleet do not retry together."""
    exchange, sender = service(CLOUD, REFUSED, answer(), jitter=0.5)

    await exchange.refresh("spent")

    assert sender.asked_at == [0, 0.375]


async def test_expiry_counts_from_before_the_request(service, clock):
    """A slow response does not move the token's expiry to a later time."""
    before = clock.now()
    exchange, sender = service(CLOUD)

    async def slow(_request):
        clock.advance(30)
        return answer()

    sender.send = slow
    token = await exchange.refresh("spent")

    assert token.expires_at == before + timedelta(seconds=3600)


async def test_a_hanging_server_is_left_in_time(service, clock):
    """The whole exchange has a time limit; a request that was sent may have been received."""
    exchange, sender = service(CLOUD, exchange_timeout_seconds=45)

    async def hang(_request):
        clock.advance(45)
        await anyio.sleep_forever()

    sender.send = hang
    with pytest.raises(TransientError, match="ran out") as caught:
        await exchange.refresh("spent")

    assert caught.value.ambiguous


async def test_no_pause_beyond_the_budget(service, clock):
    """An exchange does not begin a pause after which no time would be left."""
    exchange, sender = service(CLOUD, REFUSED, exchange_timeout_seconds=0.5)
    began = clock.time()

    with pytest.raises(TransientError):
        await exchange.refresh("spent")

    assert sender.asked_at == [0]
    assert clock.time() == began


@pytest.mark.parametrize(
    ("script", "expected", "kept"),
    [
        pytest.param(
            [LOST, error("invalid_grant")],
            AuthorizationRequired,
            {"key": "", "reason": "refused"},
            id="dead",
        ),
        pytest.param([LOST, LOST], TransientError, {"retry_after_seconds": None}, id="transient"),
        pytest.param(
            [LOST, answer({}, 429, **{"retry-after": "600"})],
            TransientError,
            {"retry_after_seconds": 600.0},
            id="later",
        ),
    ],
)
async def test_a_lost_answer_is_part_of_the_story(service, script, expected, kept):
    """If a response was lost on the way, the error says so: it may have held the only new refresh token."""
    exchange, _ = service(DATA_CENTER, *script)

    with pytest.raises(
        expected, match=r"response to a request was lost|accepts the old one for 10 minutes"
    ) as caught:
        await exchange.refresh("spent")

    assert {name: getattr(caught.value, name) for name in kept} == kept


async def test_a_lost_answer_stays_in_mind(service):
    """After a lost answer the error is ambiguous, even if nothing was sent the last time."""
    exchange, _ = service(CLOUD, LOST, REFUSED, REFUSED)

    with pytest.raises(TransientError) as caught:
        await exchange.refresh("spent")

    assert caught.value.ambiguous


async def test_a_lost_answer_does_not_blur_a_clear_one(service):
    """A wrong secret is a wrong secret, whatever was lost before."""
    exchange, _ = service(CLOUD, LOST, error("invalid_client", 401))

    with pytest.raises(ConfigurationError) as caught:
        await exchange.refresh("spent")

    assert "lost" not in str(caught.value)


async def test_refused_client_credentials_are_a_matter_of_configuration(service):
    """Client credentials need no consent: a refusal means that the client is wrong."""
    exchange, _ = service(TWO_LEGGED, error("invalid_grant"))

    with pytest.raises(ConfigurationError):
        await exchange.refresh(None)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Unanswered("ReadTimeout"), "ReadTimeout"),
        (RuntimeError("secret"), "RuntimeError"),
        (asyncio.CancelledError(), "the connection was cancelled"),
    ],
    ids=repr,
)
async def test_why_no_response_came(service, caplog, failure, reason):
    """The error says why no response came; the log has the places that an unexpected error came from."""
    caplog.set_level("DEBUG")
    exchange, sender = service(CLOUD, attempts=1)

    async def fail(_request):
        raise failure

    sender.send = fail

    with pytest.raises(TransientError, match=rf"no complete response came back \({reason}\)"):
        await exchange.refresh("spent")

    unexpected = "The RuntimeError came from these places" in caplog.text
    assert unexpected is isinstance(failure, RuntimeError)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("stray", [RuntimeError("secret"), asyncio.CancelledError()], ids=repr)
async def test_whatever_a_sender_raises_may_have_been_sent(service, stray):
    """An unexpected error of a user's sender, or its own cancellation, means that no response came."""
    exchange, sender = service(CLOUD, answer())
    answered = sender.send

    async def fail_once(_request):
        sender.send = answered
        raise stray

    sender.send = fail_once

    assert (await exchange.refresh("spent")).access_token == "new"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancellation_of_the_exchange_itself_is_obeyed(service):
    """An exchange that is cancelled, as by the end of an inline loop, ends."""
    exchange, sender = service(CLOUD)
    sender.send = lambda _request: anyio.sleep_forever()

    task = asyncio.ensure_future(exchange.refresh("spent"))
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("grant", [CLOUD, DATA_CENTER], ids=lambda grant: grant.kind)
async def test_a_code_is_presented_once(service, grant):
    """A code whose response was lost is not presented again: that would revoke its tokens."""
    exchange, sender = service(grant, LOST)

    with pytest.raises(TransientError):
        await exchange.redeem("code", code_verifier="v" * 43 if grant.uses_pkce else None)

    assert len(sender.asked_at) == 1


async def test_a_code_becomes_a_token(service):
    """A code is exchanged for the first token of a credential."""
    exchange, sender = service(CLOUD, answer())

    token = await exchange.redeem("code")

    assert token.access_token == "new"
    assert b"authorization_code" in sender.bodies[0]


@pytest.mark.parametrize("ask", ["redeem", "revoke"])
async def test_what_is_said_of_a_rotation_is_said_of_refreshes_only(service, ask):
    """A lost response to a code or a revocation has rotated no refresh token."""
    exchange, _ = service(CLOUD, LOST, LOST, LOST)

    with pytest.raises(TransientError) as caught:
        await getattr(exchange, ask)("secret-1")

    assert caught.value.ambiguous
    assert "rotated" not in str(caught.value)


# -- the lock -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "script", "requests"),
    [
        pytest.param([False], [], 0, id="at-once"),
        pytest.param([True, False], [UNAVAILABLE], 1, id="in-the-pause"),
        pytest.param([True, True, False], [REFUSED, REFUSED], 2, id="in-the-second-pause"),
    ],
)
async def test_nothing_is_presented_without_the_lock(service, held, script, requests):
    """Before each attempt the lock is confirmed; without it the refresh token is not presented."""
    built, sender = service(DATA_CENTER, *script)

    with pytest.raises(LockLost):
        await built.refresh("rt", confirm=Lock(*held).confirm)

    assert len(sender.asked_at) == requests


async def test_a_lock_that_is_held_changes_nothing(service):
    """With the lock held each attempt is made."""
    built, sender = service(CLOUD, LOST, UNAVAILABLE, answer())

    token = await built.refresh("rt", confirm=Lock(True, True, True).confirm)

    assert token.access_token == "new"
    assert len(sender.asked_at) == 3


async def test_a_lost_answer_is_told_though_the_lock_is_lost(service):
    """If a response was lost before the lock was, the error says so: the refresh token may be spent."""
    built, sender = service(CLOUD, LOST)

    with pytest.raises(TransientError, match="still accepts the old one") as caught:
        await built.refresh("rt", confirm=Lock(True, False).confirm)

    assert caught.value.ambiguous
    assert len(sender.asked_at) == 1


@pytest.mark.parametrize(("took", "asked"), [(10, 1), (10.001, 2)])
async def test_an_old_answer_about_the_lock_is_no_answer(service, clock, took, asked):
    """If the process stood still while the lock was confirmed, it is confirmed again."""
    built, sender = service(DATA_CENTER, answer())
    answers = []

    async def confirm():
        if not answers:
            clock.advance(took)
        answers.append(True)
        return True

    await built.refresh("rt", confirm=confirm)

    assert len(answers) == asked
    assert len(sender.asked_at) == 1


async def test_a_lock_that_is_never_confirmed_in_time_is_lost(service, clock):
    """If the store confirms too late twice, the refresh token is not presented."""
    built, sender = service(DATA_CENTER)

    async def confirm():
        clock.advance(11)
        return True

    with pytest.raises(LockLost):
        await built.refresh("rt", confirm=confirm)

    assert sender.asked_at == []


@pytest.mark.parametrize(("passed", "requests"), [(9.99, 1), (10, 0)])
async def test_nothing_is_sent_when_the_time_is_over(service, clock, passed, requests):
    """A process that stood still for the whole exchange sends nothing, and the error says so."""
    built, sender = service(DATA_CENTER, REFUSED, exchange_timeout_seconds=10, attempts=1)

    async def confirm():
        clock.advance(passed)
        return True

    with pytest.raises(TransientError, match="Nothing was sent") as caught:
        await built.refresh("rt", confirm=confirm)

    assert not caught.value.ambiguous
    assert len(sender.asked_at) == requests


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the runner's
async def test_a_refused_address_is_a_matter_of_the_configuration():
    """With ``public_addresses_only`` a private address is an error that names it; nothing is sent."""
    with RawServer() as server:
        grant = DataCenterGrant(
            server.url,
            client_id="id",
            client_secret="secret",
            redirect_uri="http://localhost:8765/callback",
            scopes=["READ"],
        )
        settings = Settings(public_addresses_only=True)
        sender = HttpxSender(settings)
        built = TokenExchange(
            grant, sender, settings=settings, clock=SYSTEM_CLOCK, jitter=lambda: 0.0
        )

        with pytest.raises(ConfigurationError, match="public_addresses_only"):
            await built.refresh("rt")
        await sender.aclose()

    assert server.heads == []
