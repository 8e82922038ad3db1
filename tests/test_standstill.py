"""A process that is stopped in the middle of a refresh, for longer than all its timeouts, and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from atlassian_auth.ports._runtime.future import SharedFuture

pytestmark = [
    pytest.mark.programs,
    pytest.mark.campaign,
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process is stopped here"),
]

# Long enough for a request on a busy machine, and short enough to be stopped for longer.
TIMEOUT_SECONDS = 2.0

PROGRAM = """
import asyncio, sys
from atlassian_auth import DataCenterGrant, Settings, TokenManager
from atlassian_auth.stores import SQLiteStore

async def main(url, path, timeout_seconds):
    grant = DataCenterGrant(
        url, client_id="id", client_secret="secret", redirect_uri="http://127.0.0.1:1/", scopes=["READ"]
    )
    settings = Settings(read_timeout_seconds=timeout_seconds, exchange_timeout_seconds=600)
    manager = TokenManager(grant, store=SQLiteStore(path), settings=settings)
    await manager.add("k", refresh_token="rt-0")
    await manager.token("k")
    print(await manager.reveal_refresh_token("k"), flush=True)
    await manager.aclose()

asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
"""


class TokenEndpoint(ThreadingHTTPServer):
    """Takes each refresh token once, as Data Center does; holds its first answer back until it may go."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.presented = []
        self.asked, self.may_answer, self.answered = SharedFuture(), SharedFuture(), SharedFuture()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, refresh_token):
        spent = refresh_token in self.presented
        self.presented.append(refresh_token)
        if spent:
            return 400, {"error": "invalid_grant"}
        number = len(self.presented)
        pair = {"access_token": f"at-{number}", "refresh_token": f"rt-{number}"}
        return 200, {**pair, "token_type": "Bearer", "expires_in": 3600}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        fields = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        status, document = self.server.answer(fields["refresh_token"][0])
        self.server.asked.set_result(None)
        self.server.may_answer.wait_sync()
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.answered.set_result(None)

    def log_message(self, *_):
        """Stay silent."""


@contextmanager
def served():
    with TokenEndpoint() as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever)
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.shutdown()
            thread.join()


def test_a_stopped_process_reads_the_answer(tmp_path):
    """An answer that arrives while the process is stopped is used and saved; nothing is presented twice."""
    with served() as endpoint:
        arguments = [endpoint.url, str(tmp_path / "t.db"), str(TIMEOUT_SECONDS)]
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True
        )
        endpoint.asked.wait_sync()
        os.kill(child.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        endpoint.may_answer.set_result(None)
        endpoint.answered.wait_sync()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=TIMEOUT_SECONDS + 0.5)  # so long it is stopped
        os.kill(child.pid, signal.SIGCONT)
        printed, _ = child.communicate(timeout=300)

    assert endpoint.presented == ["rt-0"]
    assert printed == "rt-1\n"
