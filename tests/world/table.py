"""The page that tells what was seen of a hostile world, written from a run of all scenes."""

from __future__ import annotations

import platform
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from time import gmtime, strftime

PAGE = Path(__file__).parents[2] / "docs" / "world.md"

_HEAD = """# A hostile world

This page shows what happens to real processes and real stores that are stopped, killed, forked, and short of
resources. It is generated from a run. One command runs everything and writes the page again:

```sh
nox -s world
```

Each run has its own credential and token server. The server is the emulated Atlassian with strict rules.
As Cloud it accepts a used refresh token again for exactly ten minutes. As Data Center it accepts
each one once, and a second presentation ends the consent. After each run a new process refreshes the
credential, and the tokens of the server are compared with the store. What is counted:

- *presented twice*: refresh tokens that reached the server again after it had answered them;
- *lost*: runs after which the server refuses the stored refresh token;
- *failed*: callers that got an error which is not among those that may be seen;
- *hung*: processes or calls that did not end within five minutes.

The command fails if a run shows more than its entry allows. A *point* is one of ten steps of a refresh:
before the lock, after it, the record read, the lock confirmed, before the request, sent (the answer is
under way), answered, before the save, saved, before the unlock. Other pages show
[kills](fleet.md#proof-by-killing) and [faults of the token endpoint, the network and the stores](faults.md).

A sample of the scenes runs with all other tests, with limits of seconds in place of minutes. It prints its
seed; `ATLASSIAN_AUTH_TEST_WORLD=<seed>` runs the same sample again.
"""
_NOTES = """
## How it is done

- A process is stopped by `SIGSTOP` at the point itself, or, for *sent*, when the server has rotated. The
  answer is in the socket of the process when it goes on.
- "Not installed" is an import that fails: `sys.modules["trio"] = None` is set in the new interpreter
  before any import. For gevent all modules are patched (`monkey.patch_all()`).
- PostgreSQL is not tested with gevent, because it does not work there: its store runs an event loop in its
  own thread, and with gevent all threads are one. A call that needs the store ends with `StoreError`
  ("Cannot run the event loop while another loop is running").
- The limit of threads and the modes of files are real: the process runs as a user without other processes,
  because `RLIMIT_NPROC` and the modes of files do not apply to root. The full disk is a file system in
  memory of 1 MiB.
- In a failover of Redis the primary is stopped, and a replica is promoted and gets its address. In a
  failover of PostgreSQL a synchronous standby is promoted; the connection string names both
  servers.
- The clock is the one that is passed to the manager. The computer's clock is not changed.
- On Redis the harness ends the lease of a dead process, so that the new process does not wait for it.
"""


def entry(scene, seen):
    """Return what the page says of a scene."""
    counted = (
        f"{seen.runs:,} runs: presented twice {seen.twice:,}, lost {seen.lost:,}, "
        f"failed {len(seen.failed):,}, hung {len(seen.hung):,}."
    )
    return f"{scene.conditions}\n: {counted} May be seen: {scene.may or 'nothing'}.\n"


def page(scenes, seen, took_seconds):
    """Return the page as Markdown; everything must have been played."""
    runs = sum(one.runs for one in seen.values())
    parts = [_HEAD, _place(runs, took_seconds)]
    for chapter, its in groupby(scenes, lambda scene: scene.chapter):
        parts.append(f"\n## {chapter}\n")
        parts += [f"\n{entry(scene, seen[scene])}" for scene in its]
    return "".join([*parts, _NOTES])


def _place(runs, took_seconds):
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("httpx", "redis", "psycopg", "trio")
    )
    return (
        f"\nThis is from {runs:,} runs on {strftime('%Y-%m-%d', gmtime())}, in "
        f"{took_seconds / 60:.0f} minutes, with CPython {platform.python_version()} on "
        f"{platform.system()}, {packages}.\n"
    )
