"""``Retry-After`` in all its spellings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.protocol._retry_after import retry_after_seconds

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
HOUR = 3600


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("7", 7, id="seconds"),
        pytest.param(" 7 ", 7, id="spaces"),
        pytest.param("+7", 7, id="plus"),
        pytest.param("-7", 0, id="negative"),
        pytest.param(str(HOUR - 1), HOUR - 1, id="just-below-an-hour"),
        pytest.param(str(HOUR), HOUR, id="an-hour"),
        pytest.param(str(HOUR + 1), HOUR, id="more-than-an-hour"),
        pytest.param("9" * 5000, HOUR, id="huge"),
        pytest.param("Fri, 20 Nov 2026 12:00:30 GMT", 30, id="date"),
        pytest.param("Fri, 20 Nov 2026 12:00:30 -0000", 30, id="date-without-zone"),
        pytest.param("Fri, 20 Nov 2026 13:00:30 +0100", 30, id="date-elsewhere"),
        pytest.param("Friday, 20-Nov-26 12:00:30 GMT", 30, id="obsolete-date"),
        pytest.param("Fri, 20 Nov 2026 11:59:59 GMT", 0, id="past"),
        pytest.param("Fri, 20 Nov 2999 12:00:00 GMT", HOUR, id="far-future"),
        pytest.param("", None, id="empty"),
        pytest.param("soon", None, id="word"),
        pytest.param("1.5", None, id="fraction"),
        pytest.param("1_0", None, id="underscore"),
        pytest.param("\u0663", None, id="other-digits"),
        pytest.param("Fri, 99 Nov 2026 12:00:30 GMT", None, id="no-such-day"),
    ],
)
def test_retry_after(value, seconds):
    """Seconds or a date, at least 0 and at most an hour; junk says nothing."""
    assert retry_after_seconds({"retry-after": value}, NOW) == seconds


def test_no_header_says_nothing():
    """Without the header there is no wish."""
    assert retry_after_seconds({}, NOW) is None


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        pytest.param("Fri, 20 Nov 2026 12:05:00 GMT", 60, id="servers-clock"),
        pytest.param("junk", 360, id="junk"),
    ],
)
def test_a_date_is_read_by_the_servers_clock(date, seconds):
    """A date counts from the answer's own date, if it has one: our clock may differ."""
    headers = {"retry-after": "Fri, 20 Nov 2026 12:06:00 GMT", "date": date}

    assert retry_after_seconds(headers, NOW) == seconds


@given(st.text(), st.text())
def test_junk_never_raises(value, date):
    """Whatever a proxy writes there, the result is usable."""
    seconds = retry_after_seconds({"retry-after": value, "date": date}, NOW)

    assert seconds is None or 0 <= seconds <= HOUR
