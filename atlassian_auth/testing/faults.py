"""Faults that a test injects: each decides what happens to one request.

A fault gets the server's work as a function. It may do the work and change the answer, or not do it.
`mock_router` and `LoopbackServer` turn its exceptions into the error that a client sees.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Literal, get_args

from atlassian_auth.testing._names import check_name, check_status
from atlassian_auth.testing.gate import Gate
from atlassian_auth.testing.wire import Reply, Request, html_reply, json_reply

__all__ = [
    "AnswerLost",
    "ConnectionRefused",
    "Fault",
    "Faults",
    "Kind",
    "NeverAnswered",
]

Kind = Literal["authorize", "token", "revoke", "api", "site"]
"""Which requests a fault meets: those for the consent page, for tokens, for a revocation, to the APIs, or
to a site's own address."""


class AnswerLost(Exception):
    """The server did its work, and the connection broke before the client got the answer."""


class ConnectionRefused(Exception):
    """No connection was made; the server got no request."""


class NeverAnswered(Exception):
    """The server got the request and never answers."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request.

    Args:
        name: The name in the journal.
        run: Gets the server's work, and returns the client's answer or raises an exception of this module.
            The server does its work only if this function calls it.
    """

    name: str
    run: Callable[[Callable[[], Reply]], Reply]

    @classmethod
    def reply(cls, reply: Reply, *, name: str | None = None) -> Fault:
        """Answer with ``reply``; the server does nothing.

        Raises:
            ValueError: if its status is no number from 200 to 599.
        """
        check_status(reply.status)
        return cls(name or f"status {reply.status}", lambda _work: reply)

    @classmethod
    def status(
        cls, status: int, body: bytes | str = b"", *, headers: dict[str, str] | None = None
    ) -> Fault:
        """Answer with a status; the server does nothing."""
        content = body.encode() if isinstance(body, str) else body
        return cls.reply(Reply(status, headers or {}, content))

    @classmethod
    def rate_limited(
        cls, retry_after: float | datetime | None = None, *, status: int = 429
    ) -> Fault:
        """Answer 429, with ``Retry-After`` in seconds, as a date, or not at all."""
        headers = {} if retry_after is None else {"retry-after": _retry_after(retry_after)}
        return cls.reply(json_reply({"message": "Rate limit exceeded."}, status, headers))

    @classmethod
    def html(cls, status: int = 200) -> Fault:
        """Answer with an HTML page, as a proxy or a login page does."""
        return cls.reply(html_reply("Please log in", status), name=f"html {status}")

    @classmethod
    def redirect(cls, location: str, *, status: int = 302) -> Fault:
        """Answer with a redirect."""
        return cls.reply(Reply(status, {"location": location}))

    @classmethod
    def json(cls, document: object, *, status: int = 200) -> Fault:
        """Answer with any JSON, such as a list, null or an error."""
        return cls.reply(json_reply(document, status), name=f"json {status}")

    @classmethod
    def oversized(cls, size: int = 10_000_000) -> Fault:
        """Answer with ``size`` bytes of JSON."""
        return cls.reply(json_reply({"padding": "x" * (size - 15)}), name="oversized")

    @classmethod
    def empty(cls) -> Fault:
        """Answer 200 with an empty body."""
        return cls.reply(Reply(200, {"content-type": "application/json"}), name="empty")

    @classmethod
    def edited(cls, change: Callable[[dict[str, Any]], object]) -> Fault:
        """Do the work, and answer with the JSON document that ``change`` returns."""

        def run(work: Callable[[], Reply]) -> Reply:
            reply = work()
            return replace(reply, body=json.dumps(change(reply.json())).encode())

        return cls("edited", run)

    @classmethod
    def truncated(cls) -> Fault:
        """Do the work and answer with the first half of the body."""

        def run(work: Callable[[], Reply]) -> Reply:
            reply = work()
            return replace(reply, body=reply.body[: len(reply.body) // 2])

        return cls("truncated", run)

    @classmethod
    def delayed(cls, seconds: float) -> Fault:
        """Do the work at once; the answer arrives after ``seconds`` by the emulator's clock."""
        return cls("delayed", lambda work: replace(work(), delay_seconds=seconds))

    @classmethod
    def slow_body(cls, pause_seconds: float = 1.0) -> Fault:
        """Do the work at once; each byte of the answer takes ``pause_seconds`` by the clock."""
        return cls("slow_body", lambda work: replace(work(), pause_seconds=pause_seconds))

    @classmethod
    def held(cls, gate: Gate) -> Fault:
        """Do the work at once; the answer waits until ``gate`` is opened."""
        return cls("held", lambda work: replace(work(), gate=gate))

    @classmethod
    def lost_answer(cls) -> Fault:
        """Do the work, such as a rotation, then break the connection."""

        def run(work: Callable[[], Reply]) -> Reply:
            work()
            raise AnswerLost

        return cls("lost_answer", run)

    @classmethod
    def refused_connection(cls) -> Fault:
        """Refuse the connection; the server gets no request."""

        def run(_work: Callable[[], Reply]) -> Reply:
            raise ConnectionRefused

        return cls("refused_connection", run)

    @classmethod
    def hang(cls) -> Fault:
        """Take the request and never answer; the server does nothing.

        It ends with the client's read timeout: with ``mock_router`` by the emulator's clock, with a server by
        the client's clock.
        """

        def run(_work: Callable[[], Reply]) -> Reply:
            raise NeverAnswered

        return cls("hang", run)


_NO_FAULT = Fault("", lambda work: work())


@dataclass(slots=True)
class _Order:
    fits: Callable[[str, Request], bool]
    fault: Fault
    times: int | None
    met: int = 0

    @property
    def is_used_up(self) -> bool:
        return self.met == self.times

    def __str__(self) -> str:
        times = "" if self.times is None else f" of {self.times}"
        return f"{self.fault.name} (met {self.met}{times})"


class Faults:
    """The injected faults, oldest first; each is used up by the first requests that match."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []

    def add(self, where: Kind | Callable[[Request], bool], fault: Fault, times: int | None) -> None:
        """Add ``fault`` for the next ``times`` matching requests, or for all of them.

        Raises:
            ValueError: if ``where`` is no kind of request, or ``times`` is below 1.
            TypeError: if ``fault`` is not a `Fault`.
        """
        if not isinstance(fault, Fault):
            raise TypeError(
                f"fault is {fault!r:.100}, but must be a Fault, such as Fault.status(503)"
            )
        if times is not None and (type(times) is not int or times < 1):
            raise ValueError(
                f"times={times!r}: expected a number from 1 on, or None for all requests"
            )
        self._orders.append(_Order(_fitting(where), fault, times))

    def take(self, kind: str, request: Request) -> Fault:
        """Return the first matching fault, and count its use; without one, a fault that changes nothing."""
        order = next((order for order in self._orders if order.fits(kind, request)), None)
        if order is None:
            return _NO_FAULT
        order.met += 1
        if order.is_used_up:
            self._orders.remove(order)
        return order.fault

    def clear(self) -> None:
        """Remove all faults."""
        self._orders.clear()

    @property
    def unused(self) -> tuple[str, ...]:
        """The faults that have met fewer requests than ``times``."""
        return tuple(str(order) for order in self._orders if order.times or not order.met)


def _fitting(where: Kind | Callable[[Request], bool]) -> Callable[[str, Request], bool]:
    if callable(where):
        return lambda _kind, request: where(request)
    check_name(where, get_args(Kind), what="kind of request")
    return lambda kind, _request: kind == where


def _retry_after(value: float | datetime) -> str:
    return format_datetime(value, usegmt=True) if isinstance(value, datetime) else f"{value:g}"
