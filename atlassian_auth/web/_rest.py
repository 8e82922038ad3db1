"""The REST interface: Atlassian's plugin has the same paths for configurations; tokens and flows are ours."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atlassian_auth.connections import (
    ClientConfig,
    ConfigurationNotFound,
    FlowPending,
    FlowSuccess,
    TokenNotFound,
)
from atlassian_auth.web._bodies import (
    ClientBody,
    ClientView,
    FlowBody,
    FlowView,
    RedirectView,
    TokenView,
)
from atlassian_auth.web._desk import WebDesk
from atlassian_auth.web._openapi import openapi_document
from atlassian_auth.web._problems import Problem, invalid
from atlassian_auth.web._visit import Visit

__all__ = ["PREFIX", "Rest"]

PREFIX = "/rest/oauth2-client/latest"

B = TypeVar("B", bound=BaseModel)


class Rest:
    """The endpoints of the REST interface.

    Args:
        desk: Serves callers.
        landing: The path of the page that shows the result of a flow.
    """

    def __init__(self, desk: WebDesk, landing: str) -> None:
        self._desk = desk
        self._landing = landing
        self._connections = desk.connections

    def routes(self) -> list[Route]:
        """Return the routes."""
        configs = {"GET": self.list_configs, "POST": self.add_config}
        config = {"GET": self.get_config, "PUT": self.put_config, "DELETE": self.delete_config}
        token = {"GET": self.get_token, "DELETE": self.delete_token}
        route = self._desk.route
        return [
            route(f"{PREFIX}/openapi.json", {"GET": self.get_openapi}),
            route(f"{PREFIX}/config", configs, administrator=True),
            route(
                f"{PREFIX}/config/get-redirect-uri",
                {"GET": self.get_redirect_uri},
                administrator=True,
            ),
            route(f"{PREFIX}/config/{{id}}", config, administrator=True),
            route(f"{PREFIX}/tokens", {"GET": self.list_tokens}),
            route(f"{PREFIX}/tokens/{{id}}", token),
            route(f"{PREFIX}/tokens/{{id}}/refresh", {"POST": self.refresh_token}),
            route(f"{PREFIX}/flows", {"POST": self.create_flow}),
            route(f"{PREFIX}/flows/{{id}}", {"GET": self.get_flow}),
        ]

    async def get_openapi(self, _request: Request, _visit: Visit) -> Response:
        """Return the OpenAPI document."""
        return JSONResponse(openapi_document(self._connections.base_url))

    # -- client configurations -----------------------------------------------------------------

    async def list_configs(self, _request: Request, _visit: Visit) -> Response:
        """Return all client configurations."""
        configs = await self._connections.configs.list()
        return JSONResponse([self._view(config).document() for config in configs])

    async def add_config(self, request: Request, _visit: Visit) -> Response:
        """Store a new client configuration."""
        body = await _read(request, ClientBody)
        return await self._save(body, None, status=201)

    async def get_redirect_uri(self, request: Request, _visit: Visit) -> Response:
        """Return the redirect URI of an authorization endpoint."""
        endpoint = request.query_params.get("authorizationEndpoint", "")
        uri = self._connections.configs.redirect_uri(endpoint)
        return JSONResponse(RedirectView(redirect_uri=uri).document())

    async def get_config(self, request: Request, _visit: Visit) -> Response:
        """Return one client configuration."""
        config = await self._connections.configs.get(request.path_params["id"])
        return JSONResponse(self._view(config).document())

    async def put_config(self, request: Request, _visit: Visit) -> Response:
        """Replace one client configuration."""
        body = await _read(request, ClientBody)
        return await self._save(body, request.path_params["id"], status=200)

    async def delete_config(self, request: Request, _visit: Visit) -> Response:
        """Delete one client configuration."""
        config_id = request.path_params["id"]
        if not await self._connections.configs.delete(config_id):
            raise ConfigurationNotFound(f"There is no client configuration {config_id!r}.")
        return Response(status_code=204)

    # -- tokens --------------------------------------------------------------------------------

    async def list_tokens(self, _request: Request, visit: Visit) -> Response:
        """Return the caller's tokens."""
        configs = await self._connections.configs.list()
        found = [(config, await self._desk.status(visit, str(config.id))) for config in configs]
        stored = [(config, status) for config, status in found if status.key]
        return JSONResponse([TokenView.of(config, status).document() for config, status in stored])

    async def get_token(self, request: Request, visit: Visit) -> Response:
        """Return the status of one token."""
        return await self._token(await self._own_token(request, visit))

    async def refresh_token(self, request: Request, visit: Visit) -> Response:
        """Refresh one token now."""
        token_id = await self._own_token(request, visit)
        await self._connections.handler.refresh(token_id)
        return await self._token(token_id)

    async def delete_token(self, request: Request, visit: Visit) -> Response:
        """Delete one token."""
        await self._connections.tokens.delete(await self._own_token(request, visit))
        return Response(status_code=204)

    # -- flows ---------------------------------------------------------------------------------

    async def create_flow(self, request: Request, visit: Visit) -> Response:
        """Create a flow; the landing page may have the flow's id in its address, at ``{id}``."""
        body = await _read(request, FlowBody)
        config = await self._connections.configs.get(body.config_id)
        flow = await self._desk.create_flow(visit, config, body.landing or self._landing)
        view = FlowView(id=flow.id, status="pending", url=flow.start_url)
        return JSONResponse(view.document(), 201)

    async def get_flow(self, request: Request, visit: Visit) -> Response:
        """Return how a flow ended."""
        flow_id = request.path_params["id"]
        try:
            result = await self._connections.flows.get(visit.session, flow_id)
        except FlowPending:
            view = FlowView(id=flow_id, status="pending")
        else:
            view = (
                FlowView(id=flow_id, status="success", token_id=result.token_id)
                if isinstance(result, FlowSuccess)
                else FlowView(id=flow_id, status="error", error=result.message)
            )
        return JSONResponse(view.document())

    # -- parts ---------------------------------------------------------------------------------

    async def _save(self, body: ClientBody, config_id: str | None, *, status: int) -> Response:
        stored = await self._connections.configs.save(body.config(config_id))
        return JSONResponse(self._view(stored).document(), status)

    async def _own_token(self, request: Request, visit: Visit) -> str:
        """Return the id of the caller's token; another caller's token is one that does not exist."""
        token_id: str = request.path_params["id"]
        if token_id != await self._desk.token_id(visit, _config_id(token_id)):
            raise TokenNotFound("You have no token with this id.")
        return token_id

    async def _token(self, token_id: str) -> Response:
        config = await self._connections.configs.get(_config_id(token_id))
        status = await self._connections.tokens.status(token_id)
        return JSONResponse(TokenView.of(config, status).document())

    def _view(self, config: ClientConfig) -> ClientView:
        return ClientView.of(config, self._desk.redirect_uri(config))


async def _read(request: Request, model: type[B]) -> B:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = "The body must be JSON: send the header Content-Type: application/json."
        raise Problem(415, "unsupported_media_type", message)
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        problem = invalid(error)
    raise problem


def _config_id(token_id: str) -> str:
    return token_id.partition(".")[0]
