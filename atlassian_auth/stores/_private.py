"""Private files and folders: those of other users are refused, those that others can read are closed to them.

The owner of a file can read it whatever its mode, and a user who can write to a folder can replace its files.
So a file is opened first and then checked through its descriptor, and a link is never followed: the file that
was checked is the file that is used. (Other programs do not inherit Python's descriptors: PEP 446.)

Windows has access control lists, which a file inherits from its folder, and no owners or modes that Python
can compare. It cannot open a folder as a file either. These checks are skipped there.
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
__all__ += [
    "identity",
    "make_folders",
    "open_file",
    "opened_folder",
    "replaced",
    "resolve",
    "sync_folder",
]

_HAS_OWNERS = hasattr(os, "geteuid")
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
_NO_WAITING: int = getattr(os, "O_NONBLOCK", 0)
_FOLDER: int = getattr(os, "O_DIRECTORY", 0)


@dataclass(frozen=True, slots=True)
class OpenedFolder:
    """An open folder that belongs to this user.

    Attributes:
        handle: Its descriptor, or its path on a system where a folder cannot be opened.
        status: Its status when it was opened.
    """

    handle: int | Path
    status: os.stat_result


def resolve(path: str) -> Path:
    """Return the absolute path, with ``~`` and links resolved.

    Links are resolved once, so that all processes find the same file and the same folder of locks.
    """
    return Path(os.path.realpath(os.path.expanduser(path)))  # noqa: PTH111 -- never raises


def identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file or folder, or None if it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def replaced(path: Path, kind: str, *, remove: str = "") -> StoreError:
    """Return the error for a file or folder whose identity has changed while it was in use.

    Args:
        path: Its path.
        kind: What it is: a file or a folder.
        remove: What else to remove if it is gone for good, with a comma.
    """
    return StoreError(
        f"{path} was removed or replaced while it was in use. Move the {kind} that was there back: then "
        "calls work again, and a token that could not be saved is saved; it is lost if its process ends "
        f"before. Only if that {kind} is gone for good, end all processes that use it, {remove}and start "
        "them again."
    )


def make_folders(path: Path) -> None:
    """Create the folder and its missing parents, all with mode 0700.

    Raises:
        OSError: if the operating system reports an error.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in (*reversed(missing), path):
        folder.mkdir(mode=0o700, exist_ok=True)


def check_owner(path: Path, status: os.stat_result) -> None:
    """Check that the file or folder belongs to this user.

    Raises:
        StoreError: if another user owns it.
    """
    if _HAS_OWNERS and status.st_uid != os.geteuid():
        message = (
            f"{path} belongs to another user (of id {status.st_uid}), who could read what is stored there. "
            f"It was left as it is. Make user {os.geteuid()} its owner, or choose another path."
        )
        raise StoreError(message)


def check_file(path: Path, status: os.stat_result) -> None:
    """Check that this is a regular file that belongs to this user.

    Raises:
        StoreError: if it is a link, a folder, a pipe or a device, or belongs to another user.
    """
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular(path)
    check_owner(path, status)


def check_closed(path: Path, status: os.stat_result) -> None:
    """Check that no other user can write there.

    Raises:
        StoreError: if the mode lets other users write.
    """
    if _HAS_OWNERS and status.st_mode & 0o022:
        message = (
            f"{path} can be written by other users (its mode is {stat.S_IMODE(status.st_mode):03o}), who may "
            "have put files there. It was left as it is. Remove it; or check that all files in it are yours, "
            "and then run chmod 700 on it."
        )
        raise StoreError(message)


def close_to_others(path: Path | int, status: os.stat_result) -> None:
    """Remove the rights of other users to read, write or enter. Do nothing on Windows.

    Args:
        path: The file or folder, or its descriptor.
        status: Its present status.
    """
    if _HAS_OWNERS and status.st_mode & 0o077:
        os.chmod(path, stat.S_IMODE(status.st_mode) & 0o700)  # noqa: PTH101 -- may be a descriptor


@contextmanager
def opened_folder(path: Path) -> Generator[OpenedFolder]:
    """Open a folder that belongs to this user, and close it at the end of the block.

    Raises:
        StoreError: if another user owns it.
        OSError: if it is a link or not a folder, or the operating system reports an error.
    """
    if not _FOLDER:
        yield _unopened(path)
        return
    descriptor = os.open(path, os.O_RDONLY | _FOLDER | _NO_LINK)
    try:
        status = os.fstat(descriptor)
        check_owner(path, status)
        yield OpenedFolder(descriptor, status)
    finally:
        os.close(descriptor)


def sync_folder(path: Path, sync: Callable[[int], None]) -> None:
    """Write the folder's list of files to the disk. Do nothing on Windows, where Python cannot do it.

    Args:
        path: The folder.
        sync: Writes the file of a descriptor to the disk.

    Raises:
        OSError: if the operating system reports an error.
    """
    if not _FOLDER:
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def open_file(path: Path, flags: int, folder: OpenedFolder | None = None) -> int:
    """Open a regular file that belongs to this user, and return its descriptor. A new file gets mode 0600.

    Args:
        path: The file.
        flags: The flags of `os.open`.
        folder: The folder of the file, if it is open.

    Raises:
        StoreError: if it is not a regular file, or belongs to another user.
        OSError: if the operating system reports an error.
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
        return _check_descriptor(path, descriptor)
    raise _not_regular(path)


def _unopened(path: Path) -> OpenedFolder:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return OpenedFolder(path, status)


def _check_descriptor(path: Path, descriptor: int) -> int:
    with ExitStack() as undo:
        undo.callback(os.close, descriptor)
        check_file(path, os.fstat(descriptor))
        undo.pop_all()
    return descriptor


def _not_regular(path: Path) -> StoreError:
    return StoreError(
        f"{path} is not a regular file (but a link, a folder, a pipe or a device). It was left as it is. "
        "Remove it, or choose another path."
    )
