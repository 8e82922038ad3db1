"""The command init: asks for the settings of a profile, and writes them into the configuration file."""

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

from atlassian_auth._cli.documents import ProfileDocument
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileName, flags_of
from atlassian_auth._cli.output import say, show
from atlassian_auth._cli.place import is_url
from atlassian_auth._cli.profile import PRODUCTS, Flags, Product, Profile, flag_of
from atlassian_auth._cli.registration import NEEDS_CONSENT, grant_of, needed_by
from atlassian_auth._cli.secret import read_secret
from atlassian_auth._cli.session import grant_without_secret
from atlassian_auth._cli.words import describe_error
from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError
from atlassian_auth.protocol.sites import site_url
from atlassian_auth.scopes import parse_scopes
from atlassian_auth.stores._private import make_folders, open_file

__all__ = ["init"]

# A bare key of TOML, and a valid file name on every file system.
_NAME = re.compile(r"[A-Za-z0-9_-]+")

_QUESTIONS = {
    "base_url": "Base URL of the Data Center, such as https://jira.example.com/jira",
    "client_id": "Client id of the registered app",
    "scopes": "Scopes, separated by spaces",
    "redirect_uri": "Callback URL, exactly as registered for the app",
    "site": "Site, such as acme",
}
_DEFAULTS = {"redirect_uri": Profile.model_fields["redirect_uri"].default}
_SECRET = "Client secret (it is not shown; press Enter to be asked each time)"

_STDIN = Path("-")

# Values for questions that are still open, so that one answer can be checked alone.
_PLACEHOLDERS = {"client_id": "x", "base_url": "https://jira.example.com"}

_Answers = dict[str, str]


def init(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """Ask for a first profile, and write it into the configuration file.

    A setting that has a flag is not asked. A typed client secret is written into a separate file beside the
    configuration file, which only you can read. A profile that exists is not changed.
    """
    flags = flags_of(context)
    _check_new(flags, profile)
    answers = _ask_settings(flags, profile)
    secret = _ask_secret(flags, profile, answers)
    written = _write(flags, profile, answers, secret)
    show(written, as_json=as_json)
    command = "login" if answers["product"] in NEEDS_CONSENT else "doctor"
    # The other flags are now settings in the file.
    arguments = Flags(config=flags.config).new_profile(profile).arguments
    say(f"Next, run: atlassian-auth {command} {arguments}")


def _check_new(flags: Flags, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        message = (
            f"The name of a profile may have letters, digits, - and _ only, but is {name!a:.100}."
        )
        raise ConfigurationError(message, argument="profile")
    if flags.file.exists() and name in flags.names():
        message = (
            f"[profiles.{name}] exists in {flags.file}: change it there, or name another profile."
        )
        raise ConfigurationError(message, argument="profile")
    if "client_secret_file" not in flags.values and _secret_file(flags, name).exists():
        message = (
            f"{_secret_file(flags, name)} exists. If it holds the client secret, pass it as "
            "--client-secret-file. Otherwise remove it, or name another profile."
        )
        raise ConfigurationError(message, argument="client_secret_file")


def _ask_settings(flags: Flags, name: str) -> _Answers:
    """Return the values of the flags, and the answers to questions for the others."""
    answers = {setting: _as_text(setting, value) for setting, value in flags.values.items()}
    if "product" not in answers:
        answers["product"] = _ask_product()
    check = partial(_check, flags, name, answers)
    check({})
    questions = _open_questions(answers)
    if questions and not sys.stdin.isatty():
        needed = ", ".join(map(flag_of, questions))
        raise ConfigurationError(f"init needs a terminal to ask questions. Pass {needed}.")
    for setting in questions:
        answers[setting] = typer.prompt(
            _QUESTIONS[setting],
            default=_DEFAULTS.get(setting),
            value_proc=_parser(setting, check),
            err=True,
        )
    return answers


def _as_text(setting: str, value: object) -> str:
    text = str(value)
    if setting in {"store", "client_secret_file", "encryption_key_file"} and text != "-":
        # In the file, a path is relative to the folder of the file.
        return text if is_url(text) else str(Path(text).expanduser().absolute())
    return text


def _ask_product() -> str:
    if not sys.stdin.isatty():
        return PRODUCTS[0]
    question = f"Product ({', '.join(PRODUCTS)})"
    answer: str = typer.prompt(question, default=PRODUCTS[0], value_proc=_check_product, err=True)
    return answer


def _check_product(answer: str) -> str:
    if answer not in PRODUCTS:
        raise typer.BadParameter(f"Products: {', '.join(PRODUCTS)}.")
    return answer


def _open_questions(answers: _Answers) -> list[str]:
    product = cast("Product", answers["product"])
    wanted = [*needed_by(product)]
    if product in NEEDS_CONSENT and sys.stdin.isatty():
        wanted.append("redirect_uri")
    if product == "jira-software" and "cloud_id" not in answers:
        wanted.append("site")
    return [setting for setting in wanted if setting not in answers]


def _parser(setting: str, check: Callable[[_Answers], None]) -> Callable[[str], str]:
    """Return a parser of an answer. Its error makes Typer show what is wrong, and ask again."""

    def parse(answer: str) -> str:
        try:
            check({setting: answer.strip()})
        except AtlassianAuthError as error:
            wrong = describe_error(error)
        else:
            return answer.strip()
        if setting == "client_secret":
            say(wrong)  # after a hidden answer, Typer does not show why it is wrong
        raise typer.BadParameter(wrong)

    return parse


def _check(flags: Flags, name: str, known: _Answers, new: _Answers) -> None:
    scopes = "READ" if known["product"].startswith("data-center") else "read:me"
    values = {**_PLACEHOLDERS, "scopes": scopes, **known, **new}
    grant_without_secret(Flags(config=flags.config, values=values).new_profile(name))
    if values["product"] == "jira-software" and "site" in values:
        site_url(values["site"])


def _secret_file(flags: Flags, name: str) -> Path:
    return flags.file.parent / f"{name}.secret"


def _ask_secret(flags: Flags, name: str, answers: _Answers) -> str:
    """Return the secret to write into a file; empty if there is none, or if it is stored elsewhere."""

    def check(answer: _Answers) -> None:
        if secret := answer["client_secret"]:
            grant_of(Flags(config=flags.config, values=answers).new_profile(name), secret)

    file = cast("Path | None", flags.values.get("client_secret_file"))
    if file is not None:
        secret = read_secret("client_secret", file=file, given=None, piped=False)
        check({"client_secret": secret})
        return secret if file == _STDIN else ""
    there = flags.new_profile(name)
    if there.client_secret_file or there.client_secret or not sys.stdin.isatty():
        return ""
    typed: str = typer.prompt(
        _SECRET,
        default="",
        show_default=False,
        hide_input=True,
        err=True,
        value_proc=_parser("client_secret", check),
    )
    return typed


def _write(flags: Flags, name: str, answers: _Answers, secret: str) -> ProfileDocument:
    """Write the profile, and its secret if there is one; return the names of the files."""
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
        return {
            "profile": name,
            "file": str(flags.file),
            "client_secret_file": str(secret_file) if secret else None,
        }
    raise ConfigurationError(f"{flags.file} cannot be written: {wrong}.", argument="config")


def _write_secret(path: Path, secret: str) -> None:
    with os.fdopen(
        open_file(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "w", encoding="utf-8"
    ) as file:
        file.write(f"{secret}\n")


def _table(flags: Flags, name: str, answers: _Answers) -> str:
    """Return the TOML table to append to the file.

    Raises:
        ConfigurationError: if the file would not be valid TOML with it.
    """
    settings: dict[str, object] = {**answers}
    if "scopes" in answers:
        settings["scopes"] = list(parse_scopes(answers["scopes"]))
    # A JSON string is a TOML string, except for the character DEL, which no setting contains.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    before = flags.file.read_text("utf-8") if flags.file.exists() else ""
    table = "\n".join(["\n" * bool(before) + f"[profiles.{name}]", *lines, ""])
    try:
        tomllib.loads(before + table)
    except ValueError:
        message = (
            f"{flags.file} is not valid TOML with a table at its end. Add these lines yourself: "
            f"{' '.join(lines)}"
        )
    else:
        return table
    raise ConfigurationError(message, argument="config")
