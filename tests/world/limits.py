"""A process gets few descriptors, or no thread."""

from __future__ import annotations

import os

import pytest

from tests.world.ground import until
from tests.world.scene import PRODUCTS, STORES, Scene, runs

CHAPTER = "Limits of a process"
_OTHER_USER = 64123  # the kernel does not limit root's threads; this user has no other process
_KEYS = 60


def few_descriptors(ground, limit):
    """Many keys are due while descriptors are short; then there are enough again."""
    holder = ground.holder()
    keys = [f"{ground.key}-{number}" for number in range(_KEYS)]
    for key in keys:
        ground.check(holder.ask("add", key, ground.issue(key)))
    holder.ask("limit", "NOFILE", limit)
    for answer in holder.ask("tokens", keys)[1].items():
        ground.check(answer, "store", "transient")
    ground.check(holder.ask("token"), "store", "transient")
    holder.ask("limit", "NOFILE", None)
    ground.heal(holder, holder.ask("token"), "store", "transient")
    until(lambda: set(holder.ask("tokens", keys)[1]) == {"token"}, "some key gets no token")
    holder.end()


def no_threads(ground):
    """A process that has no thread yet cannot start one; then it can."""
    if os.geteuid():
        pytest.skip("only root can become another user, of whose threads all are known")
    ground.give_files_to(_OTHER_USER)
    issued = ground.process()
    ground.check(issued.ask("add", ground.key, ground.issue()))
    issued.end()
    ground.give_files_to(_OTHER_USER)
    process = ground.process()
    process.ask("become", _OTHER_USER)
    process.ask("limit", "NPROC", 1)
    for _ in range(50):
        ground.check(process.ask("token"), "store", "transient")
    process.ask("limit", "NPROC", None)
    ground.heal(process, process.ask("token"), "store", "transient")
    process.end()


SCENES = (
    Scene(
        CHAPTER,
        f"64 descriptors, or 24 (`ulimit -n`); {_KEYS} keys are due at once",
        few_descriptors,
        runs(product=PRODUCTS, store=STORES, limit=(64, 24)),
        heavy=True,
        may="`StoreError` or `TransientError`; a token when there are descriptors again",
    ),
    Scene(
        CHAPTER,
        "no thread can be started (`ulimit -u`), 50 calls",
        no_threads,
        runs(product=PRODUCTS, store=STORES),
        may="`StoreError` or `TransientError`; a token when there are threads again",
    ),
)
