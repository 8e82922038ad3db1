"""The stores of one computer do what they promise where only that is there which Windows has.

No Windows runs here: `tests/stores/windows.py` says how far it is pretended.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stores import windows
from tests.stores.test_keyring import PLAINTEXT

pytestmark = pytest.mark.skipif(not windows.AVAILABLE, reason="needs /proc of Linux")

LOCK = """
from atlassian_auth.exceptions import StoreError
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.stores._kernel_lock import KernelLocks

locks = KernelLocks(Path(sys.argv[1]) / "locks", SYSTEM_CLOCK)

async def attempt():
    try:
        async with locks.hold("a", "b", timeout_seconds=0) as hold:
            return "held" if await hold.confirm() else "lost"
    except TimeoutError:
        return "refused"
    except StoreError as error:
        return str(error)

async def main():
    print(await attempt())
    if sys.argv[2:]:
        async with locks.hold("a", "b", timeout_seconds=0) as hold:
            print("inside:", await attempt(), flush=True)
            sys.stdin.read()
        print("confirmed" if await hold.confirm() else "free")

anyio.run(main)
"""


@pytest.fixture
def before(tmp_path):
    """Return what a script begins with that is to run as on Windows."""
    return f"""
import sys
from pathlib import Path
import anyio
from tests.stores import windows

windows.pretend({str(tmp_path)!r})
"""


@pytest.fixture
def hold(start, before, tmp_path):
    holder = start(before + LOCK, tmp_path, "stay")
    assert [holder.stdout.readline() for _ in range(2)] == ["held\n", "inside: refused\n"]
    return holder


@pytest.fixture
def attempt(start, before, tmp_path):
    def attempt():
        return start(before + LOCK, tmp_path).communicate()[0].strip()

    return attempt


@pytest.mark.campaign
def test_the_contract(tmp_path):
    """SQLite, files and keyring keep all promises of a store, also where no file that is open is replaced."""
    arguments = (tmp_path / "base", Path(__file__).with_name("windows_contract.py"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.stores.windows", *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("kind", ["SQLiteStore", "FileStore", "KeyringStore"])
def test_processes(count_together, before, monkeypatch, tmp_path, kind):
    """Processes that start together exclude each other, read while others write, and lose nothing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    keyring = f"KeyringStore(backend={PLAINTEXT.format(str(tmp_path / 'keyring.cfg'))})"
    store = keyring if kind == "KeyringStore" else f"{kind}({str(tmp_path / 'tokens')!r})"

    assert count_together(store, before) == b"40"


class TestLocks:
    """The lock is one byte of a file, and the kernel frees it."""

    def test_excludes_others(self, hold, attempt):
        """The holder excludes other processes and its own second attempts until it releases the lock."""
        assert attempt() == "refused"
        assert hold.communicate()[0] == "free\n"

        assert attempt() == "held"

    def test_ends_with_its_process(self, hold, attempt):
        """The lock of a killed process is free."""
        hold.kill()
        hold.wait()

        assert attempt() == "held"

    def test_the_file_stays(self, attempt, tmp_path):
        """The file is empty, named after nothing, and the same one each time."""
        assert attempt() == "held"
        (path,) = (tmp_path / "locks").iterdir()
        before = path.stat()
        assert attempt() == "held"

        assert path.stat().st_ino == before.st_ino
        assert before.st_size == 0

    @pytest.mark.parametrize("mode", [0o700, 0o777])
    def test_modes_say_nothing(self, attempt, tmp_path, mode):
        """A folder is used whatever its mode: Windows shows one that all may write."""
        (tmp_path / "locks").mkdir()
        (tmp_path / "locks").chmod(mode)

        assert attempt() == "held"
        assert (tmp_path / "locks").stat().st_mode & 0o777 == mode

    @pytest.mark.parametrize("kind", ["link", "file"])
    def test_no_folder(self, attempt, tmp_path, kind):
        """A link or a file in the place of the folder is refused, and nothing is made where it leads."""
        if kind == "link":
            (tmp_path / "elsewhere").mkdir()
            (tmp_path / "locks").symlink_to(tmp_path / "elsewhere")
        else:
            (tmp_path / "locks").touch()

        assert "must exist and be writable for this user, must not be a link" in attempt()
        assert not list(tmp_path.glob("elsewhere/*"))

    def test_a_link_to_a_file(self, attempt, tmp_path):
        """A link in the place of a lock's file is refused, and nothing is made where it leads."""
        assert attempt() == "held"
        (path,) = (tmp_path / "locks").iterdir()
        path.unlink()
        path.symlink_to(tmp_path / "elsewhere")

        assert "not a regular file (but a link" in attempt()
        assert not (tmp_path / "elsewhere").exists()


# A record is written at the moment at which another handle has its file open, once, without waiting.
READ_AND_WRITE = """
import os
from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores import FileStore
from atlassian_auth.stores._patience import Patience
from atlassian_auth.stores._record_file import FiledRecord
from atlassian_auth.stores._record_folder import RecordFolder

usual, written = os.fdopen, []
folder = Path(sys.argv[1]) / "tokens"

def meet(descriptor, *arguments):
    if written:
        try:
            written.pop()()
        except StoreError as error:
            print(error)
    return usual(descriptor, *arguments)

def write():
    other, over = RecordFolder(folder), Patience(0, now=lambda: 1)
    other.write(lambda: other.put(FiledRecord("tokens", "acme", 9)), 0, over)

async def main():
    store = FileStore(folder)
    await store.put("tokens", "acme", b"value")
    written.append(write)
    print((await store.get("tokens", "acme")).value)
    write()
    print((await store.get("tokens", "acme")).version)
    await store.aclose()

os.fdopen = meet
anyio.run(main)
"""


def test_who_reads_makes_writers_wait(start, before, tmp_path):
    """On Windows a file that is being read cannot be replaced, so a writer waits."""
    lines = start(before + READ_AND_WRITE, tmp_path).communicate()[0].splitlines()

    assert "write is locked: another process was writing" in lines[0]
    assert lines[1:] == ["b'value'", "9"]


KEEP_NUMBERS = """
from atlassian_auth.ports._runtime.steady_loop import SteadyLoop

loop = SteadyLoop()
before = os.listdir("/proc/self/fd")
loop.reserve_numbers()
print(os.listdir("/proc/self/fd") == before, loop.is_open())
loop.close()
"""


def test_a_loop_without_numbers(start, before):
    """An event loop whose selector has no descriptor can be replaced, and no file is opened."""
    assert start(before + "import os\n" + KEEP_NUMBERS).communicate()[0] == "True True\n"
