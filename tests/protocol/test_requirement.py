"""What a caller asks of a token: the whole table, and each boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.tokens import Token

START = datetime(2026, 1, 1, tzinfo=UTC)
TINY = timedelta(microseconds=1)


def token(lifetime_seconds: float = 3600, access_token: str = "present") -> Token:
    return Token(
        access_token=access_token,
        obtained_at=START,
        expires_at=START + timedelta(seconds=lifetime_seconds),
    )


@pytest.mark.parametrize(
    ("lifetime", "margin", "needed"),
    [
        pytest.param(3600, 0, 10, id="the-buffer"),
        pytest.param(20, 0, 5, id="a-quarter-of-a-short-life"),
        pytest.param(3600, 60, 60, id="a-margin-beyond-the-buffer"),
        pytest.param(3600, 3, 10, id="a-margin-within-the-buffer"),
    ],
)
@pytest.mark.parametrize(
    ("offset", "accepted"),
    [
        pytest.param(TINY, True, id="just-more"),
        pytest.param(timedelta(), False, id="exactly"),
        pytest.param(-TINY, False, id="just-less"),
    ],
)
def test_more_than_the_buffer_must_be_left(lifetime, margin, needed, offset, accepted):
    """A token will do only if it has more left than the buffer and the margin."""
    now = START + timedelta(seconds=lifetime - needed) - offset

    requirement = Requirement(margin_seconds=margin)

    assert requirement.accepts(token(lifetime), now, buffer_seconds=10) is accepted


@pytest.mark.parametrize(
    ("requirement", "accepted"),
    [
        pytest.param(Requirement(), True, id="any"),
        pytest.param(Requirement(rejected="present"), False, id="rejected"),
        pytest.param(Requirement(rejected="other"), True, id="another-rejected"),
        pytest.param(Requirement(forced=True), False, id="forced"),
        pytest.param(Requirement(forced=True, rejected="present"), False, id="forced-rejected"),
        pytest.param(
            Requirement(forced=True, rejected="other"), True, id="forced-another-rejected"
        ),
    ],
)
def test_a_fresh_token(requirement, accepted):
    """A fresh token will do unless it is the rejected one, or nothing but a new one is wanted."""
    assert requirement.accepts(token(), START, buffer_seconds=10) is accepted


def test_a_demand_shows_no_secret():
    """The repr of a requirement does not show the rejected token."""
    assert "secret" not in repr(Requirement(rejected="secret"))
