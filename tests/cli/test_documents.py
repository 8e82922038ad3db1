"""What --json prints is what its page says, and nothing else."""

from __future__ import annotations

import json
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from jsonschema import ValidationError, validate
from pydantic import ConfigDict, TypeAdapter, create_model

from atlassian_auth._cli.documents import DOCUMENTS
from docs.json_page import PAGE, SCHEMA, page, schema
from tests.cli.test_main import PAGES

# Their own tests check what they print.
ELSEWHERE = {"add", "demo", "emulator", "login"}


def model_of(shape: Any) -> Any:
    """A model of pydantic that accepts exactly the members of a document."""
    if get_origin(shape) is list:
        return list[model_of(get_args(shape)[0])]
    if not is_typeddict(shape):
        return shape
    fields = {name: (model_of(hint), ...) for name, hint in get_type_hints(shape).items()}
    return create_model(shape.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def check(command, output):
    """Raise if the output is not the document of the command, or does not fit the published schema."""
    TypeAdapter(model_of(DOCUMENTS[command])).validate_json(output)
    published = json.loads(SCHEMA.read_text("utf-8"))
    validate(json.loads(output), published | {"$ref": f"#/$defs/{command}"})


RUNS = {
    "init": ["new", "--product", "service-account", "--client-id", "x"],
    "token": ["acme"],
    "status": ["acme"],
    "list": [],
    "refresh": ["acme"],
    "sites": ["acme"],
    "whoami": ["acme"],
    "request": ["GET", "/rest/api/3/myself", "--profile", "acme"],
    "doctor": ["acme"],
    "migrate": ["--to", "other.db", "--profile", "acme"],
    "forget": ["acme"],
    "revoke": ["acme"],
}


@pytest.mark.parametrize("name", RUNS)
def test_a_command_prints_its_document(authorized, monkeypatch, home, name):
    """Each member is there, with its type, and no other one."""
    monkeypatch.chdir(home)

    check(name, authorized(name, *RUNS[name], "--json").output)


def test_add_prints_its_document(acme, world, app):
    """As for the others."""
    token = world.issue_grant(app, ["read:me"]).refresh_token

    check("add", acme("add", "acme", "--json", stdin=token).output)


def test_every_command_with_json_has_a_document():
    """A new command is described, and no other one is."""
    with_json = {page.stem for page in PAGES.iterdir() if "--json" in page.read_text("utf-8")}

    assert with_json == {*DOCUMENTS}
    assert {*DOCUMENTS} == {*RUNS, *ELSEWHERE}


def test_the_page_is_current():
    """The page says what the documents say."""
    assert PAGE.read_text("utf-8") == page(), "run: python docs/json_page.py"


def test_the_schema_is_current():
    """The schema says what the documents say."""
    assert SCHEMA.read_text("utf-8") == schema(), "run: python docs/json_page.py"


@pytest.mark.parametrize(
    ("command", "output"),
    [("list", "{}"), ("token", "{}"), ("forget", '{"key": 1, "forgotten": true}')],
)
def test_the_schema_refuses_other_documents(command, output):
    """Neither a missing member, nor one of another type, nor another document fits the schema."""
    with pytest.raises(ValidationError):
        validate(json.loads(output), json.loads(schema()) | {"$ref": f"#/$defs/{command}"})
