"""What fresh interpreters run: all imports are first ones, and exits are real ones.

``python tests/world/programs.py PROGRAM ORDERS``, where the orders are JSON. A program writes its
results, a word on each line. Nothing of the library is imported before it begins.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import json
import os
import queue
import signal
import sys
import threading
from dataclasses import replace

_PATIENCE_SECONDS = 240


def say(word):
    os.write(1, f"{word}\n".encode())


def new_manager(place):
    from atlassian_auth import CloudGrant, DataCenterGrant, Endpoints, TokenManager

    app = {
        "client_id": place["client_id"],
        "client_secret": place["client_secret"],
        "redirect_uri": "http://127.0.0.1:8765/callback",
    }
    if place["product"] == "data_center":
        grant = DataCenterGrant(place["url"], scopes=["ADMIN"], **app)
    else:
        endpoints = replace(
            Endpoints.cloud(),
            token_url=f"{place['url']}/oauth/token",
            authorize_url=f"{place['url']}/authorize",
        )
        grant = CloudGrant(scopes=["read:me"], endpoints=endpoints, **app)
    return TokenManager(grant, store=_open_store(place))


def _open_store(place):
    from atlassian_auth.stores import RedisStore, open_store

    if place["store"].startswith("unix:"):
        return RedisStore(place["store"], prefix=place["key"])
    return open_store(place["store"])


# -- exits -----------------------------------------------------------------------------------------


def leave(place, how):
    """Ask for a token, and leave in the given way while the answer is under way."""
    manager = new_manager(place)
    if how == "a daemon thread asks, and the main thread returns":
        threading.Thread(target=manager.token_sync, args=[place["key"]], daemon=True).start()
        sys.stdin.readline()
        return
    asyncio.run(_leave(manager, place["key"], how))


async def _leave(manager, key, how):
    asking = asyncio.ensure_future(manager.token(key))
    if how == "`os._exit` when there is a token":
        await asking
        os._exit(0)
    await asyncio.to_thread(sys.stdin.readline)
    atexit.register(say, "leaving")
    _WAYS[how]()


def _raise():
    raise LookupError


def _exit_by_handler():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    signal.raise_signal(signal.SIGTERM)


def _fork(end):
    child = os.fork()
    if not child:
        end()
    os.waitpid(child, 0)


_WAYS = {
    "return": lambda: None,
    "`sys.exit`": lambda: sys.exit(3),
    "an exception": _raise,
    "SIGINT": lambda: signal.raise_signal(signal.SIGINT),
    "SIGINT twice": lambda: signal.raise_signal(signal.SIGINT),
    "SIGTERM with a handler": _exit_by_handler,
    "a forked child exits with `os._exit`, then return": lambda: _fork(lambda: os._exit(0)),
    "SIGTERM": lambda: signal.raise_signal(signal.SIGTERM),
    "SIGKILL": lambda: signal.raise_signal(signal.SIGKILL),
    "`os._exit`": lambda: os._exit(0),
    "`os.execv`": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),  # noqa: S606 -- as asked
}


# -- cold starts -----------------------------------------------------------------------------------


def start(place, keys, on, other):
    """Ask for the tokens of all keys at once, as the first thing of all.

    Args:
        place: Where they are.
        keys: Their names.
        on: What they are asked on.
        other: The URL that another thread asks by httpx meanwhile, for its first time, too.
    """
    if on == "gevent":
        from gevent import monkey

        monkey.patch_all()
    manager = new_manager(place)
    another = threading.Thread(target=_get, args=[other])
    another.start()
    say(json.dumps(_ASKED_ON[on](manager, keys)))
    another.join()


def _get(url):
    import httpx

    httpx.get(url)


async def _ask(manager, key):
    try:
        await manager.token(key)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the table is to show it
        return repr(error)
    return "token"


def _ask_sync(manager, key):
    try:
        manager.token_sync(key)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the table is to show it
        return repr(error)
    return "token"


async def _ask_on_asyncio(manager, keys):
    return await asyncio.gather(*(_ask(manager, key) for key in keys))


def _on_uvloop(manager, keys):
    import uvloop

    return uvloop.run(_ask_on_asyncio(manager, keys))


def _on_trio(manager, keys):
    import trio

    answers = []

    async def ask(key):
        answers.append(await _ask(manager, key))

    async def ask_all():
        async with trio.open_nursery() as tasks:
            for key in keys:
                tasks.start_soon(ask, key)

    trio.run(ask_all)
    return answers


def _on_threads(manager, keys):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(keys)) as threads:
        return list(threads.map(lambda key: _ask_sync(manager, key), keys))


def _on_gevent(manager, keys):
    import gevent

    tasks = [gevent.spawn(_ask_sync, manager, key) for key in keys]
    return [task.get() for task in tasks]


_ASKED_ON = {
    "asyncio": lambda manager, keys: asyncio.run(_ask_on_asyncio(manager, keys)),
    "uvloop": _on_uvloop,
    "trio": _on_trio,
    "threads": _on_threads,
    "gevent": _on_gevent,
}


# -- forks -----------------------------------------------------------------------------------------


def fork_at_steps(place, every, first):
    """Fork again and again during the first refresh: after every so many steps of any thread.

    The thread stands at its step until the fork begins. The children ask for the same credential's token.
    """
    manager = new_manager(place)
    steps, standing = itertools.count(first), queue.SimpleQueue()

    def stand(*_):
        if next(steps) % every == 0:
            begun = forks["begun"]
            standing.put(True)
            # Do not fork while another fork is under way: it waits for locks that this thread may hold.
            while forks["begun"] == begun == forks["ended"]:
                moves.wait(0.01)

    def begin():
        forks["begun"] += 1

    def end():
        forks["ended"] = forks["begun"]

    def ask():
        answers.append(_ask_sync(manager, place["key"]))
        standing.put(False)

    forks, moves = {"begun": 0, "ended": 0}, threading.Event()
    os.register_at_fork(after_in_parent=end)
    answers, children = [], []
    threading.setprofile(stand)
    threading.Thread(target=ask).start()
    while standing.get():
        # Hooks are called in reverse order of their registration.
        os.register_at_fork(before=begin)
        children.append(_fork_and_ask(place, manager, own=len(children) % 2))
    forks["ended"] = None  # no thread stands any more
    answers += [_outcome_of(child) for child in children]
    say(json.dumps(answers))


def _fork_and_ask(place, manager, *, own):
    """Fork; the child has a manager of its own, or uses its parent's."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        threading.setprofile(None)
        signal.alarm(_PATIENCE_SECONDS)
        answer = _ask_sync(new_manager(place) if own else manager, place["key"])
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    return child, reader


def _outcome_of(child):
    process, reader = child
    with os.fdopen(reader, "rb") as said:
        answer = said.read().decode()
    status = os.waitpid(process, 0)[1]
    return answer or f"hung: {os.waitstatus_to_exitcode(status)}"


def main():
    # A shell that starts tests in the background lets them ignore interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    name, orders = sys.argv[1], json.loads(sys.argv[2])
    for module in orders.pop("blocked", ()):
        sys.modules[module] = None  # so importing it fails, as where it is not installed
    {"leave": leave, "start": start, "fork_at_steps": fork_at_steps}[name](**orders)


if __name__ == "__main__":
    main()
