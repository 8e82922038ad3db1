"""One process of a client: it follows orders that come over a pipe, and answers each."""

from __future__ import annotations

import asyncio
import io
import logging
import resource
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.trials.client import Client, ConsentWanted, Library, Scene

__all__ = ["Outcome", "work"]

_THREADS = 100  # for sync libraries, whose calls run in threads


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request: a status, or the name of an error."""

    status: int = 0
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 200

    @property
    def consent_wanted(self) -> bool:
        return self.error == ConsentWanted.__name__

    def __str__(self) -> str:
        return self.error or f"HTTP {self.status}"


def work(link: Connection, library: Library, scene: Scene) -> None:
    """Follow orders, until one of them ends the process or the other end of the pipe is closed."""
    logging.getLogger().addHandler(logging.NullHandler())  # what a library logs is not shown
    asyncio.run(_work(link, library, scene))
    link.send("the event loop has ended")


async def _work(link: Connection, library: Library, scene: Scene) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS))
    worker = _Worker(await library.connect(scene))
    orders: asyncio.Queue[Any] = asyncio.Queue()
    loop.add_reader(link.fileno(), lambda: orders.put_nowait(_receive(link)))
    link.send("ready")
    while (order := await orders.get()) is not None:
        name, *arguments = order
        link.send(await getattr(worker, name)(*arguments))
    loop.remove_reader(link.fileno())


def _receive(link: Connection) -> Any:
    try:
        return link.recv()
    except (EOFError, ConnectionError):
        return None


class _Worker:
    """Each method is an order; what it returns is the answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._log = io.StringIO()
        self._task: asyncio.Task[Outcome] | None = None

    async def get(self, url: str) -> Outcome:
        """Send one request and wait for its outcome."""
        try:
            return Outcome(status=await self._client.get(url))
        except Exception as error:  # noqa: BLE001 -- libraries have errors of their own
            self._log.writelines(traceback.format_exception(error))
            return Outcome(error=type(error).__name__)

    async def crowd(self, url: str, size: int) -> Counter[Outcome]:
        """Send so many requests at once and count their outcomes."""
        return Counter(await asyncio.gather(*(self.get(url) for _ in range(size))))

    async def begin(self, url: str) -> None:
        """Send one request and do not wait."""
        self._task = asyncio.create_task(self.get(url))

    async def result(self) -> Outcome:
        """Wait for the request that was begun."""
        assert self._task is not None
        return await self._task

    async def cancel(self) -> None:
        """Cancel the request that was begun, as a server does whose client has hung up."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def listen(self) -> None:
        """Keep all log records from now on."""
        logging.basicConfig(level=logging.DEBUG, stream=self._log, force=True)

    async def output(self) -> str:
        """Return log records, tracebacks, and what is seen when the client is printed."""
        return self._log.getvalue() + repr(self._client.shown)

    async def fill_disk(self, full: bool) -> None:  # noqa: FBT001 -- it comes over the pipe
        """Let no file grow any more, or let them grow again."""
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (0 if full else hard, hard))
