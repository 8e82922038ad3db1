"""Names a store: a SQLite file or a URL, encrypted or not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import url2pathname

import platformdirs
from pydantic import SecretStr

from atlassian_auth._cli.secret import read_secret
from atlassian_auth.exceptions import ConfigurationError, StoreError
from atlassian_auth.stores import EncryptedStore, SQLiteStore, Store, open_store
from atlassian_auth.stores._private import check_owner, make_folders

__all__ = ["Place", "default_store", "is_url"]

# At least two letters: one letter is a drive of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def is_url(text: str) -> bool:
    """Return whether the text is the URL of a store, and not the path of a file."""
    return bool(_URL.match(text))


def default_store() -> Path:
    """Return the SQLite file that is used if no store is configured."""
    return platformdirs.user_data_path("atlassian-auth", appauthor=False) / "tokens.db"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A store that is not open yet. Two places with the same name are equal.

    Args:
        name: A path, or a URL, which may hold a password.
        key_file: The file with the encryption keys.
        key: The encryption key from the environment; not used if there is a file.
        setting: The option that names the store, for messages.
    """

    name: str = field(repr=False)
    key_file: Path | None = field(default=None, compare=False)
    key: SecretStr | None = field(default=None, compare=False)
    setting: str = field(default="store", compare=False)

    def __str__(self) -> str:
        return _without_password(self.name) if is_url(self.name) else self.name

    @property
    def has_password(self) -> bool:
        """Whether its URL holds a password."""
        parts = _split(self.name)
        return is_url(self.name) and bool(parts.password or "password" in parts.query)

    def exists(self) -> bool:
        """Return whether the store's file exists; True for a store on a server.

        Raises:
            StoreError: if the folder of the file does not exist.
        """
        self.check_folder()
        file = self._file()
        return file is None or file.exists()

    def check_folder(self) -> None:
        """Raise if the folder of the store's file does not exist.

        Raises:
            StoreError: if it does not exist. Only the folder of the default store is created.
        """
        file = self._file()
        if file is not None and file != default_store() and not file.parent.is_dir():
            raise StoreError(
                f"{file}: the folder {file.parent} does not exist. Create it, or name another store."
            )

    def open(self) -> Store:
        """Return the store.

        Raises:
            ConfigurationError: if the URL or a key is malformed, or a package is missing.
            StoreError: if the folder of the default store cannot be created.
        """
        if self.name == str(default_store()):
            _make_folder(default_store().parent)
        store = self._open_url() if is_url(self.name) else SQLiteStore(self.name)
        keys = self._keys()
        return EncryptedStore(store, keys) if keys else store

    def _open_url(self) -> Store:
        try:
            return open_store(self.name)
        except ConfigurationError as error:
            # Each store class names its URL argument differently; say the name of the option instead.
            wrong = str(error).replace(f"{error.argument}: ", f"{self.setting}: ", 1)
        raise ConfigurationError(wrong, argument=self.setting)

    def _keys(self) -> list[str]:
        if self.key_file is None and self.key is None:
            return []
        keys = read_secret(
            "encryption_key", file=self.key_file, given=self.key, piped=False
        ).split()
        if not keys:
            where = self.key_file or "ATLASSIAN_AUTH_ENCRYPTION_KEY"
            message = f"{where} is empty, but must have an encryption key."

            raise ConfigurationError(message, argument="encryption_key")
        return keys

    def _file(self) -> Path | None:
        if not is_url(self.name):
            return Path(self.name)
        parts = _split(self.name)
        if parts.scheme == "sqlite":
            return Path(unquote(parts.path[1:])).expanduser()
        return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _without_password(url: str) -> str:
    """Return the URL without its password, query and fragment."""
    parts = _split(url)
    if not parts.netloc:
        return url.partition("?")[0]
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}{at}{host}"
    return parts._replace(netloc=netloc, query="", fragment="").geturl()


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # opening the store raises an error that says so
        return SplitResult(url.partition(":")[0], "…", "", "", "")


def _make_folder(folder: Path) -> None:
    try:
        make_folders(folder)
        check_owner(folder, folder.stat())
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    else:
        return
    raise StoreError(f"The store's folder {folder} cannot be created: {wrong}.")
