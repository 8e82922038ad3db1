"""The audit log keeps events in order of arrival and shows them newest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlassian_auth.testing import FakeAtlassian
from atlassian_auth.testing.audit import milliseconds_of, moment_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_an_event_happens_now(fake):
    """The clock dates an event, to the millisecond Atlassian shows."""
    fake.clock.advance(0.25)

    event = fake.add_event("Project created", category="projects")

    assert (event.id, event.summary, event.category) == (1, "Project created", "projects")
    assert moment_of(event.created_ms) == NOON + timedelta(milliseconds=250)


def test_an_event_may_arrive_late(fake):
    """The id tells the order of arrival, the time when it happened."""
    fake.add_event()

    late = fake.add_event(at=NOON - timedelta(hours=1))

    assert late.id == 2
    assert moment_of(late.created_ms) == NOON - timedelta(hours=1)


def test_many_events_lead_up_to_now(fake):
    """The last one happens now, the others before it."""
    events = fake.generate_events(3, interval=timedelta(minutes=1))

    assert [event.id for event in events] == [1, 2, 3]
    assert [moment_of(event.created_ms) for event in events] == [
        NOON - timedelta(minutes=2),
        NOON - timedelta(minutes=1),
        NOON,
    ]


def test_many_events_may_share_a_moment(fake):
    """Without an interval all happen now."""
    events = fake.generate_events(3)

    assert {moment_of(event.created_ms) for event in events} == {NOON}


def test_the_log_has_a_time_zone_even_if_a_query_has_none():
    """A moment without an offset is read as UTC."""
    assert milliseconds_of("2026-01-01T12:00:00") == milliseconds_of("2026-01-01T13:00:00+01:00")


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01T12:00:00 0000"])
def test_what_is_no_moment_is_refused(text):
    """An unescaped plus sign arrives as a space."""
    with pytest.raises(ValueError, match="isoformat"):
        milliseconds_of(text)


def test_two_emulators_share_nothing():
    """A test's events are its own."""
    first, second = FakeAtlassian(), FakeAtlassian()

    first.add_event()

    assert second.add_event().id == 1
