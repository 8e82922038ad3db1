"""The OpenAPI document of the REST interface, made from the models that read and write its bodies."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from atlassian_auth.web._bodies import (
    ClientBody,
    ClientView,
    FlowBody,
    FlowView,
    ProblemView,
    RedirectView,
    TokenView,
)

__all__ = ["openapi_document"]

# A UUID; of a token, two with a dot between them.
_ID = r"^[0-9a-f-]{36}(\.[0-9a-f-]{36})?$"

_MODELS = (ClientBody, ClientView, FlowBody, FlowView, ProblemView, RedirectView, TokenView)


def openapi_document(base_url: str) -> dict[str, Any]:
    """Return the document.

    Args:
        base_url: Where clients reach the application.
    """
    modes = [
        (model, "validation" if model in {ClientBody, FlowBody} else "serialization")
        for model in _MODELS
    ]
    _, schemas = models_json_schema(modes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Connections",
            "version": "1",
            "description": "Client configurations, flows and tokens.",
        },
        "servers": [{"url": f"{base_url}/rest/oauth2-client/latest"}],
        "paths": {**_config_paths(), **_paths_of_callers()},
        "components": {"schemas": schemas["$defs"]},
    }


def _config_paths() -> dict[str, Any]:
    return {
        "/config": {
            "get": _operation("List the client configurations.", 200, [ClientView]),
            "post": _operation("Add a client configuration.", 201, ClientView, body=ClientBody),
        },
        "/config/get-redirect-uri": {
            "parameters": [_parameter("authorizationEndpoint", "query")],
            "get": _operation("Return the redirect URI of a provider.", 200, RedirectView),
        },
        "/config/{id}": {
            "parameters": [_parameter("id", "path")],
            "get": _operation("Return a client configuration.", 200, ClientView),
            "put": _operation(
                "Replace a client configuration; without clientSecret the stored one is kept.",
                200,
                ClientView,
                body=ClientBody,
            ),
            "delete": _operation("Delete a client configuration.", 204, None),
        },
    }


def _paths_of_callers() -> dict[str, Any]:
    parameters = [_parameter("id", "path")]
    return {
        "/tokens": {"get": _operation("List the caller's tokens.", 200, [TokenView])},
        "/tokens/{id}": {
            "parameters": parameters,
            "get": _operation("Return the status of a token.", 200, TokenView),
            "delete": _operation("Delete a token.", 204, None),
        },
        "/tokens/{id}/refresh": {
            "parameters": parameters,
            "post": _operation("Refresh a token now.", 200, TokenView),
        },
        "/flows": {
            "post": _operation(
                "Create a flow: send the browser to its url.", 201, FlowView, body=FlowBody
            )
        },
        "/flows/{id}": {
            "parameters": parameters,
            "get": _operation("Return how a flow ended.", 200, FlowView),
        },
    }


def _operation(
    summary: str,
    status: int,
    answer: type[BaseModel] | list[type[BaseModel]] | None,
    *,
    body: type[BaseModel] | None = None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            str(status): {"description": "Done.", **(_content(answer) if answer else {})},
            "default": {"description": "Refused.", **_content(ProblemView)},
        },
    }
    if body:
        operation["requestBody"] = {"required": True, **_content(body)}
    return operation


def _content(model: type[BaseModel] | list[type[BaseModel]]) -> dict[str, Any]:
    schema: dict[str, Any]
    if isinstance(model, list):
        schema = {"type": "array", "items": _reference(model[0])}
    else:
        schema = _reference(model)
    return {"content": {"application/json": {"schema": schema}}}


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _parameter(name: str, place: str) -> dict[str, Any]:
    schema = {"type": "string", **({"pattern": _ID} if place == "path" else {})}
    return {"name": name, "in": place, "required": True, "schema": schema}
