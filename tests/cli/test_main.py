"""The command as it is started, in processes of its own where that matters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from atlassian_auth import __main__ as module_entry
from atlassian_auth.cli import main

HELP = """\
Usage: atlassian-auth [OPTIONS] COMMAND [ARGS]...

  OAuth for Jira and Confluence as one httpx.Auth.

Options:
  --help  Show this message and exit.

Commands:
  demo  See it work against an emulated Atlassian.
"""

DEMO_HELP = """\
Usage: atlassian-auth demo [OPTIONS]

  See it work against an emulated Atlassian.

  A service collects audit logs and sends builds while its tokens expire
  within seconds and things go wrong on purpose, all on this computer. The
  exit status is 0 if nothing was lost, doubled or asked for needlessly, and 1
  if anything was.

Options:
  --seconds N  How long the service runs, at the least: 5 to 3600, if not 16.
  --help       Show this message and exit.
"""

# A shell that starts tests in the background lets them ignore interrupts; a person's shell does not.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from atlassian_auth.cli import main
import sys
sys.argv = ["atlassian-auth", "demo"]
main()
"""


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line in this process and return its status, output and errors."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["atlassian-auth", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        return exit_.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("arguments", "page"),
    [(["--help"], HELP), (["demo", "--help"], DEMO_HELP)],
    ids=["atlassian-auth", "demo"],
)
def test_help(command, arguments, page):
    """The help pages say what there is to know, and nothing else."""
    status, output, errors = command(*arguments)

    assert (status, output.rstrip(), errors) == (0, page.rstrip(), "")


@pytest.mark.parametrize("seconds", ["4.9", "3600.1", "nan"])
def test_a_length_of_no_use_is_refused(command, seconds):
    """A run too short for all troubles, or endless, is not begun; the message names the option."""
    status, output, errors = command("demo", "--seconds", seconds)

    assert (status, output) == (2, "")
    assert "--seconds: must be from 5 to 3600" in errors


@pytest.mark.parametrize("missing", ["rich", "typer", "uvicorn"])
def test_missing_packages_are_named(command, monkeypatch, missing):
    """Without the extra there is one line that says what to install, and no traceback."""
    monkeypatch.setitem(sys.modules, missing, None)

    message, _, _ = command("demo")

    assert message == (
        f"atlassian-auth: not installed: {missing}. Run: pip install 'atlassian-auth[demo]'"
    )


def test_importing_the_module_runs_nothing():
    """`atlassian_auth.__main__` can be imported, by documentation tools for one."""
    assert module_entry.main is main


def test_the_demonstration_passes():
    """The main job, run as a newcomer runs it: real sockets, real time, no terminal, no input."""
    finished = subprocess.run(
        [sys.executable, "-m", "atlassian_auth", "demo", "--seconds", "5"],
        capture_output=True,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
    )

    assert (finished.returncode, finished.stderr) == (0, ""), finished.stdout
    assert finished.stdout.count("survived: ") == 4
    assert finished.stdout.count("kept") == 6
    assert finished.stdout.splitlines()[-1].startswith("PASSED: ")
    assert "secret-" not in finished.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process")
def test_an_interrupt_ends_it():
    """Ctrl-C ends the demonstration at once, with a word and the status shells expect."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    with process:
        while "requests" not in process.stdout.readline():
            assert process.poll() is None

        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (130, "")
    assert output.splitlines()[-1] == "Interrupted: nothing was judged."
