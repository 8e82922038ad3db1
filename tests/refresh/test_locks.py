"""Striped locks."""

from __future__ import annotations

import asyncio

import pytest

from atlassian_auth._tokens.refresh.locks import StripedLock


def test_equal_keys_share_a_lock():
    """A key has one lock, however often it is asked for."""
    locks = StripedLock(64)

    assert locks.of("acme") is locks.of("ac" + "me")


def test_keys_spread_over_the_stripes():
    """Many keys use all stripes and no more."""
    locks = StripedLock(8)

    assert len({id(locks.of(f"key-{number}")) for number in range(1_000)}) == 8


def test_the_stripe_of_a_key_never_changes():
    """The choice does not depend on the process's hash seed: it is CRC-32's."""
    locks = StripedLock(1 << 16)

    assert locks.of("123456789") is locks._locks[0xCBF43926 % (1 << 16)]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_all_that_have_begun_are_waited_for():
    """``wait_for_holders`` waits for the tasks that hold a lock or queue for it, and for no later ones."""
    locks = StripedLock(1)
    done = []

    async def decide(name):
        async with locks.of(name):
            await asyncio.sleep(0)
            done.append(name)

    begun = [asyncio.create_task(decide(name)) for name in ("first", "second")]
    await asyncio.sleep(0)
    waiting = asyncio.create_task(locks.wait_for_holders())
    await asyncio.sleep(0)
    later = asyncio.create_task(decide("later"))
    await waiting

    assert done == ["first", "second"]
    await asyncio.gather(*begun, later)
