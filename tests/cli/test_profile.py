"""Flags come first, then the environment, then the file; secrets are neither in flags nor in the file."""

from __future__ import annotations

import shlex
from pathlib import Path

import platformdirs
import pytest

from atlassian_auth import ConfigurationError
from atlassian_auth._cli.place import Place
from atlassian_auth._cli.profile import Flags, library_settings


@pytest.fixture
def file(home):
    """Write the configuration file and return its path."""

    def write(text):
        path = home / "folder" / "config.toml"
        path.parent.mkdir()
        path.write_text(text, "utf-8")
        return path

    return write


def test_flags_then_the_environment_then_the_file(file, monkeypatch):
    """Each setting is read from the first source that has it."""
    for name in ("SITE", "KEY"):
        monkeypatch.setenv(f"ATLASSIAN_AUTH_{name}", "environment")
    path = file("[profiles.acme]\nclient_id = 'file'\nsite = 'file'\nkey = 'file'")

    profile = Flags(config=path, values={"key": "flag"}).profile("acme")

    assert (profile.key, profile.site, profile.client_id) == ("flag", "environment", "file")
    assert profile.sources == {
        "key": "--key",
        "site": "ATLASSIAN_AUTH_SITE",
        "client_id": f"client_id in [profiles.acme] of {path}",
    }


@pytest.mark.parametrize("name", ["ATLASSIAN_AUTH_STORE", "atlassian_auth_store"])
def test_a_variable_replaces_the_store_of_the_file(file, monkeypatch, name):
    """A variable overrides the file; the case of its name is ignored."""
    monkeypatch.setenv(name, "/var/lib/x.db")

    profile = Flags(config=file("[profiles.acme]\nstore = 'a.db'")).profile("acme")

    assert profile.place == Place("/var/lib/x.db")


@pytest.mark.parametrize("secret", ["client_secret", "encryption_key"])
def test_a_secret_in_a_variable_replaces_the_file_of_the_profile(file, monkeypatch, secret):
    """A secret in a variable replaces the secret file of the profile; a flag replaces both."""
    monkeypatch.setenv(f"ATLASSIAN_AUTH_{secret.upper()}", "from the environment")
    path = file(f"[profiles.acme]\n{secret}_file = 'x'")

    plain = Flags(config=path).profile("acme")
    flagged = Flags(config=path, values={f"{secret}_file": "y"}).profile("acme")

    assert getattr(plain, secret).get_secret_value() == "from the environment"
    assert getattr(plain, f"{secret}_file") is None
    assert getattr(flagged, f"{secret}_file") == Path("y")


@pytest.mark.parametrize("setting", ["token_url", "store", "key", "scopes", "client_secret_file"])
@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_text_in_the_file_is_refused(file, setting, text):
    """An empty setting in the file is refused; the message names both."""
    path = file(f"[profiles.acme]\n{setting} = '{text}'")

    with pytest.raises(ConfigurationError) as caught:
        Flags(config=path).profile("acme")

    assert str(caught.value).startswith(f"{setting} in [profiles.acme] of {path} is empty: ")
    assert caught.value.argument == setting


def test_another_command_about_the_same_credential(file):
    """The arguments repeat the flags that locate the credential, quoted for the shell."""
    path = file("[profiles.acme]\nstore = 'of-the-file.db'")
    values = {"key": "the tenant's", "store": "a b.db", "site": "acme"}

    said = Flags(config=path, values=values).profile("acme").arguments

    where = ["--config", str(path), "--store", "a b.db", "--key", "the tenant's"]
    assert shlex.split(said) == ["acme", *where]
    assert Flags(config=path).profile("acme").arguments == f"acme --config {shlex.quote(str(path))}"


def test_what_the_environment_says_is_not_repeated(file, monkeypatch):
    """A configuration file from the environment is not repeated."""
    path = file("[profiles.acme]")
    monkeypatch.setenv("ATLASSIAN_AUTH_CONFIG", str(path))
    monkeypatch.setenv("ATLASSIAN_AUTH_KEY", "other")

    assert Flags(config=path).profile("acme").arguments == "acme"


def test_an_empty_variable_is_none(home, monkeypatch):
    """An empty variable counts as not set."""
    monkeypatch.setenv("ATLASSIAN_AUTH_PRODUCT", "")

    assert Flags().profile("acme").product == "cloud"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("read:me read:jira-user", "read:me read:jira-user"), ('["read:me"]', ("read:me",))],
)
def test_scopes_in_a_variable(home, monkeypatch, text, expected):
    """Scopes in a variable are separated by spaces, or JSON."""
    monkeypatch.setenv("ATLASSIAN_AUTH_SCOPES", text)

    assert Flags().profile("acme").scopes == expected


def test_the_usual_places(home):
    """The default files are in the folders of the platform."""
    profile = Flags().profile("acme")

    config = platformdirs.user_config_path("atlassian-auth", appauthor=False)
    data = platformdirs.user_data_path("atlassian-auth", appauthor=False)
    assert Flags().file == config / "config.toml"
    assert profile.place == Place(str(data / "tokens.db"))
    assert home in data.parents


def test_the_usual_file_is_read(home):
    """The default configuration file is read if it exists."""
    Flags().file.parent.mkdir(parents=True)
    Flags().file.write_text("[profiles.acme]\nclient_id = 'x'", "utf-8")

    assert Flags().profile("acme").client_id == "x"


def test_the_key_is_the_profiles_name(home):
    """A configuration file that is named replaces the default one."""
    assert Flags().profile("acme").store_key == "acme"
    assert Flags(values={"key": "other"}).profile("acme").store_key == "other"


def test_paths_in_the_file_are_relative_to_it(file, home):
    """Paths in the file are relative to the file; ``~`` is the home folder."""
    path = file("[profiles.acme]\nstore = 'a.db'\nclient_secret_file = '~/acme.secret'")

    profile = Flags(config=path).profile("acme")

    assert profile.place == Place(str(path.parent / "a.db"))
    assert profile.client_secret_file == home / "acme.secret"


def test_a_store_of_a_flag_may_be_in_the_home_folder(home):
    """A tilde that the shell did not replace, as in ``--store=~/x``, is the home folder."""
    assert Flags(values={"store": "~/x.db"}).profile("a").place == Place(str(home / "x.db"))


@pytest.mark.parametrize("secret", ["client_secret", "refresh_token"])
def test_secrets_are_refused_in_the_file(file, secret):
    """A secret in the file is refused; the error names the variable, and not the secret."""
    path = file(f"[profiles.acme]\n{secret} = 'hush'")

    with pytest.raises(ConfigurationError, match=f"ATLASSIAN_AUTH_{secret.upper()}") as caught:
        Flags(config=path).profile("acme")

    assert caught.value.argument == secret
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "[profiles.acme]\nclientid = 1",
            r"\[profiles.acme\] of .*has clientid, which is not a setting. Did you mean client_id\?",
            id="mistyped",
        ),
        pytest.param("[profiles.acme]\nx = 1", r"has x, .* Settings: product, ", id="unknown"),
        pytest.param(
            "[profiles.acme]\nname = 'x'", "has name, which is not a setting", id="not ours"
        ),
        pytest.param(
            "[profiles.acme]\nproduct = 'x'",
            r"acme: product in \[profiles.acme\] of .*config.toml should be 'cloud', ",
            id="product",
        ),
        pytest.param(
            "[profiles.acme]\nscopes = 1\nsite = 1",
            r"scopes in .* should be a valid .*; site in .* should be a valid string",
            id="types",
        ),
        pytest.param("[profiles.other]", r"no \[profiles.acme\] in .*It has: other", id="name"),
        pytest.param("client_id = 'x'", r"may only have tables such as \[profiles", id="top"),
        pytest.param("profiles = 1", r"may only have tables such as \[profiles", id="no table"),
        pytest.param("[profiles]\nacme = 1", r"may only have tables", id="no tables"),
        pytest.param("[", "cannot be read: ", id="no TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(file, text, message):
    """An error names the profile or file, and the setting."""
    path = file(text)

    with pytest.raises(ConfigurationError, match=message):
        Flags(config=path).profile("acme")


def test_a_wrong_value_is_not_shown(home):
    """An error does not show the value, which may be a secret."""
    with pytest.raises(ConfigurationError, match="Profile acme: --product should be") as caught:
        Flags(values={"product": "hush"}).profile("acme")

    assert "hush" not in str(caught.value)


def test_a_file_that_was_named_must_exist(home):
    """A configuration file that is named must exist."""
    with pytest.raises(ConfigurationError, match=r"file .*missing\.toml cannot be read: No such"):
        Flags(config=home / "missing.toml").profile("acme")


def test_a_file_that_is_nested_too_deeply(file):
    """Too deep nesting is an ordinary error of the file."""
    with pytest.raises(ConfigurationError, match="cannot be read: its arrays or tables are nested"):
        Flags(config=file("a = " + "[" * 100_000)).profile("acme")


def test_the_default_profile_needs_no_table(file):
    """A profile needs no table in the file."""
    path = file("[profiles.acme]")

    assert Flags(config=path).profile("default").name == "default"
    assert Flags(config=path).names() == ("acme",)


def test_the_librarys_settings_come_from_the_environment(home, monkeypatch):
    """The library's settings are read from its variables."""
    monkeypatch.setenv("ATLASSIAN_AUTH_BUFFER_SECONDS", "30")
    assert library_settings().buffer_seconds == 30

    monkeypatch.setenv("ATLASSIAN_AUTH_BUFFER_SECONDS", "hush")
    with pytest.raises(ConfigurationError, match="ATLASSIAN_AUTH_BUFFER_SECONDS") as caught:
        library_settings()

    assert "hush" not in str(caught.value)
