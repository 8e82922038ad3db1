"""The command as a person starts it, in a separate process where that matters."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from atlassian_auth import __main__ as module_entry
from atlassian_auth._cli import main
from tests import terminal

pytestmark = pytest.mark.programs

PAGES = Path(__file__).with_name("help")

# A shell that starts tests in the background lets them ignore interrupts; a person's shell does not.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from atlassian_auth._cli import main
import sys
sys.argv = ["atlassian-auth", "demo"]
main()
"""


@pytest.mark.parametrize("page", sorted(PAGES.iterdir()), ids=lambda page: page.stem)
def test_help(command, page):
    """Each help page is exactly the file in ``help``."""
    name = () if page.stem == "atlassian-auth" else (page.stem,)

    shown = command(*name, "--help")

    # Versions of Typer differ in how they mark arguments.
    text = re.sub(r"[\[{](PROFILE|METHOD|URL|KEY|ACTION|SHELL)[\]}]", r"\1", shown.output)
    assert (shown.status, text.rstrip(), shown.errors) == (0, page.read_text("utf-8").rstrip(), "")


def test_each_command_has_a_help_page(command):
    """Each command has a file in ``help``."""
    listed = command("--help").output.partition("Commands:\n")[2].partition("\n\n")[0]

    names = {line.split()[0] for line in listed.splitlines() if line[2] != " "}

    assert names == {page.stem for page in PAGES.iterdir()} - {"atlassian-auth"}


def test_without_a_command_it_shows_help(command):
    """Without a command the list of commands is printed."""
    assert "Commands:" in "".join(map(str, vars(command()).values()))


def test_the_version(command):
    """--version prints the version of the installed package."""
    shown = command("--version")

    assert (shown.status, shown.errors) == (0, "")
    assert shown.output == f"atlassian-auth {metadata.version('atlassian-auth')}\n"


@pytest.mark.parametrize("seconds", ["4.9", "3600.1", "nan"])
def test_a_length_of_no_use_is_refused(command, seconds):
    """``demo`` refuses a run that is too short or endless; the message names the option."""
    refused = command("demo", "--seconds", seconds)

    assert (refused.status, refused.output) == (2, "")
    assert "--seconds: must be from 5 to 3600" in refused.errors


@pytest.mark.parametrize(
    ("missing", "extra"),
    [
        ("platformdirs", "cli"),
        ("pydantic_settings", "cli"),
        ("rich", "cli"),
        ("typer", "cli"),
        ("uvicorn", "demo"),
    ],
)
def test_missing_packages_are_named(command, monkeypatch, missing, extra):
    """Without the extra there is one line that says what to install, and no traceback."""
    monkeypatch.setitem(sys.modules, missing, None)

    assert command("demo").status == (
        f"atlassian-auth: not installed: {missing}. Run: pip install 'atlassian-auth[{extra}]'"
    )


def test_other_commands_need_no_server(command, monkeypatch):
    """Packages that only demo needs may be missing."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    assert command("list").status == 0


def test_importing_the_module_runs_nothing():
    """`atlassian_auth.__main__` can be imported without running a command."""
    assert module_entry.main is main


def play(*options, **environment):
    return subprocess.run(
        [sys.executable, "-m", "atlassian_auth", "demo", *options],
        capture_output=True,
        check=False,
        env={**os.environ, "COLUMNS": str(terminal.COLUMNS), **environment},
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=300,
    )


def test_the_demonstration_passes():
    """``demo`` passes in a process with real sockets and no terminal; its picture shows how it ends."""
    finished = play("--seconds", "5")

    assert (finished.returncode, finished.stderr) == (0, ""), finished.stdout
    assert finished.stdout.count("survived: ") == 4
    assert finished.stdout.count("kept") == 6
    assert "\nPASSED: " in finished.stdout
    assert "secret-" not in finished.stdout
    shown = play(FORCE_COLOR="1") if terminal.DRAWS else finished
    before = shown.stdout.rindex("\n", 0, shown.stdout.index("Injected faults"))
    terminal.check("demo", "atlassian-auth demo", f"\n…\n{shown.stdout[before:]}")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process")
def test_an_interrupt_ends_it():
    """Ctrl-C ends demo at once, with a message and status 130."""
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
        output, errors = process.communicate(timeout=300)

    assert (process.returncode, errors) == (130, "")
    assert output.splitlines()[-1] == "Interrupted: nothing was checked."
