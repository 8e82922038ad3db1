"""A store is restored from a backup; a process that holds the newest pair goes on, or none does."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import psycopg
from redis import Redis

from tests.world.scene import PRODUCTS, STORES, Scene, runs

# ruff: noqa: S608 -- the names are the harness's own

CHAPTER = "Backups"
_REFRESHES = (1, 2, 5, 40)


def restored(ground, refreshes):
    """Restore a backup that is so many refreshes old; the process that made them refreshes again."""
    holder, restore = _after_refreshes(ground, refreshes)
    restore()
    ground.check(holder.ask("refresh"))
    holder.end()


def restored_for_another(ground, refreshes):
    """Restore a backup; after the first process has refreshed, a new process asks for a token."""
    holder, restore = _after_refreshes(ground, refreshes)
    restore()
    ground.check(holder.ask("refresh"))
    other = ground.process()
    ground.check(other.ask("token"))
    ground.check(other.ask("refresh"))
    ground.check(holder.ask("refresh"))
    other.end()
    holder.end()


def restored_unseen(ground, refreshes):
    """Restore a backup when no process with a newer pair is left."""
    holder, restore = _after_refreshes(ground, refreshes)
    holder.end()
    restore()


def _after_refreshes(ground, refreshes):
    holder = ground.holder()
    ground.check(holder.ask("token"))
    restore = _BACKUPS[ground.store](ground)
    for _ in range(refreshes):
        ground.check(holder.ask("refresh"))
    return holder, restore


def _back_up_sqlite(ground):
    path, copy = ground.place.store.removeprefix("sqlite:///"), ground.folder / "copy.db"

    def copied(source, target):
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)

    copied(path, copy)
    return lambda: copied(copy, path)


def _back_up_files(ground):
    copy = ground.folder / "copy"
    shutil.copytree(ground.kept, copy)
    return lambda: shutil.copytree(copy, ground.kept, dirs_exist_ok=True)


def _back_up_redis(ground):
    pattern = f"*{ground.key}*"
    with Redis.from_url(ground.place.store) as server:
        dumps = {name: server.dump(name) for name in server.scan_iter(match=pattern)}

    def restore():
        with Redis.from_url(ground.place.store) as server:
            for name in server.scan_iter(match=pattern):
                server.delete(name)
            for name, dump in dumps.items():
                server.restore(name, 0, dump)

    return restore


def _back_up_postgres(ground):
    table, copy = "atlassian_auth_records", f"copy_{ground.key}"
    mine = f"convert_from(key, 'UTF8') = '{ground.key}'"
    with psycopg.connect(ground.place.store, autocommit=True) as server:
        server.execute(f"CREATE TABLE {copy} AS SELECT * FROM {table} WHERE {mine}")

    def restore():
        with psycopg.connect(ground.place.store) as server:
            server.execute(f"DELETE FROM {table} WHERE {mine}")
            server.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {copy}")

    return restore


_BACKUPS = {
    "sqlite": _back_up_sqlite,
    "file": _back_up_files,
    "redis": _back_up_redis,
    "postgres": _back_up_postgres,
}
_EVERYWHERE = runs(product=PRODUCTS, store=STORES, refreshes=_REFRESHES)
_AGE = "a backup of 1, 2, 5 and 40 refreshes ago is restored"

SCENES = (
    Scene(CHAPTER, f"{_AGE} under a process, which refreshes", restored, _EVERYWHERE),
    Scene(
        CHAPTER,
        f"{_AGE} under a process; another one starts and refreshes after it",
        restored_for_another,
        _EVERYWHERE,
    ),
    Scene(
        CHAPTER,
        f"{_AGE}, and no process lives that knows a newer pair",
        restored_unseen,
        _EVERYWHERE,
        may="the newer pair is gone: within the leeway Cloud takes the old refresh token, Data Center never",
        may_be_twice=True,
        may_be_lost=True,
    ),
)
