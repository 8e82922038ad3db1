"""Ctrl-C at a prompt ends a command at once, in a process at a terminal of its own or behind a pipe."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")

# A shell that starts tests in the background lets them ignore interrupts; a person's shell does not.
STARTED = """
import fcntl, signal, sys, termios
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that a control character is an interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
from atlassian_auth._cli import main
main()
"""

APP = ("--client-id", "x", "--scopes", "read:me")
CTRL_C, CTRL_D = b"\x03", b"\x04"

# For each read; far more than it takes on a busy machine.
PATIENCE_SECONDS = 120

# Python does not see an interrupt that comes after its last look and before it reads. A person presses again.
AGAIN_SECONDS = 5


@contextmanager
def started(*arguments, **streams):
    """Start a command, and end it even if the test fails."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTED, *arguments], start_new_session=True, **streams
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until(stream, words):
    """Return the output of a process up to these words or to its end; fail after a timeout."""
    shown = b""
    while words not in shown:
        assert select.select([stream], [], [], PATIENCE_SECONDS)[0], shown
        part = read(stream)
        if not part:
            break
        shown += part
    return shown


def read(stream):
    """Return the next bytes; none if the other side is closed, which Linux reports as an error."""
    try:
        return os.read(stream, 1024)
    except OSError:
        return b""


def press(stream, keys):
    """Press keys until the command ends, and return what it shows."""
    shown = b""
    for _ in range(PATIENCE_SECONDS // AGAIN_SECONDS):
        os.write(stream, keys)
        while select.select([stream], [], [], AGAIN_SECONDS)[0]:
            part = read(stream)
            if not part:
                return shown
            shown += part
    raise AssertionError(shown)


def left(*arguments, prompt, keys):
    """Press keys at a prompt; return the exit status and the output after them."""
    ours, theirs = pty.openpty()
    with started(*arguments, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        assert prompt in read_until(ours, prompt)
        shown = press(ours, keys)
        status = process.wait(PATIENCE_SECONDS)
    os.close(ours)
    return status, shown


@pytest.mark.parametrize(
    ("arguments", "prompt", "keys"),
    [
        (["init", "acme"], b"[cloud]: ", CTRL_C),
        (["init", "acme"], b"[cloud]: ", CTRL_D),
        (["add", "acme", *APP], b"token: ", CTRL_C),
        (["token", "x", "--product", "jira-software", "--client-id", "x"], b"secret: ", CTRL_C),
        (["login", "acme", "--no-browser", *APP], b"secret: ", CTRL_C),
        (["doctor", "acme", *APP], b"secret: ", CTRL_C),
    ],
    ids=["init", "end of input", "add", "token", "login", "doctor"],
)
@pytest.mark.usefixtures("home")
def test_a_prompt_that_is_left(arguments, prompt, keys):
    """Ctrl-C or Ctrl-D at a prompt ends the command with status 130 and no message."""
    status, shown = left(*arguments, prompt=prompt, keys=keys)

    assert (status, shown.replace(b"^C", b"").strip()) == (130, b"")


def test_a_pasted_url_that_does_not_come(home):
    """Ctrl-C ends a command that waits for a silent pipe during a login."""
    login = started(
        *("login", "acme", "--paste", *APP),
        env={**os.environ, "ATLASSIAN_AUTH_CLIENT_SECRET": "x"},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with login as process:
        read_until(process.stderr.fileno(), b"https://auth.atlassian.com/authorize")

        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 130
    assert b"Traceback" not in said
