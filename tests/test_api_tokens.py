"""Credentials that are not OAuth: the same rules about where they go, and clear words for a 401."""

from __future__ import annotations

import base64
import copy
import itertools
import pickle
from contextlib import nullcontext

import httpx
import pytest

from atlassian_auth import ConfigurationError, Endpoints, OriginNotAllowed, ScopeMismatch
from atlassian_auth.api_tokens import (
    ApiToken,
    AuthRouter,
    OrganizationApiKey,
    PersonalAccessToken,
    ServiceAccountToken,
)
from tests.raw_server import RawServer, answer

pytestmark = pytest.mark.usefixtures("library")

EMAIL = "ada@example.com"
TOKEN = "secret-token="
BASIC = f"Basic {base64.b64encode(f'{EMAIL}:{TOKEN}'.encode()).decode()}"
BEARER = f"Bearer {TOKEN}"
SITE = "https://acme.atlassian.net"
GATEWAY = "https://api.atlassian.com"
GOVERNMENT = "https://api.atlassian-us-gov-mod.com"
JIRA = "https://jira.example.com"

CREDENTIALS = [
    pytest.param(lambda **o: ApiToken(EMAIL, TOKEN, site="acme", **o), SITE, BASIC, id="api-token"),
    pytest.param(lambda **o: ApiToken.scoped(EMAIL, TOKEN, **o), GATEWAY, BASIC, id="scoped"),
    pytest.param(
        lambda **o: ServiceAccountToken(TOKEN, **o), GATEWAY, BEARER, id="service-account"
    ),
    pytest.param(
        lambda **o: ServiceAccountToken(TOKEN, email=EMAIL, **o), GATEWAY, BASIC, id="basic-account"
    ),
    pytest.param(lambda **o: OrganizationApiKey(TOKEN, **o), GATEWAY, BEARER, id="organization"),
    pytest.param(
        lambda **o: PersonalAccessToken(f"{JIRA}/jira", TOKEN, **o), JIRA, BEARER, id="pat"
    ),
]
ONE_OF_EACH = pytest.mark.parametrize(("make", "origin", "header"), CREDENTIALS)


async def send(auth, url, answer, *, kind="async", **options):
    """Return the answer to one request in a client of either kind."""
    transport = httpx.MockTransport(answer)
    if kind == "async":
        async with httpx.AsyncClient(auth=auth, transport=transport) as client:
            return await client.get(url, **options)
    with httpx.Client(auth=auth, transport=transport) as client:
        return client.get(url, **options)


def never(request):
    raise AssertionError("it was sent")


# -- what is sent ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "sync"])
@ONE_OF_EACH
async def test_exactly_one_header_leaves(make, origin, header, kind):
    """Whatever placeholder was there, the credential's own header leaves, once."""
    seen = []

    def look(request):
        seen.extend(
            value for name, value in request.headers.raw if name.lower() == b"authorization"
        )
        return httpx.Response(200)

    placeholders = [("Authorization", "Basic Zm9v"), ("authorization", "Bearer placeholder")]
    await send(make(), f"{origin}/rest/x", look, kind=kind, headers=placeholders)

    assert seen == [header.encode()]


@pytest.mark.parametrize("kind", ["async", "sync"])
@ONE_OF_EACH
async def test_it_goes_nowhere_else(make, origin, header, kind):
    """A request to another origin is refused before it is sent."""
    for url in ("https://evil.example/", origin.replace("https", "http"), f"{origin}:8443/"):
        with pytest.raises(OriginNotAllowed) as caught:
            await send(make(), url, never, kind=kind)

        assert caught.value.allowed == (origin,)


async def test_kinds_of_token_do_not_mix_hosts():
    """A token without scopes is for the site only, one with scopes for the gateway only."""
    with pytest.raises(OriginNotAllowed):
        await send(ApiToken(EMAIL, TOKEN, site="acme"), f"{GATEWAY}/ex/jira/1/", never)
    with pytest.raises(OriginNotAllowed):
        await send(ApiToken.scoped(EMAIL, TOKEN), f"{SITE}/rest/api/3/myself", never)


@ONE_OF_EACH
async def test_one_more_origin_can_be_allowed(make, origin, header):
    """``allowed_origins`` widens it, as everywhere."""
    auth = make(allowed_origins=["https://proxy.example.com"])

    response = await send(auth, "https://proxy.example.com/x", lambda _: httpx.Response(204))

    assert response.status_code == 204
    assert response.request.headers["Authorization"] == header


@pytest.mark.parametrize(
    "make",
    [
        lambda endpoints: ApiToken.scoped(EMAIL, TOKEN, endpoints=endpoints),
        lambda endpoints: ServiceAccountToken(TOKEN, endpoints=endpoints),
        lambda endpoints: OrganizationApiKey(TOKEN, endpoints=endpoints),
    ],
    ids=["scoped", "service-account", "organization"],
)
async def test_another_clouds_gateway(make):
    """With the endpoints of another cloud, only that cloud's gateway is allowed."""
    auth = make(Endpoints.government())

    response = await send(auth, f"{GOVERNMENT}/x", lambda _: httpx.Response(200))

    assert response.status_code == 200
    with pytest.raises(OriginNotAllowed):
        await send(auth, f"{GATEWAY}/x", never)


async def test_plain_http_has_to_be_named():
    """A server inside without TLS is possible only by saying so."""
    base_url = "http://jira.internal:8080"
    with pytest.raises(ConfigurationError, match="must be https"):
        PersonalAccessToken(base_url, TOKEN)

    auth = PersonalAccessToken(base_url, TOKEN, allow_insecure_http=True)

    assert (await send(auth, f"{base_url}/x", lambda _: httpx.Response(200))).status_code == 200


# -- what a 401 means -----------------------------------------------------------------------------


def refusal(message="Unauthorized", **headers):
    return httpx.Response(401, headers=headers, json={"code": 401, "message": message})


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_plain_401_is_the_callers(kind):
    """A 401 is returned after one request: there is no other token to try."""
    asked = []

    def answer(request):
        asked.append(request)
        return refusal()

    response = await send(ServiceAccountToken(TOKEN), f"{GATEWAY}/x", answer, kind=kind)

    assert (response.status_code, len(asked)) == (401, 1)
    assert response.json()["code"] == 401


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_wrong_kind_for_the_host_is_explained(kind):
    """Atlassian's category becomes an error that says which token works where."""

    def answer(request):
        return refusal(**{"x-failure-category": "FAILURE_CLIENT_AUTH_MISMATCH"})

    auth = ApiToken(EMAIL, TOKEN, site="acme")
    with pytest.raises(ConfigurationError, match=r"api\.atlassian\.com/ex/") as caught:
        await send(auth, f"{SITE}/rest/api/3/myself", answer, kind=kind)

    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize(
    ("headers", "missing"),
    [
        pytest.param({}, (), id="unnamed"),
        pytest.param(
            {"www-authenticate": 'Bearer error="insufficient_scope", scope="read:jira-work"'},
            ("read:jira-work",),
            id="named",
        ),
    ],
)
async def test_a_missing_scope_is_explained(headers, missing, kind):
    """The error for a missing scope says to create another token."""

    def answer(request):
        return refusal("Unauthorized; scope does not match", **headers)

    with pytest.raises(ScopeMismatch, match="create another one") as caught:
        await send(ApiToken.scoped(EMAIL, TOKEN), f"{GATEWAY}/x", answer, kind=kind)

    assert caught.value.missing == missing


# Trio closes what is left half-way, and says so.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("category", ["", "FAILURE_CLIENT_AUTH_MISMATCH"])
async def test_an_endless_refusal_is_left(category, kind):
    """A caller that streams gets the response or the error before the body ends."""
    head = answer(401, f"x-failure-category: {category}")
    with RawServer(lambda: itertools.chain([head], itertools.repeat(b"x" * 10_000))) as server:
        auth = PersonalAccessToken(server.url, TOKEN)
        raised = pytest.raises(ConfigurationError) if category else nullcontext()
        with raised:
            if kind == "async":
                async with (
                    httpx.AsyncClient(auth=auth, trust_env=False) as client,
                    client.stream("GET", server.url) as response,
                ):
                    assert response.status_code == 401
            else:
                with (
                    httpx.Client(auth=auth, trust_env=False) as client,
                    client.stream("GET", server.url) as response,
                ):
                    assert response.status_code == 401


@pytest.mark.parametrize("kind", ["async", "sync"])
@ONE_OF_EACH
async def test_an_api_may_echo_the_credential(make, origin, header, kind):
    """If an API repeats the credential, the error does not show it."""
    scope = f"read:x {header.split()[1]} {TOKEN}"

    def echo(request):
        return refusal(
            **{"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
        )

    with pytest.raises(ScopeMismatch) as caught:
        await send(make(), f"{origin}/x", echo, kind=kind)

    assert caught.value.missing == ("read:x", "[secret]")
    assert TOKEN not in str(caught.value)


async def test_answers_of_others_are_left_alone():
    """After a redirect to another origin a 401 says nothing about this credential, and is not read."""

    def answer(request):
        if request.url.host == "acme.atlassian.net":
            return httpx.Response(302, headers={"location": "https://files.example/x"})
        assert "authorization" not in request.headers
        return refusal(**{"x-failure-category": "FAILURE_CLIENT_AUTH_MISMATCH"})

    auth = ApiToken(EMAIL, TOKEN, site="acme")
    response = await send(auth, f"{SITE}/x", answer, follow_redirects=True)

    assert response.status_code == 401


# -- arguments and secrets ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        pytest.param(lambda: ApiToken(TOKEN, EMAIL, site="acme"), "email", id="swapped"),
        pytest.param(lambda: ApiToken("a:b@c.example", TOKEN, site="acme"), "email", id="colon"),
        pytest.param(lambda: ApiToken("a b@c.example", TOKEN, site="acme"), "email", id="space"),
        pytest.param(lambda: ApiToken("a@c.example\n", TOKEN, site="acme"), "email", id="line"),
        pytest.param(lambda: ApiToken(None, TOKEN, site="acme"), "email", id="no-email"),
        pytest.param(lambda: ApiToken(EMAIL, "", site="acme"), "token", id="empty-token"),
        pytest.param(lambda: ApiToken(EMAIL, f"{TOKEN}\n", site="acme"), "token", id="pasted"),
        pytest.param(lambda: ApiToken(EMAIL, TOKEN, site=JIRA), "site", id="no-site"),
        pytest.param(lambda: ApiToken.scoped(EMAIL, None), "token", id="no-token"),
        pytest.param(lambda: ServiceAccountToken("a b"), "token", id="space-in-token"),
        pytest.param(lambda: ServiceAccountToken(TOKEN, email=""), "email", id="empty-email"),
        pytest.param(lambda: OrganizationApiKey(""), "key", id="empty-key"),
        pytest.param(lambda: PersonalAccessToken(SITE, TOKEN), "base_url", id="cloud"),
        pytest.param(lambda: PersonalAccessToken(JIRA, "tökén"), "token", id="not-ascii"),
        pytest.param(
            lambda: OrganizationApiKey(TOKEN, allowed_origins=["http://a.example"]),
            "allowed_origins",
            id="insecure",
        ),
    ],
)
def test_bad_input_is_refused_by_name(make, argument):
    """Nothing is guessed, and the error does not show the secret."""
    with pytest.raises(ConfigurationError) as caught:
        make()

    assert caught.value.argument == argument
    assert str(caught.value).startswith(argument)
    assert TOKEN not in str(caught.value)


def test_addresses_may_be_international():
    """Basic is sent in UTF-8 (RFC 7617)."""
    auth = ApiToken("ä@exämple.com", TOKEN, site="acme")

    request = next(auth.sync_auth_flow(httpx.Request("GET", SITE)))

    pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
    assert pair == f"ä@exämple.com:{TOKEN}"


@ONE_OF_EACH
def test_secrets_stay_inside(make, origin, header):
    """The repr shows the allowed origins only; the auth cannot be pickled, and a copy is itself."""
    auth = make()

    assert repr(auth) == f"{type(auth).__name__}(origins=['{origin}'])"
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(auth)
    assert copy.copy(auth) is copy.deepcopy(auth) is auth


# -- several servers ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_router_picks_by_origin(kind):
    """Each server gets its own credential, and no other."""
    router = AuthRouter(
        {
            f"{JIRA}:443/": PersonalAccessToken(JIRA, TOKEN),
            SITE.upper().replace("HTTPS", "https"): ApiToken(EMAIL, TOKEN, site="acme"),
        }
    )
    seen = {}

    def look(request):
        seen[request.url.host] = request.headers["Authorization"]
        return httpx.Response(200)

    for url in (f"{JIRA}/jira/x", f"{SITE}/wiki/x"):
        await send(router, url, look, kind=kind)

    assert seen == {"jira.example.com": BEARER, "acme.atlassian.net": BASIC}


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_unknown_origins_get_nothing(kind):
    """No default: an origin that is not named is refused before anything is sent."""
    router = AuthRouter({JIRA: PersonalAccessToken(JIRA, TOKEN)})

    with pytest.raises(OriginNotAllowed, match="in the router"):
        await send(router, SITE, never, kind=kind)


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/admin/v1/orgs/1/events?x=/ex/jira/1", "admin-key"),
        ("/admin", "admin-key"),
        ("/admin/", "admin-key"),
        ("/ex/jira/1-2/rest/api/3/myself", "one"),
        ("/ex/jira/1%2D2/rest", "one"),
        ("/ex/jira/1-23/rest", "other"),
        ("/ex/jira/3/../1-2/rest", "one"),
        ("/administration", "other"),
        ("/me", "other"),
    ],
)
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_router_picks_by_path(path, token, kind):
    """Among credentials of one origin the longest matching path counts, segment by segment."""
    router = AuthRouter(
        {
            GATEWAY: ServiceAccountToken("other"),
            f"{GATEWAY}/ex/jira/1-2/": ServiceAccountToken("one"),
            f"{GATEWAY}/admin": OrganizationApiKey("admin-key"),
        }
    )

    response = await send(router, f"{GATEWAY}{path}", lambda _: httpx.Response(200), kind=kind)

    assert response.request.headers["Authorization"] == f"Bearer {token}"


@pytest.mark.parametrize(
    "path",
    [
        "/ex/jira/2/",
        "/adm",
        "/",
        "/admin/%2e%2e/ex/jira/2/",
        "/admin/..%2fex",
        "/admin/%2e%2e%5cex",
    ],
)
async def test_a_path_without_a_credential(path):
    """A path that no entry is for, or that may lead elsewhere, is refused before anything is sent."""
    router = AuthRouter({f"{GATEWAY}/admin": OrganizationApiKey(TOKEN)})

    with pytest.raises(
        OriginNotAllowed, match=r"auths for https://api\.atlassian\.com/admin\."
    ) as caught:
        await send(router, f"{GATEWAY}{path}", never)

    assert caught.value.origin == GATEWAY


async def test_a_wrong_table_leaks_nothing():
    """A credential under another server's origin still refuses to go there."""
    router = AuthRouter({"https://evil.example": PersonalAccessToken(JIRA, TOKEN)})

    with pytest.raises(OriginNotAllowed, match=r"belongs to https://jira\.example\.com"):
        await send(router, "https://evil.example/", never)


async def test_oauth_and_other_credentials_share_a_client(atlassian, atlassian_credential):
    """The flow of the chosen auth runs whole: an ended token is refreshed behind the router."""
    router = AuthRouter({GATEWAY: atlassian_credential, JIRA: PersonalAccessToken(JIRA, TOKEN)})
    atlassian.expire_access_tokens()

    async with httpx.AsyncClient(auth=router) as client:
        response = await client.get(f"{GATEWAY}/me")

    assert response.status_code == 200
    assert atlassian.count("token", grant_type="refresh_token") == 1


@pytest.mark.parametrize(
    ("auths", "expected"),
    [
        pytest.param({}, "must name an origin", id="none"),
        pytest.param({JIRA: ("ada", "password")}, r"one httpx2?\.Auth", id="no-auth"),
        pytest.param({JIRA: httpx.Auth(), f"{JIRA}:443": httpx.Auth()}, "once", id="twice"),
        pytest.param(
            {f"{GATEWAY}/admin": httpx.Auth(), f"{GATEWAY}/admin/": httpx.Auth()}, "once", id="path"
        ),
        pytest.param({f"{GATEWAY}?a": httpx.Auth()}, "remove the query", id="query"),
        pytest.param({f"{GATEWAY}/admin#a": httpx.Auth()}, "fragment", id="fragment"),
        pytest.param({"http://jira.example.com": httpx.Auth()}, "must be https", id="insecure"),
        pytest.param({"jira.example.com": httpx.Auth()}, "must be an absolute", id="host"),
    ],
)
def test_a_malformed_table_is_refused(auths, expected):
    """The error for a malformed table says what was expected."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        AuthRouter(auths)

    assert caught.value.argument == "auths"


def test_the_router_shows_no_secret():
    """The repr of a router shows origins and paths only, and it cannot be pickled."""
    pat = PersonalAccessToken(JIRA, TOKEN)
    router = AuthRouter({JIRA: pat, f"{JIRA}/jira/": pat})

    assert repr(router) == f"AuthRouter(['{JIRA}', '{JIRA}/jira'])"
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(router)
