"""EncryptedStore keeps the contract around any store, and returns nothing but what was put under the name."""

from __future__ import annotations

import asyncio
import base64
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlassian_auth.exceptions import ConfigurationError, StoreError, VersionConflict
from atlassian_auth.stores import (
    ABSENT,
    EncryptedStore,
    FileStore,
    MemoryStore,
    SQLiteStore,
    Stored,
)
from atlassian_auth.testing.clock import ManualClock
from atlassian_auth.testing.store_contract import ThreadSafeStoreContract
from tests.stores.wrapped import WrappedStoreContract

OLD = EncryptedStore.generate_key()
NEW = EncryptedStore.generate_key()
OTHER = EncryptedStore.generate_key()

WITHOUT_CRYPTOGRAPHY = """
import sys
sys.modules["cryptography.hazmat.primitives.ciphers.aead"] = None
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.stores import EncryptedStore, MemoryStore

try:
    EncryptedStore(MemoryStore(), EncryptedStore.generate_key())
except ConfigurationError as error:
    print("atlassian-auth[encryption]" in str(error))
"""


class TestAroundMemory(ThreadSafeStoreContract):
    """Around the reference it keeps every promise."""

    @pytest.fixture
    def store(self, clock):
        return EncryptedStore(MemoryStore(clock=clock), OLD, clock=clock)

    @pytest.fixture
    def second(self, store, clock):
        return EncryptedStore(store._store, [OLD, NEW], clock=clock)


class TestAroundSQLite(WrappedStoreContract):
    """Around the embedded default it keeps every promise."""

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "tokens.db"

    @pytest.fixture
    def store(self, clock, path):
        return EncryptedStore(SQLiteStore(path, clock=clock), OLD, clock=clock)

    @pytest.fixture
    def second(self, clock, path):
        return EncryptedStore(SQLiteStore(path, clock=clock), OLD, clock=clock)

    async def test_nothing_is_legible(self, store, path):
        """The file holds no value that was ever stored."""
        await store.put("tokens", "acme", b"old-secret" * 100)
        await store.put("tokens", "acme", b"new-secret" * 100)
        await store.aclose()

        assert b"secret" not in path.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="flock needs POSIX")
class TestAroundFiles(WrappedStoreContract):
    """Around a folder of files it keeps every promise."""

    @pytest.fixture
    def store(self, clock, tmp_path):
        return EncryptedStore(FileStore(tmp_path / "tokens", clock=clock), OLD, clock=clock)

    @pytest.fixture
    def second(self, clock, tmp_path):
        return EncryptedStore(FileStore(tmp_path / "tokens", clock=clock), OLD, clock=clock)


@pytest.fixture
def clock():
    return ManualClock(autojump=False)


@pytest.fixture
def inside(clock):
    return MemoryStore(clock=clock)


@pytest.fixture
def store(inside, clock):
    return EncryptedStore(inside, OLD, clock=clock)


class TestSecrecy:
    """Without a key, a person who can read the inner store learns nothing of the values."""

    async def test_equal_values(self, store, inside):
        """Nothing tells that two values are equal: each has a nonce of its own."""
        found = []
        for key in ("acme", "acme", "other"):
            await store.put("tokens", key, b"same")
            found.append((await inside.get("tokens", key)).value)

        assert len(set(found)) == 3
        assert not any(b"same" in value for value in found)

    async def test_nonces(self, inside):
        """Nonces are asked from ``random_bytes``, twelve bytes for each value."""
        asked = []

        def random_bytes(size):
            asked.append(size)
            return os.urandom(size)

        store = EncryptedStore(inside, OLD, random_bytes=random_bytes)
        await store.put("tokens", "acme", b"1")
        await store.put("tokens", "acme", b"2")

        assert asked == [12, 12]

    def test_no_key_is_shown(self, store):
        """Neither the repr nor an attribute shows a key."""
        assert OLD not in f"{store!r} {vars(store)!r}"
        assert repr(base64.urlsafe_b64decode(OLD)) not in f"{vars(store)!r}"


class TestAuthenticity:
    """A value is returned only if it was stored with one of the keys, under this very name."""

    @pytest.mark.parametrize(
        "name", [("tokens", "other"), ("flows", "acme"), ("token", "sacme"), ("tokensa", "cme")]
    )
    async def test_moved(self, store, inside, name):
        """The ciphertext of another record is refused, and left where it is."""
        await store.put("tokens", "acme", b"secret")
        moved = (await inside.get("tokens", "acme")).value
        await inside.put(*name, moved)

        with pytest.raises(StoreError, match="altered, or belongs to another name") as raised:
            await store.get(*name)

        assert raised.value.__context__ is None
        assert (await inside.get(*name)).value == moved

    async def test_moved_back(self, store, inside):
        """An older value of the same record is accepted: that much a store is trusted with."""
        await store.put("tokens", "acme", b"old")
        old = (await inside.get("tokens", "acme")).value
        await store.put("tokens", "acme", b"new")

        version = await inside.put("tokens", "acme", old)

        assert await store.get("tokens", "acme") == Stored(b"old", version)

    @settings(deadline=None)
    @given(value=st.binary(max_size=40), ttl_seconds=st.none() | st.just(60), data=st.data())
    def test_any_bit(self, value, ttl_seconds, data):
        """With any one bit turned the value is an error, never another value."""

        async def turn():
            inside = MemoryStore()
            store = EncryptedStore(inside, [OLD, NEW])
            await store.put("tokens", "acme", value, ttl_seconds=ttl_seconds)
            turned = bytearray((await inside.get("tokens", "acme")).value)
            bit = data.draw(st.integers(0, 8 * len(turned) - 1))
            turned[bit // 8] ^= 1 << bit % 8
            await inside.put("tokens", "acme", bytes(turned))
            with pytest.raises(StoreError):
                await store.get("tokens", "acme")

        asyncio.run(turn())

    async def test_cut_off(self, store, inside):
        """A value that was cut off is an error, wherever the cut is."""
        await store.put("tokens", "acme", b"value")
        whole = (await inside.get("tokens", "acme")).value

        for length in range(len(whole)):
            await inside.put("tokens", "acme", whole[:length])
            with pytest.raises(StoreError):
                await store.get("tokens", "acme")

    async def test_not_encrypted(self, store, inside):
        """A legible value is an error that shows neither it nor a way around, and it can be taken over."""
        version = await inside.put("tokens", "acme", b"legible-secret")

        with pytest.raises(
            StoreError, match=r"'acme' in 'tokens' is not encrypted.*`expected`"
        ) as raised:
            await store.get("tokens", "acme")
        with pytest.raises(StoreError, match="not encrypted"):
            await store.reencrypt("tokens")
        assert "legible-secret" not in f"{raised.value} {raised.value!r}"
        assert await inside.get("tokens", "acme") == Stored(b"legible-secret", version)

        version = await store.put("tokens", "acme", b"legible-secret", expected=version)
        assert await store.get("tokens", "acme") == Stored(b"legible-secret", version)

    async def test_unreadable_and_deleted(self, store, inside):
        """A record that cannot be decrypted can be deleted."""
        await inside.put("tokens", "acme", b"legible")

        assert await store.delete("tokens", "acme")

    async def test_another_release(self, store, inside):
        """The error for a value of a later release says so, and does not call it damaged."""
        await inside.put("tokens", "acme", b"AtlassianAuthSeal\x02" + bytes(50))

        with pytest.raises(StoreError, match="another release: upgrade"):
            await store.get("tokens", "acme")


class TestKeys:
    """The first key encrypts, each decrypts."""

    async def test_the_first_encrypts(self, inside):
        """With two keys, records are written with the first one only."""
        await EncryptedStore(inside, [NEW, OLD]).put("tokens", "acme", b"value")

        assert (await EncryptedStore(inside, NEW).get("tokens", "acme")).value == b"value"
        with pytest.raises(StoreError, match="none of those given"):
            await EncryptedStore(inside, OLD).get("tokens", "acme")

    async def test_each_decrypts(self, inside):
        """A record is read with whichever of the keys it was written."""
        await EncryptedStore(inside, OLD).put("tokens", "old", b"1")
        await EncryptedStore(inside, NEW).put("tokens", "new", b"2")

        both = EncryptedStore(inside, (NEW, OLD))

        assert (await both.get("tokens", "old")).value == b"1"
        assert (await both.get("tokens", "new")).value == b"2"

    async def test_another_key(self, store, inside):
        """The error for a wrong key names the ids of the keys, which are no secret; nothing changes."""
        await store.put("tokens", "acme", b"value")
        before = await inside.get("tokens", "acme")
        wrong = EncryptedStore(inside, OTHER)

        with pytest.raises(
            StoreError, match=r"key of id [0-9a-f]{16}, which is none.*Add that key"
        ) as raised:
            await wrong.get("tokens", "acme")

        assert OTHER not in str(raised.value)
        assert await inside.get("tokens", "acme") == before

    def test_generated(self):
        """A generated key is text of 32 random bytes."""
        assert EncryptedStore.generate_key(bytes) == "A" * 43 + "="
        assert len(base64.urlsafe_b64decode(OLD)) == 32
        assert OLD != NEW

    async def test_nearly_the_same_bytes(self, inside):
        """A key is refused if all its bytes are the same, and for nothing that is less."""
        key = base64.urlsafe_b64encode(bytes(31) + b"1").decode()

        await EncryptedStore(inside, key).put("tokens", "acme", b"value")

        assert (await EncryptedStore(inside, key).get("tokens", "acme")).value == b"value"

    async def test_blanks(self, inside):
        """A line break after the key, as in a file, is ignored."""
        await EncryptedStore(inside, f" {OLD}\n").put("tokens", "acme", b"value")

        assert (await EncryptedStore(inside, OLD).get("tokens", "acme")).value == b"value"

    @pytest.mark.parametrize(
        "keys",
        [
            pytest.param([], id="none"),
            pytest.param("", id="empty"),
            pytest.param("hunter2", id="password"),
            pytest.param(OLD[:-4], id="short"),
            pytest.param("QUFB" + OLD, id="long"),
            pytest.param([OLD, "é" * 44], id="no base64"),
            pytest.param([OLD, OLD.replace(OLD[5], "!")], id="sign"),
            pytest.param([OLD, bytes(32)], id="bytes"),
            pytest.param("A" * 43 + "=", id="zeros"),
            pytest.param([OLD, "_" * 42 + "8="], id="ones"),
        ],
    )
    def test_no_keys(self, keys):
        """A wrong key is refused without showing it, and the error says how to make one."""
        with pytest.raises(ConfigurationError, match=r"generate_key\(\)") as raised:
            EncryptedStore(MemoryStore(), keys)

        assert raised.value.argument == "keys"
        assert "hunter2" not in str(raised.value)
        assert OLD[:8] not in str(raised.value)
        assert raised.value.__context__ is None

    def test_without_cryptography(self, run):
        """If the package is missing, the error names the extra to install."""
        assert run(WITHOUT_CRYPTOGRAPHY) == ["True"]


class Meddling(MemoryStore):
    """Another process changes a record just before one of our changes, as often as it has values."""

    def __init__(self, *, clock):
        super().__init__(clock=clock)
        self.values = []

    async def put(self, namespace, key, value, *, expected=None, ttl_seconds=None):
        if expected is not None and self.values:
            await super().put(namespace, key, self.values.pop())
        return await super().put(namespace, key, value, expected=expected, ttl_seconds=ttl_seconds)


class TestReencrypt:
    """`reencrypt` moves all to the first key, and loses nothing that others do meanwhile."""

    async def test_all_are_moved(self, store, inside):
        """After `reencrypt` the old key is not needed, and records with the new key are not written again."""
        for key in ("a", "b"):
            await store.put("tokens", key, key.encode())
        await store.put("flows", "c", b"c")
        both = EncryptedStore(inside, [NEW, OLD])
        moved = await both.put("tokens", "d", b"d")

        assert await both.reencrypt("tokens", "flows") == 3
        assert await both.reencrypt("tokens", "flows") == 0

        only = EncryptedStore(inside, NEW)
        for namespace, key in (("tokens", "a"), ("tokens", "b"), ("flows", "c")):
            assert (await only.get(namespace, key)).value == key.encode()
        assert await only.get("tokens", "d") == Stored(b"d", moved)

    async def test_lifetimes_stay(self, store, inside, clock):
        """A record ends when it would have ended, and one that is kept for good is kept for good."""
        await store.put("flows", "state", b"value", ttl_seconds=60)
        await store.put("flows", "for good", b"value")
        clock.advance(40)

        assert await EncryptedStore(inside, [NEW, OLD], clock=clock).reencrypt("flows") == 2

        clock.advance(19.5)
        assert await inside.keys("flows") == ["for good", "state"]
        clock.advance(0.5)
        assert await inside.keys("flows") == ["for good"]

    async def test_others_change_it(self, clock):
        """A record that changes meanwhile is looked at again, and its newest value is kept."""
        inside = Meddling(clock=clock)
        store = EncryptedStore(inside, OLD, clock=clock)
        for value in (b"newest", b"newer", b"first"):
            await store.put("tokens", "acme", value)
            inside.values.append((await inside.get("tokens", "acme")).value)
        inside.values.pop()

        assert await EncryptedStore(inside, [NEW, OLD], clock=clock).reencrypt("tokens") == 1

        found = await EncryptedStore(inside, NEW).get("tokens", "acme")
        assert found.value == b"newest"

    async def test_others_move_it(self, clock):
        """A record that another process moves meanwhile is not moved twice."""
        inside = Meddling(clock=clock)
        await EncryptedStore(inside, [NEW, OLD]).put("tokens", "acme", b"value")
        inside.values.append((await inside.get("tokens", "acme")).value)
        await EncryptedStore(inside, OLD).put("tokens", "acme", b"value")

        assert await EncryptedStore(inside, [NEW, OLD]).reencrypt("tokens") == 0

        assert (await EncryptedStore(inside, NEW).get("tokens", "acme")).value == b"value"

    async def test_others_delete_it(self, clock):
        """A record that is deleted meanwhile stays deleted."""

        class Emptied(MemoryStore):
            async def keys(self, namespace):
                return ["gone", *await super().keys(namespace)]

        inside = Emptied(clock=clock)
        await EncryptedStore(inside, OLD).put("tokens", "acme", b"value")

        assert await EncryptedStore(inside, [NEW, OLD]).reencrypt("tokens") == 1
        assert await inside.get("tokens", "gone") is None

    async def test_stale_writers(self, store, inside):
        """A `put` with the version from before a re-encryption is a conflict."""
        version = await store.put("tokens", "acme", b"value")
        await EncryptedStore(inside, [NEW, OLD]).reencrypt("tokens")

        with pytest.raises(VersionConflict):
            await store.put("tokens", "acme", b"mine", expected=version)
        with pytest.raises(VersionConflict):
            await store.put("tokens", "acme", b"mine", expected=ABSENT)
