"""Makes this interpreter behave as one on Windows, as far as the stores' files, locks and forks go.

What Windows lacks is taken away. What it does otherwise is done so: modes say nothing, no folder is opened
as a file, and a file that is open, in whatever process, is neither removed nor replaced. The locks of
``msvcrt`` are made of ``flock``, which is as exclusive and as mortal. Rights, paths and sockets stay those of
this computer.
"""

from __future__ import annotations

import errno
import os
import selectors
import stat
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

AVAILABLE = Path("/proc/self/fd").exists()

# What they make of what is taken away is not the question: they come before.
_OTHERS = ("anyio._backends._asyncio", "platformdirs.unix", "trio")

_ABSENT = (
    *("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK"),
    *("chown", "fchmod", "fchown", "fork", "geteuid", "lchown", "register_at_fork"),
)


def pretend(folder):
    """Do it; to be called before anything of the library is imported.

    Args:
        folder: Where files that are open stay; elsewhere pytest removes some.
    """
    for name in _OTHERS:
        import_module(name)
    fcntl = import_module("fcntl")
    sys.modules["fcntl"] = None
    sys.modules["msvcrt"] = _msvcrt(fcntl)
    selectors.DefaultSelector = selectors.SelectSelector
    os.umask(0)
    for name in _ABSENT:
        delattr(os, name)
    os.chmod = _chmod
    os.mkdir = _without_mode(os.mkdir)
    os.open = _opening(os.open)
    for name in ("remove", "unlink"):
        setattr(os, name, _unless_open(getattr(os, name), 1, str(folder)))
    for name in ("rename", "replace"):
        setattr(os, name, _unless_open(getattr(os, name), 2, str(folder)))


def _msvcrt(fcntl):
    def locking(descriptor, mode, nbytes):
        assert (mode, nbytes, os.lseek(descriptor, 0, os.SEEK_CUR)) == (module.LK_NBLCK, 1, 0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refused() from None

    module = ModuleType("msvcrt")
    module.LK_NBLCK = 2
    module.locking = locking
    return module


def _refused():
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _chmod(path, mode):
    # Of a descriptor not before Python 3.13; of a path it changes whether it is read-only.
    os.fspath(path)


def _without_mode(mkdir):
    return lambda path, mode=0o777: mkdir(path)


def _opening(posix_open):
    def open_(path, flags, mode=0o777, *, dir_fd=None):
        if dir_fd is not None:
            raise NotImplementedError("dir_fd unavailable on this platform")
        if Path(path).is_dir():
            raise _refused()
        return posix_open(path, flags, 0o666)

    return open_


def _unless_open(change, count, folder):
    def changed(*paths, **options):
        inside = [path for path in paths[:count] if os.fspath(path).startswith(folder)]
        if any(map(_is_open, inside)):
            raise _refused()
        return change(*paths, **options)

    return changed


def _is_open(path):
    """Return whether a process of this group has the file open."""
    with suppress(FileNotFoundError):
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            return False
        return any(os.path.samestat(found, other) for other in _opened())
    return False


def _opened():
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(process.name)) != os.getpgid(0):
                continue
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    yield descriptor.stat()


if __name__ == "__main__":
    pretend(sys.argv[1])

    import pytest

    # anyio, which is a plugin too, had to come first.
    options = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
    sys.exit(pytest.main([*options, f"--basetemp={sys.argv[1]}", *sys.argv[2:]]))
