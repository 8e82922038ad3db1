"""Completion in the shell."""

from __future__ import annotations

import pytest

from atlassian_auth._cli.profile import Flags


@pytest.fixture
def complete(command, monkeypatch):
    """Return bash's completions of the last word."""

    def complete(words):
        monkeypatch.setenv("_ATLASSIAN_AUTH_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        return command().output.split()

    return complete


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("[profiles.acme]\n[profiles.aim]\n[profiles.other]", ["acme", "aim"]),
        ("[", []),
    ],
    ids=["profiles", "broken file"],
)
def test_profiles_are_completed(complete, home, text, offered):
    """Completion offers the profile names, and nothing if the file is broken."""
    Flags().file.parent.mkdir(parents=True)
    Flags().file.write_text(text, "utf-8")

    assert complete("atlassian-auth token a") == offered
