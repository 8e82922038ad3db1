"""Settings: their defaults, their limits, and the environment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from atlassian_auth import Settings


def test_the_buffer_is_ten_seconds():
    """Without a word a token is renewed when it has ten seconds left."""
    assert Settings().buffer_seconds == 10


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"buffer_seconds": -1}, id="negative"),
        pytest.param({"attempts": 0}, id="no-attempt"),
        pytest.param({"stripes": 0}, id="no-stripe"),
        pytest.param({"unsaved": "ignore"}, id="unknown-choice"),
        pytest.param({"bufer_seconds": 10}, id="misspelt"),
    ],
)
def test_impossible_settings_are_refused_by_name(wrong):
    """An impossible or unknown setting is an error that names it."""
    with pytest.raises(ValidationError) as caught:
        Settings(**wrong)

    assert next(iter(wrong)) in str(caught.value)


def test_settings_do_not_change():
    """Settings are a value: assigning to one is an error."""
    with pytest.raises(ValidationError):
        Settings().attempts = 5


def test_the_environment_replaces_defaults(monkeypatch):
    """`from_environment` reads the variables that begin with its prefix, and only those."""
    monkeypatch.setenv("ATLASSIAN_AUTH_BUFFER_SECONDS", "30")
    monkeypatch.setenv("ATLASSIAN_AUTH_UNRECOVERABLE_TOKEN_FAILING_PERIOD", "P2D")
    monkeypatch.setenv("BUFFER_SECONDS", "99")
    monkeypatch.setenv("ATLASSIAN_AUTH_CLIENT_SECRET", "not-a-setting")

    settings = Settings.from_environment()

    assert settings == Settings(
        buffer_seconds=30, unrecoverable_token_failing_period=timedelta(days=2)
    )
    assert type(settings) is Settings


def test_another_prefix(monkeypatch):
    """Two services in one environment can have settings of their own."""
    monkeypatch.setenv("JIRA_ATTEMPTS", "7")

    assert Settings.from_environment("JIRA_").attempts == 7
