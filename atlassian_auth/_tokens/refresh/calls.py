"""Hands work to the runner from any thread and event loop. Equal requests for a token share one call."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from atlassian_auth._tokens.refresh.parts import Parts
from atlassian_auth._tokens.refresh.refresh import Refresher
from atlassian_auth._tokens.refresh.single_flight import SingleFlight
from atlassian_auth.ports import Runner
from atlassian_auth.ports._runtime.forks import ForkLock
from atlassian_auth.ports._runtime.future import SharedFuture, run_into, start
from atlassian_auth.ports._runtime.under_way import UnderWay
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.tokens import Token

__all__ = ["Calls"]

T = TypeVar("T")
_Request = tuple[str, Requirement]


@dataclass(slots=True, eq=False)
class _Call:
    """A call that is shared by all callers with the same request.

    Args:
        future: The token; set in the runner.
        submitted: Whether the call was handed to the runner.
        started: Whether the runner has started it.
    """

    future: SharedFuture[Token] = field(default_factory=SharedFuture[Token])
    submitted: bool = False
    started: bool = False


@dataclass(slots=True)
class _Table:
    """The calls under way in one event loop of the runner; not used after that loop has ended."""

    loop: object
    calls: dict[_Request, _Call] = field(default_factory=dict[_Request, _Call])
    single_flight: SingleFlight | None = None


class Calls:
    """Hands work to the runner, where a caller's cancellation does not reach it.

    Args:
        parts: The manager's.
        refresher: Does one refresh.
        runner: Where the work runs.
    """

    def __init__(self, parts: Parts, refresher: Refresher, runner: Runner) -> None:
        self._parts = parts
        self._refresher = refresher
        self._runner = runner
        self._table = _Table(None)
        self._under_way = UnderWay()
        self._guard = ForkLock(in_child=parts.repository.after_fork_in_child)

    def check_may_wait(self) -> None:
        """Raise `ConfigurationError` if blocking this thread would stop the work that it waits for."""
        self._runner.check_may_wait()

    async def perform(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run ``work`` in the runner and return its result; it goes on if the caller is cancelled."""
        return await self._submit(work).wait()

    def perform_sync(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do the same as `perform`, blocking this thread."""
        self._runner.check_may_wait()
        return self._submit(work).wait_sync()

    def ask(self, key: str, requirement: Requirement) -> SharedFuture[Token]:
        """Join the call with the same request, or start it; return the future of its token."""
        table, request = self._current_table(), (key, requirement)
        with self._guard.lock:
            call = table.calls.get(request)
            # Done, but still here: it was cancelled before it began.
            if call is None or call.future.done():
                call = table.calls[request] = _Call()
        if not call.submitted:
            # Even if another caller created the call: it may have been interrupted before it submitted it.
            work = functools.partial(self._get_token, table, request, call)
            self._runner.submit(functools.partial(run_into, call.future, work))
            call.submitted = True
        return call.future

    async def idle(self) -> None:
        """Return when what is under way now has ended: work and refreshes. Used in the runner only."""
        await self._under_way.idle()
        await self._single_flight(self._current_table()).idle()

    def _submit(self, work: Callable[[], Awaitable[T]]) -> SharedFuture[T]:
        return start(self._runner.submit, functools.partial(self._under_way.run, work))

    def _current_table(self) -> _Table:
        # A new loop has a new table: calls of a closed loop, or of a fork's parent, would never end.
        loop = self._runner.home()
        with self._guard.lock:
            if self._table.loop is not loop:
                self._table = _Table(loop)
            return self._table

    async def _get_token(self, table: _Table, request: _Request, call: _Call) -> Token:
        if call.started:
            return await call.future.wait()  # it was submitted twice, see `ask`
        call.started = True
        try:
            return await self._single_flight(table).token(*request)
        finally:
            with self._guard.lock:
                table.calls.pop(request, None)

    def _single_flight(self, table: _Table) -> SingleFlight:
        if table.single_flight is None:
            table.single_flight = SingleFlight(self._parts, self._refresher)
        return table.single_flight
