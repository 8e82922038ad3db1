"""OpenTelemetry for a manager: a counter of its events, two histograms, and a span for each refresh.

No attribute holds a key or a secret, so their number does not grow with the number of credentials. A refresh
is often shared by many requests and may outlive all of them: so its span is the root of a trace, linked to
the span that caused it, and the token request is below it. What is done for one caller alone, such as the
exchange of a code or a look at the store, is below the caller's span. It needs
``pip install 'atlassian-auth[otel]'``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, cast

try:
    from opentelemetry import context, metrics, trace
except ImportError as _missing:
    raise ImportError(
        "Telemetry needs OpenTelemetry's API: pip install 'atlassian-auth[otel]'"
    ) from _missing

from atlassian_auth.events import (
    AuthorizationNeeded,
    ConsentEndsSoon,
    Event,
    RefreshFailed,
    RefreshStarted,
    RefreshSucceeded,
)
from atlassian_auth.exceptions import AtlassianAuthError, AuthorizationRequired
from atlassian_auth.ports import Runner
from atlassian_auth.ports._runtime.runner import SHARED_RUNNER

__all__ = ["Telemetry"]

_Attributes = Mapping[str, str]
_Work = Callable[[], Coroutine[Any, Any, None]]

# Each is counted from the start, with 0: Prometheus's increase() does not see the first count of a series.
_COUNTED = MappingProxyType(
    {
        "RefreshSucceeded": (None,),
        "TokenAdopted": (None,),
        "RequestRepeated": (None,),
        "RefreshFailed": (
            *("authorization_required", "configuration", "error", "store", "token_response"),
            "transient",
        ),
        "Degraded": (None,),
        "RotationUnsaved": (None,),
        "KeepsFailing": (None,),
        "AuthorizationNeeded": ("absolute", "inactivity", "unexpected"),
        "ConsentEndsSoon": ("absolute", "inactivity"),
        "ConsentGiven": (None,),
        "ConsentDeclined": (None,),
        "ConsentRevoked": (None,),
    }
)
_DAYS = (1, 3, 7, 14, 30, 60, 90, 120, 180, 240, 300, 365)
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CAUSE = context.create_key("atlassian-auth-cause")


class Telemetry:
    """Reports what a manager does to OpenTelemetry; give it to the manager as two of its options.

    ::

        telemetry = Telemetry(attributes={"app": "jira-sync"})
        manager = TokenManager(grant, store=store, on_event=telemetry, runner=telemetry.runner)

    - The counter ``atlassian_auth.events`` has the attribute ``event``, the class of each event but
      `RefreshStarted`, and for some a ``verdict``: the ``code`` of `RefreshFailed`, and the limit of
      `ConsentEndsSoon` and `AuthorizationNeeded`. A consent lost before any known limit is ``unexpected``.
    - The histogram ``atlassian_auth.refresh.duration``, in seconds, has the ``code`` of a failure as its
      ``verdict``. ``atlassian_auth.consent.left`` has, at each refresh, the days to the end of a
      consent that refreshes do not move, if it is known.
    - The span ``atlassian_auth.refresh`` has ``error.type``, the ``code`` of a failure, and for a consent
      that is needed a ``verdict``: the limit, or the ``reason`` of `AuthorizationRequired`.

    Args:
        attributes: Added to each metric and span, such as the name of the app. Choose few values.
        on_event: Called with each event too, as the manager's ``on_event``.
        runner: Where refreshes run, as for the manager.
        meter_provider: Default: the global one.
        tracer_provider: Default: the global one.
    """

    def __init__(
        self,
        *,
        attributes: _Attributes | None = None,
        on_event: Callable[[Event], None] | None = None,
        runner: Runner = SHARED_RUNNER,
        meter_provider: metrics.MeterProvider | None = None,
        tracer_provider: trace.TracerProvider | None = None,
    ) -> None:
        self._attributes = dict(attributes or {})
        self._on_event = on_event
        self._tracer = trace.get_tracer("atlassian_auth", tracer_provider=tracer_provider)
        meter = metrics.get_meter("atlassian_auth", meter_provider=meter_provider)
        self._events = meter.create_counter(
            "atlassian_auth.events", description="What the manager has reported."
        )
        self._duration = meter.create_histogram(
            "atlassian_auth.refresh.duration",
            unit="s",
            description="From the start of a refresh to its end.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._days_left = meter.create_histogram(
            "atlassian_auth.consent.left",
            unit="d",
            description="From a refresh to the end of its consent, which refreshes do not move.",
            explicit_bucket_boundaries_advisory=_DAYS,
        )
        for event, verdicts in _COUNTED.items():
            for verdict in verdicts:
                self._events.add(0, self._described(event, verdict))
        self.runner: Runner = _LinkingRunner(runner)
        """The runner for the manager: it notes the span of the caller that caused a refresh."""

    def __call__(self, event: Event) -> None:
        """Report one event; the manager calls it."""
        if isinstance(event, RefreshStarted):
            self._start_span()
        else:
            self._measure(event)
        if self._on_event is not None:
            self._on_event(event)

    def _measure(self, event: Event) -> None:
        self._events.add(1, self._described(type(event).__name__, _verdict(event)))
        if isinstance(event, RefreshSucceeded | RefreshFailed):
            attributes = self._described(None, _verdict(event))
            self._duration.record(event.duration_seconds, attributes)
        if isinstance(event, RefreshSucceeded) and event.consent_expires_at is not None:
            days_left = (event.consent_expires_at - event.at) / timedelta(days=1)
            self._days_left.record(days_left, self._attributes)

    def _described(self, event: str | None, verdict: str | None) -> dict[str, str]:
        named = {"event": event, "verdict": verdict}
        return self._attributes | {name: value for name, value in named.items() if value}

    def _start_span(self) -> None:
        # RefreshStarted is reported in the task of the refresh, whose context no other code uses: the span
        # becomes the current one there, and ends with the task.
        cause = context.get_value(_CAUSE)
        if not isinstance(cause, trace.SpanContext):  # not in that task
            return
        links = [trace.Link(cause)] if cause.is_valid else []
        span = self._tracer.start_span(
            "atlassian_auth.refresh",
            context=context.Context(),
            links=links,
            attributes=self._attributes,
        )
        context.attach(trace.set_span_in_context(span))
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        task.add_done_callback(lambda task: _end(span, task))


def _verdict(event: Event) -> str | None:
    match event:
        case RefreshFailed():
            return event.code
        case AuthorizationNeeded():
            return event.ended or "unexpected"
        case ConsentEndsSoon():
            return event.limit
        case _:
            return None


def _end(span: trace.Span, task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, AtlassianAuthError):
        span.set_attribute("error.type", error.code)
        if isinstance(error, AuthorizationRequired):
            span.set_attribute("verdict", error.ended or error.reason)
        if not (isinstance(error, AuthorizationRequired) and error.ended):
            # Without a text, which names servers and keys.
            span.set_status(trace.StatusCode.ERROR)
    span.end()


class _LinkingRunner:
    """Another runner's work, in a context that names the span of the caller who submitted it."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def home(self) -> object:
        return self._runner.home()

    def submit(self, work: _Work) -> None:
        cause = trace.get_current_span().get_span_context()
        self._runner.submit(lambda: _Linked(work(), cause))

    def check_may_wait(self) -> None:
        self._runner.check_may_wait()


class _Linked(Coroutine[Any, Any, None]):
    """A coroutine whose first step notes its cause. Closed before that, it closes the one it runs."""

    def __init__(self, running: Coroutine[Any, Any, None], cause: trace.SpanContext) -> None:
        self._running = running
        self._cause: trace.SpanContext | None = cause

    def __await__(self) -> Generator[Any, Any, None]:
        self._note_cause()
        return self._running.__await__()

    def send(self, value: Any) -> Any:
        self._note_cause()
        return self._running.send(value)

    def throw(self, *error: Any) -> Any:
        return self._running.throw(*error)

    def close(self) -> None:
        self._running.close()

    def _note_cause(self) -> None:
        # In the context of the runner's task: the caller's context has variables of the caller's loop.
        if self._cause is not None:
            # What is done for this caller alone, such as the exchange of a code, is below the caller's span.
            parent = trace.set_span_in_context(trace.NonRecordingSpan(self._cause))
            context.attach(context.set_value(_CAUSE, self._cause, parent))
            self._cause = None
