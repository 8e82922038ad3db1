"""A store is named by a path or a URL, and printed without its password."""

from __future__ import annotations

import os

import pytest
from pydantic import SecretStr

from atlassian_auth import ConfigurationError, StoreError
from atlassian_auth._cli.place import Place, default_store, is_url
from atlassian_auth.stores import EncryptedStore, MemoryStore, RedisStore, SQLiteStore


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("tokens.db", False),
        ("/var/lib/tokens.db", False),
        ("./a:b.db", False),
        (r"C:\tokens.db", False),
        ("sqlite:///tokens.db", True),
        ("memory:", True),
        ("redis://host:6379/0", True),
    ],
)
def test_paths_and_urls(text, url):
    """A URL begins with a scheme; the letter of a drive is not one."""
    assert is_url(text) is url


@pytest.mark.parametrize(
    ("name", "shown", "secret"),
    [
        ("tokens.db", "tokens.db", False),
        ("keyring:atlassian", "keyring:atlassian", False),
        ("redis://host:6379/0", "redis://host:6379/0", False),
        ("redis://ada@host/0", "redis://ada@host/0", False),
        ("redis://ada:@host/0", "redis://ada@host/0", False),
        ("redis://:pass-word@host/0", "redis://@host/0", True),
        ("postgresql://ada:pass-word@host/db?sslmode=require", "postgresql://ada@host/db", True),
        ("postgresql://host/db?user=ada&password=pass-word", "postgresql://host/db", True),
        ("postgresql://host/db?sslmode=require", "postgresql://host/db", False),
        ("redis://[pass-word", "redis://…", False),
    ],
)
def test_passwords_are_not_shown(name, shown, secret):
    """A password is neither in messages nor in reprs."""
    place = Place(name, key=SecretStr("pass-word"))

    assert (str(place), place.has_password) == (shown, secret)
    assert "pass-word" not in f"{place!r} {place}"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tokens.db", SQLiteStore),
        ("sqlite:///tokens.db", SQLiteStore),
        ("memory:", MemoryStore),
        ("redis://127.0.0.1:1/0", RedisStore),
    ],
)
def test_stores_are_opened_by_name(name, kind, tmp_path, monkeypatch):
    """Opening a store creates no file and sends no request."""
    monkeypatch.chdir(tmp_path)

    assert isinstance(Place(name).open(), kind)
    assert list(tmp_path.iterdir()) == []


def test_a_url_of_no_store():
    """The message lists the known schemes."""
    with pytest.raises(ConfigurationError, match="Expected one of: memory:, sqlite:///"):
        Place("mysql://host").open()


@pytest.mark.parametrize("name", ["{}/a.db", "sqlite:///{}/a.db", "file://{}/a.db"])
def test_what_exists_can_be_looked_at(tmp_path, name):
    """`exists` looks for files and folders, and does not connect to servers."""
    place = Place(name.format(tmp_path))

    before = place.exists()
    (tmp_path / "a.db").touch()

    assert (before, place.exists()) == (False, True)
    assert Place("redis://127.0.0.1:1/0").exists()


async def test_one_key_or_several(tmp_path):
    """The first key of the file encrypts, all keys decrypt, and the file precedes the environment."""
    old, new = EncryptedStore.generate_key(), EncryptedStore.generate_key()
    keys, path = tmp_path / "keys", str(tmp_path / "a.db")
    keys.write_text(f"{new}\n{old}\n", "utf-8")
    first = Place(path, key=SecretStr(old)).open()
    await first.put("tokens", "acme", b"value")
    await first.aclose()

    second = Place(path, keys, SecretStr("junk")).open()
    stored = await second.get("tokens", "acme")
    await second.put("tokens", "acme", b"value")
    with pytest.raises(Exception, match="key"):
        await first.get("tokens", "acme")
    await first.aclose()
    await second.aclose()

    assert stored.value == b"value"


def test_a_key_file_without_a_key(tmp_path):
    """An empty key file is an error."""
    (tmp_path / "key").touch()

    with pytest.raises(
        ConfigurationError, match="is empty, but must have an encryption key"
    ) as caught:
        Place(str(tmp_path / "a.db"), tmp_path / "key").open()

    assert caught.value.argument == "encryption_key"


@pytest.mark.skipif(os.name != "posix", reason="permissions need POSIX")
def test_private_folders(monkeypatch, tmp_path):
    """Only the user can read the folders of the default store, whatever the umask."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "local" / "share"))
    usual = os.umask(0)
    try:
        Place(str(default_store())).open()
    finally:
        os.umask(usual)

    made = [path for path in default_store().parents if path.is_relative_to(tmp_path / "local")]
    assert len(made) >= 2
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}


@pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="needs another user's folder")
def test_a_folder_of_another_user(monkeypatch, tmp_path):
    """A default folder that another user owns is refused."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    folder = default_store().parent
    folder.mkdir(parents=True)
    os.chown(folder, 54321, -1)

    with pytest.raises(StoreError, match="belongs to another user"):
        Place(str(default_store())).open()

    assert list(folder.iterdir()) == []
