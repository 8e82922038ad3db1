"""Secrets come from a file, standard input, the environment or a terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from atlassian_auth import ConfigurationError
from atlassian_auth._cli.secret import read_secret

GIVEN = SecretStr("from the environment")


@pytest.fixture
def stdin(monkeypatch):
    """Put text on standard input."""

    def put(text):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return put


def read(*, file=None, given=None, piped=False):
    return read_secret("client_secret", file=file, given=given, piped=piped)


def test_a_file_beats_the_environment(tmp_path):
    """White space around a secret in a file is ignored."""
    file = tmp_path / "secret"
    file.write_text("\n from the file \n", "utf-8")

    assert read(file=file, given=GIVEN) == "from the file"


def test_the_environment_beats_the_prompt(stdin):
    """A secret from the environment is used without reading standard input."""
    stdin("from standard input\n")

    assert read(given=GIVEN, piped=True) == "from the environment"


def test_a_dash_is_standard_input(stdin):
    """Only one line of standard input is read."""
    stdin("one\ntwo\n")

    assert read(file=Path("-"), given=GIVEN) == "one"
    assert read(piped=True) == "two"


def test_no_person_to_ask(stdin):
    """Without a terminal the error says how to pass the secret, and standard input is not read."""
    stdin("for another reader")

    with pytest.raises(ConfigurationError, match="--client-secret-file FILE") as caught:
        read()

    assert caught.value.argument == "client_secret"
    assert sys.stdin.read() == "for another reader"


def test_a_file_that_cannot_be_read(tmp_path):
    """The error names the file and its purpose, and no content."""
    (tmp_path / "binary").write_bytes(b"\xff hush")

    with pytest.raises(ConfigurationError, match=r"should contain client_secret.*No such file"):
        read(file=tmp_path / "missing")
    with pytest.raises(
        ConfigurationError, match=r"should contain client_secret.*not UTF-8"
    ) as caught:
        read(file=tmp_path / "binary")

    assert "hush" not in str(caught.value)


def test_a_person_types_unseen():
    """At a terminal the prompt hides what a person types."""
    pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
    ask = "from atlassian_auth._cli.secret import read_secret as r; "
    call = "print(r('client_secret', file=None, given=None, piped=False))"
    ours, theirs = pty.openpty()

    process = subprocess.Popen(
        [sys.executable, "-c", ask + call],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    with process:
        shown = b""
        while b"Client secret: " not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, b" typed \n")
        output, _ = process.communicate(timeout=300)
    shown += os.read(ours, 1024)
    os.close(theirs)
    os.close(ours)

    assert (process.returncode, output) == (0, "typed\n")
    assert b"typed" not in shown
