"""The smallest program works as printed, at each of its starts."""

from __future__ import annotations

import pytest


@pytest.fixture
def start(quickstart, atlassian, tmp_path, monkeypatch):
    """Return the program, which has what it needs in its environment."""
    app = atlassian.cloud_app
    for name, value in {
        "CLIENT_ID": app.client_id,
        "CLIENT_SECRET": app.client_secret,
        "REDIRECT_URI": app.redirect_uri,
        "CLOUD_ID": atlassian.cloud_id,
        "REFRESH_TOKEN": atlassian.issue_grant(scopes="read:jira-user").refresh_token,
    }.items():
        monkeypatch.setenv(f"ATLASSIAN_{name}", value)
    monkeypatch.chdir(tmp_path)
    return quickstart.main


async def test_it_says_who_i_am(start, capsys):
    """The quick start needs one pasted refresh token."""
    await start()

    assert capsys.readouterr().out == "Ada Admin\n"


async def test_the_pasted_token_may_stay(start, atlassian, capsys):
    """Pasting the spent token at the second start changes nothing: its successor is used."""
    await start()
    await start()

    assert capsys.readouterr().out == "Ada Admin\n" * 2
    assert len(atlassian.token_requests) == 1


async def test_the_pasted_token_may_go(start, monkeypatch, capsys):
    """From the second start on the token is in the store."""
    await start()
    monkeypatch.delenv("ATLASSIAN_REFRESH_TOKEN")

    await start()

    assert capsys.readouterr().out == "Ada Admin\n" * 2
