"""A token keeps its secrets, and its expiry is safe arithmetic."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pickle
import traceback
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import PydanticUserError, TypeAdapter
from pydantic_core import PydanticSerializationError, to_jsonable_python

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol.tokens import (
    Token,
    TokenPair,
    buffer_for,
    end_of,
    is_visible_ascii,
    lifetime_of,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
YEAR_SECONDS = 365 * 24 * 3600


def make(**changes):
    values = {
        "access_token": "access-secret",
        "obtained_at": NOW,
        "expires_at": NOW + HOUR,
        "refresh_token": "refresh-secret",
        "scopes": ("read:me",),
    }
    return TokenPair(**(values | changes))


def test_repr_holds_no_secret():
    """The repr of a token shows expiry and scopes only."""
    shown = f"{make()!r} {make()}"

    assert "secret" not in shown
    times = f"obtained_at={NOW!r}, expires_at={NOW + HOUR!r}"
    assert shown.startswith(f"TokenPair({times}, scopes=('read:me',))")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_is_refused(protocol):
    """Secrets do not end up in a queue or a cache by accident."""
    with pytest.raises(TypeError, match="TokenPair holds secrets") as caught:
        pickle.dumps(make(), protocol)

    assert "access-secret" not in str(caught.value)


def test_a_copy_is_the_token_itself():
    """Copying makes no second place where the secret lies."""
    token = make()

    assert copy.copy(token) is token
    assert copy.deepcopy([token])[0] is token


def test_tokens_are_frozen():
    """A token cannot be changed: several callers share it."""
    for token in (make(), make().bearer):
        with pytest.raises(FrozenInstanceError):
            token.access_token = "other"
        with pytest.raises(FrozenInstanceError):
            del token.access_token


@pytest.mark.parametrize(
    ("changes", "equal"),
    [
        pytest.param({}, True, id="same"),
        pytest.param({"access_token": "other"}, False, id="access-token"),
        pytest.param({"refresh_token": "other"}, False, id="refresh-token"),
        pytest.param({"refresh_token": "\udc00\u00e9"}, False, id="odd-refresh-token"),
        pytest.param({"refresh_token": None}, False, id="no-refresh-token"),
        pytest.param({"expires_at": NOW}, False, id="expiry"),
        pytest.param({"obtained_at": NOW - HOUR}, False, id="obtained"),
        pytest.param({"scopes": ()}, False, id="scopes"),
    ],
)
def test_equality_is_by_value(changes, equal):
    """Two tokens are equal if all their fields are, and equal ones have equal hashes."""
    other = make(**changes)

    assert (make() == other) is equal
    assert (hash(make()) == hash(other)) or not equal
    assert hash(make()) != hash(make(scopes=()))
    assert make(refresh_token=None) == make(refresh_token=None)
    assert make() != "access-secret"


@pytest.mark.parametrize("access_token", ["", "a b", "a\nb", "t\u00f6ken", None, 7])
def test_an_access_token_fits_in_a_header(access_token):
    """An access token that cannot be part of a header is refused."""
    with pytest.raises(ConfigurationError, match="visible ASCII") as caught:
        make(access_token=access_token)

    assert caught.value.argument == "access_token"


@pytest.mark.parametrize("argument", ["obtained_at", "expires_at"])
def test_times_are_aware(argument):
    """A naive time could mean any hour."""
    with pytest.raises(ConfigurationError, match="must be aware") as caught:
        make(**{argument: NOW.replace(tzinfo=None)})

    assert caught.value.argument == argument


def test_lifetime_counts_from_before_the_request():
    """The lifetime is the time between the request and the end."""
    assert make().lifetime == HOUR


@pytest.mark.parametrize(
    ("now", "expired"),
    [
        pytest.param(NOW + HOUR - timedelta(seconds=10, microseconds=1), False, id="just-before"),
        pytest.param(NOW + HOUR - timedelta(seconds=10), True, id="exactly"),
        pytest.param(NOW + HOUR - timedelta(seconds=9.999999), True, id="just-after"),
    ],
)
def test_expiry_includes_the_moment(now, expired):
    """A token ends within a margin at ``now + margin`` or before."""
    elsewhere = now.astimezone(timezone(timedelta(hours=5)))

    assert make().expires_within(timedelta(seconds=10), now) is expired
    assert make().expires_within(timedelta(seconds=10), elsewhere) is expired


def test_missing_scopes_are_those_not_granted():
    """A token says which of the required scopes it lacks."""
    token = make(scopes=("ADMIN", "read:me"))

    assert token.missing_scopes("READ read:me read:jira-work") == ("read:jira-work",)


def test_a_bearer_is_the_pair_without_its_refresh_token():
    """The bearer of a pair has its access token, times and scopes, and no refresh token."""
    bearer = make().bearer

    assert bearer == Token("access-secret", NOW, NOW + HOUR, ("read:me",))
    assert bearer.paired("refresh-secret") == make()
    assert bearer != make(refresh_token=None)
    assert not hasattr(bearer, "refresh_token")


def jsonable(value):
    """Turn it into JSON as FastAPI's ``jsonable_encoder`` goes about what it does not know."""
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    try:
        return dict(value)
    except TypeError:
        return vars(value)


PUBLISHERS = {
    "asdict": dataclasses.asdict,
    "vars": vars,
    "fastapi": jsonable,
    "pydantic": lambda value: TypeAdapter(type(value)).dump_json(value),
    "pydantic-any": to_jsonable_python,
    "json": json.dumps,
    "json-vars": lambda value: json.dumps(value, default=vars),
    "json-asdict": lambda value: json.dumps([value], default=dataclasses.asdict),
}


@pytest.mark.parametrize("publish", PUBLISHERS.values(), ids=PUBLISHERS)
@pytest.mark.parametrize("token", [make(), make().bearer], ids=["pair", "bearer"])
def test_a_token_is_not_published_by_accident(token, publish):
    """A token cannot be converted to JSON, and the error holds no secret."""
    with pytest.raises((TypeError, PydanticUserError, PydanticSerializationError)) as caught:
        publish(token)

    assert "secret" not in "".join(traceback.format_exception(caught.value)).replace(
        "holds secrets", ""
    )


@pytest.mark.parametrize("token", [make(), make().bearer], ids=["pair", "bearer"])
def test_text_of_a_token_shows_no_secret(token):
    """Also where anything that is not JSON is written as text."""
    assert "-secret" not in json.dumps([token], default=str)


def test_a_token_that_was_refused_can_be_shown():
    """An object that was never finished stands in the frames of reporters that show locals."""
    assert repr(Token.__new__(Token)) == "Token()"


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        pytest.param(3600, 3600, id="integer"),
        pytest.param(3600.0, 3600, id="float"),
        pytest.param("3600", 3600, id="text"),
        pytest.param(" 3600 ", 3600, id="text-with-spaces"),
        pytest.param("1e3", 1000, id="text-with-exponent"),
        pytest.param(1, 1, id="one"),
        pytest.param(YEAR_SECONDS - 1, YEAR_SECONDS - 1, id="just-below-the-cap"),
        pytest.param(YEAR_SECONDS, YEAR_SECONDS, id="at-the-cap"),
        pytest.param(YEAR_SECONDS + 1, YEAR_SECONDS, id="above-the-cap"),
        pytest.param(1e300, YEAR_SECONDS, id="huge"),
        pytest.param(1, 1, id="at-a-second"),
        pytest.param(0.999, 900, id="just-below-a-second"),
        pytest.param(1e-300, 900, id="tiny"),
        pytest.param(None, 900, id="missing"),
        pytest.param(0, 900, id="zero"),
        pytest.param(-1, 900, id="negative"),
        pytest.param("-5", 900, id="negative-text"),
        pytest.param("", 900, id="empty"),
        pytest.param("soon", 900, id="word"),
        pytest.param("3600s", 900, id="unit"),
        pytest.param(True, 900, id="bool"),
        pytest.param(math.nan, 900, id="nan"),
        pytest.param("nan", 900, id="nan-text"),
        pytest.param(math.inf, 900, id="infinite"),
        pytest.param("inf", 900, id="infinite-text"),
        pytest.param(10**400, 900, id="no-float"),
        pytest.param([3600], 900, id="list"),
        pytest.param({}, 900, id="object"),
    ],
)
def test_lifetime_of_odd_numbers(expires_in, seconds):
    """A finite number from one on counts, up to a year; anything else is the default."""
    assert lifetime_of(expires_in, 900) == seconds


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.lists(st.integers())
    | st.integers().map(str)
)
def test_lifetime_is_always_usable(expires_in):
    """Whatever the answer says, the lifetime is a second at least and a year at most."""
    assert 1 <= lifetime_of(expires_in, 3600) <= YEAR_SECONDS


@pytest.mark.parametrize("left", [0, 1, 3600, 3601])
def test_no_token_ends_beyond_the_calendar(left):
    """A clock at the end of time costs no pair: the token ends with the calendar."""
    last = datetime.max.replace(tzinfo=UTC)

    assert end_of(last - timedelta(seconds=left), 3600) == last - timedelta(
        seconds=max(left - 3600, 0)
    )


@pytest.mark.parametrize("margin", [timedelta.max, timedelta.min])
def test_any_margin_can_be_asked_for(margin):
    """A margin beyond the calendar is an answer, not an overflow."""
    assert make().expires_within(margin, NOW) is (margin > timedelta())


@pytest.mark.parametrize(
    ("lifetime", "buffer"),
    [(3600, 10), (40.1, 10), (40, 10), (39.6, 9.9), (4, 1), (0, 0)],
)
def test_buffer_is_at_most_a_quarter(lifetime, buffer):
    """A short-lived token is not refreshed forever."""
    assert buffer_for(lifetime, 10) == buffer


@given(st.text())
def test_visible_ascii_is_what_a_header_may_hold(text):
    """Visible ASCII is one or more characters from ``!`` to ``~``."""
    assert is_visible_ascii(text) is (text != "" and all("!" <= char <= "~" for char in text))
