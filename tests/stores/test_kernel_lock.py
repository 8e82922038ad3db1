"""Kernel locks end with their holder, leave nothing behind, and never belong to two."""

from __future__ import annotations

import os
import re
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from atlassian_auth.exceptions import StoreError
from atlassian_auth.stores import _kernel_lock
from atlassian_auth.stores._kernel_lock import KernelLocks
from atlassian_auth.stores._locked_file import kernel_locks
from atlassian_auth.testing.clock import ManualClock

pytestmark = pytest.mark.skipif(os.name != "posix", reason="flock needs POSIX")

ROOT = pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="needs another user's file")

HOLD = """
import sys
from pathlib import Path
import anyio
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.stores._kernel_lock import KernelLocks

async def main():
    async with KernelLocks(Path(sys.argv[1]), SYSTEM_CLOCK).hold("a", "b", timeout_seconds=0):
        print("held", flush=True)
        sys.stdin.read()

anyio.run(main)
"""

TRY = """
import sys
from pathlib import Path
import anyio
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.stores._kernel_lock import KernelLocks

async def main():
    try:
        async with KernelLocks(Path(sys.argv[1]), SYSTEM_CLOCK).hold("a", "b", timeout_seconds=0):
            print("held")
    except TimeoutError:
        print("refused")

anyio.run(main)
"""

# The parent forks while it holds the lock, and releases it at a signal; both stay until stdin ends.
# (They share it: a byte written there might be the child's to read.)
FORK = """
import os, signal, sys
from pathlib import Path
import anyio
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.stores._kernel_lock import KernelLocks

locks = KernelLocks(Path(sys.argv[1]), SYSTEM_CLOCK)

async def enter():
    async with locks.hold("a", "b", timeout_seconds=0):
        pass

async def main():
    async with locks.hold("a", "b", timeout_seconds=0):
        if os.fork():
            print("held", flush=True)
            signal.sigwait({signal.SIGUSR1})
            return

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
anyio.run(main)
try:
    anyio.run(enter)
    print("the parent released it", flush=True)
except TimeoutError:
    print("the child waits", flush=True)
os.read(0, 1)
"""

CONFIRM = """
import os, sys
from pathlib import Path
import anyio
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.stores._kernel_lock import KernelLocks

async def main():
    async with KernelLocks(Path(sys.argv[1]), SYSTEM_CLOCK).hold("a", "b", timeout_seconds=0) as hold:
        child = os.fork()
        if not child:
            print("child", await hold.confirm(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("parent", await hold.confirm())

anyio.run(main)
"""

WITHOUT_LOCKS = """
import sys
sys.modules["fcntl"] = sys.modules["msvcrt"] = None
from pathlib import Path
import anyio
from atlassian_auth.exceptions import StoreError
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.stores._kernel_lock import KernelLocks

async def main():
    async with KernelLocks(Path(sys.argv[1]), SYSTEM_CLOCK).hold("a", "b", timeout_seconds=0):
        pass

try:
    anyio.run(main)
except StoreError as error:
    print("neither fcntl nor msvcrt" in str(error), Path(sys.argv[1]).exists())
"""


class Pauses:
    """A clock that writes down how long it was asked to sleep."""

    def __init__(self, clock):
        self.time = clock.time
        self.timeout = clock.timeout
        self.clock = clock
        self.seconds = []

    async def sleep(self, seconds):
        self.seconds.append(seconds)
        await self.clock.sleep(seconds)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "locks"


@pytest.fixture
def locks(folder, clock):
    return KernelLocks(folder, clock)


@pytest.fixture
def opened(folder):
    """Return the files in the folder that this process has open, those that were removed included."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("needs /proc of Linux")

    def opened():
        links = [os.path.realpath(descriptor) for descriptor in descriptors.iterdir()]
        return [link for link in links if link.startswith(str(folder))]

    return opened


async def test_private_while_held_and_gone_afterwards(locks, folder):
    """The folder and the files are their owner's alone, and no file stays."""
    usual = os.umask(0)
    try:
        async with locks.hold("tokens", "acme", timeout_seconds=0):
            (file,) = folder.iterdir()
            assert folder.stat().st_mode & 0o777 == 0o700
            assert file.stat().st_mode & 0o777 == 0o600
            assert "acme" not in file.name
    finally:
        os.umask(usual)

    assert list(folder.iterdir()) == []


async def test_no_descriptor_stays(locks, opened):
    """No outcome leaves a file descriptor open."""
    async with locks.hold("tokens", "acme", timeout_seconds=0):
        assert len(opened()) == 1
        with pytest.raises(TimeoutError):
            async with locks.hold("tokens", "acme", timeout_seconds=1):
                pytest.fail("two are inside")
    with pytest.raises(ZeroDivisionError):
        async with locks.hold("tokens", "acme", timeout_seconds=0):
            raise ZeroDivisionError
    with anyio.CancelScope() as scope:
        async with locks.hold("tokens", "acme", timeout_seconds=0):
            scope.cancel()
            await anyio.sleep_forever()

    assert opened() == []


async def test_cancelled_at_every_pause(folder, opened):
    """Whenever a waiter is cancelled, it neither has the lock nor a descriptor afterwards."""
    clock = ManualClock(autojump=False)
    locks = KernelLocks(folder, clock)

    async with locks.hold("tokens", "acme", timeout_seconds=0):
        for attempts in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(enter, locks)
                await anyio.wait_all_tasks_blocked()
                for _ in range(attempts):
                    clock.advance(0.02)
                    await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            assert len(opened()) == 1

    await enter(locks, timeout_seconds=0)
    assert list(folder.iterdir()) == []


async def enter(locks, timeout_seconds=60):
    async with locks.hold("tokens", "acme", timeout_seconds=timeout_seconds):
        pass


async def test_attempts_come_at_a_growing_distance(folder, clock):
    """The first attempts follow quickly; later ones at most 20 ms apart, until the timeout."""
    pauses = Pauses(clock)
    locks = KernelLocks(folder, pauses)

    async with locks.hold("tokens", "acme", timeout_seconds=0):
        with pytest.raises(TimeoutError):
            await enter(locks, timeout_seconds=1)

    assert pauses.seconds[:3] == pytest.approx([0.001, 0.0015, 0.00225])
    assert pauses.seconds == sorted(pauses.seconds)
    assert pauses.seconds[-1] == 0.02
    assert 1 <= sum(pauses.seconds) < 1.02


async def test_released_at_the_last_moment(folder):
    """A lock that is free when the time limit ends is taken, even between two attempts."""
    clock = ManualClock(autojump=False)
    locks = KernelLocks(folder, clock)

    async with AsyncExitStack() as holder, anyio.create_task_group() as tasks:
        await holder.enter_async_context(locks.hold("tokens", "acme", timeout_seconds=0))
        tasks.start_soon(enter, locks, 1)
        await anyio.wait_all_tasks_blocked()
        clock.advance(0.9995)
        await anyio.wait_all_tasks_blocked()
        await holder.aclose()
        clock.advance(0.0005)


@pytest.mark.parametrize("attempted", ["before", "after"])
async def test_a_file_that_was_removed(locks, folder, attempted):
    """A process that opened the file before its holder removed it does not get that lock."""
    async with locks.hold("tokens", "acme", timeout_seconds=0):
        (path,) = folder.iterdir()
        descriptor = _kernel_lock._open(path)

    try:
        if attempted == "before":
            assert not kernel_locks().take(descriptor, path)
        else:
            async with locks.hold("tokens", "acme", timeout_seconds=0):
                assert not kernel_locks().take(descriptor, path)
    finally:
        os.close(descriptor)


async def test_releasing_without_its_file(locks, folder):
    """A lock whose file was removed can be released."""
    async with locks.hold("tokens", "acme", timeout_seconds=0):
        for path in folder.iterdir():
            path.unlink()


async def test_the_file_of_another_holder(locks, folder):
    """A holder whose file was removed does not remove the file of the next holder."""
    async with AsyncExitStack() as first, locks.hold("tokens", "other", timeout_seconds=0):
        await first.enter_async_context(locks.hold("tokens", "acme", timeout_seconds=0))
        (folder / _kernel_lock._file_name("tokens", "acme")).unlink()
        async with locks.hold("tokens", "acme", timeout_seconds=0):
            await first.aclose()
            assert len(list(folder.iterdir())) == 2
            with pytest.raises(TimeoutError):
                await enter(locks, timeout_seconds=1)


class TestConfirm:
    """A holder can ask whether it still has the lock."""

    async def test_held(self, locks):
        """While it is held it says so, for any time to come: it ends with its process only."""
        async with locks.hold("tokens", "acme", timeout_seconds=0) as hold:
            assert await hold.confirm()
            assert await hold.confirm(1_000_000)

    async def test_released(self, locks):
        """Once it was left it is held no more."""
        async with locks.hold("tokens", "acme", timeout_seconds=0) as hold:
            pass

        assert not await hold.confirm()
        async with locks.hold("tokens", "acme", timeout_seconds=0):
            assert not await hold.confirm()

    async def test_removed(self, locks, folder):
        """A holder whose file was removed has lost the lock."""
        async with locks.hold("tokens", "acme", timeout_seconds=0) as hold:
            for path in folder.iterdir():
                path.unlink()

            assert not await hold.confirm()

    async def test_replaced(self, locks, folder):
        """A holder has lost the lock if its file or folder was replaced by another of that name."""
        async with locks.hold("tokens", "acme", timeout_seconds=0) as first:
            folder.rename(folder.with_name("away"))
            async with locks.hold("tokens", "acme", timeout_seconds=0) as second:
                assert (await first.confirm(), await second.confirm()) == (False, True)

    async def test_a_link_to_it(self, locks, folder):
        """A link in its place is another file, wherever it leads."""
        async with locks.hold("tokens", "acme", timeout_seconds=0) as hold:
            (path,) = folder.iterdir()
            path.rename(folder.with_name("away"))
            path.symlink_to(folder.with_name("away"))

            assert not await hold.confirm()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
    def test_in_a_child(self, run, folder):
        """The lock is not the child's; the parent still has it."""
        assert run(CONFIRM, folder) == ["child", "False", "parent", "True"]


class TestOthers:
    """A file or folder that other users own or can write is refused: they could make a second holder."""

    async def refused(self, locks, text):
        with pytest.raises(StoreError, match=text) as raised:
            await enter(locks)
        return str(raised.value)

    @ROOT
    async def test_a_folder_of_another_user(self, locks, folder, opened):
        """Another user's folder is refused, and nothing is made in it."""
        folder.mkdir(mode=0o700)
        os.chown(folder, 54321, -1)

        text = await self.refused(
            locks, "belongs to another user .of id 54321.*choose another path"
        )

        assert str(folder) in text
        assert list(folder.iterdir()) == opened() == []

    @pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
    async def test_a_folder_that_others_can_write(self, locks, folder, opened, mode):
        """A folder that other users can write to is refused, and left as it is."""
        folder.mkdir()
        folder.chmod(mode)

        text = await self.refused(locks, f"can be written by other users .*{mode:03o}.*chmod 700")

        assert str(folder) in text
        assert folder.stat().st_mode & 0o7777 == mode
        assert list(folder.iterdir()) == opened() == []

    @pytest.mark.parametrize("mode", [0o755, 0o710, 0o704])
    async def test_a_folder_that_others_can_read(self, locks, folder, mode):
        """If other users can read the folder, the store removes that right and uses the folder."""
        folder.mkdir()
        folder.chmod(mode)

        await enter(locks)

        assert folder.stat().st_mode & 0o777 == 0o700

    async def test_a_link_to_a_folder(self, locks, folder):
        """A link is refused, and nothing is made where it leads."""
        folder.with_name("elsewhere").mkdir(mode=0o700)
        folder.symlink_to(folder.with_name("elsewhere"))

        await self.refused(locks, "must not be a link")

        assert list(folder.with_name("elsewhere").iterdir()) == []

    @pytest.mark.parametrize("target", ["there", "not there"])
    async def test_a_link_to_a_file(self, locks, folder, opened, target):
        """A link is not followed, be there something at its end or not."""
        elsewhere = folder.with_name("elsewhere")
        if target == "there":
            elsewhere.touch(mode=0o644)
        self.plant(folder, lambda path: path.symlink_to(elsewhere))

        await self.refused(locks, "not a regular file .but a link")

        assert elsewhere.exists() == (target == "there")
        assert opened() == []

    async def test_a_pipe(self, locks, folder, opened):
        """A named pipe in place of a lock's file is refused."""
        self.plant(folder, os.mkfifo)

        await self.refused(locks, "not a regular file")

        assert opened() == []

    @ROOT
    async def test_a_file_of_another_user(self, locks, folder, opened):
        """Another user's file, whose lock they could hold for ever, is refused."""
        path = self.plant(folder, Path.touch)
        os.chown(path, 54321, -1)

        await self.refused(locks, "belongs to another user")

        assert path.exists()
        assert opened() == []

    def plant(self, folder, make):
        folder.mkdir(mode=0o700)
        path = folder / _kernel_lock._file_name("tokens", "acme")
        make(path)
        return path


def test_having_it_already(folder):
    """Taking a lock twice, or releasing it twice, changes nothing."""
    folder.mkdir(mode=0o700)
    lock = _kernel_lock.FileLock(folder / "name")
    other = _kernel_lock.FileLock(folder / "name")

    assert lock.acquire()
    assert lock.acquire()
    assert not other.acquire()
    lock.release()
    lock.release()
    assert other.acquire()
    other.release()


async def test_a_folder_that_cannot_be(tmp_path, clock):
    """If the folder cannot be made, the error names it and says what it needs."""
    (tmp_path / "locks").write_text("in the way")

    with pytest.raises(StoreError, match="must exist and be writable") as raised:
        await enter(KernelLocks(tmp_path / "locks", clock))
    assert str(tmp_path / "locks") in str(raised.value)
    missing = re.escape(str(tmp_path / "missing"))
    with pytest.raises(StoreError, match=f"{missing} must exist and be writable"):
        await enter(KernelLocks(tmp_path / "missing" / "locks", clock))


def test_no_two_names_share_a_file():
    """Different names have different files, wherever the border between their parts is."""
    names = [("a", "bc"), ("ab", "c"), ("a", "b:c"), ("a:b", "c"), ("1:a", "bc"), ("a", "BC")]

    assert len({_kernel_lock._file_name(*name) for name in names}) == len(names)


def test_excludes_other_processes(start, run, folder):
    """A lock that one process holds is refused to another, until the holder leaves."""
    holder = start(HOLD, folder)
    assert holder.stdout.readline() == "held\n"

    assert run(TRY, folder) == ["refused"]
    holder.communicate()
    assert run(TRY, folder) == ["held"]


def test_ends_with_its_process(start, run, folder):
    """When the holder is killed the lock is free, and the next holder cleans up."""
    holder = start(HOLD, folder)
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()

    assert len(list(folder.iterdir())) == 1
    assert run(TRY, folder) == ["held"]
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
class TestForks:
    """A forked child does not hold its parent's lock, and does not keep it from other processes."""

    @pytest.fixture
    def parent(self, start, folder):
        parent = start(FORK, folder)
        lines = {parent.stdout.readline(), parent.stdout.readline()}
        assert lines == {"held\n", "the child waits\n"}
        return parent

    def test_the_child_ends_its_own_context_only(self, parent, run, folder):
        """A child that leaves the context it was forked in does not release its parent's lock."""
        assert run(TRY, folder) == ["refused"]
        parent.send_signal(signal.SIGUSR1)
        # Until both have ended:
        assert parent.communicate()[0] == "the parent released it\n"

    def test_the_parent_releases(self, parent, run, folder):
        """The parent's release counts although the child lives."""
        parent.send_signal(signal.SIGUSR1)
        assert parent.stdout.readline() == "the parent released it\n"

        assert run(TRY, folder) == ["held"]

    def test_the_parent_is_killed(self, parent, run, folder):
        """The lock of a killed parent is free although the child lives."""
        parent.kill()
        parent.wait()

        assert run(TRY, folder) == ["held"]


def test_without_locks(run, folder):
    """On a system without such locks the first lock raises, and no file is made."""
    assert run(WITHOUT_LOCKS, folder) == ["True", "False"]
