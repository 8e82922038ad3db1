"""Processes that start in a millisecond: forked from one that has imported everything and has no thread.

The standard library's fork server imports the main module of its parent in each child, which under
pytest is pytest; this one does not.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

_FORK = 0
_WORD = struct.Struct("!i")
_SOURCES = Path(__file__).parents[2]
_SERVE = "import sys; from tests.fleet import nursery; nursery.serve(int(sys.argv[1]))"


@dataclass
class Worker:
    """A process that follows the commands that come over ``link``."""

    pid: int
    link: Connection
    nursery: Nursery

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def wait_for_end(self):
        """Wait for the process's end and return its exit code, or the signal as a negative number."""
        self.link.close()
        return self.nursery.wait(self.pid)


class Nursery:
    """Starts workers while it is entered, and lets none outlive it; for any thread to use."""

    def __init__(self):
        self._asking = threading.Lock()

    def __enter__(self):
        self._socket, theirs = socket.socketpair()
        # Not measured: most of these processes are killed, and their counts are lost with them.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**environment, "PYTHONPATH": str(_SOURCES)},
            )
        return self

    def __exit__(self, *_):
        self._socket.close()
        self._process.wait(300)

    def start(self, orders):
        """Return a worker that follows ``orders``."""
        ours, theirs = Pipe()
        with theirs, self._asking:
            socket.send_fds(self._socket, [_WORD.pack(_FORK)], [theirs.fileno()])
            pid = _receive(self._socket)
        worker = Worker(pid, ours, self)
        ours.send(orders)
        return worker

    def wait(self, pid):
        """Return how a worker ended, which must be about to: all other calls wait for that."""
        with self._asking:
            self._socket.sendall(_WORD.pack(pid))
            return os.waitstatus_to_exitcode(_receive(self._socket))


def _receive(link):
    return _WORD.unpack(link.recv(_WORD.size, socket.MSG_WAITALL))[0]


def serve(descriptor):
    """Fork workers as the nursery asks for them, until it closes its end of the socket."""
    from tests.fleet import crew

    crew.warm_up()
    children = set()
    with socket.socket(fileno=descriptor) as link:
        while True:
            word, descriptors, _, _ = socket.recv_fds(link, _WORD.size, 1)
            if not word:
                break
            if wanted := _WORD.unpack(word)[0]:
                children.discard(wanted)
                answer = os.waitpid(wanted, 0)[1]
            else:
                answer = _fork(link, descriptors[0], crew.work)
                children.add(answer)
            link.sendall(_WORD.pack(answer))
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _fork(nursery, descriptor, work):
    child = os.fork()
    if child:
        os.close(descriptor)
        return child
    nursery.close()
    with Connection(descriptor) as link:
        os._exit(work(link))
