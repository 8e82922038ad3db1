"""FileStore keeps the contract across processes, forks and kills, and leaves other folders alone."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.exceptions import ConfigurationError, StoreError
from atlassian_auth.stores import ABSENT, FileStore, Stored, _record_folder
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._record_file import FiledRecord, decode, encode, file_name
from atlassian_auth.stores._write_lock import one_writer
from atlassian_auth.testing.store_contract import ThreadSafeStoreContract

pytestmark = pytest.mark.skipif(os.name != "posix", reason="flock needs POSIX")

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
ROOT = pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="needs another user's file")

# Each change is made once for each of its steps, in a child that is killed just before that step.
# Another child then looks at what is there, and goes on.
KILLED = """
import itertools, os, signal, sys
from pathlib import Path
import anyio
import anyio._backends._asyncio
from atlassian_auth.exceptions import VersionConflict
from atlassian_auth.stores import ABSENT, FileStore, Stored

OLD, NEW = b"old" * 1000, b"new" * 1000
TOUCHING = {"open", "os.rename", "os.remove"}

def in_child(work, *arguments):
    child = os.fork()
    if not child:
        anyio.run(work, *arguments)
        os._exit(0)
    return os.waitpid(child, 0)[1]

async def change(folder, step):
    store = FileStore(folder)
    version = await store.put("tokens", "acme", OLD)
    steps = itertools.count()
    def strike(event, arguments):
        if event in TOUCHING and str(folder) in str(arguments[0]) and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(strike)
    if sys.argv[2] == "put":
        await store.put("tokens", "acme", NEW, expected=version)
    else:
        await store.delete("tokens", "acme", expected=version)

async def look(folder):
    store = FileStore(folder)
    stored = await store.get("tokens", "acme")
    keys = await store.keys("tokens")
    assert keys == (["acme"] if stored else []), keys
    assert stored in [Stored(OLD, 1), Stored(NEW, 2), None], stored
    print({None: "none", OLD: "old", NEW: "new"}[stored and stored.value], flush=True)
    present = stored.version if stored else ABSENT
    version = await store.put("tokens", "acme", b"later", expected=present)
    assert version > max(1, present), version
    assert await store.get("tokens", "acme") == Stored(b"later", version)
    names = {path.name for path in folder.iterdir()}
    assert len(names) == 3 and {"version", "locks"} < names, names

for step in itertools.count():
    folder = Path(sys.argv[1]) / str(step)
    status = in_child(change, folder, step)
    assert in_child(look, folder) == 0
    if not status:
        break
"""

WITHOUT_LOCKS = """
import sys
sys.modules["fcntl"] = sys.modules["msvcrt"] = None
import anyio
from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores import FileStore

try:
    anyio.run(FileStore(sys.argv[1]).put, "tokens", "acme", b"value")
except StoreError as error:
    print("neither fcntl nor msvcrt" in str(error))
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "tokens"


@pytest.fixture
async def store(folder):
    store = FileStore(folder)
    yield store
    await store.aclose()


def record_path(folder, key="acme"):
    return folder / file_name("tokens", key)


def plant(record, others):
    """Put something else into a record's place, and return what is to stay as it is."""
    target = record.with_name("target")
    if others == "owned":
        os.chown(record, 54321, -1)
    elif others == "link":
        record.rename(target)
        record.symlink_to(target)
    else:
        record.unlink()
        os.mkfifo(record)
    path = target if others == "link" else record
    path.chmod(0o644)
    return path


def made(folder):
    """Return the expression that makes the store in another process."""
    return f"FileStore({str(folder)!r})"


def mode(path):
    return path.stat().st_mode & 0o777


def contents(folder):
    return {
        path.relative_to(folder): (path.is_file() and path.read_bytes(), mode(path))
        for path in folder.rglob("*")
    }


class TestFileStore(ThreadSafeStoreContract):
    """A folder of files keeps every promise."""

    @pytest.fixture
    def store(self, clock, folder):
        return FileStore(folder, clock=clock)

    @pytest.fixture
    def second(self, clock, folder):
        return FileStore(folder, clock=clock)

    @pytest.mark.parametrize("reopened", [False, True], ids=["same store", "another store"])
    async def test_records_that_are_over_leave_the_folder(self, store, clock, folder, reopened):
        """A later `put` removes expired records, including those that another store object wrote."""
        await store.put("tokens", "state", b"value", ttl_seconds=10)
        await store.put("tokens", "state", b"value", ttl_seconds=9)
        await store.put("tokens", "prolonged", b"value", ttl_seconds=10)
        await store.put("tokens", "prolonged", b"value", ttl_seconds=11)
        await store.put("tokens", "kept", b"value", ttl_seconds=10)
        await store.put("tokens", "kept", b"value")
        if reopened:
            await store.aclose()
        clock.advance(10)

        await store.put("tokens", "acme", b"value")

        assert not record_path(folder, "state").exists()
        assert await store.keys("tokens") == ["acme", "kept", "prolonged"]

    async def test_versions_in_a_copy(self, store, second, folder):
        """A folder copied while it was written to may note too low a version: none is given twice."""
        await store.put("tokens", "acme", b"value")
        noted = (folder / "version").read_bytes()
        present = await store.put("tokens", "acme", b"value")
        (folder / "version").write_bytes(noted)

        assert await second.put("tokens", "acme", b"value", expected=present) > present

    async def test_versions_after_the_end(self, store, second, clock):
        """The version of a record that is over is not given again, whether it was removed or not."""
        first = await store.put("tokens", "state", b"value", ttl_seconds=10)
        clock.advance(10)

        later = await second.put("tokens", "state", b"value", expected=ABSENT, ttl_seconds=10)
        clock.advance(10)
        await second.put("tokens", "acme", b"value")
        last = await second.put("tokens", "state", b"value", expected=ABSENT)

        assert first < later < last

    async def test_deleting_what_is_over(self, store, second, clock, folder):
        """Deleting a record that is over finds none, and leaves none."""
        await second.keys("tokens")
        await store.put("tokens", "state", b"value", ttl_seconds=10)
        clock.advance(10)

        assert not await second.delete("tokens", "state")
        assert not record_path(folder, "state").exists()

    async def test_what_is_over_and_damaged(self, store, clock, folder):
        """A damaged file of an expired record stays, and a `put` of another key still works."""
        await store.put("tokens", "state", b"value", ttl_seconds=10)
        record_path(folder, "state").write_bytes(b"damaged")
        clock.advance(10)

        await store.put("tokens", "acme", b"value")

        assert record_path(folder, "state").read_bytes() == b"damaged"


class TestDurability:
    """When `put` returns, the whole record is on the disk."""

    @FORKS
    @pytest.mark.parametrize(
        ("change", "before", "after"), [("put", "old", "new"), ("delete", "old", "none")]
    )
    def test_killed_at_each_step(self, run, tmp_path, change, before, after):
        """Wherever a kill falls, the record is the old or the new one, and no version comes again."""
        found = run(KILLED, tmp_path, change)

        assert len(found) > 5
        assert found == sorted(found, key=[before, after].index)
        assert {*found} == {before, after}

    def test_a_killed_writer(self, start_script, folder):
        """After a kill during a write, every record whose `put` had returned is there."""
        writer = start_script("write", made(folder), 500_000)
        seen = [int(writer.stdout.readline()) for _ in range(20)][-1]
        writer.kill()
        writer.wait()

        stored = anyio.run(FileStore(folder).get, "tokens", "acme")

        assert stored.version >= seen
        assert stored.value == b"x" * 500_000

    async def test_what_a_killed_writer_left(self, folder, store):
        """A half-written file of a killed process is never read, and the next `put` removes it."""
        await store.put("tokens", "acme", b"value")
        (folder / "new").write_bytes(b"half a rec")

        assert await store.keys("tokens") == ["acme"]
        await store.put("tokens", "acme", b"value")

        assert not (folder / "new").exists()

    async def test_a_cancelled_put(self, store):
        """A `put` is completed even if its caller is cancelled."""
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.put("tokens", "acme", b"value")

        assert scope.cancelled_caught
        assert await store.get("tokens", "acme") == Stored(b"value", 1)

    async def test_another_writer(self, store, folder):
        """While another process writes, `put` waits for it, and reading does not."""
        await store.put("tokens", "acme", b"old")

        async with anyio.create_task_group() as tasks:
            with one_writer(folder / "locks" / "write", Patience.begin()):
                assert await store.get("tokens", "acme") == Stored(b"old", 1)
                tasks.start_soon(store.put, "tokens", "acme", b"new")
                await anyio.wait_all_tasks_blocked()

        assert await store.get("tokens", "acme") == Stored(b"new", 2)

    def test_at_exit(self, run_script, folder):
        """A record that is saved while the interpreter exits is stored."""
        run_script("at_exit", made(folder))

        assert decode(record_path(folder).read_bytes()).value == b"saved"

    def test_a_full_disk(self, run_script, folder):
        """A value that does not fit is an error that does not show it, and the old record stays."""
        error, *after = run_script("full_disk", made(folder), folder / "new")

        assert str(folder) in error
        assert "Make_room" in error
        assert after == ["False", "kept", "True"]


class TestOneWriter:
    """Only one process at a time writes to a folder."""

    def test_waiting(self, tmp_path):
        """A writer that finds another one tries again until the other has finished."""
        other = ExitStack()
        other.enter_context(one_writer(tmp_path / "write", Patience(0)))
        pauses = []

        def pause(seconds):
            pauses.append(seconds)
            if len(pauses) == 2:
                other.close()

        with one_writer(tmp_path / "write", Patience(10, now=lambda: 0, pause=pause)):
            assert len(pauses) == 2

    def test_waiting_in_vain(self, tmp_path):
        """If another process writes for too long, the error says so."""
        with (
            one_writer(tmp_path / "write", Patience(0)),
            pytest.raises(StoreError, match=r"another process.*10 s.*try again"),
            one_writer(tmp_path / "write", Patience(0)),
        ):
            pytest.fail("two are inside")

    def test_stopped_while_waiting(self, tmp_path):
        """A writer whose process was paused beyond its time limit still tries once more."""
        other = ExitStack()
        other.enter_context(one_writer(tmp_path / "write", Patience(0)))
        times = iter([0, 10_000])

        with one_writer(
            tmp_path / "write", Patience(10, now=lambda: next(times), pause=lambda _: other.close())
        ):
            pass


class TestProcesses:
    """Many processes, one folder."""

    def test_no_update_is_lost(self, count_together, folder):
        """Processes that start together on a new folder exclude each other and lose nothing."""
        number = count_together(made(folder))

        for key in ("compared", "locked"):
            assert decode(record_path(folder, key).read_bytes()).value == number
        assert list((folder / "locks").iterdir()) == []

    @FORKS
    def test_forks_while_another_thread_writes(self, run_script, folder):
        """A fork waits for the write in the air, takes no descriptor along, and each child can write."""
        assert run_script("fork_while_writing", made(folder), folder) == ["11"]


class TestFolder:
    """A folder may be given in any way, and means one folder."""

    async def test_a_link(self, store, folder):
        """Records and locks are those of the folder that a link leads to."""
        folder.with_name("link").symlink_to(folder)
        linked = FileStore(folder.with_name("link"))

        version = await linked.put("tokens", "acme", b"value")

        assert await store.get("tokens", "acme") == Stored(b"value", version)
        async with store.lock("tokens", "acme", timeout_seconds=0):
            with pytest.raises(TimeoutError):
                async with linked.lock("tokens", "acme", timeout_seconds=0):
                    pytest.fail("two are inside")
        await linked.aclose()

    async def test_a_relative_path(self, monkeypatch, tmp_path, folder):
        """A relative path counts from where the process was when the store was made."""
        monkeypatch.chdir(tmp_path)
        store = FileStore("tokens")
        monkeypatch.chdir("/")

        await store.put("tokens", "acme", b"value")

        assert folder.is_dir()

    async def test_the_home(self, monkeypatch, tmp_path, folder):
        """``~`` is the user's home."""
        monkeypatch.setenv("HOME", str(tmp_path))

        await FileStore("~/tokens").put("tokens", "acme", b"value")

        assert folder.is_dir()

    @pytest.mark.parametrize("name", ["", "a\0b"])
    def test_no_folder(self, name):
        """A text that cannot name a folder is refused at once."""
        with pytest.raises(ConfigurationError) as raised:
            FileStore(name)
        assert raised.value.argument == "folder"

    def test_nothing_happens_at_first(self, folder):
        """Making a store touches nothing."""
        FileStore(folder)

        assert list(folder.parent.iterdir()) == []

    async def test_names_of_files(self, store, folder):
        """No file is named after a key: any file system holds them, and a listing tells nothing."""
        await store.put("tokens", "Acme", b"value")

        assert not any("acme" in path.name.lower() for path in folder.iterdir())
        assert file_name("tokens", "Acme").isascii()
        assert len(file_name("tokens", "k" * 1000)) < 255


class TestPermissions:
    """Other users cannot read the files."""

    async def test_new_files(self, store, folder):
        """All files are the owner's alone from the start, whatever the umask."""
        usual = os.umask(0)
        try:
            await store.put("tokens", "acme", b"value")
        finally:
            os.umask(usual)

        assert mode(folder) == 0o700
        assert {path.name: mode(path) for path in folder.iterdir()} == {
            "locks": 0o700,
            "version": 0o600,
            record_path(folder).name: 0o600,
        }

    def test_from_the_start(self, tmp_path):
        """A new file is never readable for other users, not even for a moment, and no link is followed."""
        usual = os.umask(0)
        try:
            _record_folder._write(tmp_path / "new", b"")
        finally:
            os.umask(usual)
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

        assert mode(tmp_path / "new") == 0o600
        with pytest.raises(FileExistsError):
            _record_folder._write(tmp_path / "link", b"")

    @ROOT
    async def test_a_folder_of_another_user(self, store, folder):
        """Another user's folder is refused, also by root, and left as it is."""
        folder.mkdir(mode=0o755)
        os.chown(folder, 54321, -1)

        with pytest.raises(StoreError, match=f"{folder} belongs to another user .of id 54321"):
            await store.put("tokens", "acme", b"secret")

        assert (mode(folder), list(folder.iterdir())) == (0o755, [])

    async def test_a_link_in_its_place(self, store, folder):
        """A link that was put there after the store was made is refused."""
        folder.with_name("elsewhere").mkdir(mode=0o755)
        folder.symlink_to(folder.with_name("elsewhere"))

        with pytest.raises(StoreError, match=f"{folder} cannot be used .*not a link"):
            await store.put("tokens", "acme", b"secret")

        assert list(folder.with_name("elsewhere").iterdir()) == []
        assert mode(folder.with_name("elsewhere")) == 0o755

    @pytest.mark.parametrize(
        ("others", "text"),
        [
            pytest.param("owned", "belongs to another user .of id 54321", marks=ROOT),
            ("link", "not a regular file .but a link"),
            ("pipe", "not a regular file"),
        ],
    )
    async def test_a_record_of_another_user(self, store, folder, others, text):
        """A file of another user, or no regular file, is refused and left alone; other records work."""
        await store.put("tokens", "acme", b"value")
        await store.put("tokens", "well", b"value")
        record = record_path(folder)
        planted = plant(record, others)
        await store.aclose()

        with pytest.raises(StoreError, match=text) as raised:
            await store.get("tokens", "acme")
        assert str(record) in str(raised.value)
        assert await store.get("tokens", "well") == Stored(b"value", 2)

        assert mode(planted) == 0o644

    async def test_a_record_that_others_could_read(self, store, folder):
        """If other users can read a record, the store removes that right when it reads the record."""
        await store.put("tokens", "acme", b"value")
        record_path(folder).chmod(0o644)

        await store.get("tokens", "acme")

        assert mode(record_path(folder)) == 0o600

    async def test_old_files(self, store, folder):
        """If other users can read the folder or a file, the store removes that right when it opens."""
        await store.put("tokens", "acme", b"value")
        await store.aclose()
        record_path(folder).chmod(0o664)
        folder.chmod(0o775)

        await store.get("tokens", "acme")

        assert mode(folder) == 0o700
        assert mode(record_path(folder)) == 0o600


class TestUnusable:
    """The error for an unusable folder names the folder and says what to do."""

    async def refused(self, folder, text):
        with pytest.raises(StoreError, match=text) as raised:
            await FileStore(folder).get("tokens", "acme")
        assert str(folder) in str(raised.value)

    async def test_no_parent(self, tmp_path):
        """Only the folder itself is made: where secrets are kept is the user's to say."""
        await self.refused(tmp_path / "missing" / "tokens", "its parent must exist")

        assert not (tmp_path / "missing").exists()

    @pytest.mark.parametrize("below", ["", "tokens"])
    async def test_a_file_in_the_way(self, tmp_path, below):
        """A file is not a folder, and holds none."""
        (tmp_path / "file").touch()

        await self.refused(tmp_path / "file" / below, "must be a folder")

    async def test_an_unknown_trouble(self, tmp_path):
        """The error for an unexpected fault quotes the operating system."""
        error = OSError(errno.EIO, "Input/output error")

        with (
            pytest.raises(StoreError, match=r"Input/output error.*file system works"),
            _record_folder.RecordFolder(tmp_path)._explain_errors(),
        ):
            raise error

    @pytest.mark.parametrize("name", ["notes.txt", "version-2", "0" * 64])
    async def test_a_folder_with_other_files(self, folder, name):
        """A folder that holds other things is refused, and left as it is."""
        folder.mkdir(mode=0o755)
        (folder / name).write_text("mine")
        before = contents(folder)
        store = FileStore(folder)

        for call in (
            lambda: store.get("tokens", "acme"),
            lambda: store.put("tokens", "acme", b"value"),
            lambda: store.delete("tokens", "acme"),
            lambda: store.keys("tokens"),
            lambda: store.lock("tokens", "acme", timeout_seconds=0).__aenter__(),
        ):
            with pytest.raises(StoreError, match=f"other files, such as '{name}'.*empty"):
                await call()

        assert contents(folder) == before
        assert mode(folder) == 0o755

    async def test_an_empty_folder(self, store, folder):
        """An empty folder, as `mkdtemp` makes, is taken into use."""
        folder.mkdir()

        assert await store.put("tokens", "acme", b"value") == 1

    async def test_other_files_among_ours(self, store, folder):
        """Other files that are put into the folder later are neither read nor changed."""
        await store.put("tokens", "acme", b"value")
        copy = folder / f"{record_path(folder).name}~"
        shutil.copy(record_path(folder), copy)
        (folder / "my-notes").mkdir(mode=0o755)
        await store.aclose()

        assert await store.keys("tokens") == ["acme"]
        await store.delete("tokens", "acme")

        assert copy.exists()
        assert mode(folder / "my-notes") == 0o755

    async def test_removed(self, store, folder):
        """A folder that goes away under an open store is noticed, until the store is closed."""
        await store.put("tokens", "old", b"value")
        shutil.rmtree(folder)

        for _ in range(2):
            with pytest.raises(StoreError, match=f"{folder} was removed.*start them again"):
                await store.get("tokens", "old")
        await store.aclose()
        await store.put("tokens", "new", b"value")

        assert await store.keys("tokens") == ["new"]

    async def test_moved_back(self, store, folder):
        """After the folder is moved back, as the error says, the store has all records."""
        await store.put("tokens", "old", b"value")
        folder.rename(folder.with_name("moved"))
        with pytest.raises(StoreError, match=r"Move the folder that was there back.*it is lost if"):
            await store.put("tokens", "new", b"value")

        folder.with_name("moved").rename(folder)
        await store.put("tokens", "new", b"value")

        assert await store.keys("tokens") == ["new", "old"]

    def test_without_locks(self, run, folder):
        """On a system without locks the store raises before it writes anything."""
        assert run(WITHOUT_LOCKS, folder) == ["True"]


class TestUnprivileged:
    """Missing rights are an error when the store is opened, not when a new token is saved."""

    @pytest.fixture
    def outside(self):
        # Others can enter it, unlike pytest's folders.
        outside = Path(tempfile.mkdtemp())
        outside.chmod(0o755)
        yield outside
        for path in (outside, outside / "tokens"):
            if path.exists():
                path.chmod(0o700)
        shutil.rmtree(outside)

    @pytest.fixture
    def folder(self, outside):
        anyio.run(FileStore(outside / "tokens").put, "tokens", "acme", b"value")
        return outside / "tokens"

    def give_away(self, *paths):
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, 65534, 65534)

    def refused(self, run_script, folder):
        (text,) = run_script("unprivileged", made(folder))
        assert str(folder) in text
        return text.replace("_", " ")

    def test_no_right_to_make_it(self, run_script, outside):
        """In a folder that is read-only no other can be made."""
        self.give_away(outside)
        outside.chmod(0o500)

        assert "must own the folder" in self.refused(run_script, outside / "tokens")

    def test_a_folder_that_is_read_only(self, run_script, folder):
        """A folder that is read-only is refused although it could be read."""
        self.give_away(folder, *folder.rglob("*"))
        folder.chmod(0o500)

        assert "must own the folder" in self.refused(run_script, folder)

    @ROOT
    def test_a_folder_that_belongs_to_another_user(self, run_script, folder):
        """A folder that others can read, and that cannot be closed to them, is refused."""
        folder.chmod(0o777)

        assert "Make user 65534 its owner" in self.refused(run_script, folder)


def cut_off(path):
    os.truncate(path, path.stat().st_size - 1)


def empty(path):
    os.truncate(path, 0)


def change_value(path):
    path.write_bytes(path.read_bytes().replace(b"value", b"VALUE"))


def change_version(path):
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 9'))


def make_newer(path):
    path.write_bytes(path.read_bytes().replace(b"record 1", b"record 2"))


def swap(path):
    path.write_bytes(encode(FiledRecord("tokens", "other", 1, None, b"value")))


class TestDamaged:
    """A damaged file is an error that names it, and the file is left as it is, to the byte."""

    @pytest.mark.parametrize(
        ("damage", "text"),
        [
            (cut_off, "damaged.*backup"),
            (empty, "damaged.*backup"),
            (change_value, "damaged.*backup"),
            (change_version, "damaged.*backup"),
            (make_newer, "another release.*upgrade"),
            (swap, "another key.*move it"),
        ],
    )
    async def test_a_record(self, store, folder, damage, text):
        """A damaged record is neither read nor replaced nor deleted, and no other suffers."""
        await store.put("tokens", "acme", b"value")
        await store.put("tokens", "well", b"value")
        damage(record_path(folder))
        before = contents(folder)
        await store.aclose()

        for call in (
            lambda: store.get("tokens", "acme"),
            lambda: store.put("tokens", "acme", b"new"),
            lambda: store.delete("tokens", "acme"),
        ):
            with pytest.raises(StoreError, match=text) as raised:
                await call()
            assert str(record_path(folder)) in str(raised.value)
            assert raised.value.__cause__ is None

        assert contents(folder) == before
        assert await store.get("tokens", "well") == Stored(b"value", 2)
        assert await store.keys("flows") == []

    async def test_listing(self, store, folder):
        """A damaged file makes `keys` raise: the list never omits its key in silence."""
        await store.put("tokens", "acme", b"value")
        cut_off(record_path(folder))

        with pytest.raises(StoreError, match="damaged"):
            await store.keys("tokens")

    async def test_the_versions(self, store, folder):
        """If the highest version is not known, `put` raises: a version must not be given twice."""
        await store.put("tokens", "acme", b"value")
        cut_off(folder / "version")

        with pytest.raises(StoreError, match="damaged"):
            await store.put("tokens", "acme", b"new")
        assert await store.get("tokens", "acme") == Stored(b"value", 1)


@given(
    value=st.binary(max_size=50),
    expires_at=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    key=st.text(min_size=1).filter(lambda key: key.isprintable()),
    data=st.data(),
)
def test_any_other_bit_is_damage(value, expires_at, key, data):
    """A file with any bit changed is reported as damaged, and never read as another value."""
    record = FiledRecord("tokens", key, 1, expires_at, value)
    content = encode(record)
    assert decode(content) == record

    turned = bytearray(content)
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    turned[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match=r"damaged|release"):
        decode(bytes(turned))


def test_no_two_names_share_a_file():
    """Different names have different files, on file systems that know no case, too."""
    names = [("a", "bc"), ("ab", "c"), ("a", "BC"), ("a", "é"), ("a", "e\u0301"), ("a", "bc ")]

    assert len({file_name(*name).lower() for name in names}) == len(names)
