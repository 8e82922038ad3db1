"""A server that says any bytes at all, in a thread of its own, so that every event loop can ask it."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress


class RawServer:
    """Answers each request with the next of the answers, and with the last one from then on.

    An answer is bytes, or a function that makes an iterable of them; the connection is closed after it.
    ``heads`` are the requests that arrived.
    """

    def __init__(self, *answers, host="127.0.0.1"):
        self.heads = []
        self.connections = 0
        self._answers = list(answers)
        self._host = host
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                outer._handle(self)

        class Server(socketserver.ThreadingTCPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = False

        self._server = Server((host, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self):
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handle(self, handler):
        self.connections += 1
        with suppress(OSError):  # the client has heard enough
            head = self._read_head(handler.rfile)
            if not head:
                return
            self.heads.append(head)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            for part in [answer] if isinstance(answer, bytes) else answer():
                handler.wfile.write(part)

    @staticmethod
    def _read_head(file):
        head = b"".join(iter(file.readline, b"\r\n")) if (first := file.readline()) else b""
        length = [line for line in head.lower().splitlines() if line.startswith(b"content-length")]
        file.read(int(length[0].split(b":")[1]) if length else 0)
        return first + head


def answer(status, *headers, body=b""):
    """Return the bytes of an answer whose body ends with the connection."""
    lines = [f"HTTP/1.1 {status} Any", *headers, "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
