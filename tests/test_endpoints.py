"""Where secrets may go, and that the URLs are Atlassian's."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth import AtlassianAuth
from atlassian_auth.endpoints import Endpoints, check_secure, origin_of
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.testing import jira_software_grant

CLOUD_ID = "11223344-a1b2-3b33-c444-def123456789"
PASSWORD = "pass-word-in-url"

HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,10}){0,2}", fullmatch=True)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        pytest.param("https://api.atlassian.com", "https://api.atlassian.com", id="bare"),
        pytest.param("https://a.b/ex/jira/1?q=1#f", "https://a.b", id="path-query-fragment"),
        pytest.param("HTTPS://API.Atlassian.COM/Me", "https://api.atlassian.com", id="case"),
        pytest.param("https://a.b:443/", "https://a.b", id="default-https-port"),
        pytest.param("http://a.b:80/", "http://a.b", id="default-http-port"),
        pytest.param("https://a.b:80", "https://a.b:80", id="port-of-the-other-scheme"),
        pytest.param("https://a.b:8443", "https://a.b:8443", id="port"),
        pytest.param("https://a.b:0", "https://a.b:0", id="port-zero"),
        pytest.param("https://a.b:", "https://a.b", id="empty-port"),
        pytest.param("https://user:pw@a.b/", "https://a.b", id="user-is-no-origin"),
        pytest.param("http://[::1]:8080/x", "http://[::1]:8080", id="ipv6"),
        pytest.param("https://[2001:DB8::1]", "https://[2001:db8::1]", id="ipv6-case"),
        pytest.param("http://127.0.0.1:1", "http://127.0.0.1:1", id="ipv4"),
        pytest.param("https://jira_1.corp", "https://jira_1.corp", id="underscore"),
    ],
)
def test_origin_is_scheme_host_and_port(url, origin):
    """Equal origins are equal strings, whatever the case, the default port and the rest."""
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param(None, id="none"),
        pytest.param(b"https://a.b", id="bytes"),
        pytest.param("/rest/api", id="relative"),
        pytest.param("//a.b/x", id="no-scheme"),
        pytest.param("a.b/x", id="bare-host"),
        pytest.param("ftp://a.b", id="ftp"),
        pytest.param("javascript:alert(1)", id="javascript"),
        pytest.param("https:///x", id="no-host"),
        pytest.param("https://:443/x", id="port-only"),
        pytest.param("https://a.b:99999", id="port-too-big"),
        pytest.param("https://a.b:x", id="port-no-number"),
        pytest.param("https://[::1", id="open-bracket"),
        pytest.param("https://[fe80::1%25eth0]/", id="ipv6-zone"),
        pytest.param("https://[zz]/", id="no-ipv6"),
        pytest.param("https://a.b\\@evil.example/", id="backslash"),
        pytest.param("https://a\n.b", id="line-break"),
        pytest.param(" https://a.b", id="leading-space"),
        pytest.param("https://a.b\t", id="tab"),
        pytest.param("https://b\u00fccher.example", id="not-ascii"),
        pytest.param("https://%61pi.atlassian.com", id="percent-encoded-host"),
    ],
)
def test_origin_needs_an_absolute_url(url):
    """A URL that two programs could read differently is refused."""
    with pytest.raises(ConfigurationError, match="url must be") as caught:
        origin_of(url)

    assert caught.value.argument == "url"


@given(host=HOSTS, port=st.none() | st.integers(0, 65535), tail=st.sampled_from(["", "/", "/x?y"]))
def test_origin_is_stable(host, port, tail):
    """Case, default port and tail change nothing, and an origin is its own origin."""
    netloc = host if port is None else f"{host}:{port}"

    origin = origin_of(f"https://{netloc}{tail}")

    assert origin == origin_of(f"HTTPS://{netloc.upper()}{tail}") == origin_of(origin)
    assert (origin == origin_of(f"https://{host}:443")) is (port in {None, 443})


@pytest.mark.parametrize(
    "url",
    [
        "https://a.b/callback?x=1",
        "http://localhost",
        "http://LOCALHOST:8080/cb",
        "http://127.0.0.1:8765/callback",
        "http://127.255.255.254",
        "http://[::1]:80/",
        "http://[0:0:0:0:0:0:0:1]/",
    ],
)
def test_secure_urls_pass_unchanged(url):
    """An https URL passes unchanged, and so does http on loopback."""
    assert check_secure(url, argument="redirect_uri") == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("http://a.b/cb", "must be https", id="http"),
        pytest.param("http://localhost.evil.example", "must be https", id="not-localhost"),
        pytest.param("http://128.0.0.1", "must be https", id="just-after-loopback"),
        pytest.param("http://126.255.255.255", "must be https", id="just-before-loopback"),
        pytest.param("http://10.0.0.1", "must be https", id="private-network"),
        pytest.param("http://127.1", "must be https", id="short-ipv4"),
        pytest.param("http://[::2]", "must be https", id="ipv6-not-loopback"),
        pytest.param("https://a.b/#", "fragment", id="empty-fragment"),
        pytest.param("https://a.b/x#y", "fragment", id="fragment"),
        pytest.param(f"https://u:{PASSWORD}@a.b", "user name or password", id="password"),
        pytest.param("https://@a.b", "user name or password", id="empty-user"),
        pytest.param(f"https://u:{PASSWORD}", "absolute http or https", id="password-as-port"),
        pytest.param("/callback", "absolute", id="relative"),
    ],
)
def test_insecure_urls_are_refused(url, expected):
    """The error names the argument and the remedy, and never shows a password."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        check_secure(url, argument="redirect_uri")

    assert caught.value.argument == "redirect_uri"
    assert str(caught.value).startswith("redirect_uri ")
    assert PASSWORD not in f"{caught.value!r} {caught.value.__context__!r}"


def test_http_everywhere_has_to_be_asked_for():
    """``allow_http`` opens plain http, and nothing else."""
    assert check_secure("http://a.b/x", argument="url", allow_http=True) == "http://a.b/x"
    with pytest.raises(ConfigurationError, match="fragment"):
        check_secure("http://a.b/#x", argument="url", allow_http=True)


def test_cloud_is_where_the_pages_say():
    """Authorize and token on auth.atlassian.com, the API and the sites on api.atlassian.com."""
    cloud = Endpoints.cloud()

    assert cloud.authorize_url == "https://auth.atlassian.com/authorize"
    assert cloud.token_url == "https://auth.atlassian.com/oauth/token"
    assert cloud.audience == "api.atlassian.com"
    assert cloud.api_url == "https://api.atlassian.com"
    assert cloud.revoke_url == "https://auth.atlassian.com/oauth/revoke"
    assert cloud.resources_url == "https://api.atlassian.com/oauth/token/accessible-resources"
    assert cloud.identity_url == "https://api.atlassian.com/me"
    assert cloud.origins == {"https://api.atlassian.com"}


def test_government_cloud_lists_sites_on_its_authorization_server():
    """In the government cloud the bearer may go to the authorization server, which lists the sites."""
    government = Endpoints.government()

    assert government.authorize_url == "https://auth.atlassian-us-gov-mod.com/authorize"
    assert government.token_url == "https://auth.atlassian-us-gov-mod.com/oauth/token"
    assert government.audience == "api.atlassian-us-gov-mod.com"
    assert government.resources_url == (
        "https://auth.atlassian-us-gov-mod.com/oauth/token/accessible-resources"
    )
    assert government.origins == {
        "https://api.atlassian-us-gov-mod.com",
        "https://auth.atlassian-us-gov-mod.com",
    }


def test_jira_software_tokens_come_from_the_api_host():
    """2LO credentials of a site are not known to auth.atlassian.com."""
    jira_software = Endpoints.jira_software()

    assert jira_software.token_url == "https://api.atlassian.com/oauth/token"
    assert jira_software.audience == "api.atlassian.com"
    assert jira_software.authorize_url is None
    assert jira_software.origins == {"https://api.atlassian.com"}


@pytest.mark.parametrize("slashes", ["", "/", "//"])
@pytest.mark.parametrize("base", ["https://jira.acme.com", "https://host:8443/jira/a"])
def test_data_center_keeps_the_context_path(base, slashes):
    """A trailing slash makes no difference, and the context path stays."""
    endpoints = Endpoints.data_center(base + slashes)

    assert endpoints == Endpoints(
        authorize_url=f"{base}/rest/oauth2/latest/authorize",
        token_url=f"{base}/rest/oauth2/latest/token",
        revoke_url=f"{base}/rest/oauth2/latest/revoke",
        api_url=base,
    )
    assert endpoints.origins == {origin_of(base)}


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("jira.acme.com", "absolute", id="no-scheme"),
        pytest.param("http://jira.acme.com", "must be https", id="http"),
        pytest.param("https://jira.acme.com/?os=1", "query", id="query"),
        pytest.param("https://jira.acme.com/?", "query", id="empty-query"),
        pytest.param("https://jira.acme.com/#x", "fragment", id="fragment"),
        pytest.param("https://me:pw@jira.acme.com", "user name", id="userinfo"),
        pytest.param("https://jira.acme.com \n", "line break", id="pasted"),
        pytest.param("https://acme.atlassian.net", "use CloudGrant", id="cloud-site"),
        pytest.param("https://api.atlassian.com", "use CloudGrant", id="gateway"),
        pytest.param("https://auth.atlassian.com/", "use CloudGrant", id="cloud-server"),
        pytest.param("https://x.atlassian-us-gov-mod.net", "use CloudGrant", id="government"),
    ],
)
def test_data_center_needs_a_base_url(base_url, expected):
    """A base URL that could not work is refused before anything is sent, by name."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        Endpoints.data_center(base_url)

    assert caught.value.argument == "base_url"


def test_atlassians_own_data_center_is_one():
    """A host of atlassian.com is not Cloud for that alone."""
    endpoints = Endpoints.data_center("https://jira.atlassian.com")

    assert endpoints.api_url == "https://jira.atlassian.com"


def test_plain_http_is_for_loopback_or_by_name():
    """A Data Center on this machine may be http; another one only if the danger is named."""
    local = Endpoints.data_center("http://localhost:8080/jira")
    named = Endpoints.data_center("http://jira.acme.com", allow_http=True)

    assert local.allow_insecure_http is False
    assert named.allow_insecure_http is True
    assert named.origins == {"http://jira.acme.com"}


@pytest.mark.parametrize(
    "argument",
    ["authorize_url", "token_url", "api_url", "revoke_url", "resources_url", "identity_url"],
)
def test_custom_hosts_are_checked(argument):
    """Each URL that a user writes is checked, and the error names it."""
    changed = replace(Endpoints.cloud(), **{argument: "https://proxy.corp/atlassian"})

    assert getattr(changed, argument) == "https://proxy.corp/atlassian"
    with pytest.raises(ConfigurationError, match="must be https") as caught:
        replace(Endpoints.cloud(), **{argument: "http://proxy.corp/atlassian"})
    assert caught.value.argument == argument


def test_custom_api_url_loses_its_slash_and_refuses_a_query():
    """Paths are appended to it, so it must end where they begin."""
    endpoints = replace(Endpoints.cloud(), api_url="https://proxy.corp/atlassian/")

    assert endpoints.jira_url(CLOUD_ID) == f"https://proxy.corp/atlassian/ex/jira/{CLOUD_ID}/"
    with pytest.raises(ConfigurationError, match="query"):
        replace(Endpoints.cloud(), api_url="https://proxy.corp/?x=1")


def test_endpoints_are_frozen():
    """The endpoints of a grant in use cannot be changed."""
    endpoints = Endpoints.cloud()

    with pytest.raises(FrozenInstanceError):
        endpoints.token_url = "https://evil.example"


def test_product_urls_go_through_the_gateway():
    """OAuth tokens work on the gateway, with the cloud id; Confluence keeps its /wiki."""
    cloud = Endpoints.cloud()

    assert cloud.jira_url(CLOUD_ID) == f"https://api.atlassian.com/ex/jira/{CLOUD_ID}/"
    assert cloud.confluence_url(CLOUD_ID) == (
        f"https://api.atlassian.com/ex/confluence/{CLOUD_ID}/wiki/"
    )


def test_endpoints_below_an_origin():
    """A path in front of them is kept; plain http away from loopback has to be named."""
    endpoints = Endpoints.below("https://mirror.example.com/atlassian/")

    assert endpoints.token_url == "https://mirror.example.com/atlassian/auth/oauth/token"
    assert endpoints.jira_url(CLOUD_ID) == (
        f"https://mirror.example.com/atlassian/api/ex/jira/{CLOUD_ID}/"
    )
    assert endpoints.audience == "api.atlassian.com"
    assert not endpoints.is_data_center
    with pytest.raises(ConfigurationError, match="must be https") as caught:
        Endpoints.below("http://mirror.example.com")
    assert caught.value.argument == "origin"
    assert Endpoints.below("http://mirror.example.com", allow_http=True).allow_insecure_http


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        (Endpoints.data_center("https://jira.example.com/jira/"), True),
        (Endpoints.data_center("http://intranet", allow_http=True), True),
        (Endpoints.cloud(), False),
        (Endpoints.jira_software(), False),
    ],
)
def test_data_center_is_known(endpoints, expected):
    """By its layout, however it was written."""
    assert endpoints.is_data_center is expected


@pytest.mark.parametrize("entity", ["builds", "deployments", "devinfo", "featureflags"])
def test_provider_urls(entity):
    """The four kinds of data of 2LO credentials have one shape of URL."""
    jira_software = Endpoints.jira_software()
    root = f"https://api.atlassian.com/jira/{entity}/0.1/cloud/{CLOUD_ID}/"

    assert jira_software.provider_url(entity, CLOUD_ID) == root
    assert jira_software.translate_url(f"/rest/{entity}/0.1/bulk", CLOUD_ID) == f"{root}bulk"


def test_translation_keeps_the_tail():
    """Version, path and query of the documented path stay as they are."""
    path = "rest/deployments/0.2/pipelines/p/environments/e/deployments/1?x=a%2Fb"

    url = Endpoints.jira_software().translate_url(path, CLOUD_ID)

    assert url == (
        f"https://api.atlassian.com/jira/deployments/0.2/cloud/{CLOUD_ID}"
        "/pipelines/p/environments/e/deployments/1?x=a%2Fb"
    )


@pytest.mark.parametrize("site", ["acme.atlassian.net", "ACME.atlassian-us-gov-mod.net:443"])
def test_a_whole_url_is_translated(site):
    """Code that builds URLs at the site may hand them over as they are."""
    software = Endpoints.jira_software()

    for tail in ("bulk", "bulk?x=a%2Fb&y="):
        translated = software.translate_url(f"https://{site}/rest/builds/0.1/{tail}", CLOUD_ID)

        assert translated == software.translate_url(f"/rest/builds/0.1/{tail}", CLOUD_ID)


@pytest.mark.parametrize("entity", ["builds", "deployments", "devinfo", "featureflags"])
async def test_provider_apis_are_posted_to(entity, atlassian, atlassian_clock):
    """Each kind of data has its base URL; documented paths are translated for a client without one."""
    auth = AtlassianAuth(jira_software_grant(atlassian), clock=atlassian_clock)
    endpoints = auth.manager.grant.endpoints
    base_url = endpoints.provider_url(entity, atlassian.cloud_id)
    translated = endpoints.translate_url(f"rest/{entity}/0.1/bulk?x=1", atlassian.cloud_id)

    async with httpx.AsyncClient(auth=auth, base_url=base_url) as client:
        answers = [await client.post(url, json={entity: []}) for url in ("bulk", translated)]
    await auth.aclose()

    assert [answer.status_code for answer in answers] == [202, 202]
    sent = {"entity": entity, "cloud_id": atlassian.cloud_id, "document": {entity: []}}
    assert atlassian.submissions == (sent, sent)


@pytest.mark.parametrize(
    ("entity", "cloud_id", "argument"),
    [
        pytest.param("issues", CLOUD_ID, "entity", id="unknown-entity"),
        pytest.param("Builds", CLOUD_ID, "entity", id="entity-case"),
        pytest.param("builds", "", "cloud_id", id="empty-cloud-id"),
        pytest.param("builds", None, "cloud_id", id="no-cloud-id"),
        pytest.param("builds", "https://acme.atlassian.net", "cloud_id", id="site-url"),
        pytest.param("builds", "a/../b", "cloud_id", id="path"),
    ],
)
def test_provider_urls_need_known_parts(entity, cloud_id, argument):
    """An unknown kind of data or a wrong cloud id is refused by name."""
    with pytest.raises(ConfigurationError) as caught:
        Endpoints.jira_software().provider_url(entity, cloud_id)

    assert caught.value.argument == argument


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/rest/builds/0.1/",
        "/wiki/rest/api",
        "/rest/builds",
        "https://acme.atlassian.net/wiki/rest/api",
        "https://jira.example.com/rest/builds/0.1/bulk",
        "https://atlassian.net.example.com/rest/builds/0.1/bulk",
        "http://acme.atlassian.net/rest/builds/0.1/bulk",
        "https://acme.atlassian.net/rest/builds/0.1/bulk#a",
        "https://ada:word@acme.atlassian.net/rest/builds/0.1/bulk",
    ],
)
def test_only_provider_paths_are_translated(path):
    """A path that is no provider path is refused."""
    with pytest.raises(ConfigurationError) as caught:
        Endpoints.jira_software().translate_url(path, CLOUD_ID)

    assert caught.value.argument == "path"


@pytest.mark.parametrize("build", [Endpoints.jira_url, Endpoints.confluence_url])
@pytest.mark.parametrize(
    "cloud_id",
    [
        *("", "acme.atlassian.net", "a b", f"{CLOUD_ID}/", f"{CLOUD_ID}\n"),
        *("acme", "acme-2", "a-rather-long-name-of-a-site", "1" * 19),
    ],
)
def test_product_urls_need_a_cloud_id(build, cloud_id):
    """A site's name is not its id; the error says where the id is found."""
    with pytest.raises(ConfigurationError, match="tenant_info"):
        build(Endpoints.cloud(), cloud_id)


@pytest.mark.parametrize("cloud_id", [CLOUD_ID.upper(), CLOUD_ID.replace("-", ""), "1" * 20])
def test_other_shapes_of_ids_are_taken(cloud_id):
    """Nothing promises that ids stay UUIDs, so another long one is taken, too."""
    assert Endpoints.cloud().jira_url(cloud_id).endswith(f"/ex/jira/{cloud_id}/")


@pytest.mark.parametrize(
    "build",
    [
        lambda endpoints: endpoints.jira_url(CLOUD_ID),
        lambda endpoints: endpoints.confluence_url(CLOUD_ID),
        lambda endpoints: endpoints.provider_url("builds", CLOUD_ID),
        lambda endpoints: endpoints.translate_url("/rest/builds/0.1/bulk", CLOUD_ID),
    ],
    ids=["jira", "confluence", "provider", "translate"],
)
def test_data_center_has_no_gateway(build):
    """A URL of the gateway below a Data Center leads nowhere: the error names the one to use."""
    endpoints = Endpoints.data_center("https://host.example/jira")

    with pytest.raises(
        ConfigurationError, match=r"https://host\.example/jira/, as the base URL"
    ) as caught:
        build(endpoints)

    assert caught.value.argument == "endpoints"


@given(host=HOSTS, segments=st.lists(st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True), max_size=3))
def test_data_center_urls_stay_below_the_base(host, segments):
    """Every URL of an instance has its host and begins with its context path."""
    context = "".join(f"/{segment}" for segment in segments)

    endpoints = Endpoints.data_center(f"https://{host}{context}/")

    for url in (endpoints.authorize_url, endpoints.token_url, endpoints.revoke_url):
        parts = urlsplit(url)
        assert parts.netloc == host
        assert parts.path.startswith(f"{context}/rest/oauth2/latest/")
