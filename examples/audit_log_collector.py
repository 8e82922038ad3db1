"""Collects the audit log of Jira Cloud, Confluence Cloud or a Data Center as JSON lines, for months on end.

The rule: one window of time is read whole, delivered oldest first, and only then the watermark moves.
So every event is delivered at least once. What a kill catches between delivery and watermark is
delivered again, with the same ids, so that the reader of the lines can drop it.

    export ATLASSIAN_CLIENT_ID=… ATLASSIAN_CLIENT_SECRET=… ATLASSIAN_REDIRECT_URI=…
    export ATLASSIAN_REFRESH_TOKEN=…    # for the first start; its successors are kept in --tokens
    python audit_log_collector.py --site acme --output audit.jsonl

Without OAuth: --auth basic, with an API token, or a password of Data Center.

    export ATLASSIAN_USER=ada@example.com ATLASSIAN_API_TOKEN=…
    python audit_log_collector.py --site acme --product confluence --auth basic --output audit.jsonl

Run one process per state file. SIGTERM and SIGINT end it after the delivery under way.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import math
import mmap
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from atlassian_auth import (
    AtlassianAuth,
    AtlassianAuthError,
    CloudGrant,
    DataCenterGrant,
    Endpoints,
    Grant,
    StoreError,
    TransientError,
    scopes,
)
from atlassian_auth.api_tokens import ApiToken
from atlassian_auth.ports import SYSTEM_CLOCK, Clock, utc_now
from atlassian_auth.protocol.sites import site_url
from atlassian_auth.sites import cloud_id_for_site
from atlassian_auth.stores import SQLiteStore

FIRST = "3 days"  # how far back the very first run goes
LONGEST = timedelta(days=1)  # how much is read, and held in memory, at once
OVERLAP = timedelta(minutes=5)  # how late an event may turn up in the log and not be missed
READINGS = 10  # how often several pages without ids are read, until two readings are equal
PAGE_SIZE = 1000  # Jira Cloud gives no more
PATIENCE_SECONDS = (1, 2, 4, 8, 16, 32, 60)  # pauses before a request is asked again
HOUR_SECONDS = 3600  # the longest pause: quotas end with the hour (rate limiting page, 2026-08)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

logger = logging.getLogger("audit_log_collector")

Record = dict[str, Any]  # as Atlassian sent it; every field may be absent
Page = dict[str, Any]
Position = dict[str, Any]  # the parameters that ask for a page


class Later(Exception):
    """A temporary error or a rate limit. ``seconds`` is the wait that the server asks for, if any."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class CannotGoOn(Exception):
    """An error that needs a person: trying again does not help."""


# -- windows of time -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, both ends included; the last one reaches to the present."""

    start: datetime
    end: datetime
    is_last: bool


def next_window(since: datetime, now: datetime) -> Window:
    # The last window may be twice as long as the others: these end long ago, also by a server's
    # clock that differs from ours.
    if now - since >= 2 * LONGEST:
        return Window(since, since + LONGEST, is_last=False)
    return Window(since, max(since, now), is_last=True)


def in_iso(window: Window) -> Position:
    ends = (("from", window.start), ("to", window.end))
    return {name: f"{time:%Y-%m-%dT%H:%M:%S}.{time:%f}"[:-3] + "Z" for name, time in ends}


def in_milliseconds(window: Window) -> Position:
    ends = (("startDate", window.start), ("endDate", window.end))
    return {name: (time - EPOCH) // timedelta(milliseconds=1) for name, time in ends}


# -- three logs, all of which show the newest first ----------------------------------------------


@dataclass(frozen=True, slots=True)
class AuditLog:
    """Where a product has its audit log, and how it is read.

    In one that ``shifts``, new records push the others to later pages, and no id tells a record that comes
    twice from two that are equal.
    """

    path: str
    records: str
    time: str
    first: Position
    span: Callable[[Window], Position]
    following: Callable[[Page, Position], Position | None]
    shifts: bool = False


def next_offset(page: Page, position: Position) -> Position | None:
    # New records push the others to later offsets while we read: some come twice, none is skipped.
    offset = position["offset"] + len(page["records"])
    ends = not page["records"] or offset >= page.get("total", math.inf)
    return None if ends else {**position, "offset": offset}


def next_start(page: Page, position: Position) -> Position | None:
    # There is no total, and the server may lower the limit: it says so in the page.
    results, start = page["results"], position["start"]
    if page.get("start", start) != start:
        raise CannotGoOn("Another page came than was asked for: make LONGEST shorter.")
    ends = len(results) < page.get("limit", 1)
    return None if ends else {**position, "start": start + len(results)}


def next_cursor(page: Page, position: Position) -> Position | None:
    # nextPageLink says the same, at whatever address the server believes it has.
    cursor = page.get("pagingInfo", {}).get("nextPageCursor")
    return {**position, "pageCursor": cursor} if page["entities"] and cursor else None


# developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-audit-records/ (2026-08).
CLOUD = AuditLog(
    "rest/api/3/auditing/record",
    records="records",
    time="created",
    first={"offset": 0, "limit": PAGE_SIZE},
    span=in_iso,
    following=next_offset,
)

# developer.atlassian.com/cloud/confluence/rest/v1/api-group-audit/ (2026-08). Its records have no id.
CONFLUENCE = AuditLog(
    "rest/api/audit",
    records="results",
    time="creationDate",
    first={"start": 0, "limit": PAGE_SIZE},
    span=in_milliseconds,
    following=next_start,
    shifts=True,
)

# confluence.atlassian.com/jiracore/audit-log-improvements-for-developers-1019401815.html: Jira from
# 8.8, Confluence from 7.5, Bitbucket from 7.0.
DATA_CENTER = AuditLog(
    "rest/auditing/1.0/events",
    records="entities",
    time="timestamp",
    first={"limit": PAGE_SIZE},
    span=in_iso,
    following=next_cursor,
)


# -- what an answer means ------------------------------------------------------------------------

MEANINGS = {
    200: "a page without an audit log in it, most likely a proxy's login page",
    401: "the credential was refused: authorize again, as an administrator, or make a new API token",
    403: "the account must be an administrator, and Jira Cloud must be on a paid plan",
    404: "there is no audit log: check --site, --cloud-id or --data-center",
}


def page_of(response: httpx.Response, records: str) -> Page:
    status = response.status_code
    if status == 429 or response.is_server_error:
        wait = response.headers.get("retry-after", "")
        raise Later(f"HTTP {status}", min(float(wait), HOUR_SECONDS) if wait.isdecimal() else None)
    with suppress(AttributeError, ValueError):  # no object, no JSON
        page: Page = response.json()
        if status == 200 and isinstance(page.get(records), list):
            return page
    address = response.url.copy_with(query=None)
    raise CannotGoOn(f"{address} answered HTTP {status}: {meaning_of(response)}")


def meaning_of(response: httpx.Response) -> str:
    if "location" in response.headers:
        target = response.headers["location"].partition("?")[0]
        return f"it sends us to {target}, most likely to log in; that is not the API"
    return MEANINGS.get(response.status_code, "not what an audit log answers")


# -- events and the watermark --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """One record, with its name and time."""

    id: str
    time: datetime
    record: Record

    def line(self) -> str:
        time = self.time.isoformat(timespec="milliseconds")
        return json.dumps({"id": self.id, "time": time, "event": self.record}) + "\n"


@dataclass(frozen=True, slots=True)
class Watermark:
    """What happened before ``since`` is delivered; of the rest, what ``delivered`` names."""

    since: datetime
    delivered: frozenset[str] = frozenset()

    def lacks(self, event: Event) -> bool:
        return event.time >= self.since and event.id not in self.delivered


def events_of(log: AuditLog, pages: Sequence[Page], window: Window) -> list[Event]:
    """Return each event of the pages once, oldest first."""
    lists = [page[log.records] for page in pages]
    oldest_first = [record for records in reversed(lists) for record in reversed(records)]
    named = named_by_id_or_content(oldest_first)
    if len(named) == len(lists[0]) < len(oldest_first):
        # JRACLOUD-93153 complains that no site gives more than 1000. A log that merely grows while it
        # is read does not look like this.
        raise CannotGoOn("Later pages are the first one again: make LONGEST shorter.")
    events = [
        Event(id_, time_of(record, log.time, window), record) for id_, record in named.items()
    ]
    return sorted(events, key=lambda event: event.time)


def named_by_id_or_content(records: Iterable[Record]) -> dict[str, Record]:
    # Data Center and Confluence show no ids. Events that are equal to the letter are numbered; a window
    # begins on a whole second, so it has all of them or none, and the numbers are the same each time.
    named: dict[str, Record] = {}
    equals: Counter[str] = Counter()
    for record in records:
        content = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:32]
        equals[content] += 1
        given = record.get("id")
        named[f"{content}-{equals[content]}" if given is None else str(given)] = record
    return named


def time_of(record: Record, name: str, window: Window) -> datetime:
    try:
        given = record[name]
        if isinstance(given, int):
            return EPOCH + timedelta(milliseconds=given)
        time = datetime.fromisoformat(given)
    except (KeyError, OverflowError, TypeError, ValueError):
        return window.start  # it is delivered, and moves no watermark
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def moved(mark: Watermark, window: Window, events: Sequence[Event]) -> Watermark:
    # At the present, the newest event tells how far we are, not our clock: the next one may have an
    # earlier time than ours, or the very same millisecond. Whole seconds: a server may know no others.
    newest = events[-1].time if events else mark.since
    reached = newest if window.is_last else window.end
    since = max(mark.since, (reached - OVERLAP).replace(microsecond=0))
    return Watermark(since, frozenset(event.id for event in events if event.time >= since))


def stopped(mark: Watermark, events: Sequence[Event], delivered: Sequence[Event]) -> Watermark:
    # The limit of a run came before the end of its window: the next run reads the rest of it.
    since = max(mark.since, (delivered[-1].time - OVERLAP).replace(microsecond=0))
    known = mark.delivered | {event.id for event in delivered}
    return Watermark(
        since, frozenset(event.id for event in events if event.time >= since and event.id in known)
    )


# -- what is on disk -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """The watermark's file; ``source`` keeps one site's watermark from being used for another."""

    path: Path
    source: str

    def load(self) -> Watermark | None:
        try:
            state = json.loads(self.path.read_bytes())
            mark = Watermark(datetime.fromisoformat(state["since"]), frozenset(state["delivered"]))
            source = state["source"]
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError):
            raise CannotGoOn(f"{self.path} is no state file: restore or remove it") from None
        if source != self.source:
            raise CannotGoOn(f"{self.path} belongs to {source}: choose another --state")
        return mark

    def commit(self, mark: Watermark) -> None:
        state = {"source": self.source, "since": mark.since.isoformat()}
        new = self.path.with_name(f"{self.path.name}.new")
        with new.open("wb") as file:
            file.write(json.dumps({**state, "delivered": sorted(mark.delivered)}).encode())
            make_durable(file)
        new.replace(self.path)


def make_durable(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def deliver(events: Sequence[Event], output: Path | None) -> None:
    if output is None:
        sys.stdout.writelines(event.line() for event in events)
        sys.stdout.flush()
        return
    with output.open("a+b") as file:
        drop_torn_line(file)
        file.writelines(event.line().encode() for event in events)
        make_durable(file)


def drop_torn_line(file: BinaryIO) -> None:
    # A line without its end was being written when the process died; its event comes again.
    if file.seek(0, os.SEEK_END):
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            whole = content.rfind(b"\n") + 1
        file.truncate(whole)


# -- one run, and one after another --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Collector:
    """Brings the output up to the present, from wherever the state says it stands.

    With a ``limit`` a run delivers no more events than that; the next one goes on from there.
    """

    client: httpx.AsyncClient
    log: AuditLog
    state: State
    output: Path | None
    clock: Clock
    first: timedelta = timedelta(days=3)
    limit: int | None = None

    async def run(self) -> None:
        now, delivered = utc_now(self.clock), 0
        mark = self.state.load() or Watermark((now - self.first).replace(microsecond=0))
        while True:
            window = next_window(mark.since, now)
            events = events_of(self.log, await self.read(window), window)
            room = None if self.limit is None else self.limit - delivered
            mark, count = self.settle(mark, window, events, room)
            delivered += count
            if window.is_last or delivered == self.limit:
                return

    def settle(
        self, mark: Watermark, window: Window, events: Sequence[Event], room: int | None
    ) -> tuple[Watermark, int]:
        # Nothing is awaited here, so a signal stops us before or after, never between.
        news = [event for event in events if mark.lacks(event)]
        chosen = news[:room]
        if chosen:
            deliver(chosen, self.output)
            logger.info("delivered %d events up to %s", len(chosen), chosen[-1].time)
        is_whole = len(chosen) == len(news)
        mark = moved(mark, window, events) if is_whole else stopped(mark, events, chosen)
        self.state.commit(mark)
        return mark, len(chosen)

    async def read(self, window: Window) -> list[Page]:
        pages = await self.read_once(window)
        if not self.log.shifts or len(pages) == 1:
            return pages
        for _ in range(READINGS):
            again = await self.read_once(window)
            if again == pages:
                return pages
            pages = again
        raise Later("The log changes faster than it can be read")

    async def read_once(self, window: Window) -> list[Page]:
        pages = []
        position: Position | None = {**self.log.first, **self.log.span(window)}
        while position is not None:
            pages.append(await self.ask(position))
            position = self.log.following(pages[-1], position)
        return pages

    async def ask(self, position: Position) -> Page:
        for pause in PATIENCE_SECONDS:
            try:
                return await self.ask_once(position)
            except Later as later:
                seconds = later.seconds or pause
                logger.warning("%s; asking again in %g s", later, seconds)
            await self.clock.sleep(seconds)
        return await self.ask_once(position)

    async def ask_once(self, position: Position) -> Page:
        try:
            response = await self.client.get(self.log.path, params=position)
        except httpx.TransportError as error:
            raise Later(f"no answer ({type(error).__name__})") from None
        except TransientError as error:
            raise Later(str(error), error.retry_after_seconds) from None
        except StoreError as error:
            # This process holds the pair that could not be saved, and will save it before all else.
            raise Later(str(error)) from None
        return page_of(response, self.log.records)


# -- the program ---------------------------------------------------------------------------------

APP = {
    "client_id": "ATLASSIAN_CLIENT_ID",
    "client_secret": "ATLASSIAN_CLIENT_SECRET",
    "redirect_uri": "ATLASSIAN_REDIRECT_URI",
}
BASIC = {"user": "ATLASSIAN_USER", "token": "ATLASSIAN_API_TOKEN"}
CLOUD_API = Endpoints.cloud()


def required(
    names: Mapping[str, str], environment: Mapping[str, str], where: str
) -> dict[str, str]:
    if missing := [name for name in names.values() if not environment.get(name)]:
        raise CannotGoOn(f"Set {', '.join(missing)}: {where}.")
    return {argument: environment[name] for argument, name in names.items()}


def log_of(options: argparse.Namespace) -> AuditLog:
    if options.data_center:
        return DATA_CENTER
    return CONFLUENCE if options.product == "confluence" else CLOUD


async def address_of(options: argparse.Namespace, clock: Clock) -> str:
    """Return the base URL of the API: a server's, a site's own, or a site's behind the gateway."""
    if options.data_center:
        return f"{Endpoints.data_center(options.data_center).api_url}/"
    is_confluence = options.product == "confluence"
    if options.site and options.auth == "basic":
        # An API token without scopes works there only; one with scopes only with --cloud-id.
        return site_url(options.site) + ("/wiki/" if is_confluence else "/")
    cloud_id = options.cloud_id or await cloud_id_for_site(
        options.site, proxy=options.proxy, clock=clock
    )
    return CLOUD_API.confluence_url(cloud_id) if is_confluence else CLOUD_API.jira_url(cloud_id)


def basic_of(options: argparse.Namespace, environment: Mapping[str, str]) -> httpx.Auth:
    where = "your email address and an API token, or a user of Data Center and the password"
    basic = required(BASIC, environment, where)
    if options.data_center:
        return httpx.BasicAuth(basic["user"], basic["token"])
    if options.site:
        return ApiToken(basic["user"], basic["token"], site=options.site)
    return ApiToken.scoped(basic["user"], basic["token"])


def grant_of(options: argparse.Namespace, environment: Mapping[str, str]) -> Grant:
    app: dict[str, Any] = required(APP, environment, "the app's registration has the values")
    if options.data_center:
        return DataCenterGrant(options.data_center, **app, scopes=scopes.DATA_CENTER_ADMIN)
    is_confluence = options.product == "confluence"
    return CloudGrant(**app, scopes=scopes.CONFLUENCE_AUDIT if is_confluence else scopes.JIRA_AUDIT)


async def run(
    options: argparse.Namespace,
    environment: Mapping[str, str] = os.environ,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Collect once, or until cancelled."""
    is_basic = options.auth == "basic"
    credential = basic_of(options, environment) if is_basic else grant_of(options, environment)
    url = await address_of(options, clock)
    async with AsyncExitStack() as opened:
        if isinstance(credential, Grant):
            store = SQLiteStore(options.tokens)
            auth = AtlassianAuth(credential, store=store, key=url, proxy=options.proxy, clock=clock)
            await opened.enter_async_context(auth.manager)
            if refresh_token := environment.get("ATLASSIAN_REFRESH_TOKEN"):
                await auth.manager.add(auth.key, refresh_token=refresh_token)
            credential = auth
        client = httpx.AsyncClient(auth=credential, base_url=url, proxy=options.proxy, timeout=60)
        await opened.enter_async_context(client)
        collector = Collector(
            client,
            log_of(options),
            State(options.state, url),
            options.output,
            clock,
            first=options.first_fetch,
            limit=options.limit,
        )
        await (collector.run() if options.once else repeat(collector, options.interval))


async def repeat(collector: Collector, interval_seconds: float) -> None:
    while True:
        try:
            await collector.run()
        except Later as later:
            logger.warning("%s; the next run goes on from here", later)
        await collector.clock.sleep(interval_seconds)


async def until_stopped(options: argparse.Namespace) -> None:
    # Cancelling is safe at any time: the library finishes a refresh that is under way.
    collecting = asyncio.create_task(run(options))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, collecting.cancel)
    with suppress(asyncio.CancelledError):
        await collecting


def span(text: str) -> timedelta:
    """Return what ``"3 days"`` says."""
    match = re.fullmatch(r"(\d{1,4}) (minute|hour|day|week)s?", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span: write 3 days, 12 hours or 1 week")
    return timedelta(**{f"{match[2]}s": int(match[1])})


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Collect the audit log as JSON lines. What the app's registration says comes from "
        f"the environment: {', '.join(APP.values())}; for the first start ATLASSIAN_REFRESH_TOKEN, too. "
        f"With --auth basic: {', '.join(BASIC.values())}."
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--site", metavar="SITE", help="a Cloud site, such as acme.atlassian.net")
    where.add_argument("--cloud-id", metavar="ID", help="of a Cloud site, where you know it")
    where.add_argument("--data-center", metavar="URL", help="base URL, with its context path")
    product = "whose log on Cloud: jira (default) or confluence"
    parser.add_argument("--product", choices=("jira", "confluence"), default="jira", help=product)
    auth = "oauth (default), or basic: an API token, or a password of Data Center"
    parser.add_argument("--auth", choices=("oauth", "basic"), default="oauth", help=auth)
    parser.add_argument("--proxy", metavar="URL", help="for all requests")
    first = "how far back the very first run goes (default: %(default)s)"
    parser.add_argument("--first-fetch", type=span, default=FIRST, metavar="SPAN", help=first)
    limit = "at most so many events in a run; the next run goes on (default: all)"
    parser.add_argument("--limit", type=positive, metavar="NUMBER", help=limit)
    for name, default, text in (
        ("--output", None, "append here, durably, instead of printing"),
        ("--state", "audit_log.state", "where the watermark is kept (default: %(default)s)"),
        ("--tokens", "tokens.db", "where the credential is kept (default: %(default)s)"),
    ):
        parser.add_argument(name, type=Path, default=default, metavar="FILE", help=text)
    interval = "pause between two runs (default: %(default)s)"
    parser.add_argument("--interval", type=float, default=60, metavar="SECONDS", help=interval)
    parser.add_argument("--once", action="store_true", help="end when the present is reached")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logger.setLevel(logging.INFO)
    try:
        asyncio.run(until_stopped(options))
    except (Later, CannotGoOn, AtlassianAuthError, OSError) as error:
        logger.error("%s", error)  # noqa: TRY400  the message says it all
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
