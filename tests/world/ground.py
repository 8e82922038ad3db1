"""Where one run of a scene takes place: a server, a store, processes, and the checks at the end."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from atlassian_auth import Settings
from atlassian_auth.testing import LoopbackServer
from atlassian_auth.testing.urls import Urls
from tests.fleet.crew import Place
from tests.world.actor import Attend
from tests.world.scene import Seen
from tests.world.server import StrictAtlassian

# In the order in which a refresh passes them; "sent": the answer waits in the socket.
POINTS = (
    "before lock",
    "after lock",
    "read",
    "confirmed",
    "before sending",
    "sent",
    "answered",
    "before save",
    "saved",
    "before unlock",
)
_MOMENT = 0.01
_PATIENCE_SECONDS = 300
_SOURCES = Path(__file__).parents[2]


class Hung(Exception):
    """Something did not end in time."""


def until(condition, what, patience_seconds=_PATIENCE_SECONDS):
    """Return the value of the condition as soon as it is true."""
    for _ in range(int(patience_seconds / _MOMENT)):
        if found := condition():
            return found
        threading.Event().wait(_MOMENT)
    raise Hung(what)


class Process:
    """A process that follows commands; see `tests.world.actor`."""

    def __init__(self, worker):
        self._worker = worker
        self.pid = worker.pid
        self._ended = False

    def tell(self, *command):
        self._worker.link.send(command)

    def go_on(self, ahead_seconds=None):
        """Let it leave the point where it waits, with its clock as before or moved."""
        if ahead_seconds is not None:
            self._worker.link.send(ahead_seconds)
        self._worker.link.send(None)

    def hear(self, patience_seconds=_PATIENCE_SECONDS):
        if not self._worker.link.poll(patience_seconds):
            raise Hung(f"process {self.pid} says nothing")
        return self._worker.link.recv()

    def ask(self, *command):
        self.tell(*command)
        return self.hear()

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)
        self.has_stopped()

    def has_stopped(self):
        until(lambda: self._state() == "T", "a process does not stop")

    def wake(self):
        os.kill(self.pid, signal.SIGCONT)

    def end(self):
        """Let it close its manager and end."""
        self._worker.link.send(None)
        kind, text = self.hear()
        assert kind == "closed", text
        self._ended = True
        assert self._worker.wait_for_end() == 0

    def kill(self):
        if not self._ended:
            self._ended = True
            self._worker.kill()
            self._worker.wait_for_end()

    def _state(self):
        status = Path(f"/proc/{self.pid}/stat").read_text("utf-8")
        return status.rpartition(")")[2].split()[0]


class Program:
    """A fresh interpreter; see `tests.world.programs`."""

    def __init__(self, name, orders):
        # Without coverage, which would import modules before the program does.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
        self._errors = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 -- closed by `kill`
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("programs.py")),
                name,
                json.dumps(orders),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**environment, "PYTHONPATH": str(_SOURCES)},
        )

    def tell(self, word):
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def hear(self):
        """Return the next word of the program."""
        if not select.select([self._process.stdout], [], [], _PATIENCE_SECONDS)[0]:
            raise Hung("a fresh interpreter says nothing")
        return self._process.stdout.readline().strip()

    def answers(self):
        return json.loads(self.hear() or '["it ended without a word"]')

    def signal(self, number):
        self._process.send_signal(number)

    def has_ended(self):
        return self._process.poll() is not None

    def expect(self, word):
        """See that this is its next word."""
        heard = self.hear()
        assert heard == word, f"it said {heard!r}, not {word!r}; {self._written()}"

    def expect_end(self, code):
        """Wait until it ends, and see that this is its exit code."""
        try:
            ended = self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise Hung("a fresh interpreter does not end") from None
        assert ended == code, f"it ended with {ended}, not {code}; {self._written()}"

    def kill(self):
        self._process.kill()
        with self._process:
            self._errors.close()

    def _written(self):
        self._errors.seek(0)
        return f"it has written: {self._errors.read()}"


class Ground:
    """One run: an authorization server of its own, a place in a store, and what is seen.

    Args:
        servers: Where the run gets its processes and servers.
        product: ``"cloud"`` or ``"data_center"``.
        store: ``"sqlite"``, ``"file"``, ``"redis"`` or ``"postgres"``.
        pace: How long things take.
        chance: For scenes that happen at any moment.
    """

    def __init__(self, servers, *, product, store, pace, chance):
        self.servers = servers
        self.product = product
        self.store = store
        self.pace = pace
        self.chance = chance
        self.seen = Seen(runs=1)
        self.key = secrets.token_hex(8)
        self.families = {}
        self._stack = ExitStack()
        self._processes = []

    def __enter__(self):
        enter = self._stack.enter_context
        self.folder = Path(enter(TemporaryDirectory(prefix="aa-", ignore_cleanup_errors=True)))
        self.atlassian = StrictAtlassian()
        self.origin = enter(LoopbackServer(self.atlassian)).origin
        self.place = Place(self.origin, self.product, self._url(), self.key)
        return self

    def __exit__(self, *_):
        for process in self._processes:
            process.kill()
        self._stack.close()

    def use(self, context):
        """Enter a context until the run ends, and return what it gives."""
        return self._stack.enter_context(context)

    def on(self, url):
        """Put the store on a server of this run's own."""
        self.place = Place(self.origin, self.product, url, self.key)

    @property
    def kept(self):
        """The folder that holds the files of the store, and nothing else."""
        return self.folder / "kept"

    def process(self, **settings):
        """Start a process."""
        orders = Attend(self.place, self.pace.settings(**settings), self.pace.lease_seconds)
        process = Process(self.servers.nursery.start(orders))
        self._processes.append(process)
        kind, text = process.hear()
        assert kind == "ready", text
        return process

    def issue(self, key=None):
        """Return a refresh token for a key, by a consent of its own."""
        app = getattr(self.atlassian, f"{self.product}_app")
        refresh_token = self.atlassian.issue_grant(app).refresh_token
        self.families[key or self.key] = self.atlassian.family_of(refresh_token)
        return refresh_token

    def holder(self, *first, **settings):
        """Start a process that has been given the credential, and has not refreshed it yet.

        ``first``: what it does before.
        """
        process = self.process(**settings)
        if first:
            process.ask(*first)
        self.check(process.ask("add", self.key, self.issue()))
        return process

    @contextmanager
    def at(self, point, process, command="token", *, ahead_seconds=None):
        """Let the process refresh, and wait at a point of it while the block runs.

        At "sent" it is the answer that waits, at the server. The answer of the process is to be heard after
        the block. ``ahead_seconds`` is what its clock shows then, apart from the computer's.
        """
        if point == "sent":
            with self.answer_held(process, command):
                yield
            return
        process.ask("stop_at", point, False)
        process.tell(command)
        assert process.hear() == ("at", point)
        yield
        process.go_on(ahead_seconds)

    @contextmanager
    def answer_held(self, process, command="token"):
        """Let the process refresh; the server has rotated, and holds the answer while the block runs."""
        with self.next_answer_held() as has_rotated:
            process.tell(command)
            has_rotated()
            yield

    @contextmanager
    def next_answer_held(self):
        """Hold the server's next answer while the block runs, and yield a function that waits for it."""
        before = len(self.atlassian.token_requests)
        gate = self.atlassian.hold("token")
        try:
            yield lambda: until(
                lambda: len(self.atlassian.token_requests) > before, "nothing is sent"
            )
        finally:
            gate.open()

    def cold(self, program, **orders):
        """Start a fresh interpreter; see `tests.world.programs`."""
        app = getattr(self.atlassian, f"{self.product}_app")
        urls = Urls.below(self.origin, self.atlassian.urls.dc_base_url)
        place = {
            "product": self.product,
            "url": urls.dc_base_url if self.product == "data_center" else urls.auth_url,
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "store": self.place.store,
            "key": self.key,
        }
        program = Program(program, {"place": place, **orders})
        self._processes.append(program)
        return program

    def check(self, answer, *listed):
        """Note an answer that is neither a token nor one of the errors listed; return its kind."""
        kind, text = answer
        if kind not in {"token", *listed}:
            self.seen.failed.append(f"{kind}: {text}")
        return kind

    def heal(self, process, answer, *listed):
        """Note an answer; after an error that is listed, the process asks until it has a token.

        If the consent is lost, and that is listed, it never has one.
        """

        def has_token():
            nonlocal answer
            if self.check(answer, *listed) not in {*listed} - {"authorization_required"}:
                return True
            answer = process.ask("token")
            return False

        until(has_token, f"no token comes: {answer}")

    def check_all(self, answers):
        """Note the answers that are no tokens."""
        self.seen.hung += [answer for answer in answers if answer.startswith("hung")]
        self.seen.failed += [
            answer for answer in answers if answer != "token" and not answer.startswith("hung")
        ]

    def judge(self):
        """Let a process that starts afterwards refresh, and compare the store with the server."""
        for process in self._processes:
            process.kill()
        self.end_leases()
        self.give_files_to(os.geteuid())
        newcomer = self.process()
        kind, text = newcomer.ask("refresh")
        kept = {key: newcomer.ask("stored", key)[1] for key in self.families}
        newcomer.end()
        alive = all(
            family.alive and kept[key] == family.refresh_token
            for key, family in self.families.items()
        )
        if kind not in {"token", "authorization_required"}:
            self.seen.failed.append(f"afterwards, {kind}: {text}")
        self.seen.lost += kind == "authorization_required" or not alive
        self.seen.twice += self.atlassian.presented_twice()

    def end_leases(self):
        """End the leases of processes that are dead, which would take up to 30 s, or 150, by themselves."""
        if self.store != "redis":
            return
        from redis import Redis

        with Redis.from_url(self.place.store) as client:
            for lock in client.scan_iter(match=f"*{self.key}*:lock:*"):
                client.pexpire(lock, 1)
                until(lambda lock=lock: not client.exists(lock), "a lease does not end")

    def give_files_to(self, user):
        """Let this user own the files of the store."""
        for path in (self.folder, *self.folder.rglob("*")):
            with suppress(FileNotFoundError):
                os.chown(path, user, -1)

    def _url(self):
        if self.store == "sqlite":
            self.kept.mkdir()
            return f"sqlite:///{self.kept / 'tokens.db'}"
        if self.store == "file":
            self.kept.mkdir()
            return f"file://{self.kept / 'tokens'}"
        return self.servers.url(self.store)


class Pace:
    """How long things take: as they do by default, or hurried, so that seconds are enough.

    Args:
        hurried: Pauses of seconds cross all limits.
    """

    def __init__(self, *, hurried):
        self.hurried = hurried
        self.lease_seconds = 5 if hurried else 30

    def settings(self, **changed):
        # The connection to the server is made within the lease's two thirds, as the documentation asks.
        quick = {
            "connect_timeout_seconds": 3,
            "read_timeout_seconds": 4,
            "exchange_timeout_seconds": 5,
            "standstill_seconds": 60,
        }
        return Settings(**(quick if self.hurried else {}) | changed)
