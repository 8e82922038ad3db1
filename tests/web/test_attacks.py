"""What an attacker tries. Each attempt is refused, and nothing stored changes."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.web.house import BASE, ORIGIN, REST

CALLBACK = f"{BASE}/plugins/servlet/oauth2/client/callback"


@pytest.fixture
def unchanged(house, atlassian):
    """Run a request that must be refused: nothing stored changes, and no token is requested."""

    async def run(request):
        before, asked = await house.contents(), len(atlassian.token_requests)
        response = await request
        assert response.status_code >= 400
        assert "location" not in response.headers
        assert await house.contents() == before
        assert len(atlassian.token_requests) == asked
        return response

    return run


async def flow_of(browser, config):
    return (await browser.post(f"{REST}/flows", json={"configId": config.id})).json()


# -- flows -----------------------------------------------------------------------------------------


async def test_a_flow_of_another_person(house, jira, anna, unchanged):
    """No other person can start or read a flow, even in the same browser."""
    flow = await flow_of(anna, jira)
    bert = house.browser("bert", Cookie="; ".join(f"{c.name}={c.value}" for c in anna.cookies.jar))

    for url in (flow["url"], f"{REST}/flows/{flow['id']}", f"/connections/flows/{flow['id']}"):
        assert (await unchanged(bert.get(url))).status_code == 404


async def test_a_flow_of_another_browser(house, jira, anna, unchanged):
    """The same person in another browser cannot go on: an attacker's link does not connect a victim."""
    flow = await flow_of(anna, jira)
    elsewhere = house.browser("anna")

    assert (await unchanged(elsewhere.get(flow["url"]))).status_code == 404


async def test_a_callback_in_another_session(house, jira, anna, atlassian, unchanged):
    """A callback of an attacker's flow is refused in the victim's browser, and does not end the flow."""
    callback = atlassian.browse(await anna.leave(jira))
    bert = house.browser("bert")

    assert (await unchanged(bert.get(callback))).status_code == 404

    assert (await anna.get(callback)).is_redirect


async def test_a_replayed_callback(jira, anna, atlassian, unchanged):
    """A callback works once."""
    callback = atlassian.browse(await anna.leave(jira))
    await anna.get(callback)

    assert (await unchanged(anna.get(callback))).status_code == 404


async def test_a_replayed_start(jira, anna, atlassian):
    """A flow that is started twice ends, and brings no token."""
    flow = await flow_of(anna, jira)
    provider = (await anna.get(flow["url"])).headers["location"]

    refused = await anna.get(flow["url"])
    callback = await anna.get(atlassian.browse(provider))

    assert refused.status_code == 409
    assert callback.status_code == 404
    assert atlassian.token_requests == ()


@pytest.mark.parametrize("state", ["", "x" * 100, None, "\x00", "é"])
async def test_a_forged_state(jira, anna, atlassian, unchanged, state):
    """A callback with another state is refused."""
    callback = urlsplit(atlassian.browse(await anna.leave(jira)))
    code = parse_qs(callback.query)["code"][0]
    query = {"code": code} if state is None else {"code": code, "state": state}

    await unchanged(anna.get(f"{CALLBACK}/{jira.redirect_uri_suffix}?{urlencode(query)}"))


async def test_a_swapped_provider(house, jira, anna, atlassian):
    """A code that comes to the redirect URI of another provider is not used."""
    callback = atlassian.browse(await anna.leave(jira))
    other = house.connections.configs.redirect_uri("https://idp.example.com/authorize")

    landed = await anna.get(f"{other}?{urlsplit(callback).query}")
    page = await anna.get(landed.headers["location"])

    assert page.status_code == 400
    assert "redirect URI of another provider" in page.text
    assert atlassian.token_requests == ()
    assert (await anna.get(f"{REST}/tokens")).json() == []


@pytest.mark.parametrize(
    "landing",
    [
        *(
            "https://evil.example.com/",
            "//evil.example.com/",
            "/\\evil.example.com",
            "javascript:x",
        ),
        *("https://house.example.com@evil.example.com/", "https:evil.example.com", "evil"),
        *("https://house.example.com.evil.example.com/", "/x\r\nSet-Cookie: a=b", "http://{id}/"),
        "http://house.example.com/",
    ],
)
async def test_an_open_redirect(jira, anna, unchanged, landing):
    """A landing page at another origin is refused at its field."""
    body = {"configId": jira.id, "landing": landing}

    refused = await unchanged(anna.post(f"{REST}/flows", json=body))

    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["landing"])


async def test_a_callback_with_a_landing(anna, unchanged):
    """The browser is not sent to a landing page that a callback names."""
    await unchanged(anna.get(f"{CALLBACK}?flow=x&landing=https://evil.example.com/"))


# -- requests that another site sends --------------------------------------------------------------

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "", "Origin": "https://evil.example.com"},
    {"Sec-Fetch-Site": "", "Origin": "null"},
    {"Sec-Fetch-Site": ""},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "/connections/clients"), ("POST", "/connections/clients/ID/delete")),
        *(("POST", "/connections/connections/ID/connect"), ("POST", f"{REST}/flows")),
        *(("DELETE", f"{REST}/config/ID"), ("PUT", f"{REST}/config/ID")),
        ("POST", f"{REST}/tokens/TOKEN/refresh"),
    ],
)
async def test_requests_of_other_sites(
    house, jira, boss, atlassian, unchanged, headers, method, path
):
    """What a page of another site sends with the person's cookies is refused."""
    await boss.connect(jira, atlassian)
    token = await house.owners.token_id("boss", jira.id)
    sent = {name: text for name, text in headers.items() if text}
    attacker = house.browser("boss")
    attacker.cookies, attacker.headers = boss.cookies, {"X-Person": "boss", **sent}

    url = path.replace("ID", jira.id).replace("TOKEN", token)
    refused = await unchanged(attacker.request(method, url))

    assert refused.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        *({"Origin": ORIGIN}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}),
        {"X-Atlassian-Token": "no-check"},
    ],
    ids=str,
)
async def test_requests_of_our_own(house, jira, boss, headers):
    """What our own page or a program sends is accepted, also from browsers without ``Sec-Fetch-Site``."""
    await boss.get("/connections/")
    own = house.browser("boss")
    own.cookies, own.headers = boss.cookies, {"X-Person": "boss", **headers}

    assert (await own.delete(f"{REST}/config/{jira.id}")).status_code == 204


async def test_a_program_without_cookies(house, jira):
    """A program that has no cookies, which no other site can add to its requests, needs no header."""
    program = house.browser("boss")
    program.headers = {"X-Person": "boss"}

    assert (await program.delete(f"{REST}/config/{jira.id}")).status_code == 204


@pytest.mark.parametrize("token", [None, "", "x", "é"])
async def test_a_form_without_its_token(jira, anna, unchanged, token):
    """A form needs the token of a page of ours."""
    form = {} if token is None else {"formToken": token}
    url = f"/connections/connections/{jira.id}/connect"

    refused = await unchanged(anna.post(url, data=form))

    assert "This form has expired" in refused.text


async def test_a_form_token_of_another_person(house, jira, anna, unchanged):
    """A form token of one person does not work for another one, even in the same browser."""
    page = await anna.get("/connections/")
    token = re.search(r'name="formToken" value="(\w+)"', page.text)[1]
    bert = house.browser("bert")
    bert.cookies = anna.cookies

    url = f"/connections/connections/{jira.id}/connect"
    refused = await unchanged(bert.post(url, data={"formToken": token}))

    assert refused.status_code == 403


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"&".join([b"a=b"] * 31)], ids=["bytes", "fields"]
)
async def test_a_form_that_is_none(jira, anna, unchanged, content):
    """A body that is no form of ours is refused."""
    url = f"/connections/connections/{jira.id}/connect"

    await unchanged(anna.post(url, content=content))


# -- what is written into pages and headers --------------------------------------------------------

EVIL = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"""


async def test_html_in_a_configuration(house, boss, atlassian):
    """Text that a person or a provider chose is shown as text, wherever it appears."""
    jira = await house.add(name=EVIL, description=EVIL)
    await boss.connect(jira, atlassian)

    pages = [
        await boss.get(f"/connections{path}")
        for path in (
            *("/", f"/?done=connected&client={jira.id}", "/clients", f"/clients/{jira.id}"),
            *(f"/clients/{jira.id}/delete", f"/connections/{jira.id}/delete"),
        )
    ]

    for page in pages:
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert "{{ 7 * 7 }}" in page.text


async def test_html_in_an_error(jira, anna, atlassian):
    """The description of an error that a callback brings is shown as text."""
    provider = urlsplit(await anna.leave(jira))
    state = parse_qs(provider.query)["state"][0]
    query = urlencode({"error": "access_denied", "error_description": EVIL, "state": state})

    landed = await anna.get(f"{CALLBACK}/{jira.redirect_uri_suffix}?{query}")
    page = await anna.get(landed.headers["location"])

    assert page.status_code == 400
    assert "<script" not in page.text


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com\r\nX: y"])
async def test_a_forged_host(jira, anna, host):
    """No link or redirect follows the Host header."""
    page = await anna.get("/connections/", headers={"Host": host})

    assert "evil" not in page.text


async def test_line_breaks_in_parameters(jira, anna, unchanged):
    """A line break in a parameter does not reach a header."""
    for url in (
        f"{CALLBACK}?startFlow=%0d%0aSet-Cookie:%20a=b",
        f"{CALLBACK}/%0d%0aSet-Cookie:%20a=b?state=x&code=y",
        "/connections/flows/%0d%0aSet-Cookie:%20a=b",
    ):
        refused = await unchanged(anna.get(url))
        assert "a=b" not in str(refused.headers)


# -- ids -------------------------------------------------------------------------------------------


async def test_tokens_of_other_people(house, jira, anna, atlassian, unchanged):
    """A token of another caller answers exactly as one that does not exist, also to an administrator."""
    await anna.connect(jira, atlassian)
    token = await house.owners.token_id("anna", jira.id)
    unknown = f"{jira.id}.00000000-0000-4000-8000-000000000000"
    for person in ("bert", "boss"):
        other = house.browser(person)
        for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/refresh")):
            theirs, none = [
                await unchanged(other.request(method, f"{REST}/tokens/{name}{tail}"))
                for name in (token, unknown)
            ]
            assert (theirs.status_code, theirs.json()) == (404, none.json())
        assert (await other.get(f"{REST}/tokens")).json() == []


async def test_tokens_of_other_people_who_connect_too(house, jira, anna, atlassian, unchanged):
    """A caller who has a token of the same client reaches no other one."""
    await anna.connect(jira, atlassian)
    bert = house.browser("bert")
    await bert.connect(jira, atlassian)

    token = await house.owners.token_id("anna", jira.id)

    assert (await unchanged(bert.delete(f"{REST}/tokens/{token}"))).status_code == 404


async def test_ids_cannot_be_guessed(house, jira, anna):
    """Ids of flows and configurations are random: none tells the next one."""
    first, second = [(await flow_of(anna, jira))["id"] for _ in range(2)]

    assert len({first, second, jira.id, (await house.add(name="Other")).id}) == 4
    for name in (first, second, jira.id):
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", name)


async def test_no_secret_goes_out(house, jira, boss, atlassian):
    """No response to anyone holds a client secret, a token or a code."""
    await boss.connect(jira, atlassian)
    token = await house.owners.token_id("boss", jira.id)
    texts = [
        (await boss.get(path)).text
        for path in (
            *(f"{REST}/config", f"{REST}/config/{jira.id}", f"{REST}/tokens"),
            *(f"{REST}/tokens/{token}", "/connections/", f"/connections/clients/{jira.id}"),
        )
    ]

    assert not [text for text in texts if "secret-" in text]
