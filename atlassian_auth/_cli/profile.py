"""Where a command's settings come from: flags, then the environment, then the configuration file.

The first place that has a setting decides. Secrets come neither from flags, which any user of the computer
can see, nor from the file, which is copied and shown.
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

from atlassian_auth._cli.place import Place, is_url, usual_store
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
    "tunables",
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
"""What the names of the environment's variables begin with."""

_APP = "atlassian-auth"
_SECRETS = ("client_secret", "encryption_key", "refresh_token")
_PATHS = ("client_secret_file", "encryption_key_file", "store")
# What says where a credential is.
_WHERE = ("store", "encryption_key_file", "key")


class Profile(BaseSettings):
    """One credential and how to obtain it, as flags, the environment and the file have it.

    ``file`` is the configuration file, ``in_file`` the names of its profiles, ``sources`` says where each
    setting comes from that has a value, and ``repeated`` are the flags that another command has to repeat to
    be about the same credential.
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
        """The credential's name in the store: the profile's own, unless it says another."""
        return self.key or self.name

    @property
    def arguments(self) -> str:
        """What makes another command be about the same credential, quoted for the shell."""
        return shlex.join([self.name, *self.repeated])

    @property
    def repeated_place(self) -> tuple[str, ...]:
        """Those of the repeated flags that say which store it is in."""
        pairs = zip(self.repeated[::2], self.repeated[1::2], strict=True)
        return tuple(chain.from_iterable(pair for pair in pairs if pair[0] != flag_of("key")))

    @property
    def place(self) -> Place:
        """The store that has it."""
        store = self.store or str(usual_store())
        name = store if is_url(store) else str(Path(store).expanduser())
        return Place(name, self.encryption_key_file, self.encryption_key)

    def places(self, *settings: str) -> str:
        """Return the three places where these settings can be set, as part of a sentence."""
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
    """What the command line says.

    Args:
        config: The configuration file; None for the usual one, which may be missing.
        values: What is set by flags.
    """

    config: Path | None = None
    values: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def file(self) -> Path:
        """The configuration file, whether it exists or not."""
        return self.config or platformdirs.user_config_path(_APP, appauthor=False) / "config.toml"

    def names(self) -> tuple[str, ...]:
        """Return the names of the file's profiles, sorted.

        Raises:
            ConfigurationError: if it cannot be read.
        """
        return tuple(sorted(self._tables()))

    def profile(self, name: str) -> Profile:
        """Return a profile.

        Raises:
            ConfigurationError: if the file has others but not this one, or something in it is wrong.
        """
        tables = self._tables()
        if tables and name not in tables and name != DEFAULT_KEY:
            message = f"There is no [profiles.{name}] in {self.file}; there is: {', '.join(sorted(tables))}."
            raise ConfigurationError(message, argument="profile")
        table = self._table(name, tables.get(name, {}))
        check_no_password("--store", self.values.get("store"))
        return self._built(name, table, tuple(sorted(tables)))

    def new_profile(self, name: str) -> Profile:
        """Return a profile of flags and variables alone, whatever the file has.

        Raises:
            ConfigurationError: if something in it is wrong.
        """
        check_no_password("--store", self.values.get("store"))
        return self._built(name, {}, ())

    def _built(self, name: str, table: Mapping[str, object], in_file: tuple[str, ...]) -> Profile:
        variables = _variables()
        values = {**_not_replaced(table, variables), **self.values}
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
            wrong = _wrong(error, sources)
        raise ConfigurationError(f"Profile {name}: {wrong}.")

    def _repeated(self) -> tuple[str, ...]:
        said = {setting: self.values[setting] for setting in _WHERE if setting in self.values}
        # The variable still holds for the next command.
        if self.config and self.config != Path(os.environ.get(variable_of("config"), "")):
            said = {"config": self.config, **said}
        pairs = ((flag_of(setting), str(value)) for setting, value in said.items())
        return tuple(chain.from_iterable(pairs))

    def _table(self, name: str, table: Mapping[str, object]) -> dict[str, object]:
        where = f"[profiles.{name}] of {self.file}"
        _check_names(where, table)
        _check_not_empty(where, table)
        check_no_password(f"store in {where}", table.get("store"))
        # Beside the file that names them, wherever the command is started.
        paths = {
            key: self._beside(path) for key in _PATHS if isinstance(path := table.get(key), str)
        }
        return {**table, **paths}

    def _beside(self, path: str) -> str:
        return path if is_url(path) else str(self.file.parent / Path(path).expanduser())

    def _tables(self) -> dict[str, dict[str, object]]:
        document = self._document()
        profiles = cast("dict[str, Any]", document.get("profiles", {}))
        if document.keys() - {"profiles"} or not _is_tables(profiles):
            message = f"{self.file} must have nothing but tables such as [profiles.{DEFAULT_KEY}]."
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
    """Return the environment's variable of a setting."""
    return f"{VARIABLES}{setting.upper()}"


def check_no_password(where: str, store: object, *, variable: str = "ATLASSIAN_AUTH_STORE") -> None:
    """Return if what somebody said about a store holds no password.

    Args:
        where: Where they said it; not in the environment.
        store: What they said.
        variable: Where they may say it with a password.

    Raises:
        ConfigurationError: if it does.
    """
    if isinstance(store, str) and Place(store).has_password:
        message = (
            f"{where} has a password in its URL, and a secret must not be there: set {variable} to the "
            "whole URL"
        )
        raise ConfigurationError(message, argument="store")


def tunables() -> Settings:
    """Return the library's settings, with what the environment changes.

    Raises:
        ConfigurationError: if a variable has an impossible value.
    """
    return Settings.from_environment()


def _is_tables(profiles: object) -> bool:
    if not isinstance(profiles, dict):
        return False
    return all(isinstance(table, dict) for table in cast("dict[str, object]", profiles).values())


def _variables() -> frozenset[str]:
    """Return the settings that have a variable; an empty one is none, and case makes no difference."""
    there = {name.upper() for name, value in os.environ.items() if value}
    return frozenset(setting for setting in _SETTINGS if variable_of(setting) in there)


def _not_replaced(table: Mapping[str, object], variables: frozenset[str]) -> dict[str, object]:
    # A secret in a variable replaces the file with the secret that the profile names.
    replaced = variables | {f"{setting}_file" for setting in variables}
    return {setting: value for setting, value in table.items() if setting not in replaced}


def _check_names(where: str, table: Mapping[str, object]) -> None:
    for name in table:
        if name in _SECRETS:
            message = (
                f"{where} has {name}, but a secret must not be there: set {variable_of(name)}, or keep it "
                "in a file of its own"
            )
            raise ConfigurationError(message, argument=name)
        if name not in _SETTINGS:
            near = get_close_matches(name, _SETTINGS, n=1)
            meant = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(_SETTINGS)}."
            raise ConfigurationError(f"{where} has {name}, which is no setting. {meant}")


def _check_not_empty(where: str, table: Mapping[str, object]) -> None:
    for name, value in table.items():
        if isinstance(value, str) and not value.strip():
            message = f"{name} in {where} is empty: give it a value, or remove the line."
            raise ConfigurationError(message, argument=name)


def _wrong(error: ValidationError, sources: Mapping[str, str]) -> str:
    # Without the values: they may be secrets.
    details = error.errors(include_input=False, include_context=False, include_url=False)
    # One for each setting: one that may be a text or a list has two.
    wrong = {str(detail["loc"][0]): detail["msg"] for detail in details}
    return "; ".join(
        f"{sources.get(name, name)} {message.replace('Input should', 'should')}"
        for name, message in wrong.items()
    )
