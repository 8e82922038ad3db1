"""The operating system's keyring: a record under each key, and one per namespace that lists its keys.

A keyring can neither list nor compare. So each namespace has an index: its keys, and the highest
version it has given. It is written before a record is stored and after one is deleted: a process
that is killed between the two leaves a name too many there, never a record that is not listed.
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
from atlassian_auth.stores._record_file import FiledRecord, alive, stored, version_of
from atlassian_auth.stores._write_lock import one_writer
from atlassian_auth.stores.base import ABSENT, Hold, Stored
from atlassian_auth.stores.checked import Target
from atlassian_auth.stores.rules import check_names

if TYPE_CHECKING:
    import keyring.backend

__all__ = ["KeyringStore"]

T = TypeVar("T")

# No record has it.
_INDEX_KEY = ""


@dataclass(frozen=True, slots=True)
class _Index:
    version: int
    ends: Mapping[str, float | None]


class KeyringStore(LocalStore):
    """Keeps records in the keyring of the person who is logged in, such as the macOS Keychain.

    For a person's own computer and a few records. Safe to use from any number of tasks, event loops,
    threads and processes of one user: locks are files in the user's state folder. A record that is too
    long for one item of the keyring (Windows keeps 1,280 characters) is stored in several. Written for
    Windows and its Credential Manager, too, and not yet run there.

    A process that is killed at any moment leaves the record as it was or as it was to be.

    The keyring may ask the person to unlock it, and calls wait for that. Items are named by digests.

    Args:
        service: The name that all items have in common; another name is another store.
        backend: A keyring of your own; None takes the one that the package `keyring` chooses, see
            https://keyring.readthedocs.io/en/latest/#configuring.
        clock: Decides when a record's time is over and how long waiting for a lock takes.

    Raises:
        ConfigurationError: if ``service`` is empty, or the packages of the extra `keyring` are missing.
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
        super().__init__(f"KeyringStore {service}", _nothing, self._folder, clock)

    async def _get(self, target: Target) -> Stored | None:
        found = await self._call(self._alone, lambda: self._items.read(*target.name))
        return stored(alive(found, target.now))

    async def _put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        def put() -> int:
            present = self._find(target)
            index = self._buried(target.namespace, target.now)
            version = max(index.version, version_of(present)) + 1
            self._list(target.namespace, _Index(version, {**index.ends, target.key: expires_at}))
            self._items.write(FiledRecord(*target.name, version, expires_at, value))
            return version

        return await self._call(self._alone, put)

    async def _delete(self, target: Target) -> bool:
        def delete() -> bool:
            present = self._find(target)
            self._remove(*target.name, present)
            return alive(present, target.now) is not None

        return await self._call(self._alone, delete)

    async def _keys(self, namespace: str, now: float) -> list[str]:
        def keys() -> list[str]:
            listed = self._index(namespace).ends
            return [key for key in listed if alive(self._items.read(namespace, key), now)]

        return await self._call(self._alone, keys)

    @asynccontextmanager
    async def _lock(self, namespace: str, key: str, timeout_seconds: float) -> AsyncGenerator[Hold]:
        await self._worker.run(lambda: _make(self._folder))
        async with super()._lock(namespace, key, timeout_seconds) as lock:
            yield lock

    def _find(self, target: Target) -> FiledRecord | None:
        record = self._items.read(*target.name)
        target.check(version_of(alive(record, target.now)))
        return record

    def _alone(self, work: Callable[[], T], patience: Patience) -> T:
        # Who reads is alone, too: some backends rewrite a file in its place.
        _make(self._folder)
        with one_writer(self._folder / "write", patience):
            return work()

    def _index(self, namespace: str) -> _Index:
        record = self._items.read(namespace, _INDEX_KEY)
        if record is None:
            return _Index(ABSENT, {})
        return _Index(record.version, json.loads(record.value))

    def _list(self, namespace: str, index: _Index) -> None:
        ends = json.dumps(index.ends).encode()
        self._items.write(FiledRecord(namespace, _INDEX_KEY, index.version, None, ends))

    def _remove(self, namespace: str, key: str, present: FiledRecord | None) -> None:
        index = self._index(namespace)
        if present is not None and present.version > index.version:
            # Somebody deleted the index. A version of what is gone must stay known.
            index = _Index(present.version, {**index.ends, key: present.expires_at})
            self._list(namespace, index)
        self._items.remove(namespace, key)
        if key in index.ends:
            others = {other: end for other, end in index.ends.items() if other != key}
            self._list(namespace, _Index(index.version, others))

    def _buried(self, namespace: str, now: float) -> _Index:
        """Remove the records whose time is over, and return the index without them."""
        index = self._index(namespace)
        ends = dict(index.ends)
        for key in [key for key, end in ends.items() if end is not None and end <= now]:
            record = self._items.read(namespace, key)
            if record is not None and not record.is_over(now):
                # Whoever wrote the index was killed before it wrote the record.
                ends[key] = record.expires_at
                continue
            self._items.remove(namespace, key)
            del ends[key]
        return _Index(index.version, ends)


def _state_folder() -> Path:
    # Not the runtime folder: a service and a terminal of one user may have different ones.
    try:
        import platformdirs  # noqa: PLC0415 -- an extra
    except ImportError:
        message = "KeyringStore needs platformdirs: pip install 'atlassian-auth[keyring]'"
        raise ConfigurationError(message) from None
    return platformdirs.user_state_path("atlassian-auth", appauthor=False) / "keyring"


def _make(folder: Path) -> None:
    try:
        make_folders(folder)
    except OSError as error:
        message = (
            f"{folder} cannot be made ({error.strerror}); it holds the locks of KeyringStore. The user's "
            "state folder must be writable (XDG_STATE_HOME, else below the home)."
        )
        raise StoreError(message) from None


def _nothing() -> None:
    """Have nothing to close."""
