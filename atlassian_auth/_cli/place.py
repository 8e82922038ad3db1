"""Where credentials are kept: a SQLite file, or what a URL names, encrypted or not."""

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

__all__ = ["Place", "is_url", "usual_store"]

# Two letters at least: one is a drive of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def is_url(text: str) -> bool:
    """Return whether this names a store by a URL, and not by the path of a file."""
    return bool(_URL.match(text))


def usual_store() -> Path:
    """Return the file where credentials are kept unless something else is said."""
    return platformdirs.user_data_path("atlassian-auth", appauthor=False) / "tokens.db"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A store that was not opened yet. Two with the same name are the same store.

    Args:
        name: A path, or a URL, which may hold a password.
        key_file: Where the keys are that it is encrypted with.
        key: One from the environment, if there is no file.
        setting: Under which name a command has it.
    """

    name: str = field(repr=False)
    key_file: Path | None = field(default=None, compare=False)
    key: SecretStr | None = field(default=None, compare=False)
    setting: str = field(default="store", compare=False)

    def __str__(self) -> str:
        return _shown(self.name) if is_url(self.name) else self.name

    @property
    def has_password(self) -> bool:
        """Whether its URL holds a password."""
        parts = _split(self.name)
        return is_url(self.name) and bool(parts.password or "password" in parts.query)

    def exists(self) -> bool:
        """Return whether there is something to look at, as far as can be told without asking a server.

        Raises:
            StoreError: if there is not even its folder.
        """
        self.check_folder()
        file = self._file()
        return file is None or file.exists()

    def check_folder(self) -> None:
        """Return if the folder is there that the store's file is in, or would be made in.

        Raises:
            StoreError: if it is not; only the usual store's is made.
        """
        file = self._file()
        if file is not None and file != usual_store() and not file.parent.is_dir():
            raise StoreError(
                f"{file}: there is no folder {file.parent}. Make it, or name another store."
            )

    def opened(self) -> Store:
        """Return the store.

        Raises:
            ConfigurationError: if the URL or a key is malformed, or a package is missing.
            StoreError: if the folder of the usual file cannot be made.
        """
        if self.name == str(usual_store()):
            _make_folder(usual_store().parent)
        store = self._by_url() if is_url(self.name) else SQLiteStore(self.name)
        keys = self._keys()
        return EncryptedStore(store, keys) if keys else store

    def _by_url(self) -> Store:
        try:
            return open_store(self.name)
        except ConfigurationError as error:
            # Each class of a store has its own name for the argument that a URL is here.
            wrong = str(error).replace(f"{error.argument}: ", f"{self.setting}: ", 1)
        raise ConfigurationError(wrong, argument=self.setting)

    def _keys(self) -> list[str]:
        if self.key_file is None and self.key is None:
            return []
        keys = read_secret(
            "encryption_key", file=self.key_file, given=self.key, piped=False
        ).split()
        if not keys:
            message = f"{self.key_file or 'ATLASSIAN_AUTH_ENCRYPTION_KEY'} should hold a key, and is empty."
            raise ConfigurationError(message, argument="encryption_key")
        return keys

    def _file(self) -> Path | None:
        if not is_url(self.name):
            return Path(self.name)
        parts = _split(self.name)
        if parts.scheme == "sqlite":
            return Path(unquote(parts.path[1:])).expanduser()
        return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _shown(url: str) -> str:
    """Return a URL without what may be a password in it."""
    parts = _split(url)
    if not parts.netloc:
        return url.partition("?")[0]
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}{at}{host}"
    return parts._replace(netloc=netloc, query="", fragment="").geturl()


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # which whoever opens it will say
        return SplitResult(url.partition(":")[0], "…", "", "", "")


def _make_folder(folder: Path) -> None:
    try:
        make_folders(folder)
        check_owner(folder, folder.stat())
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    else:
        return
    raise StoreError(f"The store's folder {folder} cannot be made: {wrong}.")
