"""The operating system's keyring: one record per key, and one index record per namespace.

A keyring cannot list its items. So each namespace has an index with its keys and the highest version that was
used. The index is written before a record is stored, and after a record is deleted. So a process that is
killed between the two steps may leave a key without a record, but never a record that is not listed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from atlassian_auth.exceptions import ConfigurationError, StoreError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores._keyring_items import KeyringItems
from atlassian_auth.stores._local import LocalStore
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._private import make_folders
from atlassian_auth.stores._record_file import FiledRecord, stored, unexpired, version_of
from atlassian_auth.stores._write_lock import one_writer
from atlassian_auth.stores.base import ABSENT, Hold, Stored
from atlassian_auth.stores.checked import Target
from atlassian_auth.stores.rules import check_names

if TYPE_CHECKING:
    import keyring.backend

__all__ = ["KeyringStore"]

T = TypeVar("T")

# No record has this key, because keys are not empty.
_INDEX_KEY = ""


@dataclass(frozen=True, slots=True)
class _Index:
    version: int
    expiries: Mapping[str, float | None]


class KeyringStore(LocalStore):
    """Keeps records in the keyring of the logged-in person, such as the macOS Keychain.

    It is meant for a personal computer and a few records. Safe to use from any number of tasks, event loops,
    threads and processes of one user: the locks are files in the user's state folder. A record that is too
    long for one item of the keyring (Windows keeps 1,280 characters) is stored as several items. It supports
    Windows and its Credential Manager, but has not been run there yet.

    If a process is killed while it writes, the keyring holds either the old record or the new one.

    The keyring may ask the person to unlock it, and calls wait for that. The names of items are digests.

    Args:
        service: The service name of all items. Each name is a separate store.
        backend: A keyring object; None uses the one that the package ``keyring`` chooses, see
            https://keyring.readthedocs.io/en/latest/#configuring.
        clock: Decides when a record has expired and when waiting for a lock times out.

    Raises:
        ConfigurationError: if ``service`` is empty, or the packages of the extra ``keyring`` are missing.
    """

    def __init__(
        self,
        service: str = "atlassian-auth",
        *,
        backend: keyring.backend.KeyringBackend | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        check_names(service=service)
        self._items = KeyringItems(service, backend)
        self._folder = _state_folder() / hashlib.sha256(service.encode()).hexdigest()
        super().__init__(f"KeyringStore {service}", _close_nothing, self._folder, clock)

    async def _get(self, target: Target) -> Stored | None:
        found = await self._call(self._run_alone, lambda: self._items.read(*target.name))
        return stored(unexpired(found, target.now))

    async def _put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        def put() -> int:
            present = self._find(target)
            index = self._delete_expired(target.namespace, target.now)
            version = max(index.version, version_of(present)) + 1
            self._write_index(
                target.namespace, _Index(version, {**index.expiries, target.key: expires_at})
            )
            self._items.write(FiledRecord(*target.name, version, expires_at, value))
            return version

        return await self._call(self._run_alone, put)

    async def _delete(self, target: Target) -> bool:
        def delete() -> bool:
            present = self._find(target)
            self._remove(*target.name, present)
            return unexpired(present, target.now) is not None

        return await self._call(self._run_alone, delete)

    async def _keys(self, namespace: str, now: float) -> list[str]:
        def keys() -> list[str]:
            listed = self._read_index(namespace).expiries
            return [key for key in listed if unexpired(self._items.read(namespace, key), now)]

        return await self._call(self._run_alone, keys)

    @asynccontextmanager
    async def _lock(self, namespace: str, key: str, timeout_seconds: float) -> AsyncGenerator[Hold]:
        await self._worker.run(lambda: _make_folder(self._folder))
        async with super()._lock(namespace, key, timeout_seconds) as lock:
            yield lock

    def _find(self, target: Target) -> FiledRecord | None:
        record = self._items.read(*target.name)
        target.check(version_of(unexpired(record, target.now)))
        return record

    def _run_alone(self, work: Callable[[], T], patience: Patience) -> T:
        # Readers exclude writers too: some backends rewrite a file in place.
        _make_folder(self._folder)
        with one_writer(self._folder / "write", patience):
            return work()

    def _read_index(self, namespace: str) -> _Index:
        record = self._items.read(namespace, _INDEX_KEY)
        if record is None:
            return _Index(ABSENT, {})
        return _Index(record.version, json.loads(record.value))

    def _write_index(self, namespace: str, index: _Index) -> None:
        expiries = json.dumps(index.expiries).encode()
        self._items.write(FiledRecord(namespace, _INDEX_KEY, index.version, None, expiries))

    def _remove(self, namespace: str, key: str, present: FiledRecord | None) -> None:
        index = self._read_index(namespace)
        if present is not None and present.version > index.version:
            # The index item was deleted by a person. Note this version again, so that it is not reused.
            index = _Index(present.version, {**index.expiries, key: present.expires_at})
            self._write_index(namespace, index)
        self._items.remove(namespace, key)
        if key in index.expiries:
            others = {other: end for other, end in index.expiries.items() if other != key}
            self._write_index(namespace, _Index(index.version, others))

    def _delete_expired(self, namespace: str, now: float) -> _Index:
        """Delete the expired records, and return the index without them."""
        index = self._read_index(namespace)
        expiries = dict(index.expiries)
        for key in [key for key, end in expiries.items() if end is not None and end <= now]:
            record = self._items.read(namespace, key)
            if record is not None and not record.is_expired(now):
                # A process was killed after it wrote the index and before it wrote the record.
                expiries[key] = record.expires_at
                continue
            self._items.remove(namespace, key)
            del expiries[key]
        return _Index(index.version, expiries)


def _state_folder() -> Path:
    # Not the runtime folder: a service and a terminal of the same user may have different ones.
    try:
        import platformdirs  # noqa: PLC0415 -- an extra
    except ImportError:
        message = "KeyringStore needs platformdirs: pip install 'atlassian-auth[keyring]'"
        raise ConfigurationError(message) from None
    return platformdirs.user_state_path("atlassian-auth", appauthor=False) / "keyring"


def _make_folder(folder: Path) -> None:
    try:
        make_folders(folder)
    except OSError as error:
        message = (
            f"{folder} cannot be created ({error.strerror}). KeyringStore needs it for its locks. The user's "
            "state folder must be writable (XDG_STATE_HOME, by default in the home folder)."
        )
        raise StoreError(message) from None


def _close_nothing() -> None:
    """Do nothing: a keyring has no connection to close."""
