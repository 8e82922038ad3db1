"""Files and folders that are this user's alone: what others own is refused, what they could read is closed.

Who owns a file can read it whatever its mode, and who may write a folder can exchange what is in it.
What is opened here is looked at through its own descriptor, and no link is followed at its end: what
was checked is what is used. (Python's descriptors are not inherited by other programs: PEP 446.)

Windows has neither owners that could be compared nor modes that say anything: lists of rights decide
there, which a file takes over from its folder. It opens no folder as a file either. What is not there is
not asked for.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from atlassian_auth.exceptions import StoreError

__all__ = ["OpenedFolder", "check_closed", "check_file", "check_owner", "close_to_others"]
__all__ += ["make_folders", "open_file", "opened_folder", "sync_folder"]

_HAS_OWNERS = hasattr(os, "geteuid")
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
_NO_WAITING: int = getattr(os, "O_NONBLOCK", 0)
_FOLDER: int = getattr(os, "O_DIRECTORY", 0)


@dataclass(frozen=True, slots=True)
class OpenedFolder:
    """A folder of this user's.

    Attributes:
        handle: Its descriptor; its path where a folder cannot be opened.
        status: What it was like when it was opened.
    """

    handle: int | Path
    status: os.stat_result


def make_folders(path: Path) -> None:
    """Make the folder and those above it that are missing, each for its owner alone.

    Raises:
        OSError: if the operating system refuses.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in (*reversed(missing), path):
        folder.mkdir(mode=0o700, exist_ok=True)


def check_owner(path: Path, status: os.stat_result) -> None:
    """Return if the file or folder is this user's.

    Raises:
        StoreError: if another user owns it.
    """
    if _HAS_OWNERS and status.st_uid != os.geteuid():
        message = (
            f"{path} belongs to another user (of id {status.st_uid}), who can read what is put there. It was "
            f"left as it is: make it this user's own (of id {os.geteuid()}), or choose another path."
        )
        raise StoreError(message)


def check_file(path: Path, status: os.stat_result) -> None:
    """Return if it is a regular file of this user's.

    Raises:
        StoreError: if it is a link, a folder, a pipe or a device, or another user's.
    """
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular(path)
    check_owner(path, status)


def check_closed(path: Path, status: os.stat_result) -> None:
    """Return if no other user may write there.

    Raises:
        StoreError: if the mode says that others may.
    """
    if _HAS_OWNERS and status.st_mode & 0o022:
        message = (
            f"{path} can be written by other users (its mode is {stat.S_IMODE(status.st_mode):03o}), who may "
            "have put something there. It was left as it is: remove it, or close it with chmod 700 once you "
            "know that what is in it is yours."
        )
        raise StoreError(message)


def close_to_others(path: Path | int, status: os.stat_result) -> None:
    """Take from others the right to read, write or enter, where modes say who has it.

    Args:
        path: The file or folder, or its descriptor.
        status: What it is like now.
    """
    if _HAS_OWNERS and status.st_mode & 0o077:
        os.chmod(path, stat.S_IMODE(status.st_mode) & 0o700)  # noqa: PTH101 -- or a descriptor


@contextmanager
def opened_folder(path: Path) -> Generator[OpenedFolder]:
    """Give a folder of this user's, open where that can be.

    Raises:
        StoreError: if another user owns it.
        OSError: if it is a link or no folder, or the operating system refuses.
    """
    if not _FOLDER:
        yield _looked_at(path)
        return
    descriptor = os.open(path, os.O_RDONLY | _FOLDER | _NO_LINK)
    try:
        status = os.fstat(descriptor)
        check_owner(path, status)
        yield OpenedFolder(descriptor, status)
    finally:
        os.close(descriptor)


def sync_folder(path: Path, sync: Callable[[int], None]) -> None:
    """Bring to the disk which files the folder has, where that can be asked for.

    Args:
        path: The folder.
        sync: Does it with a descriptor.

    Raises:
        OSError: if the operating system refuses.
    """
    if not _FOLDER:
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def open_file(path: Path, flags: int, folder: OpenedFolder | None = None) -> int:
    """Return the descriptor of a regular file of this user's; one that is made is private.

    Args:
        path: Where it is.
        flags: Of `os.open`.
        folder: The folder that it is in, if that is open.

    Raises:
        StoreError: if it is a link, or anything but a regular file, or another user's.
        OSError: if the operating system refuses.
    """
    if not _NO_LINK and path.is_symlink():
        raise _not_regular(path)
    inside = folder.handle if folder and isinstance(folder.handle, int) else None
    name = path if inside is None else path.name
    try:
        descriptor = os.open(name, flags | _NO_LINK | _NO_WAITING, 0o600, dir_fd=inside)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    else:
        return _checked(path, descriptor)
    raise _not_regular(path)


def _looked_at(path: Path) -> OpenedFolder:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return OpenedFolder(path, status)


def _checked(path: Path, descriptor: int) -> int:
    with ExitStack() as undo:
        undo.callback(os.close, descriptor)
        check_file(path, os.fstat(descriptor))
        undo.pop_all()
    return descriptor


def _not_regular(path: Path) -> StoreError:
    return StoreError(
        f"{path} is not a regular file (but a link, a folder, a pipe or a device). It was left as it is: "
        "remove it, or choose another path."
    )
