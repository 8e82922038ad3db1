"""KeyringStore keeps the contract in any keyring, and tells what ails one that cannot be used."""

from __future__ import annotations

import base64
import itertools
import json
import os
from pathlib import Path

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
from tests.stores.wrapped import WrappedStoreContract

pytestmark = pytest.mark.skipif(os.name != "posix", reason="flock needs POSIX")

KEY = EncryptedStore.generate_key()
FORMATS = Path(__file__).parents[1] / "records" / "formats"
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


# Each change is made once for each of its steps, in a child that is killed just before that step.
# Another child then looks at what is there, and goes on.
KILLED = """
import itertools, os, signal, sys
import anyio
import anyio._backends._asyncio
from keyrings.alt.file import PlaintextKeyring
from atlassian_auth.stores import KeyringStore, Stored

OLD, NEW = b"old" * 3000, b"new" * 3000

class Small(PlaintextKeyring):
    step = -1

    def _strike(self):
        if self.step == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.step -= 1

    def set_password(self, service, username, password):
        if len(password.encode("utf-16-le")) > 2560:
            raise OSError(1783, "CredWrite")
        self._strike()
        super().set_password(service, username, password)

    def delete_password(self, service, username):
        self._strike()
        super().delete_password(service, username)

def opened(number):
    backend = Small()
    backend.file_path = f"{sys.argv[1]}/{number}.cfg"
    return backend, KeyringStore(f"service {number}", backend=backend)

def in_child(work, *arguments):
    child = os.fork()
    if not child:
        anyio.run(work, *arguments)
        os._exit(0)
    return os.waitpid(child, 0)[1]

async def change(number):
    backend, store = opened(number)
    await store.put("tokens", "acme", OLD)
    backend.step = number
    if sys.argv[2] == "put":
        await store.put("tokens", "acme", NEW)
    else:
        await store.delete("tokens", "acme")

async def look(number):
    backend, store = opened(number)
    stored = await store.get("tokens", "acme")
    assert stored in [Stored(OLD, 1), Stored(NEW, 2), None], stored
    assert await store.keys("tokens") == (["acme"] if stored else [])
    print({None: "none", OLD: "old", NEW: "new"}[stored and stored.value], flush=True)
    await store.put("tokens", "acme", NEW)
    await store.delete("tokens", "acme")
    with open(backend.file_path) as file:
        assert sum(" = " in line for line in file) == 1

for number in itertools.count():
    status = in_child(change, number)
    assert status in (0, signal.SIGKILL), status
    assert in_child(look, number) == 0
    if status == 0:
        break
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
    """A keyring that refuses what is longer than the one of Windows keeps: 2,560 bytes of UTF-16."""

    def set_password(self, service, username, password):
        if len(password.encode("utf-16-le")) > 2560:
            raise OSError(1783, "CredWrite", f"The stub received bad data: {password}")
        super().set_password(service, username, password)


class Cutting(Keyring):
    """A keyring that cuts off what is too long, and does not say so."""

    def set_password(self, service, username, password):
        super().set_password(service, username, password[:1280])


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


class TestEncryptedKeyringStore(WrappedStoreContract):
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


def second(item):
    """Return the other of a record's two places."""
    service, name = item
    return service, f"{name}-2"


def listed(backend):
    """Return what the list of the namespace says, and see that there is one."""
    (content,) = [backend.items[one] for one in (INDEX, second(INDEX)) if one in backend.items]
    return base64.b64decode(content)


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
        """The list of keys has a key before its record is stored, and until it is deleted."""
        await store.put("tokens", "acme", b"value")
        stored = [name for what, name in backend.asked if what == "set"]
        backend.asked.clear()

        await store.delete("tokens", "acme")
        removed = [(what, name) for what, name in backend.asked if what != "get"]

        assert stored == [INDEX[1], ITEM[1]]
        assert removed == [("delete", ITEM[1]), ("set", second(INDEX)[1]), ("delete", INDEX[1])]

    async def test_nothing_is_left(self, store, backend, clock):
        """Records that were deleted or are over leave the keyring; only the list stays."""
        await store.put("tokens", "state", b"value", ttl_seconds=10)
        await store.put("tokens", "acme", b"value")
        await store.delete("tokens", "acme")
        clock.advance(10)

        await store.put("tokens", "other", b"value")
        await store.delete("tokens", "other")

        assert len(backend.items) == 1
        assert b"state" not in listed(backend)

    async def test_a_list_that_was_deleted(self, store, backend):
        """If a person deleted the list of keys, records can still be read, and versions still increase."""
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
            ("a password of mine: secret", "another program's: use another `service`"),
            (encoded("tokens", "other"), "another key"),
            (encoded("tokens", "acme")[:-8], "is damaged, or another program's"),
        ],
    )
    async def test_damaged(self, store, backend, content, text):
        """An item that is no record is an error that does not show it, and is left as it is."""
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
    """The error for an unusable keyring says what to do, and nothing changes."""

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
        """Any error of the keyring is raised as a StoreError without its text."""
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
        """If there is no keyring, the error names another store to use."""
        store = KeyringStore(backend=keyring.backends.fail.Keyring())

        with pytest.raises(
            StoreError, match=r"has no keyring.*SQLiteStore, wrapped in EncryptedStore"
        ):
            await store.get("tokens", "acme")
        await store.aclose()

    async def test_switched_off(self):
        """A keyring that keeps nothing and does not say so is found out when something is put."""
        store = KeyringStore(backend=keyring.backends.null.Keyring())

        with pytest.raises(StoreError, match=r"did not keep the record.*Choose another keyring"):
            await store.put("tokens", "acme", b"value")
        await store.aclose()

    async def test_deletes_nothing(self, clock):
        """A keyring that does not delete an item is noticed, and `delete` raises."""
        store = KeyringStore(backend=Sticky(), clock=clock)
        version = await store.put("tokens", "acme", b"value")

        with pytest.raises(StoreError, match="did not delete the item"):
            await store.delete("tokens", "acme")
        assert await store.get("tokens", "acme") == Stored(b"value", version)
        assert await store.keys("tokens") == ["acme"]
        await store.aclose()

    @pytest.mark.parametrize(
        ("kind", "error", "text"),
        [
            (
                Small,
                OSError("no room for a secret"),
                r"refused to keep 1280 characters \(OSError\)",
            ),
            (Small, KeyringLocked("dismissed"), "locked.*Unlock it"),
            (Keyring, KeyringLocked("dismissed"), "locked.*Unlock it"),
        ],
    )
    async def test_long_and_refused(self, clock, kind, error, text):
        """If the keyring refuses the parts too, the error says so, and the person is not asked again."""
        backend = kind()
        store = KeyringStore(backend=backend, clock=clock)
        version = await store.put("tokens", "acme", b"kept")
        backend.asked.clear()
        backend.trouble["set"] = [None, error]

        with pytest.raises(StoreError, match=f"{text}.*EncryptedStore") as raised:
            await store.put("tokens", "acme", LONG)

        assert "secret" not in str(raised.value)
        assert raised.value.__context__ is None
        assert len([what for what, _ in backend.asked if what == "set"]) == 2
        assert await store.get("tokens", "acme") == Stored(b"kept", version)
        await store.aclose()

    async def test_no_state_folder(self, monkeypatch, tmp_path, backend):
        """If the folder of the locks cannot be made, the error names it."""
        (tmp_path / "file").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "file"))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        store = KeyringStore(backend=backend)

        with pytest.raises(StoreError, match=r"cannot be created.*must be writable") as raised:
            await store.put("tokens", "acme", b"value")
        with pytest.raises(StoreError, match="cannot be created"):
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
        """If another user owns the folder of the locks, nothing is stored."""
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
        """If a package is missing, the error names the extra to install."""
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
        assert b"acme" not in listed(backend)
        assert await store.put("tokens", "acme", b"new", expected=ABSENT) > version


# As of Bitbucket: JSON with two tokens, which is more than ten items of Windows keep.
LONG = b'{"access_token": "%s", "refresh_token": "%s"}' % (b"aB3-" * 1000, b"xY9_" * 1000)
LATER = LONG[::-1]


def whole(backend):
    """Return how many items there are, having seen that a fresh store of these records needs as many."""
    places = [name for service, name in backend.items if "-part-" not in name]
    counts = [backend.items["atlassian-auth", name].split()[1:2] or [0] for name in places]
    assert len(backend.items) == len(places) + sum(int(count) for (count,) in counts)
    return len(places)


class TestParts:
    """A record that is too long for one item of the keyring is stored in several."""

    @pytest.mark.parametrize("kind", [Small, Cutting])
    async def test_long(self, clock, kind):
        """A record with long tokens is kept in parts and read back whole, and so is a long list of keys."""
        backend = kind()
        store = KeyringStore(backend=backend, clock=clock)
        keys = [f"{number:0500}" for number in range(4)]

        versions = [await store.put("tokens", key, LONG) for key in keys]

        assert [await store.get("tokens", key) for key in keys] == [
            Stored(LONG, version) for version in versions
        ]
        assert await store.keys("tokens") == keys
        assert whole(backend) == 1 + len(keys)
        assert max(len(text.encode("utf-16-le")) for text in backend.items.values()) == 2560
        await store.aclose()

    async def test_one_item_where_there_is_room(self, store, backend):
        """A keyring that keeps long items has one for each record."""
        await store.put("tokens", "acme", LONG)

        assert len(backend.items) == 2
        assert await store.get("tokens", "acme") == Stored(LONG, 1)

    async def test_nothing_stays_of_what_was_longer(self, clock):
        """Parts go with their record: when it is replaced, and when it is deleted."""
        backend = Small()
        store = KeyringStore(backend=backend, clock=clock)
        for value in (LONG, LONG * 2, b"short", LONG):
            await store.put("tokens", "acme", value)
            assert whole(backend) == 2

        await store.delete("tokens", "acme")

        assert len(backend.items) == 1
        await store.aclose()

    @pytest.mark.parametrize("what", ["removed", "altered", "of another record"])
    async def test_a_part_that_is_damaged(self, clock, what):
        """A part that is missing or another one's is an error that does not show it; all is left as it is."""
        backend = Small()
        store = KeyringStore(backend=backend, clock=clock)
        await store.put("tokens", "other", LATER)
        await store.put("tokens", "acme", LONG)
        part, other = (
            ("atlassian-auth", f"{file_name('tokens', key)}-part-1") for key in ("acme", "other")
        )
        damaged = {"removed": "", "altered": "secret!!", "of another record": backend.items[other]}
        backend.items[part] = damaged[what]
        if what == "removed":
            del backend.items[part]
        before = dict(backend.items)

        with pytest.raises(StoreError, match=r"is damaged|is another program's") as raised:
            await store.get("tokens", "acme")

        assert ITEM[1] in str(raised.value)
        assert "secret" not in str(raised.value)
        assert backend.items == before
        assert await store.get("tokens", "other") == Stored(LATER, 1)
        await store.aclose()


MOMENTS = ("before", "within", "torn", "after")


class Mortal(Small):
    """A keyring whose process ends at a step of its changes, in one of the ways in which it can.

    ``within`` is macOS, where an item is deleted and added again; ``torn`` is a file that was cut off.
    """

    error = Killed

    def __init__(self, moment):
        super().__init__()
        self.moment = moment
        self.steps = None

    def _strike(self, moment):
        if moment == self.moment and self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                self.steps = None
                raise self.error

    def set_password(self, service, username, password):
        self._strike("before")
        try:
            self._strike("within")
        except self.error:
            self.items.pop((service, username), None)
            raise
        try:
            self._strike("torn")
        except self.error:
            super().set_password(service, username, password[: min(len(password) // 2, 1280)])
            raise
        super().set_password(service, username, password)
        self._strike("after")

    def delete_password(self, service, username):
        self._strike("before")
        super().delete_password(service, username)
        self._strike("after")


class Failing(Mortal):
    """A keyring that fails in the same ways, and says so."""

    error = RuntimeError


@pytest.mark.campaign
class TestEveryStep:
    """Whenever a process ends or a keyring fails, the record is the old one or the new one, and whole."""

    async def change(self, backend, clock, work):
        store = KeyringStore(backend=backend, clock=clock)
        try:
            await work(store)
        except (Killed, StoreError):
            return False
        finally:
            await store.aclose()
        return True

    async def read(self, backend, clock, possible):
        store = KeyringStore(backend=backend, clock=clock)
        stored = await store.get("tokens", "acme")
        assert (stored and stored.value) in possible
        assert await store.keys("tokens") == (["acme"] if stored else [])
        await store.aclose()
        return stored

    async def go_on(self, backend, clock, later):
        store = KeyringStore(backend=backend, clock=clock)
        version = await store.put("tokens", "acme", b"value")
        assert version > later
        assert await store.get("tokens", "acme") == Stored(b"value", version)
        assert whole(backend) == len(backend.items) == 2
        await store.put("tokens", "acme", LONG)
        await store.delete("tokens", "acme")
        assert len(backend.items) == 1
        await store.aclose()

    @pytest.mark.parametrize("kind", [Mortal, Failing])
    # Where nothing was, a torn item is one that is damaged.
    @pytest.mark.parametrize(
        ("moment", "earlier"),
        [
            *itertools.product(MOMENTS, ([LONG], [b"short"], [b"short", LONG])),
            *((moment, []) for moment in MOMENTS if moment != "torn"),
        ],
    )
    async def test_put_at_every_step(self, clock, kind, moment, earlier):
        """A `put` that is killed at any step stores the record or not, and the next one tidies up."""
        old = earlier[-1] if earlier else None
        for step in itertools.count():
            backend, version = kind(moment), 0
            store = KeyringStore(backend=backend, clock=clock)
            for value in earlier:
                version = await store.put("tokens", "acme", value)
            await store.aclose()
            backend.steps = step
            done = await self.change(backend, clock, lambda s: s.put("tokens", "acme", LATER))
            survived, backend.steps = backend.steps is not None, None

            stored = await self.read(backend, clock, [LATER] if done else [old, LATER])
            if kind is Failing and not done and moment != "after":
                assert (stored and stored.value) == old
            await self.go_on(backend, clock, max(version, stored.version if stored else 0))
            if survived:
                break

        assert step > 10

    @pytest.mark.parametrize("kind", [Mortal, Failing])
    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("earlier", [[LONG], [b"short", LONG]])
    async def test_delete_at_every_step(self, clock, kind, moment, earlier):
        """A `delete` that is killed at any step leaves the record whole or removes it."""
        for step in itertools.count():
            backend, version = kind(moment), 0
            store = KeyringStore(backend=backend, clock=clock)
            for value in earlier:
                left = dict(backend.items)
                version = await store.put("tokens", "acme", value)
            # As a process leaves it that is killed before it has removed what it replaced.
            backend.items = left | backend.items
            await store.aclose()
            backend.steps = step
            done = await self.change(backend, clock, lambda s: s.delete("tokens", "acme"))
            survived, backend.steps = backend.steps is not None, None

            await self.read(backend, clock, [None] if done else [earlier[-1], None])
            if step % 2:
                store = KeyringStore(backend=backend, clock=clock)
                await store.delete("tokens", "acme")
                assert not [name for _, name in backend.items if name.startswith(ITEM[1])]
                await store.aclose()
            await self.go_on(backend, clock, version)
            if survived:
                break

        assert step >= 1

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
    @pytest.mark.parametrize("what", ["put", "delete"])
    def test_killed_at_every_change(self, run, tmp_path, what):
        """Killed between any two changes of a real keyring, a process leaves the old record or the new."""
        found = run(KILLED, tmp_path, what)

        outcome = {"put": "new", "delete": "none"}[what]
        assert found[0] == "old"
        assert found[-1] == outcome
        assert found == sorted(found, key=outcome.__eq__)
        assert len(found) > 10


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


async def test_what_an_earlier_release_has_stored(backend):
    """The items of each earlier layout are read, with their versions and lifetimes."""
    saved = json.loads((FORMATS / "1" / "keyring.json").read_text("utf-8"))
    backend.items = {("atlassian-auth", name): value for name, value in saved.items()}
    store = KeyringStore(backend=backend)

    stored = await store.get("tokens", "acme")

    assert stored.value == (FORMATS / "1" / "tokens-refreshed.json").read_bytes()
    assert await store.put("tokens", "acme", b"x", expected=stored.version) > stored.version
    assert await store.keys("flows") == ["later"]
    await store.aclose()
