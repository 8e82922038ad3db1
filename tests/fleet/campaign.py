"""Kills one process after the other in mid-refresh, and compares the server's ledger with the store.

The server knows which refresh token is the last it issued. A process that starts after a kill says which
one it found in the store. If they differ, the kill fell between the server's rotation and the end of the
save. The process then refreshes, and that shows whether the consent survived.
"""

from __future__ import annotations

import http.client
import itertools
import random  # noqa: TID251 -- with a seed: the same kills each time
import signal
import time
from contextlib import closing
from dataclasses import dataclass, field

from atlassian_auth.testing import Fault
from tests.fleet.crew import Refresh
from tests.fleet.nursery import Worker
from tests.fleet.points import POINTS, Duration, Kill
from tests.model.recording import Event, append_to

# How and where a process dies. Half of the deaths fall anywhere in the save, or in the whole refresh.
AT_POINTS = tuple(("point", point) for point in POINTS)
ANYWHERE = tuple(itertools.product(("steps", "timer"), ("save", "refresh")))
KINDS = (*AT_POINTS, *ANYWHERE, *ANYWHERE)

BEHIND_AT = {"sent", "answered", "before save"}
KILLED = {-signal.SIGKILL, -signal.SIGALRM}
_PATIENCE_SECONDS = 300


@dataclass
class Death:
    """One kill, and what came after it.

    Args:
        kind: Of `KINDS`.
        exit_code: As ``subprocess`` tells it.
        behind: Whether the dead process had the refresh token rotated, and left the old one in the store.
        lost: Why the next process's refresh failed, if the consent was lost; otherwise empty.
    """

    kind: tuple[str, str]
    exit_code: int = 0
    behind: bool = False
    lost: str = ""


@dataclass
class CampaignResult:
    """What a campaign saw.

    Args:
        deaths: In order.
        windows: Seconds from the rotation to the end of the save, in refreshes without a kill.
        successions: Seconds of each first refresh after a death: waiting for the lock is in them.
    """

    deaths: list[Death] = field(default_factory=list)
    windows: list[float] = field(default_factory=list)
    successions: list[float] = field(default_factory=list)


class Campaign:
    """Kills on one store, under one product's rules.

    Args:
        nursery: Where processes come from.
        server: The emulated Atlassian.
        place: Where the processes find the credential.
        seed: Another one kills at other moments.
    """

    def __init__(self, nursery, server, place, *, seed=0):
        self._nursery = nursery
        self._atlassian = server.atlassian
        self._app = getattr(server.atlassian, f"{place.product}_app")
        self._place = place
        self._random = random.Random(seed)  # noqa: S311
        self._durations = {}
        self._rotated_at = 0.0
        self._family = None
        self._generation = 0
        self.result = CampaignResult()

    def run(self, kills, after_each=lambda: None):
        """Kill so many processes; one more shows what the last kill left."""
        for counting in (False, True):
            self._end(self._start_process(counting, refreshes=3))
        kinds = list(itertools.islice(itertools.cycle(KINDS), kills))
        self._random.shuffle(kinds)
        for kind in kinds:
            process = self._start_process(kind[0] == "steps", refreshes=self._random.randrange(3))
            self._kill(process, kind)
            after_each()
        self._end(self._start_process(counting=False, refreshes=1))
        return self.result

    def _start_process(self, counting, refreshes):
        """Start the successor of the last process, and let it refresh so often."""
        worker = self._nursery.start(Refresh(self._place, counting))
        process = _Process(worker, self._durations.get(counting))
        behind = self._take_over(process)
        if behind and self._place.product == "data_center":
            refreshes = max(refreshes, 1)  # so that a loss is noticed before anything else happens
        for number in range(refreshes):
            self._refresh(process, first=number == 0)
        self._durations[counting] = process.duration
        return process

    def _end(self, process):
        process.tell(None)
        assert process.worker.wait_for_end() == 0

    def _kill(self, process, kind):
        dead = False
        while not dead:
            self._generation = self._family.generation
            dead = self._try_to_kill(process, kind)
        self._atlassian.clear_faults()
        self.result.deaths.append(Death(kind, process.worker.wait_for_end()))
        append_to(self._place.trace)(Event(str(process.worker.pid), self._place.key, "killed"))

    def _take_over(self, process):
        found = process.hear("found")
        if found is None:
            self._authorize(process)
            return False
        self._settle()
        behind = self._family.refresh_token != found
        if self.result.deaths:
            # It may also have been killed before it could repair what the process before it had left.
            self.result.deaths[-1].behind = behind and self._family.generation > self._generation
        return behind

    def _authorize(self, process):
        refresh_token = self._atlassian.issue_grant(self._app).refresh_token
        self._family = self._atlassian.family_of(refresh_token)
        process.tell(refresh_token)
        process.hear("added")

    def _settle(self):
        """Return when the server has served what the dead process had sent: it serves in order."""
        host = self._place.origin.removeprefix("http://")
        with closing(http.client.HTTPConnection(host, timeout=_PATIENCE_SECONDS)) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()

    def _refresh(self, process, *, first):
        """Let the process refresh, and authorize it again if its consent is lost."""
        self._atlassian.fault("token", Fault("timed", self._note_rotation))
        process.tell(Kill())
        kind, answer = process.listen("refreshed", "lost")
        if kind == "lost":
            self.result.deaths[-1].lost = answer
            self._authorize(process)
            return
        process.duration = answer
        self.result.windows.append(answer.saved_at - self._rotated_at)
        if first and self.result.deaths:
            self.result.successions.append(answer.seconds)

    def _note_rotation(self, work):
        reply = work()
        self._rotated_at = time.perf_counter()
        return reply

    def _try_to_kill(self, process, kind):
        """Let the process refresh once more, and return whether that was its end."""
        if kind == ("point", "sent"):
            gate = self._atlassian.hold("token")
            process.tell(Kill())
            gate.arrived_sync()
            process.worker.kill()
            gate.open()
            return True
        process.tell(self._next_kill(process.duration, *kind))
        try:
            said, _ = process.listen("refreshed", "at")
        except EOFError:
            return True
        if said == "at":
            process.worker.kill()
        return said == "at"

    def _next_kill(self, duration, kind, where):
        if kind == "point":
            return Kill(kind, where)
        saving = where == "save"
        if kind == "steps":
            most = duration.saving_steps if saving else duration.steps
        else:
            most = duration.saving_seconds if saving else duration.seconds
        return Kill(kind, amount=self._random.uniform(0, most), saving=saving)


@dataclass
class _Process:
    """One process, and how long the last refresh of its kind took."""

    worker: Worker
    duration: Duration | None

    def tell(self, command):
        self.worker.link.send(command)

    def hear(self, expected):
        return self.listen(expected)[1]

    def listen(self, *expected):
        assert self.worker.link.poll(_PATIENCE_SECONDS), "a process hangs"
        kind, answer = self.worker.link.recv()
        assert kind in expected, answer
        return kind, answer
