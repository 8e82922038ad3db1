"""Records as items of a keyring, and a keyring's errors in plain words.

Each record has two item names. A new version is written under the name that is not in use, and then the old
item is removed. So there is a complete record at any moment, also if the process is killed while the backend
changes an item (on macOS `keyring` deletes an item and adds another). A record that is too long for one item
of this keyring is split into parts, and the item says how many. A record contains its digest, so parts of two
records are never joined into one.

Backends raise errors of their platform, and some fail without an error. So every write is read back. The text
of a backend's error is never repeated, because it may contain a secret.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from atlassian_auth.exceptions import ConfigurationError, StoreError
from atlassian_auth.stores._record_file import FiledRecord, decode_named, encode, file_name

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

__all__ = ["KeyringItems"]

T = TypeVar("T")

# CRED_MAX_CREDENTIAL_BLOB_SIZE of Windows is 2,560 bytes of UTF-16, the lowest limit known of any keyring.
# https://learn.microsoft.com/en-us/windows/win32/api/wincred/ns-wincred-credentialw
_PART_CHARACTERS = 1280

# A record is base64, which has no spaces, so this cannot be a record.
_IN_PARTS = re.compile(r"in ([0-9]{1,6}) parts")

_ELSEWHERE = "Or store the records in SQLiteStore, wrapped in EncryptedStore."


class KeyringItems:
    """The items of one service.

    Args:
        service: The service name of all items.
        backend: The keyring; None for the one that `keyring` chooses.

    Raises:
        ConfigurationError: if the package `keyring` is missing.
    """

    def __init__(self, service: str, backend: KeyringBackend | None) -> None:
        try:
            import keyring  # noqa: PLC0415 -- an extra
        except ImportError:
            message = "KeyringStore needs keyring: pip install 'atlassian-auth[keyring]'"
            raise ConfigurationError(message) from None
        self._service = service
        # `keyring` chooses on first use, because choosing contacts the services of the session.
        self._get_keyring: Callable[[], Any] = (
            keyring.get_keyring if backend is None else lambda: backend
        )

    def read(self, namespace: str, key: str) -> FiledRecord | None:
        """Return the latest complete record, or None.

        Raises:
            StoreError: if the keyring cannot be read, or an item of this name is not a record.
        """
        found = self._find_copies(namespace, key)
        return found[0][1] if found else None

    def write(self, record: FiledRecord) -> None:
        """Store the record, and read it back.

        Raises:
            StoreError: if the keyring does not store it. The earlier record stays as it was.
        """
        old, new = self._newest_first(record.namespace, record.key)
        self._store_text(new, base64.b64encode(encode(record)).decode())
        # The newer item counts. If the older one cannot be removed now, the next call removes it.
        with suppress(StoreError):
            self._remove_item(old)

    def remove(self, namespace: str, key: str) -> None:
        """Remove the record, and any parts that a killed process has left.

        Raises:
            StoreError: if the keyring does not remove it.
        """
        current, older = self._newest_first(namespace, key)
        # In this order: otherwise the older record would count for a moment.
        self._remove_item(older)
        self._remove_item(current)
        if self._find_copies(namespace, key):
            raise StoreError(
                f"The keyring reported no error but did not delete the item {current}."
            )

    def _newest_first(self, namespace: str, key: str) -> tuple[str, str]:
        """Return both item names: first the one in use. If there is no record, both are free."""
        found = self._find_copies(namespace, key)
        first, second = _item_names(namespace, key)
        return (first, second) if found and found[0][0] == first else (second, first)

    def _find_copies(self, namespace: str, key: str) -> list[tuple[str, FiledRecord]]:
        """Return the items that hold a complete record, with the record; the latest is first."""
        found: list[tuple[str, FiledRecord]] = []
        problem = ""
        for item in _item_names(namespace, key):
            text = self._read_joined(item)
            if text is None:
                continue
            try:
                found.append((item, decode_named(namespace, key, _decode(text))))
            except ValueError as error:
                problem = f"The item {item} of {self._service!r} in the keyring {error}."
        if problem and not found:
            raise StoreError(f"{problem} It was left as it is.")
        # Versions grow. (An index from which a key was removed keeps its version, but either copy is
        # correct.)
        return sorted(found, key=lambda one: -one[1].version)

    def _read_joined(self, item: str) -> str | None:
        text = self._read_item(item)
        in_parts = _IN_PARTS.fullmatch(text or "")
        if in_parts is None:
            return text
        return "".join(self._read_item(_part_name(item, i)) or "" for i in range(int(in_parts[1])))

    def _store_text(self, item: str, text: str) -> None:
        count = 0
        if not self._store_as_one(item, text):
            parts = range(0, len(text), _PART_CHARACTERS)
            count = len(parts)
            for i, start in enumerate(parts):
                self._store_item(_part_name(item, i), text[start : start + _PART_CHARACTERS])
            self._store_item(item, f"in {count} parts")
        with suppress(StoreError):
            self._remove_parts(item, count)

    def _store_as_one(self, item: str, text: str) -> bool:
        """Try to store the text as one item, and return whether the keyring stored all of it."""
        if len(text) <= _PART_CHARACTERS:
            self._store_item(item, text)
            return True
        try:
            self._get_keyring().set_password(self._service, item, text)
        except Exception as error:  # noqa: BLE001 -- each platform has its own error for a text that is too long
            if not _is_locked(error):
                return False
            problem = _explain("keep a record", error)
        else:
            return self._read_item(item) == text
        raise StoreError(problem)

    def _store_item(self, name: str, text: str) -> None:
        self._ask(
            f"keep {len(text)} characters",
            lambda ring: ring.set_password(self._service, name, text),
        )
        if self._read_item(name) != text:
            message = (
                "The keyring reported no error but did not keep the record. It may be turned off "
                f"(keyring.backends.null). Choose another keyring. {_ELSEWHERE}"
            )
            raise StoreError(message)

    def _remove_item(self, item: str) -> None:
        if self._read_item(item) is not None:
            self._delete_item(item)
        self._remove_parts(item, 0)

    def _remove_parts(self, item: str, count: int) -> None:
        """Remove the parts of an earlier record, except the first ``count``."""
        names = (_part_name(item, i) for i in itertools.count(count))
        present = itertools.takewhile(lambda name: self._read_item(name) is not None, names)
        # The last part first: if the process is killed here, the next call still finds all parts that remain.
        for name in reversed(list(present)):
            self._delete_item(name)

    def _delete_item(self, name: str) -> None:
        self._ask("delete an item", lambda ring: ring.delete_password(self._service, name))

    def _read_item(self, name: str) -> str | None:
        text: str | None = self._ask(
            "read an item", lambda ring: ring.get_password(self._service, name)
        )
        return text

    def _ask(self, what: str, question: Callable[[Any], T]) -> T:
        try:
            return question(self._get_keyring())
        except Exception as error:  # noqa: BLE001 -- each platform has its own errors
            problem = _explain(what, error)
        raise StoreError(problem)


def _item_names(namespace: str, key: str) -> tuple[str, str]:
    name = file_name(namespace, key)
    return name, f"{name}-2"


def _part_name(item: str, i: int) -> str:
    return f"{item}-part-{i}"


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("utf-8", "replace"), validate=True)
    except binascii.Error:
        raise ValueError("is another program's: use another `service`") from None


def _is_locked(error: Exception) -> bool:
    from keyring import errors  # noqa: PLC0415 -- was found when this was made

    return isinstance(error, errors.NoKeyringError | errors.KeyringLocked | errors.InitError)


def _explain(what: str, error: Exception) -> str:
    from keyring import errors  # noqa: PLC0415 -- was found when this was made

    kind = type(error).__name__
    if isinstance(error, errors.NoKeyringError):
        return (
            "This computer or session has no keyring that can be used. Install one that the package "
            f"`keyring` supports, or start the one of the desktop. {_ELSEWHERE}"
        )
    if isinstance(error, errors.KeyringLocked | errors.InitError):
        return f"The keyring is locked or cannot be opened ({kind}). Unlock it. {_ELSEWHERE}"
    return f"The keyring refused to {what} ({kind}). What it holds was left as it is. {_ELSEWHERE}"
