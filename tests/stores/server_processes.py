"""What many processes do with one server: the tests that the stores of servers share."""

from __future__ import annotations

import sys

import pytest


class ServerProcesses:
    """A subclass says by `made` how another process makes the store."""

    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"

    async def test_no_update_is_lost(self, count_together, made, store):
        """Processes that start together on a new store exclude each other and lose nothing."""
        number = count_together(made)

        assert (await store.get("tokens", "compared")).value == number
        assert (await store.get("tokens", "locked")).value == number

    async def test_a_killed_holder(self, start_script, made, store):
        """The lock of a killed process becomes free: with its connection, or when its lease ends."""
        holder = start_script("hold", made)
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TimeoutError):
            async with store.lock("tokens", "acme", timeout_seconds=0):
                pytest.fail("two are inside")

        holder.kill()

        async with store.lock("tokens", "acme", timeout_seconds=60):
            pass

    @pytest.mark.skipif(sys.platform == "win32", reason="no fork on this system")
    def test_a_fork(self, run_script, made):
        """Parent and child go on with connections of their own; the lock stays the parent's."""
        assert run_script("fork", made) == ["excluded", "still", "held"]

    def test_nothing_is_imported_in_the_thread(self, run_script, made):
        """The store's thread imports nothing: a fork or an exit could interrupt an import."""
        assert run_script("imports", made) == ["[]"]

    async def test_at_exit(self, run_script, made, store):
        """A record that is saved while the interpreter exits is stored."""
        run_script("at_exit", made)

        assert (await store.get("tokens", "acme")).value == b"saved"
