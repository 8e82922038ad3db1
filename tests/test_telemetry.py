"""What a manager reports to OpenTelemetry, seen with the SDK's own exporters in memory."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from atlassian_auth import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    InlineRunner,
    StoreError,
    TokenManager,
    TransientError,
    events,
)
from atlassian_auth.flows import AuthorizationFlow
from atlassian_auth.stores import MemoryStore
from atlassian_auth.telemetry import _COUNTED, Telemetry
from atlassian_auth.testing import Fault, ManualClock, cloud_grant

DAY = timedelta(days=1)
PAGE = (Path(__file__).parents[1] / "docs" / "telemetry.md").read_text("utf-8")


class Collected:
    """Telemetry of one process, and what it has exported so far."""

    def __init__(self):
        self.reader = InMemoryMetricReader()
        self.spans = InMemorySpanExporter()
        self.providers = {
            "meter_provider": MeterProvider([self.reader], shutdown_on_exit=False),
            "tracer_provider": TracerProvider(shutdown_on_exit=False),
        }
        self.providers["tracer_provider"].add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = self.providers["tracer_provider"].get_tracer("the service")

    def points(self, name):
        data = self.reader.get_metrics_data()
        metrics = [
            metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        return [
            point for metric in metrics if metric.name == name for point in metric.data.data_points
        ]

    def counted(self, **wanted):
        """Return the counts of events, by class and verdict; zeros are left out."""
        found = {}
        for point in self.points("atlassian_auth.events"):
            attributes = dict(point.attributes)
            if point.value and wanted.items() <= attributes.items():
                found[attributes["event"], attributes.get("verdict")] = point.value
        return found

    def refreshes(self):
        return [span for span in self.spans.get_finished_spans() if "atlassian_auth" in span.name]


@pytest.fixture
def collected():
    return Collected()


@pytest.fixture
def manager_of(atlassian, atlassian_clock, collected):
    """Build managers with telemetry; close them at the end."""
    opened = []

    def build(*, store=None, settings=None, runner=None, **options):
        if runner:
            options["runner"] = runner
        telemetry = Telemetry(**collected.providers, **options)
        manager = TokenManager(
            cloud_grant(atlassian),
            store=store or MemoryStore(clock=atlassian_clock),
            settings=settings,
            clock=atlassian_clock,
            on_event=telemetry,
            runner=telemetry.runner,
        )
        opened.append(manager)
        return manager

    yield build
    for manager in opened:
        if not isinstance(manager._calls._runner._runner, InlineRunner):
            anyio.run(manager.aclose)


async def settled(manager):
    """Events are reported after the callers have their answer; wait for those of the calls so far."""

    async def nothing():
        pass

    for _ in range(3):
        await manager.perform(nothing)


async def added(manager, atlassian, key="acme", *, app=None, **options):
    await manager.add(key, refresh_token=atlassian.issue_grant(app).refresh_token, **options)
    return manager


class BrokenStore(MemoryStore):
    """A store that cannot save any more once it is full."""

    full = False

    async def _put(self, *args, **options):
        if self.full:
            raise StoreError("The disk is full.")
        return await super()._put(*args, **options)


async def test_refreshes_and_days_to_the_end(manager_of, collected, atlassian, atlassian_clock):
    """Each refresh is counted, timed, and says how many days its consent has left."""
    manager = await added(
        manager_of(attributes={"app": "sync"}),
        atlassian,
        authorized_at=atlassian_clock.now() - 65 * DAY,
    )

    await manager.token("acme")
    await settled(manager)

    [days_left] = collected.points("atlassian_auth.consent.left")
    [duration] = collected.points("atlassian_auth.refresh.duration")
    assert collected.counted(app="sync") == {("RefreshSucceeded", None): 1}
    assert (days_left.sum, dict(days_left.attributes)) == (300, {"app": "sync"})
    assert (duration.count, dict(duration.attributes)) == (1, {"app": "sync"})


async def test_adoptions(manager_of, collected, atlassian, atlassian_clock):
    """A token that another process has refreshed is an adoption, and no refresh."""
    store = MemoryStore(clock=atlassian_clock)
    one, two = manager_of(store=store), manager_of(store=store)
    await added(one, atlassian)

    await one.token("acme")
    await two.token("acme")
    await settled(one)

    assert collected.counted() == {("RefreshSucceeded", None): 1, ("TokenAdopted", None): 1}


async def test_a_repeated_request(manager_of, collected, atlassian):
    """A refresh token that is presented again after a lost answer, within the leeway, is counted."""
    manager = await added(manager_of(), atlassian)
    atlassian.fault("token", Fault.lost_answer())

    await manager.token("acme")
    await settled(manager)

    assert collected.counted() == {("RequestRepeated", None): 1, ("RefreshSucceeded", None): 1}


async def test_an_unsaved_pair(manager_of, collected, atlassian, atlassian_clock):
    """A pair that is only in memory is counted, and so is the error of the callers."""
    store = BrokenStore(clock=atlassian_clock)
    manager = await added(manager_of(store=store), atlassian)
    store.full = True

    with pytest.raises(StoreError):
        await manager.token("acme")
    await settled(manager)

    store.full = False
    assert collected.counted() == {("RotationUnsaved", None): 1, ("RefreshFailed", "store"): 1}


@pytest.mark.parametrize(
    ("days", "consented", "verdict"),
    [(1, 10, "unexpected"), (91, 10, "inactivity"), (60, 310, "absolute")],
    ids=["in its life", "unused for 90 days", "a year after the consent"],
)
async def test_an_expected_end_is_told_from_a_loss(
    manager_of, collected, atlassian, atlassian_clock, days, consented, verdict
):
    """A consent that was lost at one of its known limits is expected; any other loss is not."""
    manager = manager_of()
    await added(manager, atlassian, authorized_at=atlassian_clock.now() - consented * DAY)
    await manager.token("acme")
    atlassian_clock.advance(days * DAY)
    atlassian.fault("token", Fault.json({"error": "invalid_grant"}, status=403))

    for _ in range(2):  # the second one is answered from the store
        with pytest.raises(AuthorizationRequired) as caught:
            await manager.token("acme")
    await settled(manager)

    ended = None if verdict == "unexpected" else verdict
    assert (caught.value.reason, caught.value.ended) == ("refused", ended)
    lost = {
        name: count
        for name, count in collected.counted().items()
        if name[0] == "AuthorizationNeeded"
    }
    assert lost == {("AuthorizationNeeded", verdict): 1}
    *_, first, second = collected.refreshes()
    for span in (first, second):
        assert span.status.is_ok is (ended is not None)
        assert span.attributes["verdict"] == (ended or "refused")


async def test_what_people_do(manager_of, collected, atlassian):
    """A consent given, declined and revoked are events of their own, and no loss."""
    manager = manager_of()
    flow = AuthorizationFlow(manager)

    async def log_in():
        request = await flow.start("acme", started_by=None)
        await flow.complete(atlassian.browse(request.url), started_by=None)

    atlassian.deny_next_consent()
    with pytest.raises(AuthorizationRequired):
        await log_in()
    await log_in()
    await manager.revoke("acme")
    await settled(manager)

    assert collected.counted() == {
        ("ConsentDeclined", None): 1,
        ("ConsentGiven", None): 1,
        ("ConsentRevoked", None): 1,
    }


async def test_a_token_request_is_linked_to_its_cause(manager_of, collected, atlassian):
    """The token request is below the span of its refresh, which is linked to the caller's span."""
    manager = await added(manager_of(), atlassian)
    seen = []
    atlassian.fault(
        lambda _request: not seen.append(trace.get_current_span().get_span_context()),
        Fault.delayed(0),
    )

    with collected.tracer.start_as_current_span("a request") as caller:
        await manager.token("acme")
    await settled(manager)

    [span] = collected.refreshes()
    [link] = span.links
    assert link.context == caller.get_span_context()
    assert span.parent is None
    assert seen == [span.context]
    assert span.status.is_ok


async def test_a_login_is_below_the_span_of_its_callback(manager_of, collected, atlassian):
    """The exchange of a code is done for one caller: it belongs to the caller's trace."""
    flow, seen = AuthorizationFlow(manager_of()), []
    request = await flow.start("acme", started_by=None)
    atlassian.fault(
        lambda _request: not seen.append(trace.get_current_span().get_span_context()),
        Fault.delayed(0),
        times=2,
    )

    with collected.tracer.start_as_current_span("the callback") as caller:
        await flow.complete(atlassian.browse(request.url), started_by=None)

    consent, exchange = seen
    assert consent == exchange == caller.get_span_context()
    assert collected.refreshes() == []


@pytest.mark.parametrize("traced", [True, False])
async def test_in_the_loop_of_the_service(manager_of, collected, atlassian, traced):
    """With `InlineRunner` too a refresh has a span, linked if a span caused it."""
    manager = await added(manager_of(runner=InlineRunner()), atlassian)
    caller = collected.tracer.start_span("a request") if traced else trace.INVALID_SPAN

    with trace.use_span(caller):
        await manager.token("acme")
    await settled(manager)

    [span] = collected.refreshes()
    assert [link.context for link in span.links] == ([caller.get_span_context()] if traced else [])
    await manager.aclose()


async def test_a_failure(manager_of, collected, atlassian):
    """A failure has its code in the counter, the histogram and the span, and no text."""
    manager = await added(manager_of(), atlassian)
    atlassian.fault("token", Fault.status(503), times=None)

    with pytest.raises(TransientError):
        await manager.token("acme")
    await settled(manager)
    atlassian.clear_faults()

    [span] = collected.refreshes()
    [duration] = collected.points("atlassian_auth.refresh.duration")
    assert collected.counted() == {("RefreshFailed", "transient"): 1}
    assert dict(duration.attributes) == {"verdict": "transient"}
    assert (dict(span.attributes), span.status.description) == ({"error.type": "transient"}, None)


async def test_no_key_and_no_secret(manager_of, collected, atlassian):
    """Nothing that is exported grows with the credentials, or names one of them."""
    manager = manager_of()
    for number in range(20):
        await added(manager, atlassian, f"tenant-{number}")
        await manager.token(f"tenant-{number}")
    await settled(manager)

    exported = collected.reader.get_metrics_data().to_json()
    exported += "".join(span.to_json() for span in collected.refreshes())
    assert "tenant" not in exported
    assert "secret-" not in exported
    assert len(collected.points("atlassian_auth.refresh.duration")) == 1


def test_each_event_is_counted_from_the_start(collected):
    """A counter that begins at 0 lets Prometheus see the first event; no class of event is left out."""
    Telemetry(**collected.providers)

    points = collected.points("atlassian_auth.events")
    assert {point.value for point in points} == {0}
    assert {*_COUNTED} == {*events.__all__} - {"Event", "Limit", "RefreshStarted"}


def test_other_callbacks_and_events(collected):
    """The application's own callback is called too; events that come by another way start no span."""
    seen = []
    telemetry = Telemetry(**collected.providers, on_event=seen.append)
    at = ManualClock().now()
    mine = [
        events.RefreshStarted(key="acme", at=at),
        events.ConsentEndsSoon(key="acme", at=at, limit="absolute", ends_at=at + DAY),
    ]

    for event in mine:
        telemetry(event)

    assert seen == mine
    assert collected.counted() == {("ConsentEndsSoon", "absolute"): 1}
    assert collected.refreshes() == []


@pytest.mark.parametrize("end", ["close", "throw"])
async def test_what_was_never_begun_is_closed(collected, end):
    """If the runner ends work that it has not begun, the work of the manager is ended with it."""

    class EndingRunner(InlineRunner):
        def submit(self, work):
            arguments = () if end == "close" else (KeyboardInterrupt(),)
            with suppress(KeyboardInterrupt):
                getattr(work(), end)(*arguments)

    async def never_begun():
        """Wait for nothing."""

    coroutine = never_begun()

    Telemetry(**collected.providers, runner=EndingRunner()).runner.submit(lambda: coroutine)

    assert coroutine.cr_frame is None


def test_a_runner_that_may_not_wait(collected):
    """What the runner underneath refuses is refused."""
    with pytest.raises(ConfigurationError):
        Telemetry(**collected.providers, runner=InlineRunner()).runner.check_may_wait()


def test_a_missing_extra_is_named():
    """Without OpenTelemetry the import says which extra has it."""
    script = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "try: import atlassian_auth.telemetry\n"
        "except ImportError as error: print(error)"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == (
        "Telemetry needs OpenTelemetry's API: pip install 'atlassian-auth[otel]'"
    )


RULE = re.search(r"AtlassianAppBroken\n +expr: >\n(.*?)\n +- alert", PAGE, re.DOTALL)[1]
INCREASE = re.compile(
    r"sum by \(app\) \(increase\(atlassian_auth_events_total\{(\w+)(=~?)\"(.*?)\"\}\[5m\]\)\)"
)


class Prometheus:
    """Scrapes the counters once a minute, and evaluates the page's rule for an app."""

    def __init__(self, collected):
        self.collected = collected
        self.scrapes = []

    def scrape(self):
        points = self.collected.points("atlassian_auth.events")
        self.scrapes.append([(dict(point.attributes), point.value) for point in points])

    def fires(self, app):
        def increase(found):
            label, operator, pattern = found.groups()
            wanted = pattern if operator == "=~" else re.escape(pattern)
            now, before = [
                sum(
                    value
                    for labels, value in scrape
                    if labels["app"] == app and re.fullmatch(wanted, labels.get(label, ""))
                )
                for scrape in (self.scrapes[-1], self.scrapes[-6])
            ]
            return str(now - before)

        expression, increases = INCREASE.subn(increase, RULE)
        assert increases == 2
        return eval(f"({expression})", {})


def of(app):
    """Return what tells the token requests of an app."""
    return lambda request: f'"{app}"'.encode() in request.body


@pytest.fixture
async def fleets(atlassian, atlassian_clock, collected):
    """A manager for each of two apps, and the keys of its credentials."""
    managers = {}
    for app, count in (("sync", 100), ("other", 20)):
        telemetry = Telemetry(**collected.providers, attributes={"app": app}, runner=InlineRunner())
        registered = atlassian.register_cloud_app(app)
        manager = managers[app] = TokenManager(
            cloud_grant(atlassian, app=registered),
            store=MemoryStore(clock=atlassian_clock),
            clock=atlassian_clock,
            on_event=telemetry,
            runner=telemetry.runner,
            jitter=lambda: 0.5,
        )
        for number in range(count):
            await added(manager, atlassian, f"tenant-{number:02}", app=registered)
    yield managers
    for manager in managers.values():
        await manager.aclose()


@pytest.mark.parametrize(
    "broken",
    [
        Fault.json({"error": "invalid_grant"}, status=403),
        Fault.json({"error": "access_denied"}, status=401),
        Fault.html(),
    ],
    ids=["consents are refused", "the secret is replaced", "a proxy answers"],
)
async def test_a_broken_app_raises_the_alert(atlassian, atlassian_clock, collected, fleets, broken):
    """All consents of one app break, a tenth of which were lost before: the rule fires in five minutes."""
    prometheus = Prometheus(collected)

    async def pass_minute(share=1.0):
        for manager in fleets.values():
            keys = await manager.keys()
            for key in keys[: int(len(keys) * share)]:
                with suppress(AtlassianAuthError):
                    await manager.token(key)
            await settled(manager)
        prometheus.scrape()
        atlassian_clock.advance(60)
        return [app for app in fleets if len(prometheus.scrapes) > 60 and prometheus.fires(app)]

    atlassian.fault(of("sync"), Fault.json({"error": "invalid_grant"}, status=403), times=10)
    for minute in range(60):  # the tenants come one after the other
        await pass_minute((minute + 1) / 60)
    before = [await pass_minute() for _ in range(20)]
    lost = collected.counted(app="sync")["AuthorizationNeeded", "unexpected"]
    atlassian.fault(of("sync"), broken, times=None)
    after = [await pass_minute() for _ in range(5)]

    assert lost == 10
    assert before == [[]] * 20
    assert after[-1] == ["sync"]
