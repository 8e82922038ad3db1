"""A house that mounts the application, people who are known by a header, and an emulated Atlassian."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from atlassian_auth.connections import ClientConfig, Connections
from atlassian_auth.web import Caller, Owners, connections_app

ORIGIN = "https://house.example.com"
BASE = f"{ORIGIN}/connections"
REST = "/connections/rest/oauth2-client/latest"


def authorize(request):
    """The house knows people by a header; only the boss is an administrator."""
    name = request.headers.get("x-person")
    return Caller(id=name, administrator=name == "boss") if name else None


class Browser(httpx.AsyncClient):
    """A person's browser: it keeps cookies, says where a form comes from, and has no script."""

    def __init__(self, app, person, base_url=ORIGIN, **headers):
        sent = {"Sec-Fetch-Site": "same-origin", **headers}
        if person:
            sent["X-Person"] = person
        super().__init__(transport=httpx.ASGITransport(app), base_url=base_url, headers=sent)

    async def submit(self, path, page="/connections/", **fields):
        """Send a form with the token that a page of ours holds."""
        token = re.search(r'name="formToken" value="(\w+)"', (await self.get(page)).text)
        form = {"formToken": token[1], **fields}
        return await self.post(path, data=form)

    async def leave(self, config):
        """Press Connect, and return the URL of the provider."""
        page = await self.submit(f"/connections/connections/{config.id}/connect")
        start = html.unescape(re.search(r'content="0;url=([^"]+)"', page.text)[1])
        return (await self.get(start)).headers["location"]

    async def connect(self, config, atlassian):
        """Press Connect, consent, come back; return the page at the end."""
        back = await self.get(atlassian.browse(await self.leave(config)))
        landed = await self.get(back.headers["location"])
        return await self.get(landed.headers["location"]) if landed.is_redirect else landed


class House:
    """The application as a host mounts it."""

    def __init__(self, atlassian, clock, store, authorize=authorize, **options):
        self.atlassian = atlassian
        self.store = store
        self.connections = Connections(store, base_url=BASE, clock=clock)
        self.owners = Owners(store)
        self.app = connections_app(
            self.connections, store=store, authorize=authorize, clock=clock, **options
        )
        self.host = Starlette(routes=[Mount(urlsplit(BASE).path, app=self.app)])

    def browser(self, person="anna", **headers):
        return Browser(self.host, person, **headers)

    def fields(self, **changes):
        """A client configuration for an app of its own at the emulator."""
        urls = self.atlassian.urls
        redirect_uri = self.connections.configs.redirect_uri(urls.authorize_url)
        app = self.atlassian.register_cloud_app("house-app", redirect_uri=redirect_uri)
        return {
            "name": "Jira",
            "description": "Issues of Acme",
            "type": "ATLASSIAN_CLOUD",
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "authorization_endpoint": urls.authorize_url,
            "token_endpoint": urls.token_url,
            "scopes": ["read:jira-work", "offline_access"],
        } | changes

    async def add(self, **changes):
        fields = {
            name: value for name, value in self.fields(**changes).items() if value is not None
        }
        return await self.connections.configs.save(ClientConfig(**fields))

    async def contents(self):
        """All that is stored, to be compared before and after."""
        names = ("client_configs", "flow_requests", "flows", "connection_owners", "tokens")
        return {
            (name, key): await self.store.get(name, key)
            for name in names
            for key in await self.store.keys(name)
        }
