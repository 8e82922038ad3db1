"""What the REST interface and the pages do alike with the connections of one caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from atlassian_auth.connections import (
    ClientConfig,
    ClientType,
    Connections,
    FlowRequest,
    FlowSuccess,
    TokenNotFound,
)
from atlassian_auth.connections.config import CALLBACK_PATH
from atlassian_auth.endpoints import check_secure, origin_of
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.status import CredentialStatus
from atlassian_auth.web._pace import Pace
from atlassian_auth.web._problems import Problem
from atlassian_auth.web._visit import Door, Visit
from atlassian_auth.web.owners import Owners

__all__ = ["Endpoint", "WebDesk"]

Endpoint = Callable[[Request, Visit], Awaitable[Response]]


class WebDesk:
    """Admits visits, and serves callers.

    Args:
        connections: The host application's.
        owners: Knows whose token is whose.
        door: Says who visits.
        pace: Counts the flows that each caller starts.
    """

    def __init__(self, connections: Connections, owners: Owners, door: Door, pace: Pace) -> None:
        self.connections = connections
        self._owners = owners
        self._door = door
        self._pace = pace

    def route(
        self, path: str, endpoints: Mapping[str, Endpoint], *, administrator: bool = False
    ) -> Route:
        """Return the route of a path, with an endpoint for each method, for accepted callers only."""

        async def serve(request: Request) -> Response:
            visit = request.state.visit = await self._door.admit(request)
            if administrator:
                visit.require_administrator()
            method = "GET" if request.method == "HEAD" else request.method
            response = await endpoints[method](request, visit)
            self._door.keep_cookie(response, visit)
            return response

        return Route(path, serve, methods=list(endpoints))

    def redirect_uri(self, config: ClientConfig) -> str | None:
        """Return the redirect URI of a configuration; None if no person has to consent."""
        if config.type is ClientType.CLIENT_CREDENTIALS:
            return None
        return self.connections.configs.redirect_uri(config.authorization_endpoint)

    # -- tokens --------------------------------------------------------------------------------

    async def status(self, visit: Visit, config_id: str) -> CredentialStatus:
        """Return the status of the caller's token for a client configuration, or that there is none."""
        token_id = await self._owners.token_id(visit.caller.id, config_id)
        try:
            if token_id is not None:
                return await self.connections.tokens.status(token_id)
        except TokenNotFound:  # deleted by another part of the host application, or pruned
            pass
        return CredentialStatus.without_record("")

    async def token_id(self, visit: Visit, config_id: str) -> str:
        """Return the id of the caller's token for a client configuration.

        Raises:
            TokenNotFound: if there is none.
        """
        token_id = (await self.status(visit, config_id)).key
        if not token_id:
            raise TokenNotFound("You have no token with this id.")
        return token_id

    async def obtain(self, visit: Visit, config: ClientConfig) -> None:
        """Request a token for a configuration that needs no person."""
        status = await self.status(visit, str(config.id))
        if status.key:
            await self.connections.handler.refresh(status.key)
            return
        token = await self.connections.tokens.obtain(config)
        await self._owners.assign(visit.caller.id, str(config.id), str(token.id))

    # -- flows ---------------------------------------------------------------------------------

    async def create_flow(self, visit: Visit, config: ClientConfig, landing: str) -> FlowRequest:
        """Create a flow for the caller.

        Args:
            visit: The caller, and the session.
            config: What to connect to.
            landing: Where the browser ends: a path, or a URL of the host application. ``{id}`` becomes the id
                of the flow.

        Raises:
            Problem: if the caller has started too many flows.
            ConfigurationError: if ``landing`` is at another origin.
        """
        self._check_landing(landing)
        wait = self._pace.wait_seconds(visit.caller.id)
        if wait:
            message = f"You have started many flows: wait for {wait:.0f} seconds, then try again."
            raise Problem(429, "too_many_flows", message, retry_after_seconds=wait)
        status = await self.status(visit, str(config.id))

        def note(flow_id: str) -> str:
            # The flow's own landing URL is not shown to the browser: `finish` reads it.
            landing_url = landing.replace("{id}", flow_id)
            return f"{CALLBACK_PATH}?{urlencode({'flow': flow_id, 'landing': landing_url})}"

        flows = self.connections.flows
        return await flows.create(visit.session, config, landing=note, token_id=status.key or None)

    async def finish(self, visit: Visit, suffix: str, query: str) -> Response:
        """Receive the browser from the provider: exchange the code, note whose token it is, send it on."""
        flows = self.connections.flows
        noted = parse_qs(urlsplit(await flows.callback(visit.session, suffix, f"?{query}")).query)
        result = await flows.get(visit.session, noted["flow"][0])
        if isinstance(result, FlowSuccess):
            await self._assign(visit, result)
        return RedirectResponse(noted["landing"][0], 303)

    async def _assign(self, visit: Visit, result: FlowSuccess) -> None:
        previous = await self._owners.token_id(visit.caller.id, result.config_id)
        await self._owners.assign(visit.caller.id, result.config_id, result.token_id)
        if previous not in {None, result.token_id}:  # of another first flow, at the same time
            await self.connections.tokens.delete(str(previous))

    def _check_landing(self, landing: str) -> None:
        origin = origin_of(self.connections.base_url)
        # To a browser, what begins with two slashes or with a backslash is another host.
        if landing.startswith("/") and not landing.startswith(("//", "/\\")):
            landing = f"{origin}{landing}"
        check_secure(landing.replace("{id}", ""), argument="landing", allow_http=True)
        if origin_of(landing) != origin:
            message = (
                f"landing must be a path, or a URL at {origin}: no browser is sent to other places."
            )
            raise ConfigurationError(message, argument="landing")
