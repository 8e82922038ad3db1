"""An administrator's pages: the clients, and the form for one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atlassian_auth.connections import ClientConfig, ClientType
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.web._desk import WebDesk
from atlassian_auth.web._forms import EMPTY, read_client, read_form, values_of
from atlassian_auth.web._kinds import KINDS
from atlassian_auth.web._problems import Problem, problem_of
from atlassian_auth.web._rendering import Renderer
from atlassian_auth.web._visit import Visit

__all__ = ["ClientPages"]

_LABELS = MappingProxyType(
    {
        "name": "Name",
        "description": "Description",
        "clientId": "Client id",
        "clientSecret": "Client secret",
        "authorizationEndpoint": "Authorization endpoint",
        "tokenEndpoint": "Token endpoint",
        "scopes": "Scopes",
    }
)
_NOTICES = MappingProxyType(
    {"saved": "The client was saved.", "deleted": "The client was deleted."}
)


class ClientPages:
    """The endpoints of the pages about clients.

    Args:
        desk: Serves callers.
        renderer: Makes the pages.
    """

    def __init__(self, desk: WebDesk, renderer: Renderer) -> None:
        self._desk = desk
        self._renderer = renderer
        self._configs = desk.connections.configs

    def routes(self) -> list[Route]:
        """Return the routes."""
        pages = {
            "/clients": {"GET": self.show_clients, "POST": self.add},
            "/clients/new": {"GET": self.show_new},
            "/clients/{id}": {"GET": self.show_client, "POST": self.change},
            "/clients/{id}/delete": {"GET": self.ask_to_delete, "POST": self.delete},
        }
        return [
            self._desk.route(path, endpoints, administrator=True)
            for path, endpoints in pages.items()
        ]

    async def show_clients(self, request: Request, visit: Visit) -> Response:
        """Show all clients."""
        clients = [
            {
                "config": config,
                "kind": KINDS[config.type].name,
                "redirect_uri": self._desk.redirect_uri(config),
            }
            for config in await self._configs.list()
        ]
        notice = _NOTICES.get(request.query_params.get("done", ""))
        return self._renderer.page("clients.html", visit, clients=clients, notice=notice)

    async def show_new(self, request: Request, visit: Visit) -> Response:
        """Ask for the type of a new client, then for the rest."""
        kind = _type_of(request.query_params.get("type", ""))
        if kind is None:
            return self._renderer.page("client_types.html", visit, kinds=KINDS)
        known = {
            "type": kind.value,
            "authorizationEndpoint": KINDS[kind].authorization_endpoint,
            "tokenEndpoint": KINDS[kind].token_endpoint,
        }
        return self._form(visit, EMPTY | known)

    async def add(self, request: Request, visit: Visit) -> Response:
        """Store a new client."""
        return await self._save(request, visit, None)

    async def show_client(self, request: Request, visit: Visit) -> Response:
        """Show one client in the form."""
        config = await self._stored(request)
        return self._form(visit, values_of(config), config)

    async def change(self, request: Request, visit: Visit) -> Response:
        """Replace one client."""
        return await self._save(request, visit, await self._stored(request))

    async def ask_to_delete(self, request: Request, visit: Visit) -> Response:
        """Ask whether to delete a client."""
        config = await self._stored(request)
        return self._renderer.page(
            "confirm.html",
            visit,
            title=f"Delete {config.name}?",
            text="The connections of all people through this client will stop working.",
            about=config.name,
            action=f"{self._renderer.base}/clients/{config.id}/delete",
            back=f"{self._renderer.base}/clients",
        )

    async def delete(self, request: Request, visit: Visit) -> Response:
        """Delete a client."""
        await read_form(request, visit)
        await self._configs.delete(request.path_params["id"])
        return self._renderer.go("/clients", done="deleted")

    async def _stored(self, request: Request) -> ClientConfig:
        return await self._configs.get(request.path_params["id"])

    async def _save(self, request: Request, visit: Visit, stored: ClientConfig | None) -> Response:
        form = await read_form(request, visit)
        try:
            await self._configs.save(read_client(form, stored.id if stored else None))
        except Problem as problem:
            wrong = problem
        except ConfigurationError as error:
            wrong = problem_of(error)
        else:
            return self._renderer.go("/clients", done="saved")
        return self._form(visit, EMPTY | form, stored, wrong)

    def _form(
        self,
        visit: Visit,
        values: Mapping[str, str],
        stored: ClientConfig | None = None,
        wrong: Problem | None = None,
    ) -> Response:
        kind = _type_of(values["type"]) or ClientType.GENERIC
        shown: dict[str, Any] = {
            "values": values,
            "labels": _LABELS,
            "kind": KINDS[kind],
            "name": stored.name if stored else "",
            "action": f"{self._renderer.base}/clients{f'/{stored.id}' if stored else ''}",
            "redirect_uri": self._redirect_uri(kind, values["authorizationEndpoint"]),
            "errors": wrong.errors if wrong else {},
            "problem": " ".join(wrong.messages) if wrong else None,
        }
        return self._renderer.page(
            "client_form.html", visit, wrong.status if wrong else 200, **shown
        )

    def _redirect_uri(self, kind: ClientType, authorization_endpoint: str) -> str | None:
        """Return what has to be registered at the provider; None while the endpoint is missing or wrong."""
        if not KINDS[kind].consent or not authorization_endpoint:
            return None
        try:
            return self._configs.redirect_uri(authorization_endpoint)
        except ConfigurationError:
            return None


def _type_of(text: str) -> ClientType | None:
    return ClientType(text) if text in set(ClientType) else None
