"""Which of two pairs of one consent is newer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth._tokens.records.descent import REMEMBERED, Descent, fingerprint


def first(refresh_token):
    """Return the place of the first pair of a consent."""
    return Descent(fingerprint(refresh_token), 0, fingerprint(refresh_token), "")


FIRST = first("token-0")


def line(length, *, start=FIRST, name="token"):
    """Return the places of the pairs of a consent, the first one included."""
    places = [start]
    for number in range(1, length + 1):
        places.append(places[-1].next(f"{name}-{number}"))
    return places


@given(st.integers(0, 3 * REMEMBERED), st.integers(0, 3 * REMEMBERED))
def test_a_later_pair_follows_each_earlier_one(one, other):
    """However long ago a pair was issued: the later pair of its consent follows it, and it follows none."""
    places = line(3 * REMEMBERED)

    assert places[one].follows(places[other]) is (one > other)


def test_no_refresh_token_has_no_fingerprint():
    """Two pairs without a refresh token are not taken for two of one refresh token."""
    assert (fingerprint(None), fingerprint("")) == ("", "")


def test_a_consent_begins_with_its_first_refresh_token():
    """A consent is identified by its first refresh token."""
    place = Descent("", 0, "", "").next("token-0").next("token-1")

    assert place.consent == fingerprint("token-0")


@pytest.mark.parametrize("distance", [1, REMEMBERED, REMEMBERED + 1])
def test_another_consent_is_not_followed(distance):
    """No pair follows a pair of another consent."""
    other = line(2, start=first("another"), name="other")[-1]

    assert not line(2 + distance)[-1].follows(other)


@pytest.mark.parametrize("back", [1, 2, REMEMBERED, REMEMBERED + 1])
def test_a_branch_is_not_followed(back):
    """If the server accepts a spent refresh token again, the line branches, and the branch may be valid."""
    places = line(REMEMBERED + 1)
    branch = places[-1 - back].next("again")

    assert not places[-1].follows(branch)


def test_a_token_that_does_not_rotate_has_no_ancestors():
    """If the refresh token does not change, no pair follows another."""
    places = [FIRST]
    for _ in range(2 * REMEMBERED):
        places.append(places[-1].next("token-0"))

    assert not any(later.follows(earlier) for later in places for earlier in places)
    assert places[-1].spent == ""


def test_credentials_without_refresh_tokens_have_no_ancestors():
    """Pairs of client credentials have no ancestors."""
    empty = Descent("", 0, "", "")

    assert not empty.next(None).follows(empty)


def test_what_is_remembered_is_bounded():
    """The last spent tokens are remembered, as fingerprints that reveal nothing."""
    place = line(5 * REMEMBERED)[-1]

    assert place.spent.split() == [
        fingerprint(f"token-{number}") for number in range(4 * REMEMBERED, 5 * REMEMBERED)
    ]
    assert "token" not in place.spent
    assert place.count == 5 * REMEMBERED
