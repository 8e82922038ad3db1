"""The command init: asks for what a profile needs, and writes it into the configuration file."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import typer

from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileName, flags_of
from atlassian_auth._cli.output import say, show
from atlassian_auth._cli.place import is_url
from atlassian_auth._cli.profile import PRODUCTS, Flags, Product, Profile, flag_of
from atlassian_auth._cli.registration import CONSENTED, needed_by
from atlassian_auth._cli.secret import read_secret
from atlassian_auth._cli.session import grant_without_secret
from atlassian_auth._cli.words import told
from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError
from atlassian_auth.protocol.sites import site_url
from atlassian_auth.scopes import parse_scopes
from atlassian_auth.stores._private import make_folders, open_file

__all__ = ["init"]

# What TOML takes as a key without quotes, and any file system in a name.
_NAME = re.compile(r"[A-Za-z0-9_-]+")

_QUESTIONS = {
    "base_url": "Base URL of the Data Center, such as https://jira.example.com/jira",
    "client_id": "Client id of the registered app",
    "scopes": "Scopes, separated by spaces",
    "redirect_uri": "Callback URL, as it is registered for the app",
    "site": "Site, such as acme",
}
_USUAL = {"redirect_uri": Profile.model_fields["redirect_uri"].default}
_SECRET = "Client secret (it is not shown; press Enter to be asked each time)"

_STDIN = Path("-")

# Stand in for answers that are still to come, while one that was given is checked.
_ANY = {"client_id": "x", "base_url": "https://jira.example.com"}

_Answers = dict[str, str]


def init(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """Ask for a first profile, and write it into the configuration file.

    What a flag says is not asked. A client secret that is typed goes into a file of its own beside the
    configuration file, which only you can read. A profile that is there already is left as it is.
    """
    flags = flags_of(context)
    _check_new(flags, profile)
    answers = _answered(flags, profile)
    secret = _secret(flags, profile)
    written = _written(flags, profile, answers, secret)
    show(written, as_json=as_json)
    command = "login" if answers["product"] in CONSENTED else "doctor"
    # The other flags are in the file now.
    arguments = Flags(config=flags.config).new_profile(profile).arguments
    say(f"Next, run: atlassian-auth {command} {arguments}")


def _check_new(flags: Flags, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        message = f"A profile's name must be letters, digits, - and _ only, but is {name!a:.100}."
        raise ConfigurationError(message, argument="profile")
    if flags.file.exists() and name in flags.names():
        message = f"[profiles.{name}] is in {flags.file} already: change it there, or name another profile."
        raise ConfigurationError(message, argument="profile")
    if "client_secret_file" not in flags.values and _secret_file(flags, name).exists():
        message = (
            f"{_secret_file(flags, name)} exists already. If it holds the client secret, pass it as "
            "--client-secret-file; else remove it, or name another profile."
        )
        raise ConfigurationError(message, argument="client_secret_file")


def _answered(flags: Flags, name: str) -> _Answers:
    """Return the values of the flags, and those that a person was asked for."""
    answers = {setting: _text(setting, value) for setting, value in flags.values.items()}
    if "product" not in answers:
        answers["product"] = _product()
    check = partial(_checked, flags, name, answers)
    check({})
    questions = _open_questions(answers)
    if questions and not sys.stdin.isatty():
        needed = ", ".join(map(flag_of, questions))
        raise ConfigurationError(f"init has no terminal to ask at: pass {needed}.")
    for setting in questions:
        answers[setting] = typer.prompt(
            _QUESTIONS[setting],
            default=_USUAL.get(setting),
            value_proc=_again(setting, check),
            err=True,
        )
    return answers


def _text(setting: str, value: object) -> str:
    text = str(value)
    if setting in {"store", "client_secret_file", "encryption_key_file"} and text != "-":
        # In the file, a relative path would begin beside it.
        return text if is_url(text) else str(Path(text).expanduser().absolute())
    return text


def _product() -> str:
    if not sys.stdin.isatty():
        return PRODUCTS[0]
    question = f"Product ({', '.join(PRODUCTS)})"
    answer: str = typer.prompt(question, default=PRODUCTS[0], value_proc=_checked_product, err=True)
    return answer


def _checked_product(answer: str) -> str:
    if answer not in PRODUCTS:
        raise typer.BadParameter(f"There are: {', '.join(PRODUCTS)}.")
    return answer


def _open_questions(answers: _Answers) -> list[str]:
    product = cast("Product", answers["product"])
    wanted = [*needed_by(product)]
    if product in CONSENTED and sys.stdin.isatty():
        wanted.append("redirect_uri")
    if product == "jira-software" and "cloud_id" not in answers:
        wanted.append("site")
    return [setting for setting in wanted if setting not in answers]


def _again(setting: str, check: Callable[[_Answers], None]) -> Callable[[str], str]:
    """Return what takes an answer, or says what is wrong with it so that it is asked for again."""

    def checked(answer: str) -> str:
        try:
            check({setting: answer.strip()})
        except AtlassianAuthError as error:
            wrong = told(error)
        else:
            return answer.strip()
        raise typer.BadParameter(wrong)

    return checked


def _checked(flags: Flags, name: str, known: _Answers, new: _Answers) -> None:
    scopes = "READ" if known["product"].startswith("data-center") else "read:me"
    values = {**_ANY, "scopes": scopes, **known, **new}
    grant_without_secret(Flags(config=flags.config, values=values).new_profile(name))
    if values["product"] == "jira-software" and "site" in values:
        site_url(values["site"])


def _secret_file(flags: Flags, name: str) -> Path:
    return flags.file.parent / f"{name}.secret"


def _secret(flags: Flags, name: str) -> str:
    """Return a secret that has to be kept; an empty one if there is none, or it has its place already."""
    file = cast("Path | None", flags.values.get("client_secret_file"))
    if file is not None:
        secret = read_secret("client_secret", file=file, given=None, piped=False)
        return secret if file == _STDIN else ""
    there = flags.new_profile(name)
    if there.client_secret_file or there.client_secret or not sys.stdin.isatty():
        return ""
    typed: str = typer.prompt(_SECRET, default="", show_default=False, hide_input=True, err=True)
    return typed.strip()


def _written(flags: Flags, name: str, answers: _Answers, secret: str) -> dict[str, str]:
    """Write the profile, and its secret if there is one, and return where they are."""
    secret_file = _secret_file(flags, name)
    kept = {"client_secret_file": secret_file.name} if secret else {}
    table = _table(flags, name, {**answers, **kept})
    try:
        make_folders(flags.file.parent)
        if secret:
            _write_secret(secret_file, secret)
        with flags.file.open("a", encoding="utf-8") as file:
            file.write(table)
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    else:
        return {"profile": name, "file": str(flags.file)} | {
            setting: str(secret_file) for setting in kept
        }
    raise ConfigurationError(f"{flags.file} cannot be written: {wrong}.", argument="config")


def _write_secret(path: Path, secret: str) -> None:
    with os.fdopen(
        open_file(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "w", encoding="utf-8"
    ) as file:
        file.write(f"{secret}\n")


def _table(flags: Flags, name: str, answers: _Answers) -> str:
    """Return the text that is added to the file.

    Raises:
        ConfigurationError: if the file would not be one of profiles any more.
    """
    settings: dict[str, object] = {**answers}
    if "scopes" in answers:
        settings["scopes"] = list(parse_scopes(answers["scopes"]))
    # A text in JSON is a text in TOML, all but the character DEL, which is no part of any setting.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    before = flags.file.read_text("utf-8") if flags.file.exists() else ""
    table = "\n".join(["\n" * bool(before) + f"[profiles.{name}]", *lines, ""])
    try:
        tomllib.loads(before + table)
    except ValueError:
        message = (
            f"{flags.file} takes no table at its end. Write this there yourself: {' '.join(lines)}"
        )
    else:
        return table
    raise ConfigurationError(message, argument="config")
