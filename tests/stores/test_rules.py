"""Rules that the contract cannot see from outside."""

from __future__ import annotations

import pytest

from atlassian_auth.exceptions import ConfigurationError, VersionConflict
from atlassian_auth.stores.base import ABSENT, Stored
from atlassian_auth.stores.rules import check_names, check_version, expiry, lock_timeout


@pytest.mark.parametrize("name", [b"acme", 42, None, ["acme"], ""])
def test_what_is_no_name(name):
    """A key must be non-empty text, and the error says so."""
    with pytest.raises(ConfigurationError, match=r"^key=.* expected text .str.") as raised:
        check_names(namespace="tokens", key=name)

    assert raised.value.argument == "key"


@pytest.mark.parametrize(
    ("expected", "actual", "text"),
    [
        (3, 4, "'acme' in 'tokens' is at version 4, not at version 3"),
        (3, ABSENT, "'acme' in 'tokens' is absent, not at version 3"),
        (ABSENT, 4, "'acme' in 'tokens' is at version 4, not absent"),
    ],
)
def test_conflicts_say_what_was_found(expected, actual, text):
    """A conflict names the key, the expected version and the actual one."""
    with pytest.raises(VersionConflict, match=text):
        check_version("tokens", "acme", expected=expected, actual=actual)


@pytest.mark.parametrize(("expected", "actual"), [(None, ABSENT), (None, 4), (4, 4), (0, ABSENT)])
def test_no_conflict(expected, actual):
    """A change is no conflict if any version is accepted, or the expected one is there."""
    check_version("tokens", "acme", expected=expected, actual=actual)


def test_expiry():
    """A time to live counts from now; without one there is no end."""
    assert expiry(1000.0, 0) == 1000
    assert expiry(1000.0, 2.5) == 1002.5
    assert expiry(1000.0, None) is None


def test_lock_timeout():
    """The error of a lock names the key and the time."""
    assert str(lock_timeout("tokens", "acme", 30.0)) == (
        "The lock of key 'acme' in 'tokens' was held by others for 30 s."
    )


def test_stored_values_are_not_shown():
    """The repr of a stored record shows its version only."""
    assert repr(Stored(b"secret", 7)) == "Stored(version=7)"
