"""Settings: their defaults, their limits, and the environment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from atlassian_auth import ConfigurationError, Settings


def test_the_buffer_is_ten_seconds():
    """By default a token is refreshed when it has ten seconds left."""
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
    """A setting that is unknown or not allowed raises `ConfigurationError`, which names it."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(**wrong)

    assert next(iter(wrong)) in str(caught.value)
    assert caught.value.argument == next(iter(wrong))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("bufer_seconds", "bufer_seconds: there is no such setting, did you mean buffer_seconds?"),
        ("colour", "colour: there is no such setting"),
    ],
)
def test_a_misspelt_setting_is_recognized(name, advice):
    """The error says which setting may be meant, if one is near."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(**{name: 1})

    assert str(caught.value) == advice


def test_all_that_is_wrong_is_said_at_once():
    """Several wrong settings make one error."""
    with pytest.raises(ConfigurationError, match=r"attempts: .*; stripes: "):
        Settings(attempts=0, stripes=0)


def test_an_impossible_variable_is_named(monkeypatch):
    """The error of an environment names the variable, as it stands there, and not its value."""
    monkeypatch.setenv("JIRA_ATTEMPTS", "many")

    with pytest.raises(ConfigurationError, match=r"^JIRA_ATTEMPTS: ") as caught:
        Settings.from_environment("JIRA_")

    assert caught.value.argument == "JIRA_ATTEMPTS"
    assert "many" not in str(caught.value)


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


PLUGIN = {
    "ATLASSIAN_AUTH_DEFAULT_REFRESH_TOKEN_DURATION": ("P30D", timedelta(days=30)),
    "ATLASSIAN_AUTH_MINIMUM_ACCESS_TOKEN_ONLY_LIFETIME": ("P30D", timedelta(days=30)),
    "ATLASSIAN_AUTH_MAX_CLOCK_SKEW_SECONDS": ("60", 60),
    "ATLASSIAN_AUTH_MAX_CLIENT_DELAY_SECONDS": ("60", 60),
    "ATLASSIAN_AUTH_MAX_SERVER_DELAY_SECONDS": ("120", 120),
    "ATLASSIAN_AUTH_PRUNE_AFTER": ("P30D", timedelta(days=30)),
    "ATLASSIAN_AUTH_PRUNE_SCHEDULE": ("0 0 23 * * ?", "0 0 23 * * ?"),
    "ATLASSIAN_AUTH_STRIPES": ("64", 64),
    "ATLASSIAN_AUTH_SKIP_BASE_URL_HTTPS_REQUIREMENT": ("false", False),
    "ATLASSIAN_AUTH_SKIP_PROVIDER_HTTPS_REQUIREMENT": ("false", False),
    "ATLASSIAN_AUTH_UNRECOVERABLE_TOKEN_FAILING_PERIOD": ("P7D", timedelta(days=7)),
}


@pytest.mark.parametrize("variable", PLUGIN)
def test_the_plugins_properties_have_its_defaults(monkeypatch, variable):
    """Seed 001, 1.1 to 1.11: each property is a setting with the plugin's default, also as a variable."""
    text, expected = PLUGIN[variable]
    name = variable.removeprefix("ATLASSIAN_AUTH_").lower()
    monkeypatch.setenv(variable, text)

    assert getattr(Settings(), name) == getattr(Settings.from_environment(), name) == expected
