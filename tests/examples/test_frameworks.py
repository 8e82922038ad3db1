"""The examples for web frameworks: a login, a client for each tenant, readiness, and trouble."""

from __future__ import annotations

import httpx
import pytest

from atlassian_auth import TokenManager
from atlassian_auth.testing import Fault
from tests.examples.conftest import load

SITE = "http://127.0.0.1:8000"
CALLBACK = f"{SITE}/jira/callback"


@pytest.fixture
def registered(atlassian, environment):
    return atlassian.register_cloud_app(
        "your-app", client_secret="your-secret", redirect_uri=CALLBACK
    )


@pytest.fixture
async def service(registered):
    """The FastAPI service, started."""
    app = load("fastapi_app").create_app()
    async with app.router.lifespan_context(app):
        yield app


def browser(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SITE)


async def test_fastapi(service, atlassian):
    """Two tenants connect, each gets its own account with one client, and no refresh is lost between."""
    for tenant in ("acme", "other"):
        async with browser(service) as person:
            await person.post(f"/sign-in/{tenant}")
            first = await person.get("/myself")
            started = await person.get(first.headers["location"])
            connected = await person.get(atlassian.browse(started.headers["location"]))
            answer = await person.get(connected.headers["location"])

        assert first.headers["location"] == "/jira/login?next=/myself"
        assert answer.json() == {"tenant": tenant, "name": "Ada Admin"}
    assert await service.state.manager.keys() == ["acme", "other"]


async def test_fastapi_without_a_person(service):
    """Without a sign-in there is neither an answer nor a login."""
    async with browser(service) as stranger:
        assert (await stranger.get("/myself")).status_code == 401
        assert (await stranger.get("/jira/login")).status_code == 403


async def test_fastapi_in_trouble(service, atlassian):
    """While the token endpoint is unavailable the service says when to try again, and stays ready."""
    atlassian.fault("token", Fault.status(503), times=None)
    app = atlassian.register_cloud_app("your-app", client_secret="your-secret")
    manager = service.state.manager
    await manager.add("acme", refresh_token=atlassian.issue_grant(app).refresh_token)

    async with browser(service) as person:
        await person.post("/sign-in/acme")
        answer, ready = await person.get("/myself"), await person.get("/ready")

    assert (answer.status_code, ready.status_code) == (503, 204)
    assert int(answer.headers["retry-after"]) > 0


async def test_fastapi_without_its_store(service, tmp_path):
    """A service whose store cannot be read is not ready."""
    folder = tmp_path / "no folder"
    service.state.manager = TokenManager(service.state.manager.grant, store=folder / "tokens.db")

    async with browser(service) as probe:
        assert (await probe.get("/ready")).status_code == 503


@pytest.fixture(scope="session")
def django_app(tmp_path_factory):
    """The Django service: its settings can be made once in a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATLASSIAN_CLIENT_ID", "your-app")
        patch.setenv("ATLASSIAN_CLIENT_SECRET", "your-secret")
        patch.setenv("SESSION_SECRET", "not-in-production")
        patch.setenv("TOKEN_STORE", str(tmp_path_factory.mktemp("django") / "tokens.db"))
        patch.setenv("ALLOWED_HOSTS", "testserver")
        return load("django_app")


async def test_django(django_app, registered, atlassian):
    """A person connects a tenant, then the async view and the sync view ask Jira with its credential."""
    from django.test import AsyncClient

    person = AsyncClient()
    place = f"/sites/{atlassian.cloud_id}/myself"
    refused = await person.post("/jira/connect")
    session = await person.asession()
    session["tenant"] = "acme"
    await session.asave()
    person.cookies["sessionid"] = session.session_key

    before = [await person.get(view) for view in (place, f"{place}-sync")]
    started = await person.post("/jira/connect")
    forged = await AsyncClient().get("/jira/callback?code=1&state=2")
    back = httpx.URL(atlassian.browse(started["location"])).raw_path.decode()
    connected = await person.get(back)
    after = [await person.get(view) for view in (place, f"{place}-sync")]

    assert (refused.status_code, forged.status_code, connected.status_code) == (403, 400, 302)
    assert [answer.status_code for answer in before] == [409, 409]
    assert [answer.json() for answer in after] == [{"name": "Ada Admin"}] * 2
    await django_app.manager.aclose()
    django_app.client.close()
