"""Faults of a real disk: it is full, or the files are read-only."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from atlassian_auth.stores import FileStore, SQLiteStore
from tests.faults.endpoint import CLOUD
from tests.faults.stage import real_time
from tests.faults.store import KEPT
from tests.faults.trouble import Trouble, alike

_NOBODY = 65534


def on_disk(store):
    """Return a stage whose store is in a folder of its own, as ``folder`` says where."""

    @asynccontextmanager
    async def stage(product, _load):
        if sys.platform == "win32":
            pytest.skip("POSIX only: modes of files, limits, and these stores' locks")
        with reachable_folder() as place:
            async with real_time(product, lambda clock: store(place, clock)) as stage:
                stage.place = place
                yield stage

    return stage


@contextmanager
def reachable_folder():
    with TemporaryDirectory(prefix="aa-") as folder:
        Path(folder).chmod(0o711)
        place = Path(folder) / "kept"
        place.mkdir()
        yield place


@contextmanager
def ordinary_user(paths):
    """Be a user whom the modes of files concern, if this is root, and own these for that time."""
    if os.geteuid():
        yield
        return
    for path in paths:
        os.chown(path, _NOBODY, -1)
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        # A store refuses what belongs to another user.
        for path in filter(Path.exists, paths):
            os.chown(path, 0, -1)


@asynccontextmanager
async def disk_full(_):
    """No file may be written: what the kernel says then differs from a full disk in its number only."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@asynccontextmanager
async def read_only(stage):
    """Make the files read-only; the processes have them open."""
    modes = {path: path.stat().st_mode for path in (stage.place, *stage.place.rglob("*"))}
    with ordinary_user(modes):
        for path, mode in modes.items():
            path.chmod(mode & 0o555)
        yield
        for path, mode in modes.items():
            path.chmod(mode)


@asynccontextmanager
async def read_only_at_a_restart(stage):
    """The same, and the processes start anew."""
    for manager in stage.managers:
        await manager.store.aclose()
    async with read_only(stage):
        yield
        for manager in stage.managers:
            await manager.store.aclose()


on_sqlite = on_disk(lambda place, clock: SQLiteStore(place / "tokens.db", clock=clock))
on_files = on_disk(lambda place, clock: FileStore(place, clock=clock))


AS_ABOVE = "As for any pair that cannot be saved."
TROUBLES = (
    Trouble(
        name="`SQLiteStore`: the disk is full",
        promise=AS_ABOVE,
        products=CLOUD,
        stage=on_sqlite,
        lasts=disk_full,
        seen=alike("store", "ready", 1),
        words=(KEPT, "tokens.db"),
    ),
    Trouble(
        name="`FileStore`: the disk is full",
        promise=AS_ABOVE,
        products=CLOUD,
        stage=on_files,
        lasts=disk_full,
        seen=alike("store", "ready", 1),
        words=(KEPT, "Make room on the disk"),
    ),
    Trouble(
        name="`FileStore`: the folder becomes read-only",
        promise="The store cannot be locked, so no request is sent.",
        stage=on_files,
        lasts=read_only,
        seen=alike("store", "ready", 0),
        words=("Permission denied", "must exist and be writable"),
    ),
    Trouble(
        name="`FileStore`: the folder is read-only when the process starts",
        promise="No request is sent.",
        stage=on_files,
        lasts=read_only_at_a_restart,
        seen=alike("store", "store", 0),
        words=("Permission denied", "must exist and be writable"),
    ),
    Trouble(
        name="`SQLiteStore`: the file is read-only when the process starts",
        promise="No request is sent.",
        stage=on_sqlite,
        lasts=read_only_at_a_restart,
        seen=alike("store", "store", 0),
        words=("tokens.db",),
    ),
)
