"""The manual clock: only a test moves it, in every loop and thread, and it wakes exactly what is due."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import anyio
import pytest
import trio
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from atlassian_auth.testing import ManualClock

pytestmark = pytest.mark.every_loop

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock():
    return ManualClock(autojump=False)


@pytest.fixture
def jumping():
    return ManualClock()


def test_time_starts_at_a_fixed_moment(clock):
    """Two runs of a test begin at the same time."""
    assert clock.now() == START
    assert clock.time() == START.timestamp()


def test_the_start_can_be_chosen():
    """A test that is about a date names it."""
    clock = ManualClock(datetime(2030, 2, 3, tzinfo=UTC))

    assert clock.now() == datetime(2030, 2, 3, tzinfo=UTC)


def test_a_naive_start_is_refused():
    """A moment without a time zone is no moment."""
    with pytest.raises(ValueError, match="naive"):
        ManualClock(datetime(2030, 2, 3))  # noqa: DTZ001


@pytest.mark.parametrize("step", [90, 90.0, timedelta(seconds=90)], ids=repr)
def test_it_advances_by_seconds_or_a_timedelta(clock, step):
    """Steps are written as the test finds clearest."""
    clock.advance(step)

    assert clock.now() == START + timedelta(seconds=90)


@pytest.mark.parametrize("step", [-0.5, float("nan"), timedelta(seconds=-1)], ids=repr)
def test_it_does_not_advance_backwards(clock, step):
    """A negative step is a mistake, and the clock stays where it was."""
    with pytest.raises(ValueError, match="move_to"):
        clock.advance(step)

    assert clock.now() == START


@pytest.mark.parametrize("days", [-1, 1], ids=["back", "forth"])
def test_it_moves_to_any_moment(clock, days):
    """Clocks of computers are set back as well as forth."""
    clock.move_to(START + timedelta(days=days))

    assert clock.now() == START + timedelta(days=days)


def test_it_does_not_move_to_a_naive_moment(clock):
    """A moment without a time zone is refused, and the clock stays where it was."""
    with pytest.raises(ValueError, match="naive"):
        clock.move_to(datetime(2030, 2, 3))  # noqa: DTZ001

    assert clock.now() == START


async def test_a_jumping_sleep_moves_the_clock(jumping):
    """With autojump a sleep takes no real time and all of the clock's."""
    await jumping.sleep(3600)

    assert jumping.now() == START + timedelta(hours=1)


async def test_a_jumping_sleep_lets_others_run(jumping):
    """With autojump a sleep is still a checkpoint."""
    ran = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_note, ran)

        for _ in range(3):
            await jumping.sleep(1)

        assert ran


async def _note(ran):
    ran.append(True)
    await checkpoint()


async def test_a_jumping_sleep_can_be_cancelled(jumping):
    """A cancelled task does not sleep on."""
    with anyio.CancelScope() as scope:
        scope.cancel()

        await jumping.sleep(1)

    assert scope.cancelled_caught


async def test_a_negative_sleep_does_not_turn_time_back(jumping):
    """A pause that is already over takes no time."""
    await jumping.sleep(-5)

    assert jumping.now() == START


async def test_a_sleep_ends_exactly_when_its_time_has_come(clock):
    """Just before its end a sleeper sleeps; at its end it wakes."""
    woken = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_sleep, clock, 10, woken)
        await wait_all_tasks_blocked()

        clock.advance(9.5)
        await wait_all_tasks_blocked()
        before = list(woken)
        clock.advance(0.5)

    assert before == []
    assert woken == [10]


async def test_one_step_wakes_all_it_passes_and_no_other(clock):
    """Sleepers are woken in the order of their ends; those further on sleep."""
    woken = []
    async with anyio.create_task_group() as tasks:
        for seconds in (30, 20, 10):
            tasks.start_soon(_sleep, clock, seconds, woken)
        await wait_all_tasks_blocked()

        clock.advance(20)
        await wait_all_tasks_blocked()
        early = sorted(woken)
        clock.advance(10)

    assert early == [10, 20]
    assert sorted(woken) == [10, 20, 30]


async def _sleep(clock, seconds, woken):
    await clock.sleep(seconds)
    woken.append(seconds)


async def test_a_sleep_of_nothing_returns(clock):
    """A sleep of zero seconds returns at once, also without autojump."""
    await clock.sleep(0)

    assert clock.now() == START


async def test_moving_to_a_moment_wakes_who_is_due(clock):
    """`move_to` wakes sleepers as `advance` does."""
    woken = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_sleep, clock, 10, woken)
        await wait_all_tasks_blocked()

        clock.move_to(START + timedelta(seconds=10))

    assert woken == [10]


async def test_a_sleeper_is_woken_from_another_thread(clock):
    """The thread that moves the clock need not be the one that waits."""
    woken = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_sleep, clock, 10, woken)
        await wait_all_tasks_blocked()

        await anyio.to_thread.run_sync(clock.advance, 10)

    assert woken == [10]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_sleeper_is_woken_in_a_loop_of_another_thread(clock, backend):
    """A thread without an event loop can move the clock of sleepers in another thread's loop."""
    woken, asleep = [], threading.Event()
    thread = threading.Thread(
        target=anyio.run, args=(_announced_sleep, clock, asleep, woken), kwargs={"backend": backend}
    )
    thread.start()
    asleep.wait()

    clock.advance(10)
    thread.join()

    assert woken == [10]


async def _announced_sleep(clock, asleep, woken):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_sleep, clock, 10, woken)
        await wait_all_tasks_blocked()
        asleep.set()


@pytest.mark.parametrize(
    "run", [asyncio.run, lambda main: trio.run(lambda: main)], ids=["asyncio", "trio"]
)
def test_a_sleeper_whose_loop_has_ended_stops_nothing(clock, run):
    """Moving the clock forgets about loops that were closed with sleepers in them."""
    sleeper = clock.sleep(10)
    run(_step(sleeper))

    clock.advance(10)

    assert clock.now() == START + timedelta(seconds=10)
    sleeper.close()


async def _step(coroutine):
    coroutine.send(None)
    await checkpoint()


async def test_a_body_within_its_time_is_left_alone(clock):
    """Just before the deadline nothing happens."""
    async with clock.timeout(10):
        clock.advance(9.5)
        await checkpoint()

    assert clock.now() == START + timedelta(seconds=9.5)


async def test_a_body_is_ended_at_its_deadline(clock):
    """Exactly at the deadline a waiting body ends with TimeoutError."""
    with pytest.raises(TimeoutError):
        await _within(clock, 10, lambda: clock.advance(10))


async def test_a_body_whose_time_was_over_before_it_began_is_ended(clock):
    """A budget that is used up ends the body at its first await."""
    with pytest.raises(TimeoutError):
        await _within(clock, 0, lambda: None)


async def test_a_body_is_ended_from_another_thread(clock):
    """A thread can move the clock beyond the timeout of another thread's body."""
    moving = threading.Thread(target=clock.advance, args=(10,))

    with pytest.raises(TimeoutError):
        await _within(clock, 10, moving.start)

    moving.join()


async def _within(clock, seconds, action):
    """Wait for ever, but for a timeout; ``action`` comes first."""
    async with clock.timeout(seconds):
        action()
        await anyio.sleep_forever()


async def test_a_jump_past_the_deadline_ends_the_body(jumping):
    """A sleep that jumps too far is cut off, as it would be in real time."""
    outlived = []

    for _ in range(30):  # trio runs tasks in random order
        with pytest.raises(TimeoutError):
            await _sleep_within(jumping, 11, outlived)

    assert outlived == []


async def test_a_jump_before_the_deadline_does_not(jumping):
    """Sleeps that fit into the budget are slept."""
    outlived = []

    await _sleep_within(jumping, 9.5, outlived)

    assert outlived == [9.5]


async def _sleep_within(clock, seconds, woken):
    async with clock.timeout(10):
        await _sleep(clock, seconds, woken)


async def test_a_deadline_passed_by_a_finished_body_is_forgotten(clock):
    """A timeout ends nothing but its body."""
    async with clock.timeout(10):
        await checkpoint()

    clock.advance(10)
    await checkpoint()

    assert clock.now() == START + timedelta(seconds=10)


async def test_errors_of_a_body_are_its_own(clock):
    """A timeout hides no other error."""
    with pytest.raises(LookupError):
        async with clock.timeout(10):
            raise LookupError


async def test_a_cancelled_body_is_cancelled_not_timed_out(clock):
    """A cancellation from outside stays a cancellation, and is no TimeoutError."""
    with anyio.CancelScope() as scope:
        async with clock.timeout(10):
            scope.cancel()
            await anyio.sleep_forever()

    assert scope.cancelled_caught
