"""Striped locks."""

from __future__ import annotations

from atlassian_auth.locks import StripedLock


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
