"""A URL opens the store it names, and what is no such URL is refused without being quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.migration import Transfer
from atlassian_auth.stores import (
    EncryptedStore,
    FileStore,
    KeyringStore,
    MemoryStore,
    PostgresStore,
    RedisStore,
    SQLiteStore,
    Stored,
    open_store,
)
from atlassian_auth.testing import ManualClock

ENDLESS = "x" * 2000


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory:", MemoryStore),
        ("MEMORY:", MemoryStore),
        ("memory://", MemoryStore),
        ("sqlite:///tokens.db", SQLiteStore),
        ("file:///var/lib/tokens", FileStore),
        ("keyring:atlassian-auth", KeyringStore),
        ("redis://user:secret@localhost:6379/0", RedisStore),
        ("rediss://user:secret@localhost:6379/0", RedisStore),
        ("unix:///run/redis.sock", RedisStore),
        ("postgresql://user:secret@localhost/tokens", PostgresStore),
        ("postgres://user:secret@localhost/tokens", PostgresStore),
    ],
)
def test_each_has_a_url(monkeypatch, tmp_path, url, kind):
    """Each store can be named by a URL, and naming it opens nothing."""
    monkeypatch.chdir(tmp_path)

    assert type(open_store(url)) is kind
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [("tokens.db", "tokens.db"), ("what%3F%23%20%25.db", "what?# %.db"), ("a;b&c.db", "a;b&c.db")],
)
async def test_sqlite_relative(monkeypatch, tmp_path, path, name):
    """Three slashes, and the path counts from where the process is; odd characters are encoded."""
    monkeypatch.chdir(tmp_path)
    store = open_store(f"sqlite:///{path}")

    await store.put("tokens", "acme", b"value")
    await store.aclose()

    assert (tmp_path / name).is_file()


async def test_sqlite_absolute(tmp_path):
    """Four slashes, and the path counts from the root."""
    store = open_store(f"sqlite:///{tmp_path}/tokens.db")

    await store.put("tokens", "acme", b"value")
    await store.aclose()

    assert (tmp_path / "tokens.db").is_file()


@pytest.mark.parametrize("host", ["", "localhost"])
async def test_file(tmp_path, host):
    """A ``file`` URL is a folder, by the rules of such URLs."""
    folder = tmp_path / "a b"
    store = open_store(f"file://{host}{tmp_path}/a%20b")

    await store.put("tokens", "acme", b"value")
    await store.aclose()

    assert folder.is_dir()


@pytest.mark.parametrize("url", ["memory:", "sqlite:///tokens.db"])
async def test_the_clock_is_the_callers(monkeypatch, tmp_path, url):
    """The store takes the time from the clock it is given."""
    monkeypatch.chdir(tmp_path)
    clock = ManualClock()
    store = open_store(url, clock=clock)

    version = await store.put("flows", "state", b"value", ttl_seconds=10)
    assert await store.get("flows", "state") == Stored(b"value", version)
    clock.advance(10)

    assert await store.get("flows", "state") is None
    await store.aclose()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "memory:"),
        ("memory", "memory:"),
        ("Redis", "redis://"),
        ("mysql://user:secret@host/db", "postgresql://"),
        ("http://[secret", "redis://"),
        ("postgresql+psycopg://user:secret@host/db", "Write postgresql:// without the driver"),
        ("memory:secret", "Expected memory:"),
        ("memory://secret", "Expected memory:"),
        ("sqlite:", "sqlite:////absolute"),
        ("sqlite://", "sqlite:////absolute"),
        ("sqlite:///", "sqlite:////absolute"),
        ("sqlite://secret/tokens.db", "sqlite:////absolute"),
        ("sqlite:///tokens.db?mode=secret", "sqlite:////absolute"),
        ("sqlite:///tokens.db#secret", "sqlite:////absolute"),
        ("file:", "file:///absolute"),
        ("file:///", "file:///absolute"),
        ("file://secret/folder", "file:///absolute"),
        ("file:secret", "file:///absolute"),
        ("keyring:", "keyring:service"),
        ("keyring://secret", "keyring:service"),
        ("redis:", "rediss://user:password@host"),
        ("redis://user:secret@host:port", "rediss://user:password@host"),
        ("postgresql://user:sec%zzret@host", "postgresql://user:password@host"),
        (f"mysql://{ENDLESS}", "postgresql://"),
        ("postgresql+psycopg://user:secret@host/x", "Write postgresql:// without the driver."),
        ("postgresql+secret:", "Write postgresql:// without the driver."),
    ],
)
def test_no_url_of_a_store(url, expected):
    """The error for an unknown URL says what was expected, and does not quote the URL."""
    with pytest.raises(ConfigurationError) as raised:
        open_store(url)

    assert expected in str(raised.value)
    assert "secret" not in str(raised.value)
    assert len(str(raised.value)) < 600
    assert raised.value.__cause__ is raised.value.__context__ is None


@pytest.mark.parametrize("place", ["tokens 100%.db", Path("tokens 100%.db"), "./tokens 100%.db"])
async def test_a_path(monkeypatch, tmp_path, place):
    """A path is a SQLite file, taken to the letter."""
    monkeypatch.chdir(tmp_path)
    store = open_store(place)

    await store.put("tokens", "acme", b"value")
    await store.aclose()

    assert (tmp_path / "tokens 100%.db").is_file()


@pytest.mark.parametrize("place", [None, b"tokens.db", MemoryStore], ids=repr)
def test_neither_url_nor_path(place):
    """The error for anything else says what was expected."""
    with pytest.raises(ConfigurationError, match="url must be the URL of a store") as raised:
        open_store(place)

    assert raised.value.argument == "url"


@pytest.mark.parametrize(
    ("argument", "make"),
    [
        ("store", lambda wrong: EncryptedStore(wrong, EncryptedStore.generate_key())),
        ("source", lambda wrong: Transfer(wrong, MemoryStore())),
        ("target", lambda wrong: Transfer(MemoryStore(), wrong)),
    ],
)
def test_what_takes_a_store_takes_its_url(argument, make):
    """A URL is accepted wherever a store is; anything else is refused by name."""
    make("memory:")

    with pytest.raises(ConfigurationError, match=f"{argument} must be a store such as") as raised:
        make(MemoryStore)
    assert raised.value.argument == argument


@pytest.mark.parametrize(
    "url", ["redis://redis.acme.com:6379/0", "postgresql://db.acme.com/tokens?application_name=x"]
)
def test_an_insecure_network(url):
    """A URL without verified TLS is refused, unless an argument or the URL allows it."""
    with pytest.raises(ConfigurationError, match="allow_insecure_network"):
        open_store(url)

    open_store(url, allow_insecure_network=True)
    open_store(f"{url}{'&' if '?' in url else '?'}allow_insecure_network=true")
    with pytest.raises(ConfigurationError):
        open_store(f"{url}{'&' if '?' in url else '?'}allow_insecure_network=false")
