"""Processes that start in a millisecond: forked from one that has imported the library and has no thread.

They end as interpreters end, with all that runs at exit. Processes of ``multiprocessing`` skip that.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from benchmarks.trials.client import Library, Scene
from benchmarks.trials.worker import Outcome, work

__all__ = ["Process", "Silent", "Starter", "serve"]

_NUMBER = struct.Struct("!i")
_SOURCES = Path(__file__).parents[2]
_SERVE = "import sys; from benchmarks.trials.processes import serve; serve(sys.argv[1], int(sys.argv[2]))"
_PATIENCE_SECONDS = 60.0


class Silent(Exception):
    """A process did not answer in time, or is gone."""


class Process:
    """One process of a client, as a trial sees it."""

    def __init__(self, link: Connection, pid: int) -> None:
        self._link = link
        self._pid = pid

    def get(self, url: str) -> Outcome:
        outcome: Outcome = self._ask("get", url)
        return outcome

    def crowd(self, url: str, size: int) -> Counter[Outcome]:
        outcomes: Counter[Outcome] = self._ask("crowd", url, size)
        return outcomes

    def begin(self, url: str) -> None:
        self._ask("begin", url)

    def result(self, within_seconds: float = _PATIENCE_SECONDS) -> Outcome:
        outcome: Outcome = self._ask("result", within_seconds=within_seconds)
        return outcome

    def cancel(self) -> None:
        self._ask("cancel")

    def listen(self) -> None:
        self._ask("listen")

    def output(self) -> str:
        text: str = self._ask("output")
        return text

    def fill_disk(self, *, full: bool) -> None:
        self._ask("fill_disk", full)

    def leave(self) -> None:
        """Let the event loop end, with whatever runs in it; threads may go on."""
        self._link.send(None)

    def stop(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self.ended()

    def heard(self, within_seconds: float = _PATIENCE_SECONDS) -> Any:
        """Return what the process says next.

        Raises:
            Silent: if that is nothing.
        """
        try:
            if self._link.poll(within_seconds):
                return self._link.recv()
        except (EOFError, ConnectionError):
            raise Silent("the process has ended") from None
        raise Silent(f"no answer within {within_seconds:g} seconds")

    def ended(self, within_seconds: float = _PATIENCE_SECONDS) -> None:
        """Return when the process is gone."""
        try:
            while True:
                self.heard(within_seconds)
        except Silent:
            self._link.close()

    def _ask(self, *order: object, within_seconds: float = _PATIENCE_SECONDS) -> Any:
        self._link.send(order)
        return self.heard(within_seconds)


class Starter:
    """Starts processes of one library while it is entered, in any thread, and lets none outlive it.

    Args:
        library: The name of the module that puts the library to work.
    """

    def __init__(self, library: str) -> None:
        self._library = library
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        self._socket, theirs = socket.socketpair()
        # Not measured: some of these processes are killed, and what they had counted with them.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-c", _SERVE, self._library, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**environment, "PYTHONPATH": os.pathsep.join([str(_SOURCES), *sys.path])},
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._server.wait()

    def start(self, scene: Scene) -> Process:
        """Return a new process that is ready for orders.

        Raises:
            Silent: if it ends first.
        """
        ours, theirs = Pipe()
        with theirs, self._turn:
            socket.send_fds(self._socket, [b"\0"], [theirs.fileno()])
            [pid] = _NUMBER.unpack(self._socket.recv(_NUMBER.size, socket.MSG_WAITALL))
        process = Process(ours, pid)
        ours.send(scene)
        process.heard()
        return process


def serve(library: str, descriptor: int) -> None:
    """Be the process that the others are forked from; return at its end, and at the end of each of them."""
    module: Any = import_module(library)
    children: list[int] = []
    with socket.socket(fileno=descriptor) as link:
        while descriptors := socket.recv_fds(link, 1, 1)[1]:
            if child := os.fork():
                os.close(descriptors[0])
                children.append(child)
                link.sendall(_NUMBER.pack(child))
            else:
                link.close()
                return _follow(Connection(descriptors[0]), module)
    # This is the first time that they are waited for, so the numbers are still theirs.
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return None


def _follow(link: Connection, library: Library) -> None:
    with suppress(ConnectionError, EOFError):  # the trial is over
        work(link, library, link.recv())
