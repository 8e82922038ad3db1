"""The script without async code logs a person in once, and asks Jira at each start."""

from __future__ import annotations

from tests.examples.conftest import load


def test_from_login_to_close(person, capsys):
    """The first start opens the browser; the second one finds the consent in the store."""
    script = load("sync_script")

    script.main("acme")
    script.main("acme.atlassian.net")

    assert capsys.readouterr().out.splitlines() == [
        *person,
        "You are Ada Admin.",
        "You are Ada Admin.",
    ]
    assert len(person) == 1
