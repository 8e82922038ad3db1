"""Sites, their ids and accounts, asked of an emulated Atlassian."""

from __future__ import annotations

import httpx
import pytest

from atlassian_auth import (
    AtlassianAuth,
    ConfigurationError,
    Endpoints,
    ScopeMismatch,
    TransientError,
    sites,
)
from atlassian_auth.exceptions import AmbiguousSite, DiscoveryError, SiteNotFound
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import Fault, cloud_grant, data_center_grant, service_account_grant


@pytest.fixture(autouse=True)
def _forget():
    sites.CLOUD_IDS.clear()


@pytest.fixture
async def data_center_auth(atlassian, atlassian_clock):
    tokens = atlassian.issue_grant(atlassian.data_center_app)
    store = MemoryStore(clock=atlassian_clock)
    auth = AtlassianAuth(data_center_grant(atlassian), store=store, clock=atlassian_clock)
    await auth.manager.add(auth.key, refresh_token=tokens.refresh_token)
    yield auth
    await auth.aclose()


# -- sites of a token -----------------------------------------------------------------------------


async def test_sites_of_a_token(atlassian, atlassian_auth, atlassian_clock):
    """Jira and Confluence of one site are one site, which needs no selector."""
    found = await sites.accessible_resources(atlassian_auth, clock=atlassian_clock)

    site = sites.select_site(found)
    assert (site.cloud_id, site.url) == (atlassian.cloud_id, "https://acme.atlassian.net")
    assert site.products == ("confluence", "jira")


async def test_several_sites(atlassian, atlassian_auth, atlassian_clock):
    """Several sites come sorted by name, and one has to be selected."""
    atlassian.add_site("aardvark", products=("jira",))

    found = await sites.accessible_resources(atlassian_auth, clock=atlassian_clock)

    assert [site.name for site in found] == ["aardvark", "acme"]
    assert sites.select_site(found, "acme").cloud_id == atlassian.cloud_id
    with pytest.raises(AmbiguousSite):
        sites.select_site(found)


async def test_a_stale_token_is_refreshed(atlassian, atlassian_auth, atlassian_clock):
    """The 401 of this call is looked into like any other: one refresh, one more try."""
    await atlassian_auth.token()
    atlassian.expire_access_tokens()

    found = await sites.accessible_resources(atlassian_auth, clock=atlassian_clock)

    assert len(found) == 1
    assert atlassian.count("token", grant_type="refresh_token") == 1


async def test_service_accounts_have_sites(atlassian, atlassian_clock):
    """A service account, which has no consent, can list its sites."""
    robot = AtlassianAuth(service_account_grant(atlassian), clock=atlassian_clock)

    found = await sites.accessible_resources(robot, clock=atlassian_clock)
    await robot.aclose()

    assert [site.cloud_id for site in found] == [atlassian.cloud_id]


async def test_a_list_that_cannot_be_read(atlassian, atlassian_auth, atlassian_clock):
    """A temporary failure and a login page are different errors."""
    atlassian.fault("api", Fault.status(503))
    with pytest.raises(TransientError):
        await sites.accessible_resources(atlassian_auth, clock=atlassian_clock)

    atlassian.fault("api", Fault.html())
    with pytest.raises(DiscoveryError):
        await sites.accessible_resources(atlassian_auth, clock=atlassian_clock)


async def test_the_endpoints_are_those_of_the_grant(atlassian, atlassian_server, atlassian_clock):
    """With `auth=`, requests go to the endpoints of its grant and to no other host."""
    grant = cloud_grant(atlassian, atlassian_server.urls)
    auth = AtlassianAuth(grant, store="memory:", clock=atlassian_clock)
    await auth.manager.add(refresh_token=atlassian.issue_grant().refresh_token)

    found = await sites.accessible_resources(auth)
    account = await sites.whoami(auth)
    await auth.aclose()

    assert [site.cloud_id for site in found] == [atlassian.cloud_id]
    assert account.account_id
    assert auth.endpoints is grant.endpoints


@pytest.mark.parametrize("ask", [sites.accessible_resources, sites.whoami])
async def test_what_is_no_auth(ask, atlassian_auth):
    """A manager in place of an auth is refused: the error says what was expected."""
    with pytest.raises(
        ConfigurationError, match=r"such as manager.auth\(key\), not TokenManager"
    ) as caught:
        await ask(atlassian_auth.manager)

    assert caught.value.argument == "auth"


async def test_a_data_center_has_no_list_of_sites(data_center_auth):
    """Without a word about endpoints a Data Center's auth is refused, too: Cloud is not asked instead."""
    for ask in (sites.accessible_resources, sites.whoami):
        with pytest.raises(ConfigurationError, match="endpoints has no"):
            await ask(data_center_auth)


async def test_data_center_has_no_sites(atlassian_auth):
    """Endpoints without such a list are refused by name."""
    endpoints = Endpoints.data_center("https://jira.example.com/jira")

    with pytest.raises(ConfigurationError, match="only Cloud") as caught:
        await sites.accessible_resources(atlassian_auth, endpoints=endpoints)

    assert caught.value.argument == "endpoints"


# -- the id of a site -----------------------------------------------------------------------------


@pytest.mark.parametrize("site", ["acme", "ACME.atlassian.net", "https://acme.atlassian.net/wiki/"])
async def test_the_cloud_id_of_a_site(atlassian, atlassian_clock, site):
    """However it is written, and without any credential."""
    assert await sites.cloud_id_for_site(site, clock=atlassian_clock) == atlassian.cloud_id


async def test_nothing_secret_is_sent():
    """The look-up of a cloud id is one request to the site, without Authorization."""
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(200, json={"cloudId": "1-2"})

    host = "acme.atlassian-us-gov-mod.net"
    found = await sites.cloud_id_for_site(host, transport=httpx.MockTransport(answer))

    assert found == "1-2"
    assert [str(request.url) for request in seen] == [f"https://{host}/_edge/tenant_info"]
    assert "authorization" not in seen[0].headers


async def test_ids_are_remembered(atlassian, atlassian_clock):
    """A site is asked once in a process, until its id is forgotten."""
    for site in ("acme", "acme.atlassian.net/wiki"):
        await sites.cloud_id_for_site(site, clock=atlassian_clock)
    assert atlassian.count("api", service="site") == 1

    sites.CLOUD_IDS.clear()
    await sites.cloud_id_for_site("acme", clock=atlassian_clock)

    assert atlassian.count("api", service="site") == 2


async def test_the_memory_may_be_the_callers(atlassian, atlassian_clock):
    """With `cache=`, the cache of the process stays empty."""
    mine = {}

    await sites.cloud_id_for_site("acme", clock=atlassian_clock, cache=mine)

    assert mine == {"https://acme.atlassian.net": atlassian.cloud_id}
    assert not sites.CLOUD_IDS


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault.status(404), SiteNotFound, id="404"),
        pytest.param(Fault.status(500), TransientError, id="500"),
        pytest.param(Fault.refused_connection(), TransientError, id="no-connection"),
        pytest.param(Fault.html(), DiscoveryError, id="page"),
        pytest.param(Fault.redirect("https://id.atlassian.com/"), DiscoveryError, id="redirect"),
        pytest.param(Fault.json({}), DiscoveryError, id="no-id"),
        pytest.param(Fault.oversized(), DiscoveryError, id="endless"),
        pytest.param(Fault.delayed(3600), TransientError, id="late"),
    ],
)
async def test_failures_are_told_apart_and_not_remembered(atlassian, atlassian_clock, fault, error):
    """Each has its error, and the next call asks again."""
    atlassian.fault("site", fault)

    with pytest.raises(error):
        await sites.cloud_id_for_site("acme", clock=atlassian_clock)

    assert await sites.cloud_id_for_site("acme", clock=atlassian_clock) == atlassian.cloud_id


async def test_a_site_that_does_not_exist(atlassian, atlassian_clock):
    """The emulated Atlassian does not know it, and the error says which."""
    with pytest.raises(SiteNotFound, match=r"nowhere\.atlassian\.net"):
        await sites.cloud_id_for_site("nowhere", clock=atlassian_clock)


async def test_a_bad_name_is_refused_locally():
    """Nothing is sent to hosts that cannot be Cloud sites."""

    def never(request):
        raise AssertionError("it was sent")

    with pytest.raises(ConfigurationError) as caught:
        await sites.cloud_id_for_site("169.254.169.254", transport=httpx.MockTransport(never))

    assert caught.value.argument == "site"


# -- whose token it is ----------------------------------------------------------------------------


async def test_who_consented(atlassian_auth, atlassian_clock):
    """On Cloud the identity endpoint says it."""
    identity = await sites.whoami(atlassian_auth, clock=atlassian_clock)

    assert (identity.name, identity.email) == ("Ada Admin", "ada@example.com")
    assert identity.username is None


async def test_who_it_is_on_a_site(atlassian, atlassian_auth, atlassian_clock):
    """A site's Jira says the same."""
    jira = Endpoints.cloud().jira_url(atlassian.cloud_id)

    on_site = await sites.whoami(atlassian_auth, base_url=jira, clock=atlassian_clock)

    assert on_site == await sites.whoami(atlassian_auth, clock=atlassian_clock)


async def test_who_it_is_on_data_center(atlassian, atlassian_clock, data_center_auth):
    """Data Center is asked below its base URL, context path included."""
    base_url = "https://jira.example.com/jira"

    identity = await sites.whoami(data_center_auth, base_url=base_url, clock=atlassian_clock)

    assert (identity.name, identity.username) == ("Ada Admin", "ada")


async def test_a_missing_scope_is_named(atlassian, atlassian_clock):
    """Without the scope `read:me`, `whoami` raises the auth's own ScopeMismatch."""
    store = MemoryStore(clock=atlassian_clock)
    auth = AtlassianAuth(cloud_grant(atlassian), store=store, clock=atlassian_clock)
    tokens = atlassian.issue_grant(scopes="read:jira-work")
    await auth.manager.add(auth.key, refresh_token=tokens.refresh_token)

    with pytest.raises(ScopeMismatch):
        await sites.whoami(auth, clock=atlassian_clock)
    await auth.aclose()


async def test_no_person_to_ask(atlassian_auth):
    """Without an identity endpoint, `whoami` needs a base URL, and the error says so."""
    with pytest.raises(ConfigurationError, match="base_url=") as caught:
        await sites.whoami(atlassian_auth, endpoints=Endpoints.government())

    assert caught.value.argument == "base_url"


async def test_a_malformed_base_url(atlassian_auth):
    """A malformed base URL is an error that names it, before any request."""
    with pytest.raises(ConfigurationError) as caught:
        await sites.whoami(atlassian_auth, base_url="jira.example.com")

    assert caught.value.argument == "base_url"
