"""The package shows its stores, and imports each when it is asked for."""

from __future__ import annotations

import pytest

from atlassian_auth import stores

IMPORT = """
import sys
from atlassian_auth import stores

print("atlassian_auth.stores.sqlite" in sys.modules)
stores.MemoryStore
print("atlassian_auth.stores.sqlite" in sys.modules)
stores.SQLiteStore
print("atlassian_auth.stores.sqlite" in sys.modules)
"""


def test_every_name_is_there():
    """Each name in `__all__` can be imported."""
    assert [name for name in stores.__all__ if not hasattr(stores, name)] == []


def test_no_other_name_is_there():
    """A store that does not exist is an ordinary `AttributeError`."""
    with pytest.raises(AttributeError, match="CloudStore"):
        stores.CloudStore  # noqa: B018


def test_imported_when_asked_for(run):
    """SQLite is not imported before a program uses its store."""
    assert run(IMPORT) == ["False", "False", "True"]
