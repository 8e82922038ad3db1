"""Completion in the shells, as their scripts ask for it."""

from __future__ import annotations

import shutil
import subprocess

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(command, shell):
    """The script calls the command back with the variable that it reads."""
    shown = command("completion", shell)

    assert (shown.status, shown.errors) == (0, "")
    assert f"_ATLASSIAN_AUTH_COMPLETE=complete_{shell}" in shown.output


def test_another_shell_is_refused(command):
    """The message names the shells."""
    refused = command("completion", "tcsh")

    assert refused.status == 2
    assert "SHELL: must be one of: bash, zsh, fish" in refused.errors


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("re", "revoke"),
        ("git", "git-credential"),
        ("token --min", "--min-seconds"),
        ("token ac", "acme"),
    ],
)
def test_commands_options_and_profiles(command, config, monkeypatch, shell, words, completed):
    """What a person has begun to type is completed: a command, an option or a profile."""
    typed = f"atlassian-auth {words}"
    monkeypatch.setenv("ATLASSIAN_AUTH_CONFIG", str(config))
    monkeypatch.setenv("_ATLASSIAN_AUTH_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", typed)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")

    assert completed in command().output


@pytest.mark.programs
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_reads_its_script(command):
    """The script registers a function for the command."""
    script = command("completion", "bash").output

    registered = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p atlassian-auth"],
        capture_output=True,
        check=False,
        text=True,
    )

    assert registered.returncode == 0, registered.stderr
    assert "_atlassian_auth_completion" in registered.stdout
