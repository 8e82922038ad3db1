"""A token endpoint on a loopback port, in a process of its own: as little server as HTTP allows."""

from __future__ import annotations

import asyncio
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.scene import answer

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@contextmanager
def serving(*, latency_seconds: float = 0) -> Iterator[str]:
    """Run the server, and yield the URL of its token endpoint."""
    command = [sys.executable, "-m", __name__, str(latency_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


async def main(latency_seconds: float) -> None:
    numbers = itertools.count(1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await _read_request(reader):
            await asyncio.sleep(latency_seconds)
            writer.write(_response(next(numbers)))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/oauth/token", flush=True)
    await server.serve_forever()


async def _read_request(reader: asyncio.StreamReader) -> bool:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return False
    length = _LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    return True


def _response(number: int) -> bytes:
    body = answer(number)
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
