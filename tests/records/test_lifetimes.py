"""The three dates on which a credential ends, and when to warn of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth import Settings, TokenStatus
from atlassian_auth._tokens.records.lifetimes import (
    Lifetimes,
    Limits,
    idle_refresh_at,
    is_warning_due,
    limits_of,
    phase_of,
    unusable_since,
    warnings_due,
)
from atlassian_auth._tokens.records.records import TokenRecord
from atlassian_auth.events import ConsentEndsSoon
from atlassian_auth.protocol.tokens import TokenPair

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TINY = timedelta(microseconds=1)
CLOUD = "cloud:id@https://auth.atlassian.com/oauth/token"
DATA_CENTER = "data_center:id@https://jira.example.com/rest/oauth2/latest/token"
CLIENT = "client_credentials:id@https://api.atlassian.com/oauth/token"


def record(configuration=CLOUD, *, obtained_at=NOW, refresh_token="secret-refresh", **changes):
    token = TokenPair("secret-access", obtained_at, obtained_at + HOUR, refresh_token)
    fields = {"configuration": configuration, "status_since": NOW, "authorized_at": NOW}
    return TokenRecord(**(fields | {"token": token} | changes))


def test_any_key_has_a_phase():
    """The phase of a key is the same in all releases, also if its text is not valid Unicode."""
    assert phase_of("acme") == pytest.approx(0.022533073)
    assert phase_of("\ud800") == pytest.approx(0.116281817)


def test_the_limits_of_each_grant():
    """Consents on Cloud end after 90 idle days and after a year, on Data Center after 90 idle days."""
    settings = Settings()

    assert limits_of(CLOUD, settings) == Limits(inactivity=90 * DAY, absolute=365 * DAY)
    assert limits_of(DATA_CENTER, settings) == Limits(inactivity=90 * DAY)
    assert limits_of(CLIENT, settings) == limits_of("another's", settings) == Limits()


def test_another_provider_says_nothing():
    """Seed 001, 1.1: ``default_refresh_token_duration`` is the idle limit of a `GenericGrant`."""
    generic = "generic:id@https://idp.example.com/token"

    assert limits_of(generic, Settings()) == Limits(inactivity=30 * DAY)
    settings = Settings(default_refresh_token_duration=DAY)
    assert limits_of(generic, settings) == Limits(inactivity=DAY)
    alone = Lifetimes.of(record(generic, refresh_token=None), settings)
    assert alone.consent_expires_at == NOW + HOUR


def test_an_administrator_may_have_changed_them():
    """Settings replace the usual limits."""
    settings = Settings(inactivity_limit=30 * DAY, absolute_limit=180 * DAY)

    expected = Limits(inactivity=30 * DAY, absolute=180 * DAY)
    assert limits_of(CLOUD, settings) == limits_of(DATA_CENTER, settings) == expected


def test_an_end_that_no_calendar_has():
    """A limit beyond the last possible datetime is no limit."""
    last = datetime.max.replace(tzinfo=UTC)
    exactly = last - 90 * DAY

    ends = [
        Lifetimes.of(record(DATA_CENTER, obtained_at=at), Settings()).inactive_by
        for at in (exactly - TINY, exactly, exactly + TINY)
    ]

    assert ends == [last - TINY, last, None]
    assert Lifetimes.of(record(authorized_at=last), Settings()).consent_expires_at is None
    assert idle_refresh_at("acme", record(obtained_at=exactly + TINY), Settings()) is None


def test_an_unknown_day_of_the_consent():
    """Without the date of the consent only the inactivity limit is known, from the last use or addition."""
    unknown = record(authorized_at=None)
    unused = record(authorized_at=None, token=None, added_at=NOW, pasted_refresh_token="secret")
    damaged = record(authorized_at=None, token=None, pasted_refresh_token="secret")

    ends = [Lifetimes.of(each, Settings()) for each in (unknown, unused, damaged)]

    assert [each.consent_expires_at for each in ends] == [None, None, None]
    assert [each.inactive_by for each in ends] == [NOW + 90 * DAY, NOW + 90 * DAY, None]


def test_three_dates():
    """A refresh moves the end of the access token and the inactivity limit, not the absolute limit."""
    later = NOW + 80 * DAY

    at_first = Lifetimes.of(record(), Settings())
    refreshed = Lifetimes.of(record(obtained_at=later), Settings())

    assert at_first.access_expires_at == NOW + HOUR
    assert (at_first.inactive_by, at_first.consent_expires_at) == (NOW + 90 * DAY, NOW + 365 * DAY)
    assert refreshed.access_expires_at == later + HOUR
    assert (refreshed.inactive_by, refreshed.consent_expires_at) == (
        later + 90 * DAY,
        NOW + 365 * DAY,
    )


def test_a_pasted_refresh_token_counts_from_when_it_was_pasted():
    """An added refresh token has no access token yet; its consent ends at these dates at the latest."""
    pasted = record(token=None, pasted_refresh_token="secret-pasted")

    lifetimes = Lifetimes.of(pasted, Settings())

    assert lifetimes.access_expires_at is None
    assert lifetimes.limits() == {"inactivity": NOW + 90 * DAY, "absolute": NOW + 365 * DAY}


@pytest.mark.parametrize(
    ("obtained_at", "known"),
    [(NOW + 365 * DAY - TINY, True), (NOW + 365 * DAY, False), (NOW + 365 * DAY + TINY, False)],
)
def test_a_grant_that_outlives_its_year(obtained_at, known):
    """A refresh that succeeded after the absolute limit shows that there is no such limit."""
    lifetimes = Lifetimes.of(record(obtained_at=obtained_at), Settings())

    assert (lifetimes.consent_expires_at is not None) is known


def test_without_a_refresh_token_the_grant_ends_with_the_access_token():
    """A consent without a refresh token ends with its access token; client credentials have no end."""
    assert Lifetimes.of(record(refresh_token=None), Settings()).limits() == {"absolute": NOW + HOUR}
    assert Lifetimes.of(record(CLIENT, refresh_token=None), Settings()).limits() == {}


def test_the_end_that_has_passed():
    """An end has passed from exactly its time on."""
    lifetimes = Lifetimes.of(record(), Settings())

    assert lifetimes.passed(NOW + 90 * DAY - TINY) is None
    assert lifetimes.passed(NOW + 90 * DAY) == NOW + 90 * DAY
    assert lifetimes.passed(NOW + 400 * DAY) == NOW + 90 * DAY


@pytest.mark.parametrize(
    ("left", "last_look", "due"),
    [
        pytest.param(14 * DAY + TINY, None, False, id="too early"),
        pytest.param(14 * DAY, None, True, id="exactly then"),
        pytest.param(timedelta(), None, True, id="at the very end"),
        pytest.param(-TINY, None, False, id="too late"),
        pytest.param(14 * DAY, 14 * DAY + TINY, True, id="first look within the period"),
        pytest.param(14 * DAY, 14 * DAY, False, id="at the same time again"),
        pytest.param(13 * DAY + TINY, 14 * DAY - TINY, False, id="the same day"),
        pytest.param(13 * DAY - TINY, 13 * DAY, True, id="the next day"),
    ],
)
def test_one_warning_a_day(left, last_look, due):
    """A look warns if it is the first within the period, or the first of a day."""
    looked = None if last_look is None else NOW - last_look

    assert is_warning_due(NOW, last_look=looked, now=NOW - left, period=timedelta(days=14)) is due


@given(st.lists(st.integers(0, 20 * 24 * 60), unique=True).map(sorted))
def test_however_often_it_is_looked_at(minutes):
    """Any series of looks warns once for each day of the period on which there was one."""
    looks = [NOW - timedelta(minutes=left) for left in reversed(minutes)]

    warned = [
        NOW - now
        for last_look, now in zip([None, *looks], looks, strict=False)
        if is_warning_due(NOW, last_look=last_look, now=now, period=14 * DAY)
    ]

    days = {left // (24 * 60) for left in minutes if left <= 14 * 24 * 60}
    assert {left // DAY for left in warned} == days
    assert len(warned) == len(days)


def test_a_warning_names_the_limit():
    """A warning says which credential ends when, and because of which limit."""
    now = NOW + 89 * DAY

    told = warnings_due("acme", record(), Settings(), last_look=None, now=now)

    ends_at = NOW + 90 * DAY
    assert told == [ConsentEndsSoon(key="acme", at=now, limit="inactivity", ends_at=ends_at)]


@given(st.text(min_size=1))
def test_idle_credentials_are_refreshed_in_time(key):
    """Each key has one date for its refresh, between half and three quarters of the inactivity limit."""
    due_at = idle_refresh_at(key, record(), Settings())

    assert NOW + 45 * DAY <= due_at <= NOW + 67.5 * DAY
    assert due_at == idle_refresh_at(key, record(), Settings())


def test_idle_refreshes_are_spread():
    """Credentials authorized at one moment are refreshed evenly over three weeks."""
    due = [idle_refresh_at(f"tenant-{n}", record(), Settings()) for n in range(10_000)]

    days = [(moment - NOW) // DAY for moment in due]
    busiest = max(days.count(day) for day in range(45, 68))
    assert busiest < 1.25 * 10_000 / 22.5


def test_nothing_to_refresh():
    """A credential that inactivity does not end is not refreshed while idle."""
    assert idle_refresh_at("acme", record(CLIENT), Settings()) is None
    assert idle_refresh_at("acme", record(refresh_token=None), Settings()) is None


# -- when a credential cannot be used any more -------------------------------------------------------


def failing(status, now):
    changes = {"status": status, "ended": "failing", "last_refreshed_at": NOW}
    return unusable_since(record(**changes), now, Settings())


def test_only_what_was_given_up_becomes_unusable():
    """While a refresh may still succeed, a credential is usable, also after the inactivity limit."""
    late = NOW + 1000 * DAY

    assert failing(TokenStatus.RECOVERABLE, late) is None
    assert failing(TokenStatus.UNRECOVERABLE, late) == NOW + 90 * DAY


@pytest.mark.parametrize(("passed", "since"), [(-TINY, None), (0 * DAY, 90 * DAY)])
def test_it_becomes_unusable_at_the_limit(passed, since):
    """A credential that only failed is unusable from the inactivity limit on, and not before."""
    found = failing(TokenStatus.UNRECOVERABLE, NOW + 90 * DAY + passed)

    assert found == (since and NOW + since)


def test_the_limit_that_has_passed_is_named():
    """Of two limits the one that has passed first is named; before it none is."""
    lifetimes = Lifetimes.of(record(obtained_at=NOW + 300 * DAY), Settings())

    assert lifetimes.ended(NOW + 364 * DAY) is None
    assert lifetimes.ended(NOW + 365 * DAY) == "absolute"
    assert Lifetimes.of(record(), Settings()).ended(NOW + 400 * DAY) == "inactivity"
