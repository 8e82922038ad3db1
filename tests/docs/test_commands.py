"""What readers are told to type can be typed: commands and options, extras, sessions and modules exist."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from atlassian_auth._cli.app import app

ROOT = Path(__file__).parents[2]
# The changelog tells of commands that have gone.
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in sorted(
        {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.*")}
    )
    if path.name != "CHANGELOG.md" and "_build" not in path.parts
}
CODE = re.compile(r"^ *```(?:sh|console)\n(.*?)^ *```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SESSIONS = {
    node.name
    for node in ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.decorator_list
}


def found(pattern, texts):
    """Return what matches in each page, once, with the page as its name."""
    hits = {(page, hit) for page, text in texts.items() for hit in re.findall(pattern, text)}
    return [pytest.param(hit, id=f"{page}-{hit}") for page, hit in sorted(hits)]


def code_of(text):
    """Return what stands in blocks of a shell, and as code in sentences; a command is one line."""
    return "\n".join(block or words for block, words in CODE.findall(text)).replace("\\\n", " ")


def words_of(line):
    """Split a command as a shell does; its quotation may have begun before it."""
    try:
        return shlex.split(line)
    except ValueError:
        return shlex.split(line.rstrip("'\" "))


@pytest.mark.parametrize(
    "line",
    found(
        r"(?<![\w/.-])atlassian-auth +([a-z][^|;&<>)#\n]*[^|;&<>)#\s])",
        {page: code_of(text) for page, text in PAGES.items()},
    ),
)
def test_a_command_is_one(line, monkeypatch):
    """Each command of a page exists, has the options that follow it, and takes as many arguments."""
    monkeypatch.setenv("ATLASSIAN_AUTH_TO", "tokens.db")  # as the page about migrate exports it
    commands, given = typer.main.get_command(app), words_of(line)
    if given[0] == "git-credential":
        given.append("get")  # as git does

    context = commands.make_context("atlassian-auth", list(given))
    name = next(word for word in given if not word.startswith("-"))

    if len(given) > 1:  # else a sentence speaks of the command
        commands.commands[name].make_context(name, list(context.args), parent=context)
    assert name in commands.commands


@pytest.mark.parametrize("names", found(r"nox -s ((?:[a-z]+ )*[a-z]+)", PAGES))
def test_a_session_is_one(names):
    """Each session of nox that a page or a workflow names is in the noxfile."""
    assert set(names.split()) <= SESSIONS


@pytest.mark.parametrize("names", found(r"(?:atlassian-auth|\")\.?\[([a-z0-9,]+)\]", PAGES))
def test_an_extra_is_one(names):
    """Each extra that a page tells to install exists."""
    assert set(names.split(",")) <= PROJECT["optional-dependencies"].keys()


@pytest.mark.parametrize("name", found(r"python3? -m ([a-z][\w.]*\w)", PAGES))
def test_a_module_is_one(name):
    """Each module that a page tells to run exists."""
    own = ROOT.joinpath(*name.split("."))

    there = own.is_dir() or own.with_suffix(".py").is_file() or find_spec(name)
    assert there or name == "pip"  # which an environment made by uv lacks
