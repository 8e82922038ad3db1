"""Records as items of a keyring, each the text of a file, and a keyring's troubles in words of ours.

A record has two places and is written to the one where it is not, which is emptied when the new one is there:
whenever a process ends, one of them is whole. (Also if it ends within a change: on macOS `keyring` deletes an
item and adds another.) What is too long for one item of this keyring is cut into parts, and the item says how
many there are. A record carries its digest, so parts of two records are never taken for one.

Every backend raises errors of its own platform, and some keep silent: what is written is read back.
No text of an error that met a secret is passed on.
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

# CRED_MAX_CREDENTIAL_BLOB_SIZE of Windows is 2,560 bytes of UTF-16, and no keyring is known to keep less.
# https://learn.microsoft.com/en-us/windows/win32/api/wincred/ns-wincred-credentialw
_PART_CHARACTERS = 1280

# No base64, so no record.
_IN_PARTS = re.compile(r"in ([0-9]{1,6}) parts")

_ELSEWHERE = "Or keep the records in SQLiteStore, wrapped in EncryptedStore."


class KeyringItems:
    """The items of one service.

    Args:
        service: Their common name.
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
        # Chosen when it is used: choosing asks the session for its services.
        self._ring: Callable[[], Any] = keyring.get_keyring if backend is None else lambda: backend

    def read(self, namespace: str, key: str) -> FiledRecord | None:
        """Return what was written last and whole, or None if there is nothing.

        Raises:
            StoreError: if the keyring cannot be read, or what it has is not ours.
        """
        found = self._found(namespace, key)
        return found[0][1] if found else None

    def write(self, record: FiledRecord) -> None:
        """Store the record, and see that it is there.

        Raises:
            StoreError: if the keyring does not keep it; the record is as it was then.
        """
        old, new = self._newest_first(record.namespace, record.key)
        self._fill(new, base64.b64encode(encode(record)).decode())
        # The newer one counts. What cannot be removed now, the next call removes.
        with suppress(StoreError):
            self._empty(old)

    def remove(self, namespace: str, key: str) -> None:
        """Remove the record, and what a process that was killed has left of it.

        Raises:
            StoreError: if the keyring does not remove it.
        """
        current, older = self._newest_first(namespace, key)
        # The other way round an older record would come back.
        self._empty(older)
        self._empty(current)
        if self._found(namespace, key):
            raise StoreError(f"The keyring was asked to delete {current} and still has it.")

    def _newest_first(self, namespace: str, key: str) -> tuple[str, str]:
        """Return both places, the one that counts first; the first one is free if there is nothing."""
        found = self._found(namespace, key)
        first, second = _places(namespace, key)
        return (first, second) if found and found[0][0] == first else (second, first)

    def _found(self, namespace: str, key: str) -> list[tuple[str, FiledRecord]]:
        """Return the places where the record is whole, with what is there; what was written last is first."""
        found: list[tuple[str, FiledRecord]] = []
        problem = ""
        for place in _places(namespace, key):
            text = self._joined(place)
            if text is None:
                continue
            try:
                found.append((place, decode_named(namespace, key, _decoded(text))))
            except ValueError as error:
                problem = f"The item {place} of {self._service!r} in the keyring {error}."
        if problem and not found:
            raise StoreError(f"{problem} It was left as it is.")
        # Versions grow. (A list that lost a name has the version it had: which one counts is the same then.)
        return sorted(found, key=lambda one: -one[1].version)

    def _joined(self, place: str) -> str | None:
        text = self._text(place)
        in_parts = _IN_PARTS.fullmatch(text or "")
        if in_parts is None:
            return text
        return "".join(self._text(_part(place, i)) or "" for i in range(int(in_parts[1])))

    def _fill(self, place: str, text: str) -> None:
        count = 0
        if not self._fits(place, text):
            parts = range(0, len(text), _PART_CHARACTERS)
            count = len(parts)
            for i, start in enumerate(parts):
                self._keep(_part(place, i), text[start : start + _PART_CHARACTERS])
            self._keep(place, f"in {count} parts")
        with suppress(StoreError):
            self._cut(place, count)

    def _fits(self, place: str, text: str) -> bool:
        """Store the text as one item, and return whether there is room for so much."""
        if len(text) <= _PART_CHARACTERS:
            self._keep(place, text)
            return True
        try:
            self._ring().set_password(self._service, place, text)
        except Exception as error:  # noqa: BLE001 -- each platform has its own for what is too long
            if not _is_shut(error):
                return False
            problem = _explain("keep a record", error)
        else:
            return self._text(place) == text
        raise StoreError(problem)

    def _keep(self, name: str, text: str) -> None:
        self._ask(
            f"keep {len(text)} characters",
            lambda ring: ring.set_password(self._service, name, text),
        )
        if self._text(name) != text:
            message = (
                "The keyring took what it was given and did not keep it: it may be switched off "
                f"(keyring.backends.null). Choose another keyring. {_ELSEWHERE}"
            )
            raise StoreError(message)

    def _empty(self, place: str) -> None:
        if self._text(place) is not None:
            self._delete(place)
        self._cut(place, 0)

    def _cut(self, place: str, count: int) -> None:
        """Remove the parts of an earlier record that follow the first so many."""
        names = (_part(place, i) for i in itertools.count(count))
        present = itertools.takewhile(lambda name: self._text(name) is not None, names)
        # The last one first: what a killed process leaves of them is found from the first one on.
        for name in reversed(list(present)):
            self._delete(name)

    def _delete(self, name: str) -> None:
        self._ask("delete an item", lambda ring: ring.delete_password(self._service, name))

    def _text(self, name: str) -> str | None:
        text: str | None = self._ask(
            "read an item", lambda ring: ring.get_password(self._service, name)
        )
        return text

    def _ask(self, what: str, question: Callable[[Any], T]) -> T:
        try:
            return question(self._ring())
        except Exception as error:  # noqa: BLE001 -- each platform has its own
            problem = _explain(what, error)
        raise StoreError(problem)


def _places(namespace: str, key: str) -> tuple[str, str]:
    name = file_name(namespace, key)
    return name, f"{name}-2"


def _part(place: str, i: int) -> str:
    return f"{place}-part-{i}"


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("utf-8", "replace"), validate=True)
    except binascii.Error:
        raise ValueError("is another program's: choose another `service`") from None


def _is_shut(error: Exception) -> bool:
    from keyring import errors  # noqa: PLC0415 -- was found when this was made

    return isinstance(error, errors.NoKeyringError | errors.KeyringLocked | errors.InitError)


def _explain(what: str, error: Exception) -> str:
    from keyring import errors  # noqa: PLC0415 -- was found when this was made

    kind = type(error).__name__
    if isinstance(error, errors.NoKeyringError):
        return (
            "This computer, or this session, has no keyring that can be used. Install one that "
            f"`keyring` knows, or start the desktop's. {_ELSEWHERE}"
        )
    if isinstance(error, errors.KeyringLocked | errors.InitError):
        return f"The keyring is locked or cannot be opened ({kind}). Unlock it. {_ELSEWHERE}"
    return f"The keyring refused to {what} ({kind}). What it holds was left as it is. {_ELSEWHERE}"
