"""The page that tells what was seen of a hostile world, written from a run of all scenes."""

from __future__ import annotations

import platform
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "world.md"

_COLUMNS = ("conditions", "runs", "presented twice", "lost", "failed", "hung", "what may be seen")
_HEAD = """# A hostile world

Real processes, real stores and a token server that counts: they are stopped, killed, forked, starved and lied
to, and this page is written from what was seen. One command plays all of it and writes the page again:

```sh
nox -s world
```

Each run has a credential and a token server of its own. The server is the emulated Atlassian, made strict.
As Cloud it takes a used refresh token again for ten minutes and not a second longer. As Data Center it takes
each one once, and a second presentation ends the consent. After each run a fresh process refreshes the
credential, and the server's ledger is compared with the store. The columns:

- *presented twice*: refresh tokens that reached the server although it had answered them before;
- *lost*: runs after which what is stored is not what the server takes;
- *failed*: callers that were told an error which the last column does not list;
- *hung*: processes or calls that did not end within five minutes.

The command fails if a run shows more than its line allows. A *point* is one of ten steps of a refresh: before
the lock, after it, the record read, the lock confirmed, before the request, sent (the answer is under way),
answered, before the save, saved, before the unlock. What other pages show is not played here again:
[kills](fleet.md#proof-by-killing), and [faults of the token endpoint, the network and the stores](faults.md).

A sample of the scenes runs with all other tests, with limits of seconds in place of minutes. It prints its
seed; `ATLASSIAN_AUTH_TEST_WORLD=<seed>` plays the same sample again.
"""
_NOTES = """
## How it is done

- A process is stopped by `SIGSTOP` at the point itself, or, for *sent*, when the server has rotated. The
  answer is in the socket of the process when it goes on.
- "Not installed" is an import that fails: the fresh interpreter is told so (`sys.modules["trio"] = None`)
  before anything is imported. For gevent everything is patched (`monkey.patch_all()`).
- PostgreSQL is not played under gevent, because it does not work there: its store runs an event loop in a
  thread of its own, and gevent makes one thread of all. A call that needs the store ends with `StoreError`
  ("Cannot run the event loop while another loop is running").
- No threads, and files without rights, are real: the process becomes a user that has no other process,
  because `RLIMIT_NPROC` and the modes of files do not bind root. The full disk is a file system in memory of
  1 MiB.
- A failover of Redis is a primary that is ended and a replica that is promoted and gets its address. A
  failover of PostgreSQL is a synchronous standby that is promoted, and a connection string that names both
  servers.
- Clocks are those that the manager is given. The computer's own clock is left alone.
- On Redis the harness ends the lease of a dead process before the fresh process asks, so that it does not
  have to wait for it.
"""


def line(scene, seen):
    """Return a scene's line in its table."""
    numbers = [seen.runs, seen.twice, seen.lost, len(seen.failed), len(seen.hung)]
    return _row([scene.conditions, *(f"{number:,}" for number in numbers), scene.may or "nothing"])


def page(scenes, seen, took_seconds):
    """Return the page as Markdown; everything must have been played."""
    runs = sum(one.runs for one in seen.values())
    parts = [_HEAD, _place(runs, took_seconds)]
    for chapter, its in groupby(scenes, lambda scene: scene.chapter):
        lines = [line(scene, seen[scene]) for scene in its]
        parts.append(
            "\n".join([f"\n## {chapter}\n", _row(_COLUMNS), _row(["---"] * 7), *lines, ""])
        )
    return "".join([*parts, _NOTES])


def _place(runs, took_seconds):
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("httpx", "redis", "psycopg", "trio")
    )
    return (
        f"\nThis is from {runs:,} runs in {took_seconds / 60:.0f} minutes, with CPython "
        f"{platform.python_version()} on {platform.system()}, {packages}.\n"
    )


def _row(cells):
    return f"| {' | '.join(cells)} |"
