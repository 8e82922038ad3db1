"""Plays a schedule: managers in processes of their own, callers in loops of their own, one thread.

After the last step faults are cleared and everything must come to an end; then each manager must
hand out a token that works, unless the consent was lost in a way that is excused.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import singledispatchmethod
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx

from atlassian_auth import AtlassianAuthError, AuthorizationRequired, Settings
from atlassian_auth.events import RefreshFailed
from atlassian_auth.exceptions import TokenRejected
from atlassian_auth.protocol.pkce import code_challenge
from atlassian_auth.testing import FakeAtlassian, Fault, Gate, ManualClock
from tests.harness.clocks import ShiftedClock
from tests.harness.world import World
from tests.interleavings.judge import Judge
from tests.interleavings.remembering_store import RememberingStore
from tests.interleavings.schedules import (
    KEYS,
    LOOPS,
    MANAGERS,
    Advance,
    Approach,
    Call,
    Cancel,
    EndLoop,
    Heal,
    Restart,
    Revoke,
    Run,
    ServerFault,
    Settle,
    Skew,
    StoreFault,
)
from tests.interleavings.stepping import SteppedLoop, SteppedRunner
from tests.interleavings.wire import Wire

VERIFIER = "v" * 43
SECONDS_TO_END = 400


class Process:
    """One manager with its runner's loop, and what is known of it."""

    def __init__(self, number, world):
        self.number = number
        self.world = world
        self.runner = SteppedRunner()
        self.wire = Wire(number, world)
        self.floor = {}
        self.best = {}
        self.manager = world.new_manager(
            world.store.view(number),
            settings=world.settings,
            transport=self.wire.tokens,
            runner=self.runner,
            on_event=self._on_event,
            jitter=lambda: 0.5,
        )
        self.trace = world.recorders[-1]

    def _on_event(self, event):
        self.manager.current(event.key)  # a callback may use what it hears about
        if isinstance(event, RefreshFailed):
            self.world.rules.refresh_failed(self.number, event)


@dataclass(eq=False)
class Caller:
    """One call, and its result or error."""

    call: Call
    process: Process
    floor: int
    best: int
    task: asyncio.Task | None = None
    result: object = None
    error: BaseException | None = None
    is_endless: bool = False
    numbers: list = field(default_factory=list)


class Simulation(World):
    """A world with a store, several processes and several callers' loops."""

    def __init__(self, product, schedule):
        self.steady = ManualClock(autojump=False)
        super().__init__(product, FakeAtlassian(self.steady))
        self.clock = ShiftedClock(self.steady)
        self.moments = [(self.steady.time(), self.clock.time())]
        self.ledger = self.atlassian._world.ledger
        self.settings = Settings(
            stripes=schedule.stripes,
            lock_timeout_seconds=schedule.lock_timeout_seconds,
            unsaved=schedule.unsaved,
        )
        self.shortest_deadline = self.settings.exchange_timeout_seconds - 0.001
        self.store = RememberingStore(self.clock, self.moments)
        self.rules = Judge(self)
        self.codes = {}
        self.killed = set()
        self.gates = []
        self.callers = []
        self.first_refresh_tokens = {}
        self.numbers = itertools.count(1)
        self.processes = [Process(next(self.numbers), self) for _ in range(MANAGERS)]
        self.loops = [SteppedLoop() for _ in range(LOOPS)]
        for key, fresh in zip(KEYS, schedule.fresh, strict=True):
            self.start(Call("add", key=key))
            self.settle()
            if fresh:
                self.start(Call("token", key=key))
                self.settle()
        self.rules.changed_by_hand.clear()

    # -- time and turns ---------------------------------------------------------------------------

    @property
    def all_loops(self):
        return [process.runner.loop for process in self.processes] + self.loops

    def settle(self):
        while not all(loop.is_quiet for loop in self.all_loops):
            for loop in self.all_loops:
                loop.settle()

    def advance(self, seconds):
        self.steady.advance(seconds)
        self.moments.append((self.steady.time(), self.clock.time()))

    def set_clock(self, seconds):
        self.clock.ahead_seconds += seconds
        self.moments.append((self.steady.time(), self.clock.time()))
        if seconds < 0:
            self.rules.pauses.clear()

    def new_grant(self, key):
        refresh_token = self.new_refresh_token()
        self.rules.key_of_family[self.family.id] = key
        self.first_refresh_tokens[key] = refresh_token
        return refresh_token

    # -- steps ------------------------------------------------------------------------------------

    @singledispatchmethod
    def play(self, step):
        raise NotImplementedError(step)

    @play.register
    def _(self, step: Call):
        self.start(step)

    @play.register
    def _(self, step: Run):
        for n in range(max(step.turns)):
            for loop, turns in zip(self.all_loops, step.turns, strict=True):
                if n < turns and not loop.is_quiet:
                    loop.turn()

    @play.register
    def _(self, _step: Settle):
        self.settle()

    @play.register
    def _(self, step: Cancel):
        pending = [caller for caller in self.callers if not caller.task.done()]
        if pending:
            self.cancel(pending[step.number % len(pending)])

    @play.register
    def _(self, step: EndLoop):
        left = self.loops[step.loop].end()
        self.rules.check(not left, "a cancelled caller did not end at once")
        self.loops[step.loop] = SteppedLoop()

    @play.register
    def _(self, step: Restart):
        self.restart(step.manager, orderly=step.orderly)

    @play.register
    def _(self, step: Advance):
        self.advance(step.seconds)

    @play.register
    def _(self, step: Approach):
        expires_at = self.store.durable(step.key).expires_at
        if expires_at is not None:
            left = expires_at.timestamp() - self.clock.time()
            self.advance(max(left - step.seconds_left, 0))

    @play.register
    def _(self, step: Skew):
        self.set_clock(step.seconds)

    @play.register
    def _(self, step: ServerFault):
        self.atlassian.fault("token", self.fault(step.name), times=step.times)

    @play.register
    def _(self, step: StoreFault):
        self.store.fail(step.point, step.times)

    @play.register
    def _(self, _step: Heal):
        self.heal()

    @play.register
    def _(self, step: Revoke):
        if step.what == "access tokens":
            self.atlassian.expire_access_tokens()
            return
        refresh_token = self.store.durable(step.key).refresh_token
        if refresh_token is not None:
            self.atlassian.revoke_grant(refresh_token)
            self.rules.excuse(self.atlassian.family_of(refresh_token), "revoked")
            self.processes[0].trace.was(step.key, "withdrawn")

    def heal(self):
        self.atlassian.clear_faults()
        self.store.heal()
        for gate in self.gates:
            gate.open()

    def fault(self, name):
        if name == "held":
            self.gates.append(Gate())
            return Fault.held(self.gates[-1])
        return _FAULTS[name]()

    def restart(self, number, *, orderly):
        process = self.processes[number]
        if orderly:
            self.start(Call("aclose", manager=number))
            self.settle()
        self.killed.add(process.number)
        for caller in self.callers:
            if caller.process is process and not caller.task.done():
                caller.task.cancel()
        self.settle()
        for key in KEYS:
            process.trace.was(key, "killed")
        self.rules.check(not process.runner.loop.end(), "a refresh outlived its loop")
        self.rules.process_ended(process.number)
        self.processes[number] = Process(next(self.numbers), self)

    # -- callers ----------------------------------------------------------------------------------

    def start(self, call):
        process = self.processes[call.manager]
        floor, best = process.floor.get(call.key, 0), process.best.get(call.key, 0)
        caller = Caller(call, process, floor, best)
        caller.is_endless = call.kind == "keep_fresh"
        self.callers.append(caller)
        caller.task = self.loops[call.loop].create_task(self._live(caller))
        return caller

    def cancel(self, caller):
        caller.task.cancel()
        self.loops[caller.call.loop].settle()
        self.rules.check(caller.task.done(), "a cancelled caller did not end at once")

    async def _live(self, caller):
        try:
            caller.result = await _impatient(caller.call.patience, self._ask(caller))
        except AtlassianAuthError as error:
            caller.error = error
            self.rules.error_was_raised(caller, error)

    async def _ask(self, caller):  # noqa: C901, PLR0912 -- one case for each kind of call
        call, process = caller.call, caller.process
        manager, key = process.manager, call.key
        match call.kind:
            case "token":
                self._judge_token(caller, await manager.token(key))
            case "margin":
                self._judge_token(caller, await manager.token(key, margin=timedelta(seconds=100)))
            case "rejected":
                rejected = manager.peek(key)
                token = await manager.token(key, rejected=rejected)
                self._judge_token(caller, token)
            case "refresh":
                self.rules.refreshing(process.number, key)
                self._judge_token(caller, await manager.refresh(key))
            case "current":
                token = manager.current(key)
                if token is not None:
                    self._judge_token(caller, token)
            case "execute":
                await manager.execute(key, lambda token: self._use(caller, token))
            case "request":
                return await self._request(process, key)
            case "keep_fresh":
                await manager.keep_fresh()
            case "status":
                await manager.status(key)
            case "keys":
                await manager.keys()
            case "aclose":
                await manager.aclose()
            case _:
                await self._replace(call, process)
        return None

    async def _replace(self, call, process):
        manager, key = process.manager, call.key
        self.rules.restarting(process.number, key)
        match call.kind:
            case "forget":
                await manager.forget(key)
            case "add":
                await manager.add(key, refresh_token=self.new_grant(key))
            case "add again":
                await manager.add(key, refresh_token=self.first_refresh_tokens[key])
            case "authorize":
                code = self._consent(key)
                verifier = None if self.product == "cloud" else VERIFIER
                await manager.authorize(key, code, code_verifier=verifier)
        process.floor[key] = self.rules.restarts.get((process.number, key), 0)

    def _consent(self, key):
        challenge = None if self.product == "cloud" else code_challenge(VERIFIER)
        url = self.grant.authorization_url(state="s" * 32, code_challenge=challenge)
        code = parse_qs(urlsplit(self.atlassian.browse(url)).query)["code"][0]
        self.codes[code] = key
        return code

    async def _request(self, process, key):
        auth = process.manager.auth(key)
        async with httpx.AsyncClient(auth=auth, transport=process.wire.api) as client:
            return (await client.get(self.identity_url)).status_code

    async def _use(self, caller, token):
        self._judge_token(caller, token)
        if len(caller.numbers) == 1:
            raise TokenRejected("not good enough")

    def _judge_token(self, caller, token):
        number = self.store.first_seen(token.access_token)
        caller.numbers.append(number)
        if number is None:
            self.rules.unsaved_token_was_seen()
            return
        if self.settings.unsaved == "raise":
            caller.process.trace.handed_out(caller.call.key, token)
        best = caller.process.best
        best[caller.call.key] = max(best.get(caller.call.key, 0), number)
        self.rules.check(
            number > caller.floor,
            "a token was handed out that had been forgotten or replaced before the call",
        )
        self.rules.check(
            number >= caller.best, "a token was handed out although its manager had a newer one"
        )

    # -- the end ----------------------------------------------------------------------------------

    def finish(self):
        for caller in self.callers:
            if caller.is_endless and not caller.task.done():
                self.cancel(caller)
        self.heal()
        for part in (
            self._await_all_callers,
            self._check_nothing_is_left,
            self._recover,
            self._check_agreement,
        ):
            part()
            self.rules.check_none_is_broken()

    def close(self):
        self.heal()
        for loop in self.all_loops:
            loop.end()

    def _await_all_callers(self):
        self.settle()
        for _ in range(SECONDS_TO_END):
            if all(caller.task.done() for caller in self.callers) and not self._busy():
                return
            self.advance(1)
            self.settle()
        waiting = [caller.call for caller in self.callers if not caller.task.done()]
        self.rules.check(not waiting, f"waiters that never end: {waiting}")

    def _busy(self):
        return any(process.runner.loop.tasks for process in self.processes)

    def _check_nothing_is_left(self):
        rules = self.rules
        rules.check(not self._busy(), "a task is left in a runner's loop")
        rules.check(not self.store.held, "a lock is still held")
        for key in KEYS:
            taken = self.loops[0].create_task(self._take_lock(key))
            self.settle()
            rules.check(taken.done(), "a lock is not free although no manager works")
        complaints = [c for loop in self.all_loops for c in loop.complaints]
        rules.check(not complaints, f"an event loop complained: {complaints}")
        for caller in self.callers:
            if not caller.task.cancelled() and caller.task.exception() is not None:
                raise caller.task.exception()

    async def _take_lock(self, key):
        async with self.store.inner.lock("tokens", key, timeout_seconds=1):
            pass

    def _recover(self):
        """See that each manager works again as soon as the server and the store do."""
        for _ in range(4):
            self.advance(self.settings.configuration_backoff_seconds * 1.2 + 1)
            asked = [
                self.start(Call("request", manager=number, key=key))
                for number, key in itertools.product(range(MANAGERS), KEYS)
            ]
            self._await_all_callers()
            if all(self._is_well(caller) for caller in asked):
                return
        unwell = {caller.call: repr(caller.error or caller.result) for caller in asked}
        self.rules.check(holds=False, rule=f"does not recover: {unwell}")

    def _is_well(self, caller):
        if caller.result == 200:
            return True
        durable = self.store.durable(caller.call.key)
        if not durable.exists:
            return isinstance(caller.error, AuthorizationRequired)
        if self.is_usable(durable.refresh_token):
            return False
        family = self.atlassian.family_of(durable.refresh_token)
        self.rules.check(family.id in self.rules.excused, "a consent was lost")
        return isinstance(caller.error, AuthorizationRequired)

    def is_usable(self, refresh_token):
        link = self.ledger.refresh_tokens[refresh_token]
        leeway = self.atlassian.rules.reuse_leeway_seconds if self.product == "cloud" else 0
        replaced_at = link.replaced_at
        in_time = replaced_at is None or self.steady.time() < replaced_at + leeway
        return link.family.alive and in_time

    def _check_agreement(self):
        closing = [self.start(Call("aclose", manager=n)) for n in range(MANAGERS)]
        self._await_all_callers()
        self.rules.check(not any(c.error for c in closing), "a pair could still not be saved")
        for key in KEYS:
            durable = self.store.durable(key)
            if durable.exists and not self.is_usable(durable.refresh_token):
                family = self.atlassian.family_of(durable.refresh_token)
                self.rules.check(family.id in self.rules.excused, "store and server disagree")


async def _impatient(patience, work):
    kind, turns = patience or (None, 0)
    if kind == "timeout":
        with suppress(TimeoutError):
            async with asyncio.timeout(turns * 0.001):
                return await work
        return None
    if kind == "scope":
        with anyio.move_on_after(turns * 0.001):
            return await work
        return None
    return await work


_FAULTS = {
    "503": lambda: Fault.status(503),
    "429": lambda: Fault.rate_limited(1),
    "429 later": lambda: Fault.rate_limited(90),
    "502": lambda: Fault.status(502),
    "lost answer": Fault.lost_answer,
    "refused": Fault.refused_connection,
    "html": Fault.html,
    "truncated": Fault.truncated,
    "invalid client": lambda: Fault.json({"error": "invalid_client"}, status=401),
    "hang": Fault.hang,
    "delayed": lambda: Fault.delayed(30),
    "short lived": lambda: Fault.edited(lambda document: {**document, "expires_in": 3}),
}


def play(product, schedule):
    """Play a schedule to its end and raise for the first rule that was broken."""
    simulation = Simulation(product, schedule)
    with closing(simulation):
        for step in schedule.steps:
            simulation.play(step)
            simulation.rules.check_none_is_broken()
        simulation.finish()
    simulation.judge()
    return simulation
