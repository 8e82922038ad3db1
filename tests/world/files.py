"""Files and folders are removed, replaced, made read-only, locked by other programs, and the disk is full."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import threading
from contextlib import suppress

import pytest

from tests.world.mishaps import Mishap, at_points
from tests.world.scene import PRODUCTS

CHAPTER = "Files"
_ON_FILES = {"products": PRODUCTS, "stores": ("sqlite", "file")}
_IS_ROOT = os.geteuid() == 0
_OTHER_USER = 64123  # a user whom the modes of files concern, and who has no other process


class Removed(Mishap):
    """The folder is moved away, and moved back."""

    listed = ("store",)

    def begin(self):
        self.ground.kept.rename(self._away)

    def end(self):
        shutil.rmtree(self.ground.kept, ignore_errors=True)
        self._away.rename(self.ground.kept)

    @property
    def _away(self):
        return self.ground.folder / "away"


class Replaced(Removed):
    """The folder is moved away, and there is an older copy in its place."""

    def begin(self):
        super().begin()
        shutil.copytree(self._away, self.ground.kept)


class ReadOnly(Mishap):
    """The files and their folder are made read-only."""

    listed = ("store",)

    def prepare(self):
        if _IS_ROOT:
            self.ground.give_files_to(_OTHER_USER)

    def holder(self):
        return self.ground.holder(*(["become", _OTHER_USER] if _IS_ROOT else []))

    def begin(self):
        kept = self.ground.kept
        self._modes = {path: path.stat().st_mode for path in (kept, *kept.rglob("*"))}
        for path, mode in self._modes.items():
            path.chmod(mode & 0o555)

    def end(self):
        for path, mode in self._modes.items():
            with suppress(FileNotFoundError):  # a lock's file, which ended
                path.chmod(mode)


class Full(Mishap):
    """The disk, a small one of this run's own, is full."""

    listed = ("store",)

    def prepare(self):
        kept = self.ground.kept
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", kept]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("no file system may be mounted here")
        self.ground.use(_Mounted(kept))

    def begin(self):
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            for size in (4096, 1):
                with suppress(OSError):
                    while file.write(bytes(size)):
                        pass

    def end(self):
        self._filler.unlink()

    @property
    def _filler(self):
        return self.ground.kept / "filler"


class _Mounted:
    def __init__(self, folder):
        self._folder = folder

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", self._folder], check=True)


class Locked(Mishap):
    """Another program locks the database for writing, for a while."""

    seconds = 3.0

    def begin(self):
        path = self.ground.place.store.removeprefix("sqlite:///")
        self._other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._other.execute("BEGIN EXCLUSIVE")
        self._timer = threading.Timer(self.seconds, self._other.rollback)
        self._timer.start()

    def end(self):
        self._timer.join()
        self._other.close()


class LockedForLong(Locked):
    """Another program locks the database for longer than a call waits."""

    listed = ("store",)
    seconds = 25.0


SCENES = (
    at_points(
        CHAPTER,
        "the folder is moved away, and moved back",
        Removed,
        may="`StoreError`; a token when it is back",
        **_ON_FILES,
    ),
    at_points(
        CHAPTER,
        "the folder is replaced by an older copy, and moved back",
        Replaced,
        may="`StoreError`; a token when it is back",
        **_ON_FILES,
    ),
    at_points(
        CHAPTER,
        "the files become read-only",
        ReadOnly,
        may="`StoreError`; a token when they can be written",
        **_ON_FILES,
    ),
    at_points(
        CHAPTER,
        "the disk is full (a file system of 1 MiB)",
        Full,
        may="`StoreError`; a token when there is room",
        **_ON_FILES,
    ),
    at_points(
        CHAPTER,
        "another program locks the database for 3 s",
        Locked,
        products=PRODUCTS,
        stores=("sqlite",),
    ),
    at_points(
        CHAPTER,
        "another program locks the database for 25 s",
        LockedForLong,
        products=PRODUCTS,
        stores=("sqlite",),
        may="`StoreError` after 10 s; a token afterwards",
        sampled=False,
    ),
)
