"""What stores have in common is checked before a store is asked, and is there once."""

from __future__ import annotations

import pytest

from atlassian_auth.exceptions import ConfigurationError, VersionConflict
from atlassian_auth.stores import ABSENT, CheckedStore, MemoryStore, Target


class Untouched(CheckedStore):
    """Whatever reaches this one fails the test."""

    def _fail(self, *arguments):
        pytest.fail(f"reached: {arguments}")

    _get = _put = _delete = _keys = _lock = _fail

    async def aclose(self):
        """Nothing to close."""


CALLS = {
    "get": lambda store, name: store.get("tokens", name),
    "put": lambda store, name: store.put("tokens", name, b"value"),
    "delete": lambda store, name: store.delete("tokens", name),
    "keys": lambda store, name: store.keys(name),
}


@pytest.mark.parametrize("name", ["", "\ud800", 7])
@pytest.mark.parametrize("call", CALLS)
async def test_bad_names_reach_no_store(call, name):
    """A name that no store takes is refused before the subclass is asked."""
    with pytest.raises(ConfigurationError, match="cannot name a record"):
        await CALLS[call](Untouched(), name)


def test_bad_names_lock_nothing():
    """A lock for such a name is refused when it is asked for, not when it is entered."""
    with pytest.raises(ConfigurationError, match="key='' cannot name a record"):
        Untouched().lock("tokens", "", timeout_seconds=0)


async def test_bad_lifetimes_reach_no_store():
    """A lifetime that ended before it began is refused before the subclass is asked."""
    with pytest.raises(ConfigurationError, match="ttl_seconds=-1"):
        await Untouched().put("tokens", "acme", b"value", ttl_seconds=-1)


async def test_keys_are_sorted():
    """A subclass may return keys in any order."""

    class Unsorted(Untouched):
        async def _keys(self, namespace, now):
            return ["b", "a"]

    assert await Unsorted().keys("tokens") == ["a", "b"]


def test_a_method_that_is_missing():
    """A store that lacks one of the six cannot be made, and the error names it."""

    class Unfinished(MemoryStore):
        _put = CheckedStore._put

    with pytest.raises(TypeError, match="_put"):
        Unfinished()


@pytest.mark.parametrize(("expected", "actual"), [(None, 7), (7, 7), (ABSENT, ABSENT)])
def test_expected_versions(expected, actual):
    """A record may be changed at the version that was read, or at any if none was named."""
    Target("tokens", "acme", 0, expected).check(actual)


@pytest.mark.parametrize(("expected", "actual"), [(6, 7), (ABSENT, 7), (7, ABSENT)])
def test_other_versions(expected, actual):
    """A change of a record at another version raises a conflict that names the record."""
    with pytest.raises(VersionConflict, match="'acme' in 'tokens'"):
        Target("tokens", "acme", 0, expected).check(actual)
