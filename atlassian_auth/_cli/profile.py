"""Reads the settings of a command: from flags, then the environment, then the configuration file.

The first source that has a setting decides. Secrets are not read from flags, because other users of the
computer can see them, nor from the configuration file, because people copy and show it.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import platformdirs
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from atlassian_auth._cli.place import Place, default_store, is_url
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.manager import DEFAULT_KEY
from atlassian_auth.settings import Settings

__all__ = [
    "PRODUCTS",
    "VARIABLES",
    "Flags",
    "Product",
    "Profile",
    "check_no_password",
    "flag_of",
    "library_settings",
    "variable_of",
]

Product = Literal[
    "cloud",
    "government",
    "data-center",
    "jira-software",
    "service-account",
    "data-center-service-account",
]

PRODUCTS: tuple[str, ...] = (
    *("cloud", "government", "data-center"),
    *("jira-software", "service-account", "data-center-service-account"),
)

VARIABLES = "ATLASSIAN_AUTH_"
"""The prefix of the environment variables."""

_APP = "atlassian-auth"
_SECRETS = ("client_secret", "encryption_key", "refresh_token")
_PATHS = ("client_secret_file", "encryption_key_file", "store")
# The settings that locate a credential.
_LOCATION = ("store", "encryption_key_file", "key")


class Profile(BaseSettings):
    """The settings of one credential, from flags, the environment and the configuration file.

    ``file`` is the configuration file, and ``in_file`` has the names of its profiles. ``sources`` has the
    source of each setting that has a value. ``repeated`` are the flags that another command needs to use the
    same credential.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=VARIABLES, env_ignore_empty=True, extra="forbid", frozen=True
    )

    name: str
    file: Path
    in_file: tuple[str, ...]
    sources: Mapping[str, str]
    repeated: tuple[str, ...] = ()
    product: Product = "cloud"
    client_id: str | None = None
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    refresh_token: SecretStr | None = None
    redirect_uri: str = "http://127.0.0.1:8765/callback"
    scopes: str | tuple[str, ...] = ()
    base_url: str | None = None
    site: str | None = None
    cloud_id: str | None = None
    key: str | None = None
    store: str | None = None
    encryption_key: SecretStr | None = None
    encryption_key_file: Path | None = None
    authorize_url: str | None = None
    token_url: str | None = None
    api_url: str | None = None
    revoke_url: str | None = None
    resources_url: str | None = None
    identity_url: str | None = None

    @property
    def store_key(self) -> str:
        """The credential's key in the store; default: the profile's name."""
        return self.key or self.name

    @property
    def arguments(self) -> str:
        """The arguments with which another command uses the same credential, quoted for the shell."""
        return shlex.join([self.name, *self.repeated])

    @property
    def repeated_store(self) -> tuple[str, ...]:
        """The repeated flags, without the one for the key."""
        pairs = zip(self.repeated[::2], self.repeated[1::2], strict=True)
        return tuple(chain.from_iterable(pair for pair in pairs if pair[0] != flag_of("key")))

    @property
    def place(self) -> Place:
        """The store of the credential."""
        store = self.store or str(default_store())
        name = store if is_url(store) else str(Path(store).expanduser())
        return Place(name, self.encryption_key_file, self.encryption_key)

    def places(self, *settings: str) -> str:
        """Return a clause that says how to set these settings: by flag, variable or file."""
        flags = " and ".join(map(flag_of, settings))
        variables = " and ".join(map(variable_of, settings))
        table = f"[profiles.{self.name}] of {self.file}"
        return f"pass {flags}, set {variables}, or write {' and '.join(settings)} into {table}"


_SETTINGS = tuple(
    name
    for name in Profile.model_fields
    if name not in {"name", "file", "in_file", "sources", "repeated"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The values of the shared options.

    Args:
        config: The configuration file; None for the default one, which may be missing.
        values: The settings that have a flag.
    """

    config: Path | None = None
    values: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def file(self) -> Path:
        """The configuration file, whether it exists or not."""
        return self.config or platformdirs.user_config_path(_APP, appauthor=False) / "config.toml"

    def names(self) -> tuple[str, ...]:
        """Return the names of the profiles in the file, sorted.

        Raises:
            ConfigurationError: if the file cannot be read.
        """
        return tuple(sorted(self._tables()))

    def profile(self, name: str) -> Profile:
        """Return a profile.

        Raises:
            ConfigurationError: if the file has profiles but not this one, or a setting is wrong.
        """
        tables = self._tables()
        if tables and name not in tables and name != DEFAULT_KEY:
            message = f"There is no [profiles.{name}] in {self.file}. It has: {', '.join(sorted(tables))}."
            raise ConfigurationError(message, argument="profile")
        table = self._table(name, tables.get(name, {}))
        check_no_password("--store", self.values.get("store"))
        return self._build(name, table, tuple(sorted(tables)))

    def new_profile(self, name: str) -> Profile:
        """Return a profile from flags and variables only, without the file.

        Raises:
            ConfigurationError: if a setting is wrong.
        """
        check_no_password("--store", self.values.get("store"))
        return self._build(name, {}, ())

    def _build(self, name: str, table: Mapping[str, object], in_file: tuple[str, ...]) -> Profile:
        variables = _variables()
        values = {**_without_replaced(table, variables), **self.values}
        sources = {
            **{setting: f"{setting} in [profiles.{name}] of {self.file}" for setting in table},
            **{setting: variable_of(setting) for setting in variables},
            **{setting: flag_of(setting) for setting in self.values},
        }
        known = {
            "name": name,
            "file": self.file,
            "in_file": in_file,
            "sources": sources,
            "repeated": self._repeated(),
        }
        try:
            return Profile(**{**values, **known})  # type: ignore[arg-type]
        except ValidationError as error:
            wrong = _describe_invalid(error, sources)
        raise ConfigurationError(f"Profile {name}: {wrong}.")

    def _repeated(self) -> tuple[str, ...]:
        said = {setting: self.values[setting] for setting in _LOCATION if setting in self.values}
        # A file from the environment need not be repeated: the next command reads the same variable.
        if self.config and self.config != Path(os.environ.get(variable_of("config"), "")):
            said = {"config": self.config, **said}
        pairs = ((flag_of(setting), str(value)) for setting, value in said.items())
        return tuple(chain.from_iterable(pairs))

    def _table(self, name: str, table: Mapping[str, object]) -> dict[str, object]:
        where = f"[profiles.{name}] of {self.file}"
        _check_names(where, table)
        _check_not_empty(where, table)
        check_no_password(f"store in {where}", table.get("store"))
        # Paths are relative to the configuration file, not to the current folder.
        paths = {
            key: self._resolve(path) for key in _PATHS if isinstance(path := table.get(key), str)
        }
        return {**table, **paths}

    def _resolve(self, path: str) -> str:
        return path if is_url(path) else str(self.file.parent / Path(path).expanduser())

    def _tables(self) -> dict[str, dict[str, object]]:
        document = self._document()
        profiles = cast("dict[str, Any]", document.get("profiles", {}))
        if document.keys() - {"profiles"} or not _is_tables(profiles):
            message = f"{self.file} may only have tables such as [profiles.{DEFAULT_KEY}]."
            raise ConfigurationError(message, argument="config")
        return profiles

    def _document(self) -> dict[str, Any]:
        if self.config is None and not self.file.exists():
            return {}
        try:
            return tomllib.loads(self.file.read_text("utf-8"))
        except OSError as error:
            wrong = error.strerror or type(error).__name__
        except ValueError as error:
            wrong = str(error)
        except RecursionError:
            wrong = "its arrays or tables are nested too deeply"
        message = f"The configuration file {self.file} cannot be read: {wrong}."
        raise ConfigurationError(message, argument="config")


def flag_of(setting: str) -> str:
    """Return the flag of a setting."""
    return f"--{setting.replace('_', '-')}"


def variable_of(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"{VARIABLES}{setting.upper()}"


def check_no_password(where: str, store: object, *, variable: str = "ATLASSIAN_AUTH_STORE") -> None:
    """Raise if a flag or the configuration file has a store URL with a password.

    Args:
        where: The flag, or the place in the file.
        store: The value.
        variable: The environment variable in which a password is allowed.

    Raises:
        ConfigurationError: if the URL has a password.
    """
    if isinstance(store, str) and Place(store).has_password:
        message = (
            f"{where} has a URL with a password, which is not allowed there. Set {variable} to the "
            "whole URL instead"
        )
        raise ConfigurationError(message, argument="store")


def library_settings() -> Settings:
    """Return the library's settings, read from the environment.

    Raises:
        ConfigurationError: if a variable has an invalid value.
    """
    return Settings.from_environment()


def _is_tables(profiles: object) -> bool:
    if not isinstance(profiles, dict):
        return False
    return all(isinstance(table, dict) for table in cast("dict[str, object]", profiles).values())


def _variables() -> frozenset[str]:
    """Return the settings that have a variable. An empty variable counts as not set; case is ignored."""
    there = {name.upper() for name, value in os.environ.items() if value}
    return frozenset(setting for setting in _SETTINGS if variable_of(setting) in there)


def _without_replaced(table: Mapping[str, object], variables: frozenset[str]) -> dict[str, object]:
    # A secret in a variable replaces the secret file of the profile.
    replaced = variables | {f"{setting}_file" for setting in variables}
    return {setting: value for setting, value in table.items() if setting not in replaced}


def _check_names(where: str, table: Mapping[str, object]) -> None:
    for name in table:
        if name in _SECRETS:
            message = (
                f"{where} has {name}, but no secret is allowed there. Set {variable_of(name)}, or put it "
                "into a separate file"
            )
            raise ConfigurationError(message, argument=name)
        if name not in _SETTINGS:
            near = get_close_matches(name, _SETTINGS, n=1)
            meant = f"Did you mean {near[0]}?" if near else f"Settings: {', '.join(_SETTINGS)}."
            raise ConfigurationError(f"{where} has {name}, which is not a setting. {meant}")


def _check_not_empty(where: str, table: Mapping[str, object]) -> None:
    for name, value in table.items():
        if isinstance(value, str) and not value.strip():
            message = f"{name} in {where} is empty: give it a value, or remove the line."
            raise ConfigurationError(message, argument=name)


def _describe_invalid(error: ValidationError, sources: Mapping[str, str]) -> str:
    # Values are left out: they may be secrets.
    details = error.errors(include_input=False, include_context=False, include_url=False)
    # One message for each setting: pydantic gives two if it may be a text or a list.
    wrong = {str(detail["loc"][0]): detail["msg"] for detail in details}
    return "; ".join(
        f"{sources.get(name, name)} {message.replace('Input should', 'should')}"
        for name, message in wrong.items()
    )
