"""What any release has stored, this one reads. Each folder of ``formats`` is one way of writing, in order."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from atlassian_auth._tokens.records.pending import PendingFlow
from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth.stores import EncryptedStore, FileStore, MemoryStore, SQLiteStore

FORMATS = Path(__file__).with_name("formats")
NUMBERS = sorted((folder.name for folder in FORMATS.iterdir()), key=int)
MODELS = {"tokens": TokenRecord, "flows": PendingFlow}
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
VALUE = (FORMATS / "1" / "tokens-refreshed.json").read_bytes()


def written(number):
    """The records of this format, or of all, with a short name each."""
    paths = sorted(FORMATS.glob(f"{number}/*-*.json"))
    return [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in paths]


async def read(path):
    store, namespace = MemoryStore(), path.stem.partition("-")[0]
    await store.put(namespace, "acme", path.read_bytes())
    records = Records(store, namespace, MODELS[namespace])
    found = await records.get("acme")
    return found.value, store, records


@pytest.mark.parametrize("path", written("*"))
async def test_each_record_is_read(path):
    """A record of each format and each state is read."""
    record, _, _ = await read(path)

    assert record.configuration == "cloud:your-client-id@https://auth.atlassian.com/oauth/token"


@pytest.mark.parametrize("path", written(NUMBERS[-1]))
async def test_the_newest_format_is_written(path):
    """A change of what is written needs a new folder, so that the next release has it to read."""
    record, store, records = await read(path)
    namespace = path.stem.partition("-")[0]

    await records.put("acme", record)

    assert (await store.get(namespace, "acme")).value == path.read_bytes()


async def test_a_later_release_may_add_a_field(tmp_path):
    """During a rolling upgrade, a field that this release does not know changes nothing."""
    path = tmp_path / "tokens-later.json"
    path.write_bytes(VALUE.replace(b'"record":{', b'"record":{"from_a_later_release":1,'))

    record, _, _ = await read(path)

    assert record.refresh_token == "fake-refresh-3"


@pytest.mark.parametrize(
    ("name", "refresh_token", "refused"),
    [
        ("pasted", "fake-pasted", False),
        ("consented", "fake-refresh-1", False),
        ("refreshed", "fake-refresh-3", False),
        ("failing", "fake-refresh-3", False),
        ("given-up", "fake-refresh-3", False),
        ("refused", "fake-refresh-3", True),
    ],
)
@pytest.mark.parametrize("number", NUMBERS)
async def test_a_credential_means_the_same(number, name, refresh_token, refused):
    """A release presents the refresh token that an earlier one has saved, unless that was refused."""
    record, _, _ = await read(FORMATS / number / f"tokens-{name}.json")

    assert (record.refresh_token, record.refused) == (refresh_token, refused)


async def test_a_sealed_value_is_opened():
    """A value that `EncryptedStore` has sealed is opened with the same key."""
    inner = MemoryStore()
    sealed = base64.decodebytes((FORMATS / "1" / "sealed.txt").read_bytes())
    await inner.put("tokens", "acme", sealed)

    assert (await EncryptedStore(inner, KEY).get("tokens", "acme")).value == VALUE


async def test_a_database_is_opened(tmp_path):
    """A database of `SQLiteStore` is opened, and keeps its versions and lifetimes."""
    with closing(sqlite3.connect(tmp_path / "tokens.db")) as database:
        database.executescript((FORMATS / "1" / "sqlite.sql").read_text("utf-8"))
    store = SQLiteStore(tmp_path / "tokens.db")

    stored = await store.get("tokens", "acme")
    later = await store.put("tokens", "acme", stored.value, expected=stored.version)

    assert (stored.value, stored.version, later) == (VALUE, 1, 3)
    assert await store.keys("flows") == ["later"]
    await store.aclose()


async def test_a_folder_is_opened(tmp_path):
    """A folder of `FileStore` is opened, and keeps its versions."""
    shutil.copytree(FORMATS / "1" / "files", tmp_path / "files")
    store = FileStore(tmp_path / "files")

    stored = await store.get("tokens", "acme")
    later = await store.put("tokens", "acme", stored.value, expected=stored.version)

    assert (stored.value, stored.version, later) == (VALUE, 1, 2)
    await store.aclose()
