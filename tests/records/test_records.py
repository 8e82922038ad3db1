"""Typed records over a store, and the record of one credential."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import traceback
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from atlassian_auth import (
    ConfigurationError,
    Settings,
    StoreError,
    TokenStatus,
    VersionConflict,
)
from atlassian_auth._tokens.credentials.inspection import describe
from atlassian_auth._tokens.records.records import Loaded, Records, TokenRecord
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.stores import ABSENT, MemoryStore

NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECRETS = ("secret-access", "secret-refresh", "secret-pasted")


def token() -> TokenPair:
    return TokenPair(
        SECRETS[0], NOW, NOW + timedelta(hours=1), SECRETS[1], ("read:me", "offline_access")
    )


def record(**changes) -> TokenRecord:
    fields = {"configuration": "cloud:id@url", "status_since": NOW, "authorized_at": NOW}
    return TokenRecord(**(fields | changes))


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def records(store):
    return Records(store, "tokens", TokenRecord)


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(record(), id="bare"),
        pytest.param(record(pasted_refresh_token=SECRETS[2], pasted_sha256="00"), id="pasted"),
        pytest.param(record(token=token()).after_refresh(token(), NOW + DAY), id="refreshed"),
        pytest.param(record(token=token()).after_refusal("refused", NOW), id="lost"),
    ],
)
async def test_a_record_survives_the_store(records, kept):
    """A record is read as it was written, to the microsecond, with its version."""
    version = await records.put("acme", kept, expected=ABSENT)

    assert await records.get("acme") == Loaded(kept, version)
    assert await records.keys() == ["acme"]


async def test_nothing_stored(records):
    """A key without a record is None, and deleting it says that there was none."""
    assert await records.get("acme") is None
    assert await records.delete("acme") is False


async def test_an_old_version_is_a_conflict(records):
    """A put with a version that is no longer current changes nothing and says so."""
    version = await records.put("acme", record())
    await records.put("acme", record(failure="newer"), expected=version)

    with pytest.raises(VersionConflict):
        await records.put("acme", record(), expected=version)

    assert (await records.get("acme")).value.failure == "newer"


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="binary"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"record": {}}', id="no-schema"),
        pytest.param(b'{"schema": 1, "record": {"token": "secret-access"}}', id="not-a-record"),
        pytest.param(b'{"schema": 2, "record": {}}', id="a-later-release"),
        pytest.param(b"[" * 100_000, id="nested"),
        pytest.param(b'{"schema": ' + b"[" * 900 + b"]" * 900 + b"}", id="a-nested-schema"),
        pytest.param(
            b'{"schema": 1, "record": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            id="a-nested-record",
        ),
        pytest.param(
            b'{"schema":1,"record":{"configuration":"c","status_since":"2026-01-01T00:00:00Z",'
            b'"authorized_at":"2026-01-01T00:00:00Z","token":{"access_token":"two words",'
            b'"obtained_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T00:00:00Z"}}}',
            id="an-impossible-token",
        ),
    ],
)
async def test_a_foreign_record_is_an_error_and_stays(store, records, foreign):
    """Bytes that are no record raise an error that quotes none of them, and are left as they are."""
    await store.put("tokens", "acme", foreign)

    with pytest.raises(StoreError, match="left as it is") as caught:
        await records.get("acme")

    shown = "".join(traceback.format_exception(caught.value))
    assert "secret" not in shown
    assert "two words" not in shown
    assert (await store.get("tokens", "acme")).value == foreign


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ("3", "(schema 3)"),
        ('"x"', "(schema 'x')"),
        (f'"{"x" * 38}"', f"(schema '{'x' * 38}')"),
        (f'"{"x" * 39}"', f"(schema '{'x' * 39})"),
        (f'"{"x" * 100_000}"', f"(schema '{'x' * 39})"),
        ('"\\u001b]0;\u202e"', r"(schema '\x1b]0;\u202e')"),
    ],
    ids=["number", "text", "40-characters", "41-characters", "far-too-long", "controls"],
)
async def test_a_schema_is_quoted_in_brief(store, records, schema, shown):
    """A message quotes at most 40 printable characters of a wrong schema."""
    await store.put("tokens", "acme", f'{{"schema": {schema}, "record": {{}}}}'.encode())

    with pytest.raises(StoreError, match="another release") as caught:
        await records.get("acme")

    assert shown in str(caught.value)
    assert str(caught.value).isprintable()


class BrokenStore:
    """A store that raises the errors of users' stores."""

    async def get(self, namespace, key):
        raise OSError("quoting secret-access")

    async def put(self, namespace, key, value, *, expected=None, ttl_seconds=None):
        raise ValueError(f"quoting {value!r}")

    async def delete(self, namespace, key, *, expected=None):
        raise TimeoutError

    async def keys(self, namespace):
        raise StoreError("said by itself")

    def lock(self, namespace, key, *, timeout_seconds):
        return BrokenLock()

    async def aclose(self):
        raise RuntimeError


class BrokenLock:
    async def __aenter__(self):
        raise TimeoutError

    async def __aexit__(self, *_):
        raise AssertionError("it was never held")


async def test_whatever_a_store_raises_is_a_store_error():
    """Exceptions of a store's client become `StoreError`, without the bytes they may quote."""
    records = Records(BrokenStore(), "tokens", TokenRecord)
    calls = {
        "read": records.get("acme"),
        "write": records.put("acme", record(token=token())),
        "delete": records.delete("acme"),
        "close": records.aclose(),
    }

    for action, call in calls.items():
        with pytest.raises(StoreError, match=f"could not {action}.*BrokenStore") as caught:
            await call
        assert "secret" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__context__ is None
    with pytest.raises(StoreError, match="said by itself"):
        await records.keys()


async def test_where_a_store_failed_is_logged(caplog):
    """At level DEBUG the log shows where a store raised, without the text of its error."""
    caplog.set_level(logging.DEBUG, "atlassian_auth")

    with pytest.raises(StoreError):
        await Records(BrokenStore(), "tokens", TokenRecord).put("acme", record(token=token()))

    assert "in BrokenStore.put" in caplog.text
    assert "secret" not in caplog.text


async def test_a_store_that_was_set_up_wrongly_says_so_itself():
    """A store's own `ConfigurationError` reaches the caller as it is, with its argument."""

    class WronglySetUp(BrokenStore):
        async def get(self, namespace, key):
            raise ConfigurationError("server must keep bytes", argument="server")

    with pytest.raises(ConfigurationError, match="server must keep bytes") as caught:
        await Records(WronglySetUp(), "tokens", TokenRecord).get("acme")

    assert caught.value.argument == "server"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancellation_that_is_meant_is_obeyed():
    """The cancellation of a task stays a cancellation, and does not become a `StoreError`."""

    class SlowStore(BrokenStore):
        async def get(self, namespace, key):
            await anyio.sleep_forever()

    task = asyncio.ensure_future(Records(SlowStore(), "tokens", TokenRecord).get("acme"))
    await anyio.wait_all_tasks_blocked()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_lock_that_cannot_be_had_in_time():
    """The timeout of a lock stays a `TimeoutError`."""
    records = Records(BrokenStore(), "tokens", TokenRecord)

    with pytest.raises(TimeoutError):
        async with records.lock("acme", timeout_seconds=1):
            raise AssertionError("it was never held")


def failing(*moments, period=timedelta(days=7)):
    """Return a record whose refreshes failed at these times after NOW."""
    result = record(token=token())
    for moment in moments:
        result = result.after_failure("503", NOW + moment, period=period)
    return result


EACH_DAY = [number * DAY - number * timedelta(microseconds=1) for number in range(7)]


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (7 * DAY - timedelta(microseconds=1), TokenStatus.RECOVERABLE),
        (7 * DAY, TokenStatus.UNRECOVERABLE),
        (7 * DAY + timedelta(microseconds=1), TokenStatus.UNRECOVERABLE),
    ],
)
def test_failing_for_long(last, status):
    """A credential that fails for the whole period is UNRECOVERABLE, but not refused."""
    credential = failing(*EACH_DAY, 6.5 * DAY, last)

    assert credential.status is status
    assert credential.failing_since == NOW
    assert not credential.refused
    assert credential.ended == ("failing" if status is TokenStatus.UNRECOVERABLE else None)


def test_a_success_ends_a_failure():
    """After a refresh that succeeded, the next failure is a new one, and is saved at once."""
    healed = failing(timedelta()).after_refresh(token(), NOW + timedelta(minutes=1))
    again = healed.after_failure("again", NOW + timedelta(minutes=2), period=7 * DAY)

    assert healed.last_failed_at is None
    assert again.status is TokenStatus.RECOVERABLE
    assert again.failing_since == NOW + timedelta(minutes=2)


def test_a_token_that_was_added_is_not_kept():
    """After its first refresh a record has no refresh token but the one that came with it."""
    added = TokenRecord.pasted("cloud:id@url", NOW, SECRETS[2], authorized_at=None)

    assert added.after_refresh(token(), NOW + DAY).pasted_refresh_token is None


def test_a_refresh_token_that_did_not_change_is_not_spent():
    """If a server does not rotate, the refresh token counts as unspent."""
    unrotated = record(token=token()).after_refresh(token(), NOW + DAY)

    assert unrotated.descent.spent == ""
    unrotated.check_not_spent("acme", unrotated.refresh_token)


def test_a_refusal_is_an_end():
    """A refused credential is UNRECOVERABLE, with the reason why."""
    lost = record(token=token()).after_refusal("refused by the server", NOW + DAY)

    assert (lost.ended, lost.failure, lost.refused) == ("refused", "refused by the server", True)


@pytest.mark.parametrize(
    ("pause", "counts"),
    [(DAY - timedelta(microseconds=1), True), (DAY, False), (30 * DAY, False), (-DAY, False)],
)
def test_silence_is_not_failing(pause, counts):
    """Failures before a day without an attempt, or dated by a clock that was set back, do not count."""
    credential = failing(timedelta(), pause)

    assert credential.failing_since == NOW + (timedelta() if counts else pause)
    assert credential.status is TokenStatus.RECOVERABLE


@pytest.mark.parametrize("again", [timedelta(), HOUR - timedelta(microseconds=1), HOUR])
def test_failures_are_noted_once_an_hour(again):
    """A failure is saved once an hour at most: an outage costs the store one write an hour."""
    first = failing(timedelta())

    assert (first.after_failure("503", NOW + again, period=7 * DAY) is first) is (again < HOUR)


def test_unrecoverable_stays():
    """An UNRECOVERABLE credential stays so until a refresh succeeds, also after a day without an attempt."""
    told = failing(*EACH_DAY, 6.5 * DAY, 7 * DAY)

    again = told.after_failure("503", NOW + 30 * DAY, period=7 * DAY)

    assert (again.status, again.status_since) == (TokenStatus.UNRECOVERABLE, NOW + 7 * DAY)
    assert again.after_refresh(token(), NOW + 31 * DAY).status is TokenStatus.VALID
    assert again.after_refresh(token(), NOW + 31 * DAY).failing_since is None


def test_a_refresh_makes_it_valid():
    """A success ends a failure and is counted; the date of the consent stays."""
    refreshed = (
        failing(timedelta()).after_refresh(token(), NOW + DAY).after_refresh(token(), NOW + 2 * DAY)
    )

    assert (refreshed.status, refreshed.status_since) == (TokenStatus.VALID, NOW + DAY)
    assert (refreshed.refresh_count, refreshed.last_refreshed_at) == (2, NOW + 2 * DAY)
    assert (refreshed.failure, refreshed.authorized_at) == (None, NOW)


def test_the_refresh_token_to_present():
    """The pasted refresh token is presented until a refresh has brought another."""
    pasted = record(pasted_refresh_token=SECRETS[2])

    assert pasted.refresh_token == SECRETS[2]
    assert pasted.after_refresh(token(), NOW).refresh_token == SECRETS[1]


def test_a_record_keeps_its_secrets():
    """Neither the record nor its status shows a secret, and the record cannot be pickled."""
    secretive = record(token=token(), pasted_refresh_token=SECRETS[2])

    status = describe("acme", secretive, now=NOW, settings=Settings())
    shown = f"{secretive!r} {secretive} {status!r}"

    assert not any(secret in shown for secret in SECRETS)
    with pytest.raises(TypeError, match="secrets"):
        pickle.dumps(secretive)
    assert copy.copy(secretive) == secretive


async def test_what_is_on_its_way_to_another_store(store, records):
    """A record that is being moved cannot be used, and the error says how to finish the move."""
    await store.put("tokens", "acme", b'{"schema": "in transit", "record": ""}')

    with pytest.raises(StoreError, match="migrate again, with the same target") as caught:
        await records.get("acme")

    assert "authorize again" not in str(caught.value)
