"""Sites are read, merged and chosen by what they are, never by where they stand in a list."""

from __future__ import annotations

import functools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.exceptions import (
    AmbiguousSite,
    AtlassianAuthError,
    ConfigurationError,
    DiscoveryError,
    SiteNotFound,
    TransientError,
)
from atlassian_auth.protocol.messages import HTTPResponse
from atlassian_auth.protocol.sites import (
    Identity,
    Site,
    read_cloud_id,
    read_identity,
    read_sites,
    select_site,
    site_url,
)

ACME = Site("id-acme", "Acme", "https://acme.atlassian.net", ("read:jira-work",))
BETA = Site("id-beta", "Beta", "https://beta.atlassian.net", ("read:confluence-user",))
UUID = "11223344-a1b2-3b33-c444-def123456789"

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ENTRIES = st.lists(
    st.builds(
        Site,
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["https://a.atlassian.net", "https://b.atlassian.net"]),
        st.lists(st.sampled_from(["read:jira-work", "read:confluence-user"])).map(tuple),
    )
)


def answer(document, status=200):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return HTTPResponse(status, {}, body)


def entry(site):
    return {"id": site.cloud_id, "name": site.name, "url": site.url, "scopes": [*site.scopes]}


# -- how people write a site ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "site",
    [
        pytest.param("acme", id="bare-name"),
        pytest.param("ACME", id="upper-case"),
        pytest.param("acme.atlassian.net", id="host"),
        pytest.param("acme.atlassian.net/", id="host-slash"),
        pytest.param("acme.atlassian.net/wiki", id="host-wiki"),
        pytest.param("https://acme.atlassian.net", id="url"),
        pytest.param("https://Acme.Atlassian.Net/", id="url-slash"),
        pytest.param("https://acme.atlassian.net/wiki", id="wiki"),
        pytest.param("https://acme.atlassian.net/Wiki/", id="wiki-slash"),
        pytest.param("https://acme.atlassian.net:443", id="default-port"),
    ],
)
def test_a_site_may_be_written_in_many_ways(site):
    """Name, host or URL; case, slash, ``/wiki`` and the default port make no difference."""
    assert site_url(site) == "https://acme.atlassian.net"


@pytest.mark.parametrize(
    "host",
    [
        "acme.atlassian-us-gov-mod.net",
        "acme.atlassian-us-gov.net",
        "acme.jira.com",
        "a.atlassian.net",
        f"{'a' * 63}.atlassian.net",
    ],
)
def test_sites_live_on_these_domains(host):
    """Government clouds and the old domain are sites too; a name has at most 63 characters."""
    assert site_url(host) == f"https://{host}"


@pytest.mark.parametrize(
    "site",
    [
        pytest.param("", id="empty"),
        pytest.param(None, id="none"),
        pytest.param("ac me", id="space"),
        pytest.param("acme\n", id="line-break"),
        pytest.param("-acme", id="hyphen-first"),
        pytest.param("acme-", id="hyphen-last"),
        pytest.param("a" * 64, id="too-long"),
        pytest.param("ácme", id="not-ascii"),
        pytest.param("http://acme.atlassian.net", id="plain-http"),
        pytest.param("http://127.0.0.1", id="loopback"),
        pytest.param("https://169.254.169.254", id="address"),
        pytest.param("https://acme.atlassian.net:8443", id="port"),
        pytest.param("https://user@acme.atlassian.net", id="user"),
        pytest.param("https://acme.atlassian.net#x", id="fragment"),
        pytest.param("https://acme.atlassian.net/browse/A-1", id="page"),
        pytest.param("https://a.b.atlassian.net", id="two-labels"),
        pytest.param("https://atlassian.net", id="no-label"),
        pytest.param("https://acme.atlassian.net.evil.example", id="longer-host"),
        pytest.param("https://evil-atlassian.net", id="lookalike"),
        pytest.param("https://jira.example.com/jira", id="data-center"),
        pytest.param("https://api.atlassian.com", id="gateway"),
        pytest.param("/wiki", id="path"),
        pytest.param("https://", id="no-host"),
        pytest.param("ftp://acme.atlassian.net", id="scheme"),
    ],
)
def test_what_cannot_be_a_site_is_refused(site):
    """The error names the caller's argument; nothing was sent anywhere."""
    with pytest.raises(ConfigurationError) as caught:
        site_url(site, argument="place")

    assert caught.value.argument == "place"
    assert str(caught.value).startswith("place ")


def test_a_cloud_id_is_no_site():
    """A cloud id in place of a site is refused: the error says what it is."""
    with pytest.raises(ConfigurationError, match="is already a cloud id"):
        site_url(UUID.upper())


@given(st.text())
def test_any_text_is_a_site_or_an_error(text):
    """Any text is an address on a site's domain, or a ConfigurationError."""
    try:
        url = site_url(text)
    except ConfigurationError:
        return
    assert url.startswith("https://")
    assert url.endswith((".atlassian.net", "-gov-mod.net", "-gov.net", ".jira.com"))
    assert site_url(url) == url


# -- the cloud id ---------------------------------------------------------------------------------


def test_the_cloud_id_is_read():
    """Nothing but ``cloudId`` is looked at."""
    document = answer({"cloudId": UUID, "more": [1]})

    assert read_cloud_id(document, site="https://acme.atlassian.net") == UUID


def test_an_unknown_site_is_not_found():
    """404 is Atlassian's word for a site that does not exist."""
    with pytest.raises(SiteNotFound, match="https://acme") as caught:
        read_cloud_id(answer({}, 404), site="https://acme.atlassian.net")

    assert caught.value.wanted == "https://acme.atlassian.net"


def test_an_outage_is_not_a_missing_site():
    """500 is worth another try."""
    with pytest.raises(TransientError, match="The cloud id of https://acme"):
        read_cloud_id(answer({}, 500), site="https://acme.atlassian.net")


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"<html>", id="page"),
        pytest.param([], id="list"),
        pytest.param({}, id="nothing"),
        pytest.param({"cloudId": None}, id="null"),
        pytest.param({"cloudId": ""}, id="empty"),
        pytest.param({"cloudId": 7}, id="number"),
        pytest.param({"cloudId": "../../evil"}, id="path"),
    ],
)
def test_a_cloud_id_must_be_one(document):
    """A cloud id that cannot be part of a gateway URL is refused."""
    with pytest.raises(DiscoveryError) as caught:
        read_cloud_id(answer(document), site="https://acme.atlassian.net")

    assert caught.value.status == 200
    assert str(caught.value).startswith("The cloud id of https://acme.atlassian.net was asked for")
    assert str(caught.value).endswith(": check the site's name and any proxy.")


@pytest.mark.parametrize(
    ("read", "asked", "advice"),
    [
        (read_sites, "The list of sites", "check the token, the endpoints and any proxy"),
        (read_identity, "The account", "check the base URL, the credential and its scopes"),
        (
            functools.partial(read_cloud_id, site="https://a.jira.com"),
            "The cloud id of https://a.jira.com",
            "check the site's name and any proxy",
        ),
    ],
)
@pytest.mark.parametrize("status", [200, 403])
def test_the_error_says_what_was_asked_for(read, asked, advice, status):
    """An answer of another server says what was asked for, which status came, and what to check."""
    said = rf"^{asked} was asked for, and something else answered \(HTTP {status}\): {advice}\.$"
    with pytest.raises(DiscoveryError, match=said):
        read(answer(b"<html>", status))
    with pytest.raises(TransientError, match=f"^{asked} is temporarily unavailable"):
        read(answer(b"<html>", 503))


def test_a_site_is_an_argument_by_default():
    """The error names the argument ``site`` unless the caller has another one."""
    with pytest.raises(ConfigurationError, match=r"^site must be a Cloud site") as caught:
        site_url("https://jira.example.com")

    assert caught.value.argument == "site"


# -- the list of sites ----------------------------------------------------------------------------


def test_entries_of_one_site_are_merged():
    """Jira and Confluence of one site have the same id, and become one site with both products."""
    jira = entry(Site("1", "Acme", ACME.url, ("read:jira-work", "read:jira-user")))
    confluence = entry(Site("1", "Acme", ACME.url, ("read:confluence-user",)))

    sites = read_sites(answer([confluence, entry(BETA), jira]))

    scopes = ("read:confluence-user", "read:jira-user", "read:jira-work")
    assert sites == (Site("1", "Acme", ACME.url, scopes), BETA)
    assert sites[0].products == ("confluence", "jira")


@pytest.mark.parametrize(
    ("scope", "products"),
    [
        pytest.param("manage:jira-configuration", ("jira",), id="classic"),
        pytest.param("read:audit-log:jira", ("jira",), id="granular"),
        pytest.param("read:issue:jira-software", ("jira",), id="software"),
        pytest.param("read:servicedesk-request", ("jira",), id="service-management"),
        pytest.param("read:audit-log:confluence", ("confluence",), id="confluence"),
        pytest.param("search:confluence", ("confluence",), id="search"),
        pytest.param("read:me", (), id="identity"),
        pytest.param("offline_access", (), id="offline"),
    ],
)
def test_scopes_tell_the_products(scope, products):
    """Nothing else in the list does."""
    assert Site("1", "Acme", ACME.url, (scope,)).products == products


def test_no_site_is_an_empty_list():
    """Consent without a site happens, and is not an error of the answer."""
    assert read_sites(answer([])) == ()


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"name": None, "scopes": None}, id="null"),
        pytest.param({"name": 7, "scopes": "read:me"}, id="other-types"),
        pytest.param({"name": "", "scopes": [7, None]}, id="odd-scopes"),
        pytest.param({"avatarUrl": {}, "more": []}, id="missing"),
    ],
)
def test_odd_members_do_not_cost_a_site(odd):
    """An id and a URL are enough."""
    sites = read_sites(answer([{"id": UUID, "url": ACME.url, **odd}]))

    assert sites == (Site(UUID, "", ACME.url),)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"<html>", id="page"),
        pytest.param({}, id="object"),
        pytest.param(None, id="null"),
        pytest.param(["x"], id="texts"),
        pytest.param([{"url": ACME.url}], id="no-id"),
        pytest.param([{"id": "1"}], id="no-url"),
        pytest.param([{"id": "../x", "url": ACME.url}], id="path-as-id"),
        pytest.param([{"id": "1", "url": "http://acme.example"}], id="plain-http"),
        pytest.param([entry(ACME), {}], id="one-of-two"),
    ],
)
def test_what_is_no_list_of_sites_is_refused(document):
    """Half a list could hide the site that is meant."""
    with pytest.raises(DiscoveryError, match="list of sites"):
        read_sites(answer(document))


@given(JSON, st.sampled_from([200, 302, 401, 404, 429, 500]))
def test_any_answer_is_read_or_is_an_error_of_ours(document, status):
    """No JSON and no status makes a reader fail in another way."""
    for read in (read_sites, read_identity):
        try:
            read(answer(document, status))
        except (DiscoveryError, TransientError):
            continue
    try:
        read_cloud_id(answer(document, status), site="https://acme.atlassian.net")
    except (DiscoveryError, SiteNotFound, TransientError):
        return


@given(ENTRIES.flatmap(lambda sites: st.tuples(st.just(sites), st.permutations(sites))))
def test_order_means_nothing(orders):
    """The same entries in another order are the same sites, and the same one is chosen."""
    one, other = orders

    assert read_sites(answer([*map(entry, one)])) == read_sites(answer([*map(entry, other)]))
    for wanted in (None, "1", "a"):
        assert chosen(one, wanted) == chosen(other, wanted)


def chosen(sites, wanted):
    try:
        return select_site(sites, wanted)
    except AtlassianAuthError as error:
        return type(error), str(error)


# -- the site that is meant -----------------------------------------------------------------------


def test_the_only_site_is_used():
    """The only site needs no selector, even if the list has two entries for it."""
    twice = [ACME, Site(ACME.cloud_id, ACME.name, ACME.url, ("read:confluence-user",))]

    site = select_site(twice)

    assert (site.cloud_id, site.products) == ("id-acme", ("confluence", "jira"))


@pytest.mark.parametrize("sites", [[ACME, BETA], [BETA, ACME]], ids=["first", "last"])
@pytest.mark.parametrize(
    "wanted",
    [
        "id-beta",
        "ID-Beta",
        "https://beta.atlassian.net",
        "https://BETA.atlassian.net/",
        "https://beta.atlassian.net/wiki",
        "https://beta.atlassian.net/wiki/",
        "beta.atlassian.net",
        "Beta.Atlassian.Net/wiki",
        "beta",
    ],
)
def test_a_site_is_chosen_by_id_url_or_host(sites, wanted):
    """In any case, with or without slash and ``/wiki``, wherever it stands in the list."""
    assert select_site(sites, wanted) == BETA


LOCAL = "http://127.0.0.1:8080/site"


@pytest.mark.parametrize("wanted", ["beta", "Beta", "id-beta", f"{LOCAL}/beta"])
def test_a_site_on_this_computer_is_chosen_by_its_name(wanted):
    """An emulated site has no host of its own, so the name from the list stands for it."""
    sites = [Site("id-acme", "acme", f"{LOCAL}/acme"), Site("id-beta", "beta", f"{LOCAL}/beta")]

    assert select_site(sites, wanted).cloud_id == "id-beta"


def test_elsewhere_a_name_is_no_choice():
    """Administrators name their sites as they like, also as another one's host."""
    with pytest.raises(SiteNotFound):
        select_site([Site("id-beta", "acme", "https://beta.atlassian.net")], "acme")


def test_names_of_sites_on_this_computer_are_not_guessed():
    """A name that two sites have is ambiguous, and a part of a name does not match."""
    sites = [Site("1", "acme", f"{LOCAL}/1"), Site("2", "acme", f"{LOCAL}/2")]

    with pytest.raises(AmbiguousSite):
        select_site(sites, "acme")
    with pytest.raises(SiteNotFound):
        select_site(sites, "acm")


def test_several_sites_are_never_guessed():
    """The error for several sites lists them, with what to write."""
    with pytest.raises(AmbiguousSite, match=r"beta\.atlassian\.net \(id-beta\)") as caught:
        select_site([BETA, ACME])

    assert caught.value.urls == (ACME.url, BETA.url)


@pytest.mark.parametrize(
    "wanted",
    ["bet", "beta.atlassian.ne", "https://beta.atlassian.net/jira", "id-", UUID, "Beta Inc"],
)
def test_only_an_exact_match_counts(wanted):
    """A part of an id or of an address is no match, nor is a display name."""
    with pytest.raises((SiteNotFound, ConfigurationError)) as caught:
        select_site([BETA, ACME], wanted)

    assert type(caught.value) is (ConfigurationError if " " in wanted else SiteNotFound)


def test_a_site_that_is_not_there_is_named():
    """The error for an unknown site names it and lists the known ones."""
    with pytest.raises(SiteNotFound, match=r"'gamma'.*acme\.atlassian\.net") as caught:
        select_site([ACME], "gamma")

    assert (caught.value.wanted, caught.value.urls) == ("gamma", (ACME.url,))


@pytest.mark.parametrize("wanted", [None, "gamma"])
def test_twenty_sites_are_all_named(wanted):
    """The error lists the sites of a large company, one after the other."""
    sites = [Site(f"id-{n}", "", f"https://site-{n}.atlassian.net") for n in range(10, 30)]

    with pytest.raises((AmbiguousSite, SiteNotFound)) as caught:
        select_site(sites, wanted)

    shown = [f"{site.url} ({site.cloud_id})" if wanted is None else site.url for site in sites]
    assert ("; " if wanted is None else ", ").join(shown) in str(caught.value)


def test_a_site_on_this_computer_may_have_a_path():
    """The path of an emulated site counts, and ``/wiki`` after it makes no difference."""
    sites = [Site("1", "acme", f"{LOCAL}/acme"), Site("2", "beta", f"{LOCAL}/beta")]

    assert select_site(sites, f"{LOCAL}/acme/wiki/").cloud_id == "1"


@pytest.mark.parametrize("wanted", [None, "acme"])
def test_no_site_at_all_names_the_likely_causes(wanted):
    """The error for an empty list of sites names the likely causes."""
    with pytest.raises(SiteNotFound, match="scopes name no product") as caught:
        select_site([], wanted)

    assert (caught.value.wanted, caught.value.urls) == (wanted, ())


def test_nothing_is_no_selector():
    """An empty setting is a mistake, not a wish for any site."""
    with pytest.raises(ConfigurationError, match="wanted must name a site"):
        select_site([ACME], "")


# -- whose token it is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "identity"),
    [
        pytest.param(
            {"account_id": "1", "name": "Ada", "email": "a@b.c", "picture": ""},
            Identity("1", "Ada", "a@b.c"),
            id="me",
        ),
        pytest.param(
            {"accountId": "1", "displayName": "Ada", "emailAddress": "a@b.c"},
            Identity("1", "Ada", "a@b.c"),
            id="cloud",
        ),
        pytest.param(
            {"key": "JIRAUSER1", "name": "ada", "displayName": "Ada", "emailAddress": "a@b.c"},
            Identity("JIRAUSER1", "Ada", "a@b.c", "ada"),
            id="data-center",
        ),
        pytest.param({"name": "ada"}, Identity("ada", "ada", None, "ada"), id="old-data-center"),
        pytest.param({"accountId": "1", "emailAddress": ""}, Identity("1"), id="hidden"),
        pytest.param({"accountId": "1", "name": "Ada"}, Identity("1", "Ada"), id="cloud-name"),
    ],
)
def test_accounts_are_read(document, identity):
    """Cloud's and Data Center's descriptions become one."""
    assert read_identity(answer(document)) == identity


@pytest.mark.parametrize("document", [b"<html>", [], {}, {"accountId": 7}])
def test_what_is_no_account_is_refused(document):
    """A login page with status 200 is not an account."""
    with pytest.raises(DiscoveryError, match="The account"):
        read_identity(answer(document))


@pytest.mark.parametrize("wanted", [None, "other"])
def test_a_long_list_is_quoted_in_short(wanted):
    """An answer of a thousand sites fills no error; its ``urls`` holds them all."""
    sites = [Site(f"id-{n}", "", f"https://site-{n}.atlassian.net") for n in range(1000)]

    with pytest.raises((AmbiguousSite, SiteNotFound)) as caught:
        select_site(sites, wanted)

    assert len(str(caught.value)) < 2500
    assert len(caught.value.urls) == 1000


@pytest.mark.parametrize("sites", [None, 1, "acme", [None], [{"id": "x"}]], ids=repr)
def test_what_is_no_list_of_sites(sites):
    """Anything but a list of sites is refused: the error says what was expected."""
    with pytest.raises(ConfigurationError, match="sites must be the sites that `await") as caught:
        select_site(sites, "acme")

    assert caught.value.argument == "sites"


def test_what_is_wanted_is_text():
    """A number names no site, and is refused as what it is."""
    with pytest.raises(
        ConfigurationError, match="wanted must be a cloud id, URL, host or name, not int"
    ):
        select_site([], 5)
