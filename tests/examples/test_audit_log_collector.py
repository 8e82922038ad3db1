"""The collector against the emulator: nothing is lost, nothing comes twice, whatever happens."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime, timedelta

import httpx
import pytest

from atlassian_auth.exceptions import AuthorizationRequired, ScopeMismatch
from atlassian_auth.testing import Fault, ManualClock

HOUR = timedelta(hours=1)
CLOUD_ID = "11223344-a1b2-3b33-c444-def123456789"


class Installation:
    """One installation of the collector: its files, its environment, its way to the emulator."""

    def __init__(self, module, atlassian, folder, product):
        self.module, self.atlassian, self.folder = module, atlassian, folder
        self.output, self.state = folder / "audit.jsonl", folder / "state"
        self.product = product
        cloud = product != "data_center"
        app = atlassian.cloud_app if cloud else atlassian.data_center_app
        self.environment = {
            "ATLASSIAN_CLIENT_ID": app.client_id,
            "ATLASSIAN_CLIENT_SECRET": app.client_secret,
            "ATLASSIAN_REDIRECT_URI": app.redirect_uri,
            "ATLASSIAN_REFRESH_TOKEN": atlassian.issue_grant(app).refresh_token,
        }
        data_center = ["--data-center", atlassian.urls.dc_base_url]
        self.target = ["--cloud-id", atlassian.cloud_id] if cloud else data_center
        if product == "confluence":
            self.target = ["--site", "acme", "--product", "confluence"]

    def options(self, *more, output=None):
        files = ["--state", str(self.state), "--tokens", str(self.folder / "tokens.db")]
        output = ["--output", str(output or self.output)]
        return self.module.parse([*self.target, *files, *output, *more])

    async def run(self, *more, output=None):
        options = self.options("--once", *more, output=output)
        await self.module.run(options, self.environment, self.atlassian.clock)

    def lines(self):
        return [json.loads(line) for line in self.output.read_text("utf-8").splitlines()]

    def delivered(self):
        """Return the summaries delivered so far, in their order."""
        events = [line["event"] for line in self.lines()]
        return [event.get("summary") or event["type"]["action"] for event in events]


@pytest.fixture(params=["cloud", "confluence", "data_center"])
def installed(request, collector, atlassian, tmp_path):
    return Installation(collector, atlassian, tmp_path, request.param)


@pytest.fixture
def cloud(collector, atlassian, tmp_path):
    """Return an installation for what does not depend on the product."""
    return Installation(collector, atlassian, tmp_path, "cloud")


def after_the_answer(action):
    """Return a fault that spoils nothing: it lets ``action`` happen right after an answer."""

    def run(work):
        reply = work()
        action()
        return reply

    return Fault("meanwhile", run)


def names(count, start=1):
    return [f"Event {number}" for number in range(start, start + count)]


async def test_collects_all_pages_oldest_first(installed, atlassian):
    """2,500 events of an hour are three pages, and come out once each, in the order they happened."""
    atlassian.generate_events(2500, interval=timedelta(seconds=1))

    await installed.run()

    assert installed.delivered() == names(2500)
    if installed.product != "confluence":  # whose pages are read twice
        assert len(atlassian.api_requests) == 2 + 3  # two empty days, and three pages


async def test_a_long_absence_is_caught_up_in_steps(installed, atlassian):
    """After a long absence the collector reads one day at a time, and a restart goes on there."""
    atlassian.generate_events(1, interval=HOUR)
    await installed.run()
    atlassian.clock.advance(timedelta(days=10))
    atlassian.generate_events(9, interval=timedelta(days=1))

    await installed.run()

    assert installed.delivered() == ["Event 1", *names(9)]
    if installed.product != "confluence":
        assert len(atlassian.api_requests) == 3 + 10


async def test_where_windows_meet_nothing_comes_twice(installed, atlassian):
    """The watermark never goes back, also if the newest event lies in the overlap of two windows."""
    windows_meet = atlassian.clock.now() - timedelta(days=1, minutes=5)
    atlassian.add_event("before the overlap", at=windows_meet - timedelta(minutes=6))
    atlassian.add_event("in the overlap", at=windows_meet - timedelta(minutes=2))

    await installed.run()
    await installed.run()

    assert installed.delivered() == ["before the overlap", "in the overlap"]


async def test_the_first_run_goes_back_three_days(installed, atlassian):
    """An event of exactly three days ago is collected; an older one is not."""
    now = atlassian.clock.now()
    atlassian.add_event("too old", at=now - timedelta(days=3, seconds=1))
    atlassian.add_event("just in", at=now - timedelta(days=3))

    await installed.run()

    assert installed.delivered() == ["just in"]


async def test_a_restart_goes_on_with_what_is_new(installed, atlassian):
    """After a restart the collector delivers only new events."""
    atlassian.generate_events(3, interval=timedelta(seconds=1))
    await installed.run()
    atlassian.clock.advance(60)
    atlassian.add_event("Event 4")

    await installed.run()

    assert installed.delivered() == names(4)


async def test_the_same_millisecond_is_not_lost(installed, atlassian):
    """An event in the same millisecond as the newest one read comes with the next run."""
    atlassian.add_event("first")
    await installed.run()
    atlassian.add_event("second")

    await installed.run()

    assert installed.delivered() == ["first", "second"]


async def test_equal_events_are_all_delivered(installed, atlassian):
    """Two identical events are both delivered, within a run and across runs."""
    atlassian.add_event("again")
    atlassian.add_event("again")
    await installed.run()
    atlassian.add_event("again")

    await installed.run()

    assert installed.delivered() == ["again"] * 3


@pytest.mark.parametrize(("late_by", "expected"), [(300, ["on time", "late"]), (301, ["on time"])])
async def test_late_events_come_within_the_overlap(installed, atlassian, late_by, expected):
    """An event may turn up five minutes late, and not a second later."""
    now = atlassian.clock.now()
    atlassian.add_event("on time")
    await installed.run()
    atlassian.add_event("late", at=now - timedelta(seconds=late_by))

    await installed.run()

    assert installed.delivered() == expected


async def test_events_that_arrive_while_paging(installed, atlassian):
    """New events shift the pages; still each event comes once, at the latest with the next run."""
    atlassian.generate_events(2000, interval=timedelta(seconds=1))
    arrivals = after_the_answer(lambda: atlassian.generate_events(700))
    atlassian.fault("api", arrivals, times=2)

    await installed.run()
    await installed.run()

    everything = installed.delivered()
    assert everything[:2000] == names(2000)
    assert sorted(everything[2000:]) == sorted(names(700) * 2)


async def test_the_token_expires_in_the_middle(installed, atlassian):
    """A token that ends between two pages is refreshed; the run does not notice."""
    atlassian.generate_events(1500, interval=timedelta(seconds=1))
    atlassian.fault("api", after_the_answer(lambda: atlassian.clock.advance(2 * HOUR)))

    await installed.run()

    assert installed.delivered() == names(1500)
    assert atlassian.count("token", outcome="ok") == 2


async def test_a_crash_before_the_commit_repeats_the_same_ids(installed, atlassian):
    """Killed after delivery, before the watermark: the window comes again, recognizably."""
    atlassian.generate_events(3, interval=timedelta(seconds=1))
    await installed.run()
    before = installed.state.read_bytes()
    atlassian.clock.advance(60)
    atlassian.add_event("Event 4")
    await installed.run()
    installed.state.write_bytes(before)

    await installed.run()

    assert installed.delivered() == [*names(4), "Event 4"]
    twice = [line["id"] for line in installed.lines()][-2:]
    assert twice[0] == twice[1]


async def test_a_torn_line_is_taken_back(cloud, atlassian):
    """Killed in the middle of writing: the half line goes, and its event comes again whole."""
    atlassian.add_event("Event 1")
    await cloud.run()
    atlassian.add_event("Event 2")
    with cloud.output.open("a") as file:
        file.write('{"id": "2", "ti')

    await cloud.run()

    assert cloud.delivered() == names(2)


async def test_a_file_of_one_torn_line_becomes_whole(cloud, atlassian):
    """Nothing but half a line is nothing."""
    cloud.output.write_text('{"id"')
    atlassian.add_event("Event 1")

    await cloud.run()

    assert cloud.delivered() == ["Event 1"]


async def test_what_cannot_be_delivered_moves_no_watermark(cloud, atlassian):
    """If a delivery fails, the program ends, and the next start delivers those events."""
    atlassian.add_event("Event 1")

    with pytest.raises(IsADirectoryError):
        await cloud.run(output=cloud.folder)
    await cloud.run()

    assert cloud.delivered() == ["Event 1"]


async def test_a_server_with_a_coarse_from_repeats_nothing(cloud, atlassian):
    """Records from before the window, which some server may give too, are known to be delivered."""
    await cloud.run()
    atlassian.clock.advance(HOUR)
    await cloud.run()
    since = json.loads(cloud.state.read_bytes())["since"]
    just_before = datetime.fromisoformat(since) - timedelta(milliseconds=1)
    records = [{"id": 2, "created": since}, {"id": 1, "created": just_before.isoformat()}]
    atlassian.fault("api", Fault.json({"total": 2, "records": records}))

    await cloud.run()

    assert [line["id"] for line in cloud.lines()] == ["2"]


@pytest.mark.parametrize(
    ("wish", "pause"), [("3599", 3599), ("3600", 3600), ("3601", 3600), ("9" * 5000, 3600)]
)
async def test_no_pause_is_longer_than_an_hour(cloud, atlassian, wish, pause):
    """A Retry-After above an hour is cut to an hour, because quotas end with the hour."""
    began = atlassian.clock.time()
    atlassian.fault("api", Fault.status(429, headers={"retry-after": wish}))

    await cloud.run()

    assert atlassian.clock.time() - began == pause


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_for(installed, atlassian, status):
    """The collector waits as long as Retry-After says, up to an hour."""
    began = atlassian.clock.time()
    atlassian.add_event("Event 1")
    atlassian.fault("api", Fault.rate_limited(1800, status=status))

    await installed.run()

    assert installed.delivered() == ["Event 1"]
    assert atlassian.clock.time() - began == 1800


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.rate_limited(), id="429_that_says_nothing"),
        pytest.param(Fault.rate_limited(0), id="429_that_says_0"),
        pytest.param(Fault.html(502), id="html_502"),
        pytest.param(Fault.refused_connection(), id="refused_connection"),
        pytest.param(Fault.lost_answer(), id="lost_answer"),
    ],
)
async def test_outages_are_waited_out(cloud, atlassian, fault):
    """Pauses grow from 1 s to 60 s."""
    began = atlassian.clock.time()
    atlassian.add_event("Event 1")
    atlassian.fault("api", fault, times=7)

    await cloud.run()

    assert cloud.delivered() == ["Event 1"]
    assert atlassian.clock.time() - began == 1 + 2 + 4 + 8 + 16 + 32 + 60


async def test_once_gives_up_in_the_end(collector, cloud, atlassian):
    """With --once, the eighth failure is final, and no state is written."""
    atlassian.fault("api", Fault.status(503), times=8)

    with pytest.raises(collector.Later, match="HTTP 503"):
        await cloud.run()

    assert len(atlassian.api_requests) == 8
    assert not cloud.state.exists()


async def test_a_failing_token_endpoint_is_sat_out(installed, atlassian):
    """The collector waits until a failing token endpoint works again, and the consent survives."""
    atlassian.add_event("Event 1")
    atlassian.fault("token", Fault.status(503), times=5)

    await installed.run()

    assert installed.delivered() == ["Event 1"]
    assert [family.alive for family in atlassian.families] == [True]


async def test_a_failing_store_is_sat_out(collector, cloud, atlassian):
    """A store that cannot be read is asked again, and fine when it can be read again."""
    atlassian.add_event("Event 1")
    await cloud.run()
    del cloud.environment["ATLASSIAN_REFRESH_TOKEN"]
    tokens = cloud.folder / "tokens.db"
    kept = tokens.read_bytes()
    tokens.write_bytes(b"no database " * 1000)
    with pytest.raises(collector.Later, match="tokens"):
        await cloud.run()
    tokens.write_bytes(kept)
    atlassian.add_event("Event 2")

    await cloud.run()

    assert cloud.delivered() == names(2)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(Fault.html(200), "HTTP 200.*most likely a proxy's login page", id="html"),
        pytest.param(Fault.json([]), "HTTP 200.*without an audit log", id="list"),
        pytest.param(Fault.json({"records": 1}), "HTTP 200.*without an audit log", id="number"),
        pytest.param(Fault.truncated(), "HTTP 200.*without an audit log", id="truncated"),
        pytest.param(
            Fault.redirect("https://login.example.com/sso?nonce=1"),
            "HTTP 302: it sends us to https://login.example.com/sso, most likely to log in",
            id="redirect",
        ),
        pytest.param(Fault.json({}, status=403), "HTTP 403.*paid plan", id="forbidden"),
        pytest.param(
            Fault.json({}, status=404), "HTTP 404.*check --site, --cloud-id", id="not_found"
        ),
        pytest.param(Fault.json({}, status=410), "HTTP 410: not what", id="gone"),
    ],
)
async def test_what_is_no_audit_log_is_named(collector, cloud, atlassian, fault, words):
    """If waiting cannot help, the run ends, and the error says what to check."""
    atlassian.fault("api", fault)

    with pytest.raises(collector.CannotGoOn, match=words):
        await cloud.run()

    assert len(atlassian.api_requests) == 1
    assert not cloud.state.exists()


async def test_a_token_that_is_refused_for_good(collector, cloud, atlassian):
    """A 401 that a refresh does not cure asks for a person."""
    atlassian.fault("api", Fault.json({"message": "Unauthorized"}, status=401), times=2)

    with pytest.raises(collector.CannotGoOn, match=r"HTTP 401: .*authorize again"):
        await cloud.run()


async def test_a_lost_grant_ends_the_program(cloud, atlassian):
    """A lost consent ends the program with the library's own error."""
    atlassian.revoke_grant(cloud.environment["ATLASSIAN_REFRESH_TOKEN"])

    with pytest.raises(AuthorizationRequired):
        await cloud.run()

    assert len(atlassian.token_requests) == 1


async def test_a_missing_scope_ends_the_program(cloud, atlassian):
    """A token without the scope is no reason to refresh, and none to wait."""
    tokens = atlassian.issue_grant(scopes="read:jira-work")
    cloud.environment["ATLASSIAN_REFRESH_TOKEN"] = tokens.refresh_token

    with pytest.raises(ScopeMismatch, match="read:jira-work"):
        await cloud.run()


async def test_a_server_that_ignores_the_offset_is_found_out(cloud, collector, atlassian):
    """The same page over and over is an error, not an endless loop or a silent loss."""
    atlassian.generate_events(1500, interval=timedelta(seconds=1))
    first_page = {"total": 2500, "records": [{"id": number} for number in range(1000)]}
    atlassian.fault("api", Fault.json(first_page), times=3)

    with pytest.raises(collector.CannotGoOn, match="make LONGEST shorter"):
        await cloud.run()


async def test_sparse_records_are_delivered(cloud, atlassian):
    """A record may lack each of its fields: it is delivered, and moves no watermark."""
    page = {"records": [{"id": 7, "created": "soon"}, {"summary": "bare"}]}
    atlassian.fault("api", Fault.json(page))
    atlassian.add_event("Event 1")

    await cloud.run()
    await cloud.run()

    records = [line["event"] for line in cloud.lines()]
    assert records[:2] == [{"summary": "bare"}, {"id": 7, "created": "soon"}]
    assert [record["summary"] for record in records[2:]] == ["Event 1"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
async def test_a_run_with_a_limit(installed, atlassian, limit):
    """A run with a limit delivers so many events, the oldest first; the next run goes on there."""
    atlassian.generate_events(3, interval=HOUR)
    atlassian.generate_events(2)
    expected = sorted(names(3) + names(2))
    seen = []

    while len(seen) < 5:
        await installed.run("--limit", str(limit))
        assert len(installed.delivered()) - len(seen) == min(limit, 5 - len(seen))
        seen = installed.delivered()
    await installed.run("--limit", str(limit))

    assert sorted(installed.delivered()) == expected
    assert installed.delivered()[:2] == names(2)


async def test_a_limit_lets_late_events_in(cloud, atlassian):
    """An event that turns up within five minutes of a run's last event comes with a later run."""
    now = atlassian.clock.now()
    for age in (0, 60, 120):
        atlassian.add_event(f"{age} seconds ago", at=now - timedelta(seconds=age))
    await cloud.run("--limit", "2")
    atlassian.add_event("late", at=now - timedelta(seconds=200))

    await cloud.run()

    assert cloud.delivered() == ["120 seconds ago", "60 seconds ago", "late", "0 seconds ago"]


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90 minutes", timedelta(minutes=90)),
        ("12 hours", timedelta(hours=12)),
        ("1 day", timedelta(days=1)),
        (" 2 Weeks ", timedelta(weeks=2)),
    ],
)
async def test_how_far_back_the_first_run_goes(cloud, atlassian, text, age):
    """An event of exactly that age is collected, an older one is not."""
    now = atlassian.clock.now()
    atlassian.add_event("too old", at=now - age - timedelta(seconds=1))
    atlassian.add_event("just in", at=now - age)

    await cloud.run("--first-fetch", text)

    assert cloud.delivered() == ["just in"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--first-fetch", "yesterday"),
        ("--first-fetch", "3 months"),
        ("--first-fetch", "10000 weeks"),
        ("--limit", "0"),
        ("--limit", "many"),
        ("--site", "acme"),  # beside a cloud id
    ],
)
def test_wrong_options(cloud, capsys, wrong):
    """The error names the wrong option, and nothing is collected."""
    with pytest.raises(SystemExit):
        cloud.options(*wrong)

    assert wrong[0] in capsys.readouterr().err


BASIC = {"ATLASSIAN_USER": "ada@example.com", "ATLASSIAN_API_TOKEN": "secret-token"}
LOGS = [
    (["--site", "acme"], "site", "/acme/rest/api/3/auditing/record", "records"),
    (
        ["--site", "acme", "--product", "confluence"],
        "site",
        "/acme/wiki/rest/api/audit",
        "results",
    ),
    (["--cloud-id", CLOUD_ID], "api", f"/ex/jira/{CLOUD_ID}/rest/api/3/auditing/record", "records"),
    (
        ["--cloud-id", CLOUD_ID, "--product", "confluence"],
        "api",
        f"/ex/confluence/{CLOUD_ID}/wiki/rest/api/audit",
        "results",
    ),
    (
        ["--data-center", "https://jira.example.com/jira"],
        "dc",
        "/rest/auditing/1.0/events",
        "entities",
    ),
]


@pytest.mark.parametrize(("target", "service", "path", "records"), LOGS)
async def test_basic(cloud, atlassian, target, service, path, records):
    """An API token goes to the site, one with scopes to the gateway, a password to the server."""
    seen = []

    def look(request):
        seen.append((request.service, request.path, request.headers["authorization"]))
        return True

    atlassian.fault(look, Fault.json({records: []}))
    cloud.target, cloud.environment = target, BASIC

    await cloud.run("--auth", "basic", "--first-fetch", "1 hour")

    credential = b64encode(b"ada@example.com:secret-token").decode()
    assert seen == [(service, path, f"Basic {credential}")]
    assert atlassian.token_requests == ()


@pytest.mark.parametrize("name", BASIC)
async def test_basic_needs_both_parts(collector, cloud, name):
    """The error names the missing variable before any request."""
    cloud.environment = BASIC | {name: ""}

    with pytest.raises(collector.CannotGoOn, match=f"Set {name}: "):
        await cloud.run("--auth", "basic")


async def test_a_proxy(cloud, atlassian, monkeypatch):
    """The proxy carries all requests: the collector's, the auth's, and the one for the cloud id."""
    used = []

    class Noted(httpx.AsyncHTTPTransport):
        def __init__(self, *args, proxy=None, **options):
            used.append(proxy and str(proxy.url))
            super().__init__(*args, proxy=proxy, **options)

    monkeypatch.setattr(httpx._client, "AsyncHTTPTransport", Noted)
    cloud.target = ["--site", "acme"]
    atlassian.add_event("Event 1")

    await cloud.run("--proxy", "http://proxy.example.com:3128")

    assert cloud.delivered() == ["Event 1"]
    assert used.count("http://proxy.example.com:3128") == 3


async def test_a_server_that_ignores_the_start_is_found_out(collector, cloud, atlassian):
    """The first page over and over is an error, not an endless loop."""
    cloud.target = ["--cloud-id", atlassian.cloud_id, "--product", "confluence"]
    page = {"results": [{"creationDate": 1767265200000}], "start": 0}
    atlassian.fault("api", Fault.json(page), times=2)

    with pytest.raises(collector.CannotGoOn, match="make LONGEST shorter"):
        await cloud.run("--first-fetch", "1 day")


async def test_a_log_that_never_stands_still(collector, cloud, atlassian):
    """Pages without ids that change with each reading are left for the next run."""
    cloud.target = ["--cloud-id", atlassian.cloud_id, "--product", "confluence"]
    atlassian.generate_events(1500)
    atlassian.fault("api", after_the_answer(atlassian.add_event), times=None)

    with pytest.raises(collector.Later, match="changes faster"):
        await cloud.run("--first-fetch", "1 day")

    assert not cloud.output.exists()


@pytest.mark.parametrize("time", [10**30, -(10**30)])
async def test_a_time_beyond_the_calendar(cloud, atlassian, time):
    """A record with an impossible date is delivered, and does not move the watermark."""
    cloud.target = ["--cloud-id", atlassian.cloud_id, "--product", "confluence"]
    page = {"results": [{"creationDate": time}], "start": 0, "limit": 1000}
    atlassian.fault("api", Fault.json(page))

    await cloud.run("--first-fetch", "1 day")

    assert len(cloud.lines()) == 1


async def test_data_center_times_without_offset_are_utc(collector, atlassian, tmp_path):
    """Some versions write no offset; their times are read as UTC."""
    installed = Installation(collector, atlassian, tmp_path, "data_center")
    page = {"entities": [{"timestamp": "2026-01-01T11:36:01.892"}]}
    atlassian.fault("api", Fault.json(page))

    await installed.run()

    [line] = installed.lines()
    assert line["time"] == "2026-01-01T11:36:01.892+00:00"


async def test_lines_can_be_printed(cloud, atlassian, capsys):
    """Without --output, lines go to stdout."""
    atlassian.add_event("Event 1")
    options = cloud.options("--once")
    options.output = None

    await cloud.module.run(options, cloud.environment, atlassian.clock)

    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["time"] == "2026-01-01T12:00:00.000+00:00"


async def test_a_foreign_state_is_refused(collector, cloud):
    """The state of another site is refused, because its watermark would skip events."""
    cloud.state.write_text(
        '{"source": "https://other/", "since": "2026-01-01T00:00:00+00:00", "delivered": []}'
    )

    with pytest.raises(collector.CannotGoOn, match="belongs to https://other/"):
        await cloud.run()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"since": "soon"}'])
async def test_a_broken_state_is_refused(collector, cloud, content):
    """A state that cannot be read is not taken for a first start."""
    cloud.state.write_text(content)

    with pytest.raises(collector.CannotGoOn, match="is no state file"):
        await cloud.run()


async def test_it_goes_on_after_a_failed_run(cloud, atlassian):
    """Without --once, the collector repeats a failed run after the interval, until it is stopped."""
    stop = RuntimeError("the test has seen enough")

    class Stopping(ManualClock):
        async def sleep(self, seconds):
            if seconds == 77 and cloud.output.exists():
                raise stop
            await super().sleep(seconds)

    atlassian.add_event("Event 1")
    atlassian.fault("api", Fault.status(503), times=8)
    options = cloud.options("--interval", "77")

    with pytest.raises(RuntimeError) as raised:
        await cloud.module.run(options, cloud.environment, Stopping())

    assert raised.value is stop
    assert cloud.delivered() == ["Event 1"]
    assert len(atlassian.api_requests) == 8 + 3


def test_missing_settings_are_named(collector, monkeypatch, tmp_path, caplog):
    """The program says which variables it needs, and ends with 1."""
    monkeypatch.setenv("ATLASSIAN_CLIENT_ID", "some")
    monkeypatch.delenv("ATLASSIAN_CLIENT_SECRET", raising=False)
    monkeypatch.delenv("ATLASSIAN_REDIRECT_URI", raising=False)

    status = collector.main(["--cloud-id", CLOUD_ID, "--state", str(tmp_path / "state")])

    assert status == 1
    assert "Set ATLASSIAN_CLIENT_SECRET, ATLASSIAN_REDIRECT_URI" in caplog.text


def test_main_ends_with_0(cloud, atlassian, monkeypatch):
    """A run that reaches the present is a success."""
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    options = cloud.options("--once")
    arguments = [*cloud.target, "--once", "--output", str(options.output)]
    files = ["--state", str(options.state), "--tokens", str(options.tokens)]

    status = cloud.module.main([*arguments, *files])

    assert status == 0
    assert cloud.state.exists()
