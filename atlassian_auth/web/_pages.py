"""A person's pages: their connections, and the way to a provider and back."""

from __future__ import annotations

from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from atlassian_auth.connections import ClientConfig, ClientType, ConfigurationNotFound, FlowSuccess
from atlassian_auth.connections.config import CALLBACK_PATH
from atlassian_auth.exceptions import AtlassianAuthError, AuthorizationRequired
from atlassian_auth.ports import Clock, utc_now
from atlassian_auth.web._cards import Card
from atlassian_auth.web._desk import WebDesk
from atlassian_auth.web._forms import read_form
from atlassian_auth.web._problems import problem_of
from atlassian_auth.web._rendering import Renderer
from atlassian_auth.web._visit import Visit

__all__ = ["LANDING", "ConnectionPages"]

LANDING = "/flows/{id}"
"""Where a flow ends that was started on the page."""

_NOTICES = MappingProxyType(
    {
        "connected": "{name} is connected.",
        "refreshed": "{name} was refreshed.",
        "deleted": "The connection to {name} was deleted.",
    }
)


class ConnectionPages:
    """The endpoints of the pages about connections.

    Args:
        desk: Serves callers.
        renderer: Makes the pages.
        clock: Tells the time.
    """

    def __init__(self, desk: WebDesk, renderer: Renderer, clock: Clock) -> None:
        self._clock = clock
        self._desk = desk
        self._renderer = renderer
        self._connections = desk.connections

    def routes(self) -> list[Route]:
        """Return the routes."""
        pages = {
            "/": {"GET": self.show_connections},
            "/connections/{id}/connect": {"POST": self.connect},
            "/connections/{id}/refresh": {"POST": self.refresh},
            "/connections/{id}/delete": {"GET": self.ask_to_delete, "POST": self.delete},
            CALLBACK_PATH: {"GET": self.start},
            f"{CALLBACK_PATH}/{{suffix}}": {"GET": self.come_back},
            LANDING: {"GET": self.land},
        }
        return [self._desk.route(path, endpoints) for path, endpoints in pages.items()]

    async def show_connections(self, request: Request, visit: Visit) -> Response:
        """Show the caller's connections."""
        notice = await self._notice(request)
        return await self._page(visit, notice=notice)

    async def connect(self, request: Request, visit: Visit) -> Response:
        """Create a flow, and show the page that sends the browser to its start.

        A redirect would not do: browsers apply a page's ``form-action`` to each redirect that follows a form,
        and no provider is named there.
        """
        await read_form(request, visit)
        config = await self._connections.configs.get(request.path_params["id"])
        if config.type is ClientType.CLIENT_CREDENTIALS:
            return await self._obtain(visit, config)
        flow = await self._desk.create_flow(visit, config, self._renderer.base + LANDING)
        return self._renderer.page("leaving.html", visit, name=config.name, url=flow.start_url)

    async def start(self, request: Request, visit: Visit) -> Response:
        """Send the browser to the provider."""
        flow_id = request.query_params.get("startFlow", "")
        return RedirectResponse(await self._connections.flows.start(visit.session, flow_id), 302)

    async def come_back(self, request: Request, visit: Visit) -> Response:
        """Receive the browser from the provider, and send it to the landing page."""
        return await self._desk.finish(visit, request.path_params["suffix"], request.url.query)

    async def land(self, request: Request, visit: Visit) -> Response:
        """Show how a flow ended."""
        result = await self._connections.flows.get(visit.session, request.path_params["id"])
        if isinstance(result, FlowSuccess):
            return self._renderer.go("/", done="connected", client=result.config_id)
        return await self._page(visit, 400, problem=result.message)

    async def refresh(self, request: Request, visit: Visit) -> Response:
        """Refresh the caller's token now."""
        await read_form(request, visit)
        config = await self._connections.configs.get(request.path_params["id"])
        config_id = str(config.id)
        try:
            await self._connections.handler.refresh(await self._desk.token_id(visit, config_id))
        except AtlassianAuthError as error:
            return await self._refused(visit, f"{config.name} was not refreshed.", error)
        return self._renderer.go("/", done="refreshed", client=config_id)

    async def ask_to_delete(self, request: Request, visit: Visit) -> Response:
        """Ask whether to delete a connection."""
        config = await self._connections.configs.get(request.path_params["id"])
        return self._renderer.page(
            "confirm.html",
            visit,
            title=f"Delete the connection to {config.name}?",
            text="The token is deleted here. Your consent stays in your account until you remove it there.",
            about=f"the connection to {config.name}",
            action=f"{self._renderer.base}/connections/{config.id}/delete",
            back=f"{self._renderer.base}/",
        )

    async def delete(self, request: Request, visit: Visit) -> Response:
        """Delete the caller's token."""
        await read_form(request, visit)
        config_id = request.path_params["id"]
        await self._connections.tokens.delete(await self._desk.token_id(visit, config_id))
        return self._renderer.go("/", done="deleted", client=config_id)

    async def _obtain(self, visit: Visit, config: ClientConfig) -> Response:
        try:
            await self._desk.obtain(visit, config)
        except AtlassianAuthError as error:
            return await self._refused(visit, f"{config.name} was not connected.", error)
        return self._renderer.go("/", done="connected", client=str(config.id))

    async def _refused(self, visit: Visit, what: str, error: AtlassianAuthError) -> Response:
        problem = problem_of(error)
        # Why a consent is lost stands below, at the connection.
        lost = isinstance(error, AuthorizationRequired)
        reasons = [] if lost else [*problem.messages, *problem.errors.values()]
        page = await self._page(visit, problem.status, problem=" ".join([what, *reasons]))
        page.headers.update(problem.headers)
        return page

    async def _page(self, visit: Visit, status: int = 200, **values: str | None) -> Response:
        now = utc_now(self._clock)
        cards = [
            Card(config, await self._desk.status(visit, str(config.id)), now)
            for config in await self._connections.configs.list()
        ]
        return self._renderer.page("connections.html", visit, status, cards=cards, **values)

    async def _notice(self, request: Request) -> str | None:
        """Return what was done, in words of ours: the URL chooses the sentence and the client only."""
        query = request.query_params
        sentence = _NOTICES.get(query.get("done", ""))
        if sentence is None:
            return None
        try:
            config = await self._connections.configs.get(query.get("client", ""))
        except ConfigurationNotFound:
            return None
        return sentence.format(name=config.name)
