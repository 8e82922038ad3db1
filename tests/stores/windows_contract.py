"""The contract of the stores on one computer, in an interpreter that behaves as one on Windows."""

from __future__ import annotations

import pytest
from keyrings.alt.file import PlaintextKeyring

from atlassian_auth.stores import FileStore, KeyringStore, SQLiteStore
from atlassian_auth.testing.store_contract import ThreadSafeStoreContract


@pytest.fixture
def anyio_backend():
    return "asyncio"


class TestSQLiteStore(ThreadSafeStoreContract):
    """A database keeps every promise."""

    @pytest.fixture
    def store(self, clock, tmp_path):
        return SQLiteStore(tmp_path / "tokens.db", clock=clock)

    @pytest.fixture
    def second(self, clock, tmp_path):
        return SQLiteStore(tmp_path / "tokens.db", clock=clock)


class TestFileStore(ThreadSafeStoreContract):
    """A folder keeps every promise."""

    @pytest.fixture
    def store(self, clock, tmp_path):
        return FileStore(tmp_path / "tokens", clock=clock)

    @pytest.fixture
    def second(self, clock, tmp_path):
        return FileStore(tmp_path / "tokens", clock=clock)


class TestKeyringStore(ThreadSafeStoreContract):
    """A keyring keeps every promise."""

    @pytest.fixture
    def backend(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        backend = PlaintextKeyring()
        backend.file_path = str(tmp_path / "keyring.cfg")
        return backend

    @pytest.fixture
    def store(self, clock, backend):
        return KeyringStore(backend=backend, clock=clock)

    @pytest.fixture
    def second(self, clock, backend):
        return KeyringStore(backend=backend, clock=clock)
