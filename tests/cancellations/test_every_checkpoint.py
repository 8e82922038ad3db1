"""At every checkpoint of every call that may wait, its caller leaves in every way there is.

Each test counts: it fails if a checkpoint was passed over, or the call had ended before it struck.
"""

from __future__ import annotations

import itertools
import zlib

import pytest

from tests.cancellations.kinds import (
    ANYIO,
    ASYNCIO,
    AT_ONCE,
    SAME_TURN,
    TRIO,
    client_closed,
    flow_closed,
    flow_collected,
    manager_closed,
)
from tests.cancellations.operations import ENDLESS, OPERATIONS
from tests.cancellations.scenario import (
    BACKENDS,
    FULL,
    START,
    Scenario,
    checkpoints,
    play,
)
from tests.cancellations.world import STORES
from tests.harness.world import PRODUCTS

pytestmark = pytest.mark.every_loop

CHANGE = ("lock", "locked", "get", "got")
EXCHANGE = (
    *("send", "pause", "send 2", "answered", "token"),
    *("put", "pause 2", "put 2", "saved", "release", "released"),
)
REFRESH = ("get", "got", "lock", "locked", "get 2", "got 2", *EXCHANGE)
SECOND_REFRESH = (
    *("get 3", "got 3", "lock 2", "locked 2", "get 4", "got 4", "send 3", "answered 2", "token 2"),
    *("put 3", "saved 2", "release 2", "released 2"),
)
LOGIN = ("flows get", "flows got", "flows delete", "flows deleted")
NOTE = ("pasted get", "pasted got", "pasted put", "pasted saved")
LOOK = (
    "list",
    "get",
    "got",
    "get 2",
    "got 2",
    "get 3",
    "got 3",
    "lock",
    "locked",
    "get 4",
    "got 4",
)
PASSED = {
    "token": REFRESH,
    "refresh": REFRESH,
    "execute": (*REFRESH, "function", *SECOND_REFRESH, "function 2"),
    "request": (*REFRESH, "request", "body"),
    "request with a dead token": ("request", "body", *REFRESH, "request 2", "body 2"),
    "flow": (*REFRESH, "yield", *SECOND_REFRESH, "yield 2"),
    "complete": (*LOGIN, *CHANGE, *EXCHANGE),
    "add": (*CHANGE, *NOTE, "put", "pause", "put 2", *REFRESH[-3:]),
    "forget": ("lock", "locked", "delete", "deleted", "release", "released"),
    "revoke": (*CHANGE, "send", "answered", "token", "delete", "deleted", "release", "released"),
    "keep_fresh": ("list", *REFRESH, "idle"),
    "keep_alive": (*LOOK, *EXCHANGE, "idle"),
    "aclose": (*REFRESH, "close"),
}

KINDS = {
    **dict.fromkeys(ASYNCIO, ("asyncio", "uvloop")),
    **dict.fromkeys(TRIO, ("trio",)),
    **dict.fromkeys(ANYIO, BACKENDS),
}
# Where a checkpoint is always played; elsewhere one in twelve is, unless the run is full.
HOMES = {}
for name, passed in PASSED.items():
    for place in passed:
        HOMES.setdefault(place, name)
ELSEWHERE_EVERY = 12
FINITE = tuple(name for name in OPERATIONS if name not in ENDLESS)
REQUESTS = ("request", "request with a dead token")
LATER = tuple(kind for kind in ASYNCIO if kind not in SAME_TURN)
WORLDS = tuple(itertools.product(STORES, PRODUCTS, BACKENDS))
IN_MEMORY = WORLDS[: len(WORLDS) // len(STORES)]
ON_DISK_EVERY = 7


def places(operation, kind):
    """The checkpoints of an operation at which callers leave in this way, in this run."""
    if kind in AT_ONCE:
        return (START,)
    return tuple(
        place
        for place in PASSED[operation]
        if FULL or HOMES[place] == operation or not _dice(operation, place, kind) % ELSEWHERE_EVERY
    )


def _dice(*faces):
    return zlib.crc32(repr([getattr(face, "__name__", face) for face in faces]).encode())


def pairs(kinds, operations=OPERATIONS):
    """All operations with all kinds that meet at a checkpoint in this run."""
    return [
        pytest.param(operation, kind, id=f"{operation}-{kind.__name__}")
        for operation, kind in itertools.product(operations, kinds)
        if places(operation, kind)
    ]


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_checkpoints_are_known(operation, product):
    """The checkpoints of a call are these and no others: the list below leaves none out."""
    assert checkpoints(operation, product) == PASSED[operation]


def world_for(kind, number, *, inline=False):
    """The store, product and loop that a pair is tried with: by turns."""
    near = WORLDS if FULL or number % ON_DISK_EVERY == 0 else IN_MEMORY
    able = [world for world in near if world[2] in KINDS.get(kind, BACKENDS)]
    if inline:
        able = [world for world in able if world[2] != "trio"]
    return able[(number + _dice(kind)) % len(able)]


def hits(operation, kind, *, inline=False):
    """Play each place and return those where the call was when its caller left."""
    struck = []
    for number, place in enumerate(places(operation, kind)):
        store, product, backend = world_for(kind, number, inline=inline)
        scenario = Scenario(operation, place, kind.__name__, backend, product, store, inline)
        try:
            struck += [place] if play(scenario) or place is START else []
        except BaseException as error:
            error.add_note(repr(scenario))
            raise
    return tuple(struck)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_checkpoint_is_left_out(kind):
    """Whatever a run leaves out for speed, each kind meets each checkpoint somewhere."""
    met = {place for operation in OPERATIONS for place in places(operation, kind)}

    assert met == ({START} if kind in AT_ONCE else set(HOMES))


@pytest.mark.parametrize(("operation", "kind"), pairs(KINDS))
def test_caller_may_leave_anywhere(operation, kind):
    """A cancelled caller leaves at once, and its refresh is saved, unlocked, shared, requested once."""
    struck = hits(operation, kind)

    assert struck == places(operation, kind)


@pytest.mark.parametrize(("operation", "kind"), pairs(LATER))
def test_caller_may_leave_an_inline_refresh_anywhere(operation, kind):
    """With `InlineRunner` a cancelled caller's refresh is finished if its loop goes on."""
    struck = hits(operation, kind, inline=True)

    assert struck == places(operation, kind)


@pytest.mark.parametrize(("operation", "kind"), pairs([manager_closed], FINITE))
def test_manager_may_be_closed_anywhere(operation, kind):
    """Another task closes the manager in the middle: the call ends well, and so does the next one."""
    struck = hits(operation, kind)

    assert struck == places(operation, kind)


@pytest.mark.parametrize(("operation", "kind"), pairs([client_closed], REQUESTS))
def test_client_may_be_closed_anywhere(operation, kind):
    """Another task closes the user's client in the middle: the refresh goes on."""
    struck = hits(operation, kind)

    assert struck == places(operation, kind)


@pytest.mark.parametrize("place", ["yield", "yield 2"])
@pytest.mark.parametrize("kind", [flow_closed, flow_collected], ids=lambda kind: kind.__name__)
def test_flow_may_end_at_each_yield(kind, place):
    """A flow that is closed, or collected as garbage, by another task leaves nothing behind."""
    struck = [
        play(Scenario("flow", place, kind.__name__, backend, product, store))
        for store, product, backend in IN_MEMORY
    ]

    assert all(struck)
