"""Reports events to the log, to the user's callback and to the open streams."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from weakref import WeakSet

from atlassian_auth.events import (
    AuthorizationNeeded,
    ConsentEndsSoon,
    Event,
    KeepsFailing,
    RotationUnsaved,
)
from atlassian_auth.ports._runtime.event_stream import EventStream
from atlassian_auth.ports._runtime.forks import ForkLock

__all__ = ["EventHub"]

# Events that an operator should see: logged as warnings.
_WARNINGS = (AuthorizationNeeded, ConsentEndsSoon, KeepsFailing, RotationUnsaved)

logger: logging.Logger = logging.getLogger("atlassian_auth")


class EventHub:
    """Reports events in the runner's thread, one after the other.

    Args:
        on_event: The user's callback; an exception in it is logged.
    """

    def __init__(self, on_event: Callable[[Event], None] | None) -> None:
        self._on_event = on_event
        self._streams: WeakSet[EventStream] = WeakSet()
        self._guard = ForkLock(in_child=self._streams.clear)

    def stream(self, limit: int) -> EventStream:
        """Return a stream of the events from now on."""
        stream = EventStream(limit)
        with self._guard.lock:
            self._streams.add(stream)
        return stream

    def tell(self, events: Sequence[Event]) -> None:
        """Report these events."""
        with self._guard.lock:
            streams = list(self._streams)
        for event in events:
            _log(event)
            for stream in streams:
                stream.put(event)
            if self._on_event is not None:
                _call(self._on_event, event)


def _log(event: Event) -> None:
    level = logging.WARNING if isinstance(event, _WARNINGS) else logging.DEBUG
    if logger.isEnabledFor(level):
        fields = {"event": type(event).__name__, **asdict(event)}
        logger.log(level, "%s", event, extra=fields)


def _call(on_event: Callable[[Event], None], event: Event) -> None:
    try:
        on_event(event)
    except BaseException:
        kind = type(event).__name__
        fields = {"event": kind, "key": event.key}
        logger.exception("The callback on_event raised for %s.", kind, extra=fields)
