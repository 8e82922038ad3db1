"""The command serve: who is let in, what is served, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from atlassian_auth._cli.serve.gate import LinkGate
from atlassian_auth.web import Caller

BASE = "http://127.0.0.1:8476"

# A shell that starts tests in the background lets them ignore interrupts; a person's shell does not.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from atlassian_auth._cli import main
main()
"""


def request(query="", cookie=""):
    headers = [(b"cookie", cookie.encode())] if cookie else []
    return Request({"type": "http", "query_string": query.encode(), "headers": headers})


@pytest.fixture
def links():
    return []


@pytest.fixture
def gate(links):
    secrets = iter("abcdef")
    return LinkGate(BASE, links.append, lambda: next(secrets))


def test_the_link_lets_in(gate, links):
    """The link gives the browser a cookie, which scripts cannot read; with it, the person is let in."""
    gate.tell_link()
    [link] = links

    entry = gate.authorize(request(link.partition("?")[2]))
    cookie = entry.headers["set-cookie"]

    assert (entry.status_code, entry.headers["location"]) == (303, "/")
    assert "HttpOnly" in cookie
    assert isinstance(gate.authorize(request(cookie=cookie.partition(";")[0])), Caller)


@pytest.mark.parametrize(
    ("query", "cookie"),
    [("", ""), ("token=", ""), ("token=guess", ""), ("", "atlassian-auth-serve-8476=guess")],
)
def test_nobody_else_is_let_in(gate, links, query, cookie):
    """Without the link or the cookie there is no access, and no new link."""
    refused = gate.authorize(request(query, cookie))

    assert isinstance(refused, Response)
    assert refused.status_code == 403
    assert links == []


def test_a_link_works_once(gate, links):
    """If a used link is opened again, it does not let in, and the terminal shows a new one."""
    gate.tell_link()
    used = links[0].partition("?")[2]
    gate.authorize(request(used))

    refused = gate.authorize(request(used))

    assert refused.status_code == 403
    assert len(set(links)) == 2
    assert gate.authorize(request(links[1].partition("?")[2])).status_code == 303


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_ports_that_do_not_exist(command, port):
    """A port that does not exist is refused; the message names the option."""
    refused = command("serve", "--port", port)

    assert refused.status == 2
    assert "--port: must be from 0 to 65535" in refused.errors


def test_a_port_in_use(command):
    """If another program has the port, the message says so and names the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = command("serve", "--port", str(taken.getsockname()[1]))

    assert refused.status == 2
    assert "cannot be used: Address already in use. Pass another one: --port." in refused.errors


@pytest.mark.parametrize("missing", ["jinja2", "starlette", "uvicorn"])
def test_missing_packages_are_named(command, monkeypatch, missing):
    """Without the extra there is one line that says what to install."""
    monkeypatch.setitem(sys.modules, missing, None)

    assert command("serve").status == (
        f"atlassian-auth: not installed: {missing}. Run: pip install 'atlassian-auth[web]'"
    )


@pytest.mark.programs
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process")
@pytest.mark.parametrize("options", [["--emulator"], []], ids=["emulator", "store"])
def test_a_newcomer(home, options):
    """One command serves the pages; with the emulator a person connects at once. Ctrl-C ends it."""
    arguments = ["serve", "--port", "0", "--store", str(home / "tokens.db"), *options]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with ExitStack() as stack:
        stack.enter_context(process)
        stack.callback(process.kill)
        browser = stack.enter_context(httpx.Client(follow_redirects=True, trust_env=False))
        page = browser.get(process.stdout.readline().strip())
        if options:
            [form] = re.findall(r'action="([^"]+)".*?value="(\w+)"', page.text, re.DOTALL)
            browser.headers["Sec-Fetch-Site"] = "same-origin"
            leaving = browser.post(page.url.join(form[0]), data={"formToken": form[1]})
            page = browser.get(re.search(r"url=([^\"]+)", leaving.text)[1])

        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)

    expected = "Emulated Jira is connected." if options else "There is nothing to connect to yet"
    assert expected in page.text
    assert process.returncode == 130
    assert (output, errors) == ("", "Open this link in your browser. It works once:\n")
