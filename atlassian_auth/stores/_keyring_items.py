"""Records as items of a keyring, each the text of a file, and a keyring's troubles in words of ours.

Every backend raises errors of its own platform, and some keep silent: what is written is read back.
No text of an error that met a secret is passed on.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from atlassian_auth.exceptions import ConfigurationError, StoreError
from atlassian_auth.stores._record_file import FiledRecord, decode_named, encode, file_name

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

__all__ = ["KeyringItems"]

T = TypeVar("T")

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
        """Return what the item says, or None if there is none.

        Raises:
            StoreError: if the keyring cannot be read, or the item is not ours.
        """
        name = file_name(namespace, key)
        text = self._text(name)
        if text is None:
            return None
        try:
            content = base64.b64decode(text.encode("utf-8", "replace"), validate=True)
            return decode_named(namespace, key, content)
        except binascii.Error:
            problem = "is another program's: choose another `service`"
        except ValueError as error:
            problem = str(error)
        message = (
            f"The item {name} of {self._service!r} in the keyring {problem}. It was left as it is."
        )
        raise StoreError(message)

    def write(self, record: FiledRecord) -> None:
        """Store the item, and see that it is there.

        Raises:
            StoreError: if the keyring does not keep it.
        """
        name = file_name(record.namespace, record.key)
        text = base64.b64encode(encode(record)).decode()
        self._ask(
            f"keep {len(text)} characters. That may be too many: Windows keeps 1,280",
            lambda ring: ring.set_password(self._service, name, text),
        )
        if self._text(name) != text:
            message = (
                "The keyring took what it was given and did not keep it: it may be switched off "
                f"(keyring.backends.null). Choose another keyring. {_ELSEWHERE}"
            )
            raise StoreError(message)

    def remove(self, namespace: str, key: str) -> None:
        """Remove an item that is there.

        Raises:
            StoreError: if the keyring does not remove it.
        """
        name = file_name(namespace, key)
        self._ask("delete an item", lambda ring: ring.delete_password(self._service, name))
        if self._text(name) is not None:
            raise StoreError(f"The keyring was asked to delete {name} and still has it.")

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
