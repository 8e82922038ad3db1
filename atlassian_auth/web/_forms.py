"""Reads the forms of the pages."""

from __future__ import annotations

from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import Request

from atlassian_auth.connections import ClientConfig
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.web._bodies import ClientBody
from atlassian_auth.web._problems import EMPTY_FIELD, invalid, problem_of
from atlassian_auth.web._visit import Visit

__all__ = ["EMPTY", "read_client", "read_form", "values_of"]

_MAX_FIELDS = 30
_FIELDS = (
    *("type", "name", "description", "clientId", "clientSecret"),
    *("authorizationEndpoint", "tokenEndpoint", "scopes"),
)
EMPTY = dict.fromkeys(_FIELDS, "")
"""The form of a client configuration before it is filled in."""


async def read_form(request: Request, visit: Visit) -> dict[str, str]:
    """Return the fields of a form that came from one of our pages.

    Raises:
        Problem: if it is no form, or came from elsewhere.
    """
    try:
        body = (await request.body()).decode()
        fields = dict(parse_qsl(body, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:
        fields = {}
    visit.check_form(fields.get("formToken", ""))
    return fields


def read_client(form: dict[str, str], config_id: str | None) -> ClientConfig:
    """Return the client configuration that a person has filled in.

    Raises:
        Problem: if a field is wrong; with a message for each.
    """
    given = {name: form.get(name, "") for name in _FIELDS}
    try:
        body = ClientBody.model_validate({**given, "scopes": given["scopes"].split()})
        return body.config(config_id)
    except ValidationError as error:
        problem = invalid(error)
        if config_id is None and not given["clientSecret"]:
            problem.errors["clientSecret"] = EMPTY_FIELD
    except ConfigurationError as error:
        problem = problem_of(error)
    raise problem


def values_of(config: ClientConfig) -> dict[str, str]:
    """Return a stored configuration as the form shows it: without its secret."""
    return EMPTY | {
        "type": config.type.value,
        "name": config.name,
        "description": config.description,
        "clientId": config.client_id,
        "authorizationEndpoint": config.authorization_endpoint,
        "tokenEndpoint": config.token_endpoint,
        "scopes": "\n".join(config.scopes),
    }
