"""The way into the runner, from any thread and event loop: callers with the same question share one call."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from atlassian_auth._refresh.parts import Parts
from atlassian_auth._refresh.refresh import Refresher
from atlassian_auth._refresh.single_flight import SingleFlight
from atlassian_auth._runtime.forks import ForkLock
from atlassian_auth._runtime.future import SharedFuture, run_into, start
from atlassian_auth.ports import Runner
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.tokens import Token

__all__ = ["Calls"]

T = TypeVar("T")
_Question = tuple[str, Requirement]


@dataclass(slots=True, eq=False)
class _Call:
    """A question, and the future of its answer.

    Args:
        answer: Set in the runner.
        submitted: Whether it was handed to the runner.
        begun: Whether the runner has taken it up.
    """

    answer: SharedFuture[Token] = field(default_factory=SharedFuture[Token])
    submitted: bool = False
    begun: bool = False


@dataclass(slots=True)
class _Table:
    """The calls of one event loop of the runner. It ends with that loop."""

    loop: object
    calls: dict[_Question, _Call] = field(default_factory=dict[_Question, _Call])
    single_flight: SingleFlight | None = None


class Calls:
    """Hands work to the runner, where no caller's cancellation reaches it.

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
        self._guard = ForkLock(in_child=parts.repository.abandon)

    def check_may_wait(self) -> None:
        """Raise `ConfigurationError` where blocking this thread would never end."""
        self._runner.check_may_wait()

    async def perform(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what ``work`` returns in the runner; a cancelled caller leaves it undisturbed."""
        return await start(self._runner, work).wait()

    def perform_sync(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do the same as `perform`, blocking this thread."""
        self._runner.check_may_wait()
        return start(self._runner, work).wait_sync()

    def ask(self, key: str, requirement: Requirement) -> SharedFuture[Token]:
        """Join the call that asks for the same, or start it; return the future of its answer."""
        table, question = self._table_now(), (key, requirement)
        with self._guard.lock:
            call = table.calls.get(question)
            if call is None:
                call = table.calls[question] = _Call()
        if not call.submitted:
            # Also if another caller made it: that one may have been interrupted before it was submitted.
            # `_begin` ignores a second submission.
            self._runner.submit(functools.partial(self._begin, table, question, call))
            call.submitted = True
        return call.answer

    async def idle(self) -> None:
        """Return when the refreshes of this moment have ended. Used in the runner only."""
        await self._single_flight(self._table_now()).idle()

    def _table_now(self) -> _Table:
        # Calls live in one loop: those of a closed one, or of a fork's parent, would never end.
        loop = self._runner.home()
        with self._guard.lock:
            if self._table.loop is not loop:
                self._table = _Table(loop)
            return self._table

    async def _begin(self, table: _Table, question: _Question, call: _Call) -> None:
        if not call.begun:
            call.begun = True
            await run_into(call.answer, functools.partial(self._answer, table, question))

    async def _answer(self, table: _Table, question: _Question) -> Token:
        try:
            return await self._single_flight(table).token(*question)
        finally:
            with self._guard.lock:
                del table.calls[question]

    def _single_flight(self, table: _Table) -> SingleFlight:
        if table.single_flight is None:
            table.single_flight = SingleFlight(self._parts, self._refresher)
        return table.single_flight
