"""A store of six short methods keeps what all stores promise."""

from __future__ import annotations

import pytest

from atlassian_auth.testing.store_contract import StoreContract


class TestTableStore(StoreContract):
    """The store of the example keeps the contract."""

    @pytest.fixture
    def store(self, own_store, clock):
        return own_store.TableStore(clock)

    @pytest.fixture
    def second(self, store):
        return store
