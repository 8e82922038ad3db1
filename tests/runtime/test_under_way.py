"""What is under way in the runner is waited for before something is closed."""

from __future__ import annotations

import asyncio

from atlassian_auth.ports._runtime.under_way import UnderWay


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def ends(work):
    """Return whether it ends within some turns of the loop."""
    task = asyncio.ensure_future(work)
    await turns()
    return task.done()


def test_the_work_of_this_loop_is_waited_for():
    """`idle` returns when the work has ended, and nothing of it is kept then."""

    async def both():
        under_way, may_end = UnderWay(), asyncio.Event()
        work = asyncio.ensure_future(under_way.run(may_end.wait))
        idle = asyncio.ensure_future(under_way.idle())
        await turns()
        before = idle.done()
        may_end.set()
        await work
        await turns()
        return before, idle.done(), under_way._tasks

    assert asyncio.run(both()) == (False, True, set())


def test_the_work_of_another_loop_never_ends():
    """The work of a loop that stands still, as that of a fork's parent, is not waited for."""
    under_way, other = UnderWay(), asyncio.new_event_loop()
    work = other.create_task(under_way.run(asyncio.Event().wait))
    other.run_until_complete(turns())

    assert asyncio.run(ends(under_way.idle()))

    work.cancel()
    other.run_until_complete(turns())
    other.close()
    assert work.cancelled()
