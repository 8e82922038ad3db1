"""The trials. The first line of each says what happens, then how, and what it takes to pass."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from atlassian_auth.testing import Fault
from benchmarks.trials.bench import Bench, Failed, check, check_outcome, secrets_in
from benchmarks.trials.processes import Silent

__all__ = ["TRIALS", "Trial"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial.

    Args:
        run: Raises `Failed` if the client does not pass.
        source: Where a client's users describe the bug, as owner/repository#thread.
    """

    run: Callable[[Bench], None]
    source: str

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def title(self) -> str:
        return self._parts[0].removesuffix(".")

    @property
    def text(self) -> str:
        return " ".join(self._parts[1].split())

    @property
    def _parts(self) -> list[str]:
        return (inspect.getdoc(self.run) or "").split("\n\n", 1)


TRIALS: list[Trial] = []

SHORT_SECONDS = 2.0
"""A timeout to be waited for, and long enough for a busy machine."""


def trial(source: str) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    def add(run: Callable[[Bench], None]) -> Callable[[Bench], None]:
        TRIALS.append(Trial(run, source))
        return run

    return add


# -- the exchange is interrupted -------------------------------------------------------------------


@trial("pleaseai/shunt#73")
def cancelled(bench: Bench) -> None:
    """The task is cancelled in mid-refresh.

    The server has rotated the refresh token and its answer is on the way when the task that
    waits for it is cancelled, as web frameworks do when a client hangs up. Passed if the next
    request of the process succeeds.
    """
    process, held = bench.first(), bench.hold("token")
    process.begin(bench.url)
    held.arrived()
    process.cancel()
    held.open()

    bench.works(process)


@trial("anthropics/claude-code#16957")
def shut_down(bench: Bench) -> None:
    """The program ends in mid-refresh.

    The main coroutine returns while the answer is on the way, so `asyncio.run` cancels what is
    left and the interpreter exits. The answer comes a moment later. Passed if the program works
    when it is started again.
    """
    process, held = bench.first(), bench.hold("token")
    process.begin(bench.url)
    held.arrived()
    process.leave()
    with suppress(Silent):  # the loop may wait for its threads
        process.heard(within_seconds=1)
    held.open()
    process.ended()

    bench.works(bench.another())


@trial("anthropics/claude-code#93014")
def stood_still(bench: Bench) -> None:
    """The process stands still in mid-refresh for longer than its timeout.

    The process is stopped (SIGSTOP), as a laptop that sleeps or a container that is frozen. The
    answer arrives meanwhile. The process goes on after its timeout of two seconds has run out.
    Passed if requests succeed then.
    """
    process, held = bench.first(timeout_seconds=SHORT_SECONDS), bench.hold("token")
    process.begin(bench.url)
    held.arrived()
    process.stop()
    held.open()
    time.sleep(SHORT_SECONDS + 0.3)
    process.go_on()
    process.result()

    bench.works(process)


# -- the new pair is not saved ---------------------------------------------------------------------


@trial("golang/go#77502")
def killed(bench: Bench) -> None:
    """The process is killed as soon as the API has seen the new access token.

    So the refresh token that came with it must be on disk already. Passed if the program works
    when it is started again.
    """
    process, held = bench.first(), bench.hold("api")
    process.begin(bench.url)
    held.arrived()
    process.kill()

    bench.works(bench.another())


@trial("stacklok/toolhive#5636")
def disk_full(bench: Bench) -> None:
    """The disk is full while the new pair is to be saved.

    No file can grow (RLIMIT_FSIZE) during one request, which may fail. Then there is room
    again, and requests have to succeed. Passed if the program also works when it is started
    again.
    """
    process = bench.first()
    process.fill_disk(full=True)
    process.get(bench.url)
    process.fill_disk(full=False)
    bench.works(process)
    process.leave()
    process.ended()

    bench.works(bench.another())


@trial("modelcontextprotocol/python-sdk#3250")
def restarted(bench: Bench) -> None:
    """The program starts again after its access token has ended.

    A process that has sent nothing yet ends, and another takes over what is stored: an access
    token that has ended, and a good refresh token. Passed if its requests succeed, and no
    person has to consent again.
    """
    process = bench.first()
    process.leave()
    process.ended()

    bench.works(bench.another())


# -- many at once ----------------------------------------------------------------------------------


@trial("authlib/authlib#266")
def storm(bench: Bench) -> None:
    """A crowd of tasks meets an access token that has ended.

    200 requests begin at once (100 at a time in libraries that need threads). Passed if all
    succeed after one token request.
    """
    process = bench.first()
    outcomes = bench.crowd(process)

    refreshes = len(bench.refreshes)
    failed = sum(number for outcome, number in outcomes.items() if not outcome.ok)
    seen = f"token requests: {refreshes:,}, failed requests: {failed:,}"
    check(not failed and refreshes == 1, seen)


@trial("anomalyco/opencode#49439")
def two_processes(bench: Bench) -> None:
    """Two processes refresh at the same time.

    Both find an access token in their shared file that has ended. The answer to the first is
    held back until the second has asked, or has waited for half a second. Passed if requests of
    both succeed.
    """
    one, held = bench.first(), bench.hold("token")
    two = bench.another()
    one.begin(bench.url)
    held.arrived()
    two.begin(bench.url)
    bench.wait_for_refreshes(2, within_seconds=0.5)
    held.open()
    one.result()
    two.result()

    bench.works(one)
    bench.works(two)


@trial("sander1988/Indego#310")
def failing_storm(bench: Bench) -> None:
    """A crowd meets a token endpoint that is down.

    200 requests begin at once, and each token request is answered with 503. Passed if no more
    than ten token requests are made, and requests succeed when the server is up again.
    """
    process = bench.first()
    bench.fail(Fault.status(503), times=10_000)
    outcomes = bench.crowd(process)

    check(len(bench.refreshes) <= 10, f"token requests: {len(bench.refreshes):,}")
    for outcome in outcomes:
        check_outcome(outcome)
    bench.atlassian.clear_faults()
    bench.works(process)


# -- what the token endpoint answers ---------------------------------------------------------------


@trial("knowsuchagency/mcp2cli#59")
def outage(bench: Bench) -> None:
    """A proxy answers a token request with 503 and a page of HTML.

    The next token request is answered as usual. Passed if requests succeed within five seconds
    and no person has to consent again.
    """
    process = bench.first()
    bench.fail(Fault.html(503))

    bench.works(process)


@trial("cortexkit/anthropic-auth#40")
def retry_after(bench: Bench) -> None:
    """The token endpoint says: 429, not before a second has passed.

    Five requests of the program follow each other at once. Passed if the second has passed
    before the next token request, requests succeed within five seconds, and no person has to
    consent again.
    """
    process = bench.first()
    bench.fail(Fault.rate_limited(1))
    for _ in range(5):
        process.get(bench.url)
    at = [request.at for request in bench.refreshes]
    check(len(at) == 1 or at[1] - at[0] >= 1, "the next token request comes too early")

    bench.works(process)


@trial("bluesky-social/atproto#5411")
def lost_answer(bench: Bench) -> None:
    """The connection breaks after the server has rotated.

    This server takes a spent refresh token for ten more minutes, as Atlassian Cloud does.
    Passed if requests succeed within five seconds and no person has to consent again.
    """
    process = bench.first()
    bench.atlassian.rules.reuse_leeway_seconds = 600
    bench.fail(Fault.lost_answer())

    bench.works(process)


@trial("jrl84/amazon-sp-api#300")
def never_answered(bench: Bench) -> None:
    """The token endpoint takes a request and never answers.

    All requests of the client were given a timeout of two seconds. Passed if the request ends
    within five seconds, in whatever way, and requests succeed after that.
    """
    process = bench.first(timeout_seconds=SHORT_SECONDS)
    bench.fail(Fault.hang())
    process.begin(bench.url)
    try:
        process.result(bench.effort.patience_seconds)
    except Silent as silence:
        raise Failed("the request does not end") from silence

    bench.works(process)


@trial("router-for-me/CLIProxyAPI#1999")
def dead_token(bench: Bench) -> None:
    """The server refuses the refresh token for good, and the program starts again.

    Three requests before, three requests after. Passed if the refresh token is presented once
    in all: some servers count failures, and block clients that repeat them.
    """
    process = bench.first()
    bench.atlassian.families[-1].alive = False
    for _ in range(3):
        process.get(bench.url)
    process.leave()
    process.ended()
    again = bench.another()
    for _ in range(3):
        again.get(bench.url)

    check(len(bench.refreshes) <= 1, f"presented {len(bench.refreshes)} times")


# -- when a token is refreshed ---------------------------------------------------------------------


@trial("oauthlib/oauthlib#775")
def about_to_end(bench: Bench) -> None:
    """The access token has five seconds left.

    A request that leaves now may arrive too late. Passed if the request is sent with a new
    access token.
    """
    process = bench.first(expires_in=5)
    before = len(bench.atlassian.api_requests)
    bench.works(process)

    request, *_ = bench.atlassian.api_requests[before:]
    check(request.generation == 2, "the old access token was sent")


@trial("Colin-b/httpx_auth#24")
def ended_early(bench: Bench) -> None:
    """The API refuses an access token that should have an hour left.

    Servers end access tokens early: Jira Data Center does when a refresh token is exchanged.
    Passed if the request succeeds all the same.
    """
    process = bench.first(expires_in=3600)
    bench.atlassian.expire_access_tokens()

    outcome = process.get(bench.url)
    check_outcome(outcome)
    check(outcome.ok, f"the request ends with {outcome}")


# -- who gets to see a secret ----------------------------------------------------------------------


@trial("Gitlawb/zero#729")
def redirected(bench: Bench) -> None:
    """The token endpoint redirects to another origin.

    The redirect is a 307, which asks for the same request with the same body. Passed if that
    origin gets no token and no client secret.
    """
    process = bench.first()
    bench.fail(Fault.redirect(f"{bench.stranger.origin}/oauth/token", status=307))
    process.get(bench.url)

    check(not bench.given_away, f"the other origin got {bench.given_away}")


@trial("msaad00/agent-bom#4751")
def foreign_link(bench: Bench) -> None:
    """The program follows a link of the API to another origin.

    The program uses the same client and the absolute URL of the link. The links of further
    pages and of attachments are such URLs. Passed if that origin gets no token.
    """
    process = bench.first()
    bench.works(process)
    process.get(f"{bench.stranger.origin}/rest/api/3/attachment/content/1")

    check(not bench.given_away, f"the other origin got {bench.given_away}")


@trial("requests/requests-oauthlib#536")
def secrets_shown(bench: Bench) -> None:
    """A program logs at level DEBUG, and prints what it has.

    One refresh succeeds. Another is answered with a refresh token, but without an access token.
    Passed if no token and no client secret is in a log record, in a traceback or in the `repr`
    of the client.
    """
    for fault in (Fault.edited(lambda document: document), Fault.edited(_without_access_token)):
        process = bench.first()
        process.listen()
        bench.fail(fault)
        process.get(bench.url)
        shown = secrets_in(process.output())
        check(not shown, f"shows {shown}")


def _without_access_token(document: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if name != "access_token"}
