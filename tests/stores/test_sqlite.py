"""SQLiteStore keeps the contract across processes, forks and kills, and leaves other files alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest

from atlassian_auth.exceptions import ConfigurationError, StoreError
from atlassian_auth.stores import SQLiteStore, _sqlite_file
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._worker import Worker
from atlassian_auth.stores.base import Stored
from atlassian_auth.testing.store_contract import ThreadSafeStoreContract

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions need POSIX")
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
LINUX = pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs /proc/locks of Linux")
ROOT = pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="needs another user's file")

FORK = """
import os, sys
from pathlib import Path
import anyio
from atlassian_auth.stores import SQLiteStore

path = Path(sys.argv[1])
store = SQLiteStore(path)

def kernel_knows_our_locks():
    inode = f":{path.stat().st_ino} "
    locks = [line.split() for line in open("/proc/locks") if inode in line]
    return not os.path.exists("/proc/locks") or str(os.getpid()) in [lock[4] for lock in locks]

async def meet(own, other):
    if other:
        assert (await store.get("tokens", other)).value == other.encode()
    await store.put("tokens", own, own.encode())
    assert kernel_knows_our_locks()

anyio.run(meet, "parent", None)
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
    anyio.run(meet, "parent again", "child")
    print("parent")
else:
    anyio.run(meet, "child", "parent")
    print("child")
"""

FORK_WHILE_LOCKED = """
import os, sys, threading, time
from functools import partial
from pathlib import Path
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._sqlite_file import SQLiteFile

file = SQLiteFile(Path(sys.argv[1]))
waiting = threading.Event()
patience = Patience(time.monotonic() + 60, pause=lambda seconds: [waiting.set(), time.sleep(seconds)])

def put(key):
    sql = "INSERT INTO records (namespace, key, value) VALUES ('tokens', ?, 'value')"
    file.write(lambda database: database.execute(sql, (key,)), patience)

writer = threading.Thread(target=put, args=["parent"])
writer.start()
waiting.wait()
child = os.fork()
if not child:
    put("child")
    print("child", flush=True)
    os._exit(0)
print("forked", flush=True)
writer.join()
assert os.waitpid(child, 0)[1] == 0
print("parent", flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens.db"


def raw(path):
    """Look into the file without the store."""
    return closing(sqlite3.connect(path, isolation_level=None))


def kernel_locks():
    return Path("/proc/locks").read_text().splitlines()


def made(path):
    """Return the expression that makes the store in another process."""
    return f"SQLiteStore({str(path)!r})"


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.mark.every_loop
class TestSQLiteStore(ThreadSafeStoreContract):
    """The embedded default keeps every promise."""

    @pytest.fixture
    def store(self, clock, path):
        return SQLiteStore(path, clock=clock)

    @pytest.fixture
    def second(self, clock, path):
        return SQLiteStore(path, clock=clock)

    async def test_records_that_are_over_leave_the_file(self, store, clock, path):
        """A later `put` deletes expired records from the file."""
        await store.put("flows", "state", b"value", ttl_seconds=10)
        clock.advance(10)

        await store.put("tokens", "acme", b"value")

        with raw(path) as database:
            assert database.execute("SELECT key FROM records").fetchall() == [("acme",)]


@pytest.fixture
async def store(path):
    store = SQLiteStore(path)
    yield store
    await store.aclose()


class TestDurability:
    """When `put` returns, the record is on the disk, and the one that it replaced is not."""

    async def test_settings(self, store):
        """Commits reach the disk before they return, and deleted bytes are overwritten."""
        settings = ("journal_mode", "synchronous", "fullfsync", "secure_delete", "busy_timeout")

        def look(database):
            return [database.execute(f"PRAGMA {name}").fetchone()[0] for name in settings]

        found = await store._worker.run(lambda: store._file.read(look, Patience.begin()))

        assert found == ["wal", 2, 1, 1, 0]

    async def test_a_log_that_grew_shrinks(self, store, path):
        """The log grows while another program reads, and is small again after that has ended."""
        log = path.with_name("tokens.db-wal")
        await store.put("tokens", "acme", b"value")
        with raw(path) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM records").fetchone()
            for _ in range(12):
                await store.put("tokens", "acme", bytes(500_000))
            grown = log.stat().st_size

        # The first writes the log back into the file, the second begins it anew.
        for _ in range(2):
            await store.put("tokens", "acme", b"value")

        assert grown > 5_000_000
        assert log.stat().st_size < 1_000_000

    async def test_replaced_values_are_overwritten(self, store, path):
        """A token that was replaced or deleted cannot be read from the file any more."""
        await store.put("tokens", "acme", b"old-secret" * 1000)
        await store.put("tokens", "acme", b"new-secret" * 1000)
        await store.put("tokens", "other", b"other-secret" * 1000)
        await store.delete("tokens", "other")

        await store.aclose()

        content = path.read_bytes()
        assert b"new-secret" in content
        assert b"old-secret" not in content
        assert b"other-secret" not in content

    async def test_a_cancelled_put(self, store):
        """A `put` is completed even if its caller is cancelled."""
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.put("tokens", "acme", b"value")

        assert scope.cancelled_caught
        assert await store.get("tokens", "acme") == Stored(b"value", 1)

    async def test_another_writer(self, store, path):
        """While another process writes, `put` waits for it."""
        await store.put("tokens", "acme", b"old")

        with raw(path) as database:
            database.execute("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.put, "tokens", "acme", b"new")
                await anyio.wait_all_tasks_blocked()
                database.execute("COMMIT")

        assert await store.get("tokens", "acme") == Stored(b"new", 2)

    def test_at_exit(self, run_script, path):
        """A record that is saved while the interpreter exits is stored."""
        run_script("at_exit", made(path))

        with raw(path) as database:
            assert database.execute("SELECT value FROM records").fetchall() == [(b"saved",)]

    def test_a_killed_writer(self, start_script, path):
        """After a kill during a write, every record whose `put` had returned is there."""
        writer = start_script("write", made(path), 5000)
        seen = [int(writer.stdout.readline()) for _ in range(20)][-1]
        writer.kill()
        writer.wait()

        with raw(path) as database:
            ((version, value),) = database.execute("SELECT version, value FROM records")
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert version >= seen
        assert value == b"x" * 5000

    @POSIX
    def test_a_full_disk(self, run_script, path):
        """A value that does not fit is an error that does not show it, and the old record stays."""
        error, *after = run_script("full_disk", made(path), path.with_name("new"))

        assert str(path) in error
        assert after == ["False", "kept", "True"]


class TestProcesses:
    """Many processes, one file."""

    def test_no_update_is_lost(self, count_together, path):
        """Processes that start together on a new file exclude each other and lose nothing."""
        number = count_together(made(path))

        with raw(path) as database:
            found = database.execute("SELECT key, value FROM records ORDER BY key").fetchall()
        assert found == [("compared", number), ("locked", number)]
        assert list(path.with_name("tokens.db-locks").iterdir()) == []

    @FORKS
    def test_a_fork(self, run, path):
        """After a fork parent and child have connections of their own, and the kernel knows their locks."""
        assert run(FORK, path) == ["child", "parent"]
        with raw(path) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    @FORKS
    def test_forks_while_another_thread_writes(self, run_script, path):
        """A fork waits for the write in the air, and each child can write."""
        assert run_script("fork_while_writing", made(path), path) == ["11"]

    @FORKS
    def test_a_fork_that_gives_no_notice(self, path):
        """After a fork in C the parent's connection is neither used nor closed."""
        file = _sqlite_file.SQLiteFile(path)
        inherited = file.read(lambda database: database, Patience.begin())
        file._guard.after_fork_in_child()

        assert file.read(lambda database: database, Patience.begin()) is not inherited
        file.close()
        with closing(_sqlite_file._abandoned.pop()) as abandoned:
            assert abandoned is inherited
            assert abandoned.execute("PRAGMA user_version").fetchone() == (1,)

    @LINUX
    async def test_another_store_on_the_same_file(self, store, path):
        """Opening and closing another store takes the first one's locks of the file from it."""
        await store.put("tokens", "acme", b"value")
        inode = f":{path.stat().st_ino} "

        second = SQLiteStore(path)
        await second.get("tokens", "acme")
        await second.aclose()

        locks = [line for line in kernel_locks() if inode in line]
        assert any(f" {os.getpid()} " in line for line in locks)


class TestPath:
    """A path may be given in any way, and means one file."""

    async def test_a_link(self, store, path):
        """Records and locks are those of the file that a link leads to."""
        path.with_name("link").symlink_to(path)
        linked = SQLiteStore(path.with_name("link"))

        version = await linked.put("tokens", "acme", b"value")

        assert await store.get("tokens", "acme") == Stored(b"value", version)
        assert not path.is_symlink()
        async with store.lock("tokens", "acme", timeout_seconds=0):
            with pytest.raises(TimeoutError):
                async with linked.lock("tokens", "acme", timeout_seconds=0):
                    pytest.fail("two are inside")

    async def test_a_relative_path(self, monkeypatch, tmp_path, path):
        """A relative path counts from where the process was when the store was made."""
        monkeypatch.chdir(tmp_path)
        store = SQLiteStore("tokens.db")
        monkeypatch.chdir("/")

        await store.put("tokens", "acme", b"value")

        assert path.exists()

    async def test_the_home(self, monkeypatch, tmp_path, path):
        """``~`` is the user's home."""
        monkeypatch.setenv("HOME", str(tmp_path))

        await SQLiteStore("~/tokens.db").put("tokens", "acme", b"value")

        assert path.exists()

    @pytest.mark.parametrize("name", ["a?mode=memory#b", "100%.db", "ü ☂.db", "a&b=c"])
    async def test_odd_names(self, tmp_path, name):
        """The file has the name it was given, whatever that means elsewhere."""
        await SQLiteStore(tmp_path / name).put("tokens", "acme", b"value")

        assert (tmp_path / name).is_file()

    @pytest.mark.parametrize("name", ["", ":memory:", "a\0b"])
    def test_no_file(self, name):
        """A text that cannot name a file is refused at once."""
        with pytest.raises(ConfigurationError, match="MemoryStore") as raised:
            SQLiteStore(name)
        assert raised.value.argument == "path"

    def test_nothing_happens_at_first(self, path):
        """Making a store touches nothing."""
        SQLiteStore(path)

        assert list(path.parent.iterdir()) == []

    async def test_an_empty_file(self, path):
        """An empty file, as `mkstemp` makes, is taken into use."""
        path.touch()

        await SQLiteStore(path).put("tokens", "acme", b"value")

        with raw(path) as database:
            assert database.execute("SELECT key FROM records").fetchall() == [("acme",)]


@POSIX
class TestPermissions:
    """Other users cannot read the files."""

    async def test_new_files(self, store, path):
        """All files are the owner's alone from the start, whatever the umask."""
        usual = os.umask(0)
        try:
            await store.put("tokens", "acme", b"value")
        finally:
            os.umask(usual)

        assert {file.name: mode(file) for file in path.parent.iterdir()} == {
            "tokens.db": 0o600,
            "tokens.db-shm": 0o600,
            "tokens.db-wal": 0o600,
        }

    def test_from_the_start(self, path):
        """A new file is never readable for other users, not even for a moment."""
        usual = os.umask(0)
        try:
            _sqlite_file._create(path)
        finally:
            os.umask(usual)

        assert mode(path) == 0o600

    @ROOT
    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
    async def test_a_file_of_another_user(self, store, path, suffix):
        """A file of another user, who could read it, is refused and left as it is, also for root."""
        file = path.with_name(f"tokens.db{suffix}")
        file.touch()
        file.chmod(0o666)
        os.chown(file, 54321, -1)

        with pytest.raises(StoreError, match=f"{file} belongs to another user .of id 54321"):
            await store.put("tokens", "acme", b"secret")

        assert (mode(file), file.stat().st_uid, file.read_bytes()) == (0o666, 54321, b"")

    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
    async def test_a_link_in_its_place(self, store, path, suffix):
        """A link in place of the file is refused, and its target is left as it is."""
        victim = path.with_name("victim")
        victim.touch()
        victim.chmod(0o644)
        link = path.with_name(f"tokens.db{suffix}")
        link.symlink_to(victim)

        with pytest.raises(StoreError, match=f"{link} is not a regular file .but a link"):
            await store.put("tokens", "acme", b"secret")

        assert (mode(victim), victim.read_bytes()) == (0o644, b"")

    async def test_old_files(self, store, path):
        """Files that others could read are closed to them."""
        await store.put("tokens", "acme", b"value")
        for file in path.parent.iterdir():
            file.chmod(0o664)

        await SQLiteStore(path).get("tokens", "acme")

        assert {mode(file) for file in path.parent.iterdir()} == {0o600}


class TestUnusable:
    """The error for an unusable path names the path and says what to do."""

    async def refused(self, path, text):
        with pytest.raises(StoreError, match=text) as raised:
            await SQLiteStore(path).get("tokens", "acme")
        assert str(path) in str(raised.value)
        assert raised.value.__context__ is None

    async def test_no_folder(self, tmp_path):
        """The folder is not made: where secrets are kept is the user's to say."""
        await self.refused(tmp_path / "missing" / "tokens.db", "folder must exist")

        assert not (tmp_path / "missing").exists()

    async def test_a_folder_in_the_way(self, tmp_path):
        """A folder is not a file."""
        await self.refused(tmp_path, "not a regular file")

    @POSIX
    async def test_a_pipe(self, path):
        """A named pipe is refused, and the store does not wait for it."""
        os.mkfifo(path)

        await self.refused(path, "not a regular file")

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc of Linux")
    async def test_where_no_user_can_write(self):
        """A path in /proc, where not even root can make files, is refused."""
        await self.refused(Path("/proc/tokens.db"), "able to read and write both")

    async def test_a_value_that_is_none(self, store):
        """Any error of SQLite is raised as a StoreError, and the store works afterwards."""
        with pytest.raises(StoreError, match="type 'set' is not supported"):
            await store.put("tokens", "acme", {"secret"})

        assert await store.put("tokens", "acme", b"value") == 1


class Stopwatch:
    """A clock that moves with each pause only; a callback sees the pause first."""

    def __init__(self, on_pause=lambda seconds: None):
        self.seconds = 0.0
        self.pauses = []
        self.on_pause = on_pause

    def patience(self, seconds=10.0):
        return Patience(self.seconds + seconds, now=lambda: self.seconds, pause=self.pause)

    def pause(self, seconds):
        self.on_pause(seconds)
        self.pauses.append(seconds)
        self.seconds += seconds


def put(database):
    database.execute("REPLACE INTO records (namespace, key, value) VALUES ('tokens', 'a', 'b')")


def count(database):
    return database.execute("SELECT count(*) FROM records").fetchone()[0]


@pytest.fixture
def file(path):
    file = _sqlite_file.SQLiteFile(path)
    yield file
    file.close()


@pytest.fixture
def locked(path):
    """Lock the file for everybody, as another program would: for writers if it is open, else wholly."""
    with raw(path) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield database


class TestLocked:
    """A call waits for another program's lock, for ten seconds from when it was made."""

    def test_locked_while_it_is_opened(self, path, file, locked):
        """Opening the file waits until the other program has ended."""
        watch = Stopwatch()
        watch.on_pause = lambda _: len(watch.pauses) == 2 and locked.execute("ROLLBACK")

        assert file.read(count, watch.patience()) == 0
        assert len(watch.pauses) == 3

    def test_locked_while_it_is_written(self, path, file):
        """Writing waits; the transaction is made anew as a whole, and once."""
        file.write(put, Stopwatch().patience())
        watch = Stopwatch()

        with raw(path) as other:
            other.execute("BEGIN IMMEDIATE")
            watch.on_pause = lambda _: len(watch.pauses) == 2 and other.execute("ROLLBACK")
            file.write(lambda database: database.execute("DELETE FROM records"), watch.patience())

        assert len(watch.pauses) == 3
        assert file.read(count, Stopwatch().patience()) == 0

    def test_reading_waits_for_no_writer(self, path, file):
        """A read does not wait while another program writes."""
        file.write(put, Stopwatch().patience())

        with raw(path) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert file.read(count, Stopwatch().patience(0)) == 1

    @pytest.mark.usefixtures("locked")
    def test_locked_for_too_long(self, file):
        """After ten seconds the error says what keeps the file locked, and what to do."""
        watch = Stopwatch()

        with pytest.raises(StoreError, match=r"Another program.*10 s.*End that") as raised:
            file.write(put, watch.patience())

        assert raised.value.__context__ is None
        assert 10 <= watch.seconds < 10.02

    @pytest.mark.usefixtures("locked")
    async def test_many_calls_fail_together(self, file):
        """Twenty calls that were made together wait for ten seconds in all."""
        watch = Stopwatch()
        worker = Worker("worker", file.close)
        failed = []

        async def call(work):
            with pytest.raises(StoreError, match="Another program"):
                await worker.run(work)
            failed.append(work)

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(call, partial(file.read, count, watch.patience()))
                tasks.start_soon(call, partial(file.write, put, watch.patience()))
        await worker.stop()

        assert len(failed) == 20
        assert 10 <= watch.seconds < 10.02

    def test_late_and_not_locked(self, path, file):
        """A call whose time is over when its turn comes is still tried once."""
        watch = Stopwatch()
        patience = watch.patience()
        watch.seconds = 1000.0

        file.write(put, patience)

        assert file.read(count, patience) == 1

    @FORKS
    def test_a_fork_does_not_wait(self, start, path):
        """While a call waits for another program's lock, the process forks; all are well afterwards."""
        with raw(path) as other:
            other.execute("BEGIN EXCLUSIVE")
            forking = start(FORK_WHILE_LOCKED, path)
            # It would not come before the lock is free, or after the minute that the call waits.
            assert forking.stdout.readline() == "forked\n"
            other.execute("ROLLBACK")
            rest, _ = forking.communicate(timeout=60)

        assert rest.split() == ["child", "parent"]
        with raw(path) as database:
            keys = database.execute("SELECT key FROM records ORDER BY key").fetchall()
            assert keys == [("child",), ("parent",)]


KILLED_IN_A_CHANGE = """
import os, sqlite3, sys

database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 2")  # so that pages are written before the commit
if sys.argv[2:]:
    database.execute("CREATE TABLE theirs (x)")
database.execute("BEGIN IMMEDIATE")
database.execute("CREATE TABLE bulk (x)")
for _ in range(500):
    database.execute("INSERT INTO bulk VALUES (?)", ["x" * 500])
os._exit(0)
"""


class TestKilledInAChange:
    """A process was killed while it wrote; its journal takes the change back."""

    async def test_one_that_was_being_made(self, run, path):
        """A database that was being made when its process was killed is made anew."""
        run(KILLED_IN_A_CHANGE, path)
        assert path.stat().st_size
        assert Path(f"{path}-journal").stat().st_size  # noqa: ASYNC240 -- of this test alone

        store = SQLiteStore(path)
        await store.put("tokens", "acme", b"value")

        assert (await store.get("tokens", "acme")).value == b"value"
        await store.aclose()

    async def test_one_of_another_program(self, run, path):
        """An interrupted change of another program's database is rolled back, and the file is refused."""
        run(KILLED_IN_A_CHANGE, path, "theirs")

        with pytest.raises(StoreError, match="another program's file"):
            await SQLiteStore(path).keys("tokens")

        with raw(path) as database:
            tables = database.execute("SELECT name FROM sqlite_master").fetchall()
            assert tables == [("theirs",)]


@POSIX
class TestUnprivileged:
    """Missing rights are an error when the store is opened, not when a new token is saved."""

    @pytest.fixture
    def folder(self):
        # Others can enter it, unlike pytest's folders.
        folder = Path(tempfile.mkdtemp())
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o700)
        shutil.rmtree(folder)

    @pytest.fixture
    def path(self, folder):
        make_ours(folder / "tokens.db")
        return folder / "tokens.db"

    def give_away(self, *paths):
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, 65534, 65534)

    def refused(self, run_script, path):
        (text,) = run_script("unprivileged", made(path))
        assert str(path) in text
        return text.replace("_", " ")

    def test_no_right_to_make_it(self, run_script, folder):
        """In a folder that is read-only no file can be made."""
        self.give_away(folder)
        folder.chmod(0o500)

        assert "Permission denied" in self.refused(run_script, folder / "tokens.db")

    def test_a_folder_that_is_read_only(self, run_script, folder, path):
        """A file whose folder is read-only cannot be used."""
        self.give_away(folder, path)
        folder.chmod(0o500)

        assert "writable for this user" in self.refused(run_script, path)

    def test_a_file_that_is_read_only(self, run_script, folder, path):
        """A file that is read-only is refused although it could be read."""
        self.give_away(folder, path)
        path.chmod(0o400)

        assert "writable for this user" in self.refused(run_script, path)

    @ROOT
    def test_a_file_that_belongs_to_another_user(self, run_script, folder, path):
        """A file of another user is refused, also if it could be read and written."""
        self.give_away(folder)
        path.chmod(0o666)

        assert "belongs to another user" in self.refused(run_script, path)


def write_text(path):
    path.write_text("These are my notes, and not a database.\n" * 100)


def write_little(path):
    path.write_bytes(b"A short note.\n")


def write_zero(path):
    path.write_bytes(b"\0")


def write_zeros(path):
    path.write_bytes(bytes(8192))


def make_foreign(path):
    with raw(path) as database:
        database.execute("CREATE TABLE records (version, namespace, key, value, expires_at)")


def make_foreign_mark(path):
    with raw(path) as database:
        database.execute("PRAGMA application_id = 252006673")


def make_foreign_version(path):
    with raw(path) as database:
        database.execute("PRAGMA user_version = 1")


def make_foreign_wal(path):
    """Make a database whose newest content is in its log alone, as after a crash."""
    with raw(path.with_name("living")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE notes (text)")
        _move_crashed(path, "-wal")


def make_foreign_journal(path):
    """Make a database with a transaction half done, as after a crash."""
    with raw(path.with_name("living")) as database:
        database.execute("CREATE TABLE notes (text)")
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN")
        database.executemany("INSERT INTO notes VALUES (?)", [("x" * 4000,)] * 100)
        _move_crashed(path, "-journal")


def _move_crashed(path, suffix):
    for end in ("", suffix):
        shutil.copy(path.with_name(f"living{end}"), path.with_name(f"{path.name}{end}"))


def make_newer(path):
    make_ours(path)
    with raw(path) as database:
        database.execute("PRAGMA user_version = 2")


def make_truncated(path):
    make_ours(path)
    os.truncate(path, path.stat().st_size // 2)


def make_ours(path):
    file = _sqlite_file.SQLiteFile(path)
    file.write(
        lambda database: database.executemany(
            "INSERT INTO records (namespace, key, value) VALUES ('tokens', ?, ?)",
            [(f"acme {number}", b"value" * 100) for number in range(100)],
        ),
        Patience.begin(),
    )
    file.close()


def contents(folder):
    return {file.name: (file.read_bytes(), mode(file)) for file in folder.iterdir()}


class TestForeign:
    """A file that may belong to another program is refused and left as it is, to the byte."""

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            pytest.param(write_text, "not a database.*another path", id="text"),
            pytest.param(write_little, "not a database.*another path", id="one line"),
            pytest.param(write_zero, "another program's", id="one zero"),
            pytest.param(write_zeros, "not a database.*another path", id="zeros"),
            pytest.param(make_foreign, "another program's", id="foreign"),
            pytest.param(make_foreign_mark, "another program's", id="foreign mark"),
            pytest.param(make_foreign_version, "another program's", id="foreign version"),
            pytest.param(make_foreign_wal, "another program's", id="foreign log"),
            pytest.param(make_foreign_journal, "another program's", id="foreign journal"),
            pytest.param(make_newer, r"format is 2.*reads 1.*Upgrade", id="newer"),
            pytest.param(make_truncated, "malformed.*backup", id="truncated"),
        ],
    )
    async def test_left_as_it_is(self, path, make, text):
        """Neither reading nor writing nor closing changes the file or what belongs to it."""
        make(path)
        path.chmod(0o644)
        before = contents(path.parent)
        store = SQLiteStore(path)

        for call in (
            lambda: store.get("tokens", "acme"),
            lambda: store.put("tokens", "acme", b"value"),
            lambda: store.delete("tokens", "acme"),
            lambda: store.keys("tokens"),
        ):
            with pytest.raises(StoreError, match=text) as raised:
                await call()
            assert str(path) in str(raised.value)
        await store.aclose()

        after = contents(path.parent)
        assert {name: after[name] for name in before} == before
        # SQLite looks into a damaged file with an empty log at its side.
        assert after.keys() - before.keys() <= {"tokens.db-shm", "tokens.db-wal"}

    async def test_damage_within(self, path):
        """Damaged pages of the database are an error, and the store does not change them."""
        make_ours(path)
        damaged = bytearray(path.read_bytes())
        damaged[4096:] = b"\xff" * (len(damaged) - 4096)
        path.write_bytes(damaged)
        store = SQLiteStore(path)

        with pytest.raises(StoreError, match="backup"):
            await store.get("tokens", "acme 1")
        with pytest.raises(StoreError, match="backup"):
            await store.put("tokens", "acme 1", b"value")
        await store.aclose()

        assert path.read_bytes() == damaged

    @pytest.mark.parametrize("make", [write_text, make_foreign], ids=["text", "foreign"])
    async def test_usable_when_it_is_gone(self, path, make):
        """Once the file that was in the way is moved, the same store works."""
        make(path)
        store = SQLiteStore(path)
        with pytest.raises(StoreError):
            await store.get("tokens", "acme")

        path.unlink()

        assert await store.put("tokens", "acme", b"value") == 1


class TestRemoved:
    """If the file is removed while the store is open, calls raise: records would be lost on closing."""

    async def test_removed(self, store, path):
        """After a removal the store refuses, until it is closed; then it begins anew."""
        await store.put("tokens", "old", b"value")
        path.unlink()

        for _ in range(2):
            with pytest.raises(StoreError, match=f"{path} was removed.*start them again"):
                await store.put("tokens", "new", b"value")
        await store.aclose()
        await store.put("tokens", "new", b"value")

        assert await store.keys("tokens") == ["new"]
        with raw(path) as database:
            assert database.execute("SELECT key FROM records").fetchall() == [("new",)]

    async def test_moved_back(self, store, path):
        """After the file is moved back, as the error says, the store has all records."""
        await store.put("tokens", "old", b"value")
        path.rename(path.with_name("moved"))
        with pytest.raises(StoreError, match=r"Move the file that was there back.*it is lost if"):
            await store.put("tokens", "new", b"value")

        path.with_name("moved").rename(path)
        await store.put("tokens", "new", b"value")

        assert await store.keys("tokens") == ["new", "old"]

    async def test_replaced(self, store, path):
        """After a backup was moved into place the store refuses, and does not touch the backup."""
        await store.put("tokens", "old", b"value")
        make_ours(path.with_name("backup"))
        backup = path.with_name("backup").read_bytes()

        path.with_name("backup").replace(path)

        with pytest.raises(StoreError, match="was removed or replaced"):
            await store.keys("tokens")
        await store.aclose()
        assert path.read_bytes() == backup
