"""KeyringStore keeps the contract in any keyring, and tells what ails one that cannot be used."""

from __future__ import annotations

import base64
import os
import threading

import anyio
import keyring
import keyring.backends.fail
import keyring.backends.null
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import InitError, KeyringLocked, PasswordSetError
from keyrings.alt.file import PlaintextKeyring

from atlassian_auth.exceptions import ConfigurationError, StoreError
from atlassian_auth.stores import ABSENT, EncryptedStore, KeyringStore, Stored
from atlassian_auth.stores._record_file import FiledRecord, encode, file_name
from atlassian_auth.testing.clock import ManualClock
from atlassian_auth.testing.store_contract import ThreadSafeStoreContract

pytestmark = pytest.mark.skipif(os.name != "posix", reason="flock needs POSIX")

KEY = EncryptedStore.generate_key()
# What the process itself makes of the file.
PLAINTEXT = (
    "__import__('keyrings.alt.file').alt.file.PlaintextKeyring().with_properties(file_path={!r})"
)

WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.stores import KeyringStore

try:
    KeyringStore()
except ConfigurationError as error:
    print("atlassian-auth[keyring]" in str(error))
"""


class Keyring(KeyringBackend):
    """A keyring in memory, that a test may look into and keep from working."""

    priority = 0.1

    def __init__(self):
        super().__init__()
        self.items = {}
        self.asked = []
        self.trouble = {}

    def _ask(self, what, username):
        self.asked.append((what, username))
        # Counted down: the trouble comes after so many that went well.
        if what in self.trouble:
            error, self.trouble[what] = self.trouble[what][0], self.trouble[what][1:] or [None]
            if error:
                raise error

    def get_password(self, service, username):
        self._ask("get", username)
        return self.items.get((service, username))

    def set_password(self, service, username, password):
        self._ask("set", username)
        self.items[service, username] = password

    def delete_password(self, service, username):
        self._ask("delete", username)
        del self.items[service, username]


class Small(Keyring):
    """A keyring that refuses what is longer than the one of Windows keeps."""

    def set_password(self, service, username, password):
        if len(password) > 1280:
            raise OSError(1783, "CredWrite", f"The stub received bad data: {password}")
        super().set_password(service, username, password)


class Sticky(Keyring):
    """A keyring that deletes nothing, and does not say so."""

    def delete_password(self, service, username):
        pass


@pytest.fixture(autouse=True)
def state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "atlassian-auth" / "keyring"


@pytest.fixture
def plaintext(tmp_path):
    backend = PlaintextKeyring()
    backend.file_path = str(tmp_path / "keyring.cfg")
    return backend


class TestKeyringStore(ThreadSafeStoreContract):
    """A real keyring keeps every promise."""

    @pytest.fixture
    def store(self, clock, plaintext):
        return KeyringStore(backend=plaintext, clock=clock)

    @pytest.fixture
    def second(self, clock, plaintext):
        return KeyringStore(backend=plaintext, clock=clock)


class TestEncryptedKeyringStore(ThreadSafeStoreContract):
    """With ciphertext in it, the keyring keeps every promise."""

    @pytest.fixture
    def store(self, clock, plaintext):
        return EncryptedStore(KeyringStore(backend=plaintext, clock=clock), KEY, clock=clock)

    @pytest.fixture
    def second(self, clock, plaintext):
        return EncryptedStore(KeyringStore(backend=plaintext, clock=clock), KEY, clock=clock)


@pytest.fixture
def backend():
    return Keyring()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def store(backend, clock):
    store = KeyringStore(backend=backend, clock=clock)
    yield store
    await store.aclose()


INDEX = ("atlassian-auth", file_name("tokens", ""))
ITEM = ("atlassian-auth", file_name("tokens", "acme"))


def encoded(namespace, key):
    return base64.b64encode(encode(FiledRecord(namespace, key, 1, None, b"secret"))).decode()


class TestItems:
    """An item per record, and one that lists them."""

    async def test_services_are_apart(self, store, backend):
        """Stores of different services share neither records nor locks."""
        other = KeyringStore("another", backend=backend)
        await store.put("tokens", "acme", b"value")

        assert await other.get("tokens", "acme") is None
        assert await other.keys("tokens") == []
        async with (
            store.lock("tokens", "acme", timeout_seconds=0),
            other.lock("tokens", "acme", timeout_seconds=0),
        ):
            pass
        await other.aclose()

    async def test_the_keyring_of_the_session(self, plaintext):
        """Without a ``backend`` the records are in the keyring that the package `keyring` has chosen."""
        usual = keyring.get_keyring()
        keyring.set_keyring(plaintext)
        try:
            await KeyringStore("mine").put("tokens", "acme", b"value")
        finally:
            keyring.set_keyring(usual)

        assert plaintext.get_password("mine", file_name("tokens", "acme"))

    def test_no_service(self):
        """A service without a name is refused."""
        with pytest.raises(ConfigurationError) as raised:
            KeyringStore("")
        assert raised.value.argument == "service"

    async def test_listed_first(self, store, backend):
        """A key is listed before its record is there, and until after it is gone."""
        await store.put("tokens", "acme", b"value")
        stored = [name for what, name in backend.asked if what == "set"]
        backend.asked.clear()

        await store.delete("tokens", "acme")
        removed = [(what, name) for what, name in backend.asked if what != "get"]

        assert stored == [INDEX[1], ITEM[1]]
        assert removed == [("delete", ITEM[1]), ("set", INDEX[1])]

    async def test_nothing_is_left(self, store, backend, clock):
        """Records that were deleted or are over leave the keyring; only the list stays."""
        await store.put("tokens", "state", b"value", ttl_seconds=10)
        await store.put("tokens", "acme", b"value")
        await store.delete("tokens", "acme")
        clock.advance(10)

        await store.put("tokens", "other", b"value")
        await store.delete("tokens", "other")

        assert backend.items.keys() == {INDEX}
        assert b"state" not in base64.b64decode(backend.items[INDEX])

    async def test_a_list_that_was_deleted(self, store, backend):
        """Where somebody deleted the list, records are still read, and versions go on."""
        versions = [await store.put("tokens", "acme", b"value") for _ in range(3)]
        del backend.items[INDEX]

        assert await store.get("tokens", "acme") == Stored(b"value", versions[-1])
        await store.delete("tokens", "acme")
        versions.append(await store.put("tokens", "acme", b"value"))
        del backend.items[INDEX]
        versions.append(await store.put("tokens", "acme", b"value"))

        assert versions == sorted(set(versions))
        assert await store.keys("tokens") == ["acme"]

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("", "is damaged, or another program's"),
            ("pass\u00fcord: secret", "another program's"),
            ("a password of mine: secret", "another program's: choose another `service`"),
            (encoded("tokens", "other"), "another key"),
            (encoded("tokens", "acme")[:-8], "is damaged, or another program's"),
        ],
    )
    async def test_damaged(self, store, backend, content, text):
        """An item that is not ours is an error that does not show it, and is left as it is."""
        backend.items[ITEM] = content

        for call in (
            lambda: store.get("tokens", "acme"),
            lambda: store.put("tokens", "acme", b"value"),
            lambda: store.delete("tokens", "acme"),
        ):
            with pytest.raises(StoreError, match=text) as raised:
                await call()
            assert raised.value.__context__ is None
            assert "secret" not in str(raised.value)
            assert ITEM[1] in str(raised.value)

        assert backend.items == {ITEM: content}


class TestTroubles:
    """A keyring that cannot be used is told with what to do, and nothing changes."""

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (KeyringLocked("dismissed"), "locked.*Unlock it.*EncryptedStore"),
            (InitError("no collection"), "locked or cannot be opened.*Unlock it"),
            (PasswordSetError("secret-value"), r"refused to.*\(PasswordSetError\).*EncryptedStore"),
            (RuntimeError("secret-value"), r"refused to.*\(RuntimeError\)"),
        ],
    )
    @pytest.mark.parametrize("what", ["get", "set", "delete"])
    async def test_errors(self, store, backend, error, text, what):
        """Whatever the keyring raises comes out as `StoreError`, without the words it had for it."""
        version = await store.put("tokens", "acme", b"kept")
        before = dict(backend.items)
        backend.trouble[what] = [error]
        call = {"get": store.get, "delete": store.delete}.get(what)

        with pytest.raises(StoreError, match=text) as raised:
            await (call("tokens", "acme") if call else store.put("tokens", "acme", b"new"))

        assert "secret" not in str(raised.value)
        assert raised.value.__context__ is None
        assert backend.items == before
        assert await store.get("tokens", "acme") == Stored(b"kept", version)

    async def test_no_keyring(self):
        """Where there is no keyring, the error says what to keep the records in instead."""
        store = KeyringStore(backend=keyring.backends.fail.Keyring())

        with pytest.raises(
            StoreError, match=r"has no keyring.*SQLiteStore, wrapped in EncryptedStore"
        ):
            await store.get("tokens", "acme")
        await store.aclose()

    async def test_switched_off(self):
        """A keyring that keeps nothing and does not say so is found out when something is put."""
        store = KeyringStore(backend=keyring.backends.null.Keyring())

        with pytest.raises(StoreError, match=r"did not keep it.*Choose another keyring"):
            await store.put("tokens", "acme", b"value")
        await store.aclose()

    async def test_deletes_nothing(self, clock):
        """A keyring that does not delete what it should is found out."""
        store = KeyringStore(backend=Sticky(), clock=clock)
        version = await store.put("tokens", "acme", b"value")

        with pytest.raises(StoreError, match="still has it"):
            await store.delete("tokens", "acme")
        assert await store.get("tokens", "acme") == Stored(b"value", version)
        assert await store.keys("tokens") == ["acme"]
        await store.aclose()

    @pytest.mark.parametrize("earlier", [None, b"kept"])
    async def test_too_large(self, clock, earlier):
        """A value that does not fit is an error that says so; what was there is still there."""
        store = KeyringStore(backend=Small(), clock=clock)
        if earlier:
            await store.put("tokens", "acme", earlier)
        before = await store.get("tokens", "acme"), await store.keys("tokens")

        with pytest.raises(
            StoreError, match=r"keep 1[4-9]\d\d characters.*Windows keeps 1,280"
        ) as raised:
            await store.put("tokens", "acme", b"secret" * 170)

        assert "OSError" in str(raised.value)
        assert base64.b64encode(b"secret" * 5).decode() not in str(raised.value)
        assert (await store.get("tokens", "acme"), await store.keys("tokens")) == before
        await store.aclose()

    async def test_no_state_folder(self, monkeypatch, tmp_path, backend):
        """Where the locks cannot be made, the error names the place."""
        (tmp_path / "file").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "file"))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        store = KeyringStore(backend=backend)

        with pytest.raises(StoreError, match=r"cannot be made.*must be writable") as raised:
            await store.put("tokens", "acme", b"value")
        with pytest.raises(StoreError, match="cannot be made"):
            async with store.lock("tokens", "acme", timeout_seconds=0):
                pytest.fail("is inside")

        assert str(tmp_path / "file") in str(raised.value)
        assert backend.items == {}
        await store.aclose()

    async def test_private_folders(self, store, state_folder):
        """All folders that are made for the locks are the user's alone, whatever the umask."""
        usual = os.umask(0)
        try:
            await store.put("tokens", "acme", b"value")
        finally:
            os.umask(usual)

        (folder,) = state_folder.iterdir()
        made = [folder, state_folder, state_folder.parent, state_folder.parent.parent]
        assert {path.stat().st_mode & 0o777 for path in made} == {0o700}

    @pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="needs another user's folder")
    async def test_a_folder_of_another_user(self, store, backend, state_folder):
        """Where another user owns the folder of the locks, nothing is stored."""
        await store.get("tokens", "acme")
        (folder,) = state_folder.iterdir()
        os.chown(folder, 54321, -1)

        with pytest.raises(StoreError, match=f"{folder} belongs to another user"):
            await store.put("tokens", "acme", b"value")
        with pytest.raises(StoreError, match=f"{folder} belongs to another user"):
            async with store.lock("tokens", "acme", timeout_seconds=0):
                pytest.fail("is inside")

        assert backend.items == {}

    @pytest.mark.parametrize("package", ["keyring", "platformdirs"])
    def test_without_the_extra(self, run, package):
        """Where a package is missing, the error names the extra to install."""
        assert run(WITHOUT, package) == ["True"]


class Killed(BaseException):
    """The process ends here."""


class TestInterrupted:
    """A process that ends between two changes of the keyring loses no record."""

    @pytest.mark.parametrize("ttl_seconds", [None, 10])
    async def test_put(self, store, backend, clock, ttl_seconds):
        """Listed and not stored: the record is as it was, whatever the list says of its end."""
        version = await store.put("tokens", "acme", b"old")
        for key in ("acme", "never stored"):
            backend.trouble["set"] = [None, Killed()]
            with pytest.raises(Killed):
                await store.put("tokens", key, b"new", ttl_seconds=ttl_seconds)
        clock.advance(10)

        later = await store.put("tokens", "other", b"value")

        assert later > version
        assert await store.keys("tokens") == ["acme", "other"]
        assert await store.get("tokens", "acme") == Stored(b"old", version)

    async def test_delete(self, store, backend):
        """Deleted and still listed: it is not there, and can be stored anew."""
        version = await store.put("tokens", "acme", b"old")
        backend.trouble["set"] = [Killed()]
        with pytest.raises(Killed):
            await store.delete("tokens", "acme")

        assert await store.keys("tokens") == []
        assert not await store.delete("tokens", "acme")
        assert b"acme" not in base64.b64decode(backend.items[INDEX])
        assert await store.put("tokens", "acme", b"new", expected=ABSENT) > version


class TestProcesses:
    """Many processes, one keyring."""

    def test_no_update_is_lost(self, count_together, plaintext):
        """Processes that start together exclude each other and lose nothing."""
        number = count_together(f"KeyringStore(backend={PLAINTEXT.format(plaintext.file_path)})")

        for key in ("compared", "locked"):
            stored = anyio.run(KeyringStore(backend=plaintext).get, "tokens", key)
            assert stored.value == number

    async def test_private(self, store, state_folder):
        """The locks are in the user's state folder, the owner's alone, and named after nothing."""
        async with store.lock("tokens", "acme", timeout_seconds=0):
            (folder,) = state_folder.iterdir()
            assert folder.stat().st_mode & 0o777 == 0o700
            assert not any("acme" in path.name for path in folder.iterdir())

    async def test_one_thread(self, store):
        """The keyring is asked in one thread, which ends when the store is closed."""
        before = set(threading.enumerate())
        for number in range(3):
            await store.put("tokens", f"acme {number}", b"value")
        started = set(threading.enumerate()) - before
        (thread,) = [thread for thread in started if thread.name == "KeyringStore atlassian-auth"]

        await store.aclose()
        thread.join()

        assert not thread.is_alive()
