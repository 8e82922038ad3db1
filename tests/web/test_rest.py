"""The REST interface: client configurations as Atlassian's plugin has them, tokens and flows."""

from __future__ import annotations

import pytest

from atlassian_auth.testing import Fault
from tests.web.house import BASE, ORIGIN, REST

CONFIG = f"{REST}/config"


@pytest.fixture
def body(house):
    """The body of the seed, for the emulated Cloud."""
    fields = house.fields()
    return {
        "name": fields["name"],
        "description": fields["description"],
        "type": fields["type"],
        "clientId": fields["client_id"],
        "clientSecret": fields["client_secret"],
        "authorizationEndpoint": fields["authorization_endpoint"],
        "tokenEndpoint": fields["token_endpoint"],
        "scopes": [" read:jira-work ", "offline_access", "read:jira-work"],
    }


async def start(browser, config, **fields):
    created = await browser.post(f"{REST}/flows", json={"configId": config.id, **fields})
    assert created.status_code == 201
    return created.json()


async def finish(browser, atlassian, url):
    provider = (await browser.get(url)).headers["location"]
    return await browser.get(atlassian.browse(provider))


async def place_of_token(browser):
    [token] = (await browser.get(f"{REST}/tokens")).json()
    return f"{REST}/tokens/{token['id']}"


# -- client configurations -------------------------------------------------------------------------


async def test_a_configuration_is_added(house, boss, body):
    """POST stores a configuration and returns it with its id, without its secret (seed 001, 1.14)."""
    added = await boss.post(CONFIG, json=body)

    view = added.json()
    stored = await house.connections.configs.get(view["id"])
    assert added.status_code == 201
    assert view == {
        **{name: value for name, value in body.items() if name != "clientSecret"},
        "id": stored.id,
        "scopes": ["offline_access", "read:jira-work"],
        "redirectUriSuffix": stored.redirect_uri_suffix,
        "redirectUri": house.connections.configs.redirect_uri(body["authorizationEndpoint"]),
    }
    assert stored.client_secret == body["clientSecret"]


async def test_configurations_are_listed_and_read(boss, body):
    """GET returns all configurations, or one by its id; no secret goes out (seed 001, 1.13, 1.15, 1.17)."""
    first = (await boss.post(CONFIG, json=body)).json()
    second = (await boss.post(CONFIG, json={**body, "name": "Confluence"})).json()

    assert (await boss.get(CONFIG)).json() == [second, first]
    one = await boss.get(f"{CONFIG}/{first['id']}")
    assert one.json() == first
    assert body["clientSecret"] not in one.text


async def test_a_configuration_is_replaced(house, boss, body):
    """PUT accepts what GET returned; without a secret the stored one is kept (seed 001, 1.15)."""
    view = (await boss.post(CONFIG, json=body)).json()

    changed = await boss.put(f"{CONFIG}/{view['id']}", json={**view, "name": "Jira of Acme"})

    stored = await house.connections.configs.get(view["id"])
    assert changed.json() == {**view, "name": "Jira of Acme"}
    assert (stored.name, stored.client_secret) == ("Jira of Acme", body["clientSecret"])


async def test_a_configuration_is_deleted(boss, body):
    """DELETE removes a configuration; a second one finds nothing (seed 001, 1.15)."""
    place = f"{CONFIG}/{(await boss.post(CONFIG, json=body)).json()['id']}"

    assert (await boss.delete(place)).status_code == 204

    for gone in (await boss.get(place), await boss.delete(place), await boss.put(place, json=body)):
        assert gone.status_code == 404
        assert gone.json()["code"] == "configuration_not_found"


async def test_the_redirect_uri(house, boss, body):
    """get-redirect-uri returns one URI for an authorization endpoint, always the same (seed 001, 1.16)."""
    endpoint = body["authorizationEndpoint"]

    answers = [
        await boss.get(f"{CONFIG}/get-redirect-uri", params={"authorizationEndpoint": endpoint})
        for _ in range(2)
    ]

    uri = house.connections.configs.redirect_uri(endpoint)
    assert [answer.json() for answer in answers] == [{"redirectUri": uri}] * 2
    assert uri.startswith(f"{BASE}/plugins/servlet/oauth2/client/callback/")


WRONG = {
    "name": ["", " ", "x" * 256, None, 5],
    "description": ["x" * 1001, ["x"]],
    "type": ["", "OTHER", None],
    "clientId": ["", None, "x" * 256, "a\nb"],
    "clientSecret": ["", "x" * 2001, 5, "a\nb"],
    "authorizationEndpoint": ["", "http://idp.example.com/", "no url", "javascript:alert(1)"],
    "tokenEndpoint": ["", "http://idp.example.com/", "no url", None],
    "scopes": [["a,b"], ["x" * 256], ["a"] * 201, "read:me", [5]],
    "redirectUriSuffix": ["wrong"],
    "id": ["own"],
    "owner": ["anna"],
}


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in WRONG.items() for value in values],
    ids=lambda part: repr(part)[:20],
)
async def test_a_wrong_field_is_named(house, boss, body, field, value):
    """Wrong input at any field is refused with a message at this field, and nothing stored changes."""
    before = await house.contents()

    refused = await boss.post(CONFIG, json={**body, field: value})

    assert refused.status_code == 400
    assert list(refused.json()["errors"]) == [field]
    assert await house.contents() == before


async def test_all_wrong_fields_are_named(boss, body):
    """Each wrong field has a message, and no message quotes the secret."""
    refused = await boss.post(CONFIG, json={**body, "name": "", "clientId": "", "type": "OTHER"})

    document = refused.json()
    assert document["code"] == "invalid"
    assert set(document["errors"]) == {"name", "clientId", "type"}
    assert body["clientSecret"] not in refused.text


async def test_a_name_is_used_once(house, boss, body):
    """A second configuration with a name that is taken is refused at the field."""
    await boss.post(CONFIG, json=body)
    before = await house.contents()

    refused = await boss.post(CONFIG, json=body)

    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["name"])
    assert await house.contents() == before


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "\udcff".encode("utf-8", "replace")])
async def test_a_body_that_is_no_object_is_refused(boss, content):
    """A body that is no JSON object is refused."""
    kind = {"Content-Type": "application/json"}

    refused = await boss.post(CONFIG, content=content, headers=kind)

    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["body"])


async def test_other_media_types_are_refused(boss, body):
    """A body that is not declared as JSON is refused: the forms of other sites cannot declare it."""
    refused = await boss.post(CONFIG, data=body)

    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", CONFIG), ("POST", CONFIG), ("GET", f"{CONFIG}/x"), ("PUT", f"{CONFIG}/x")),
        *(("DELETE", f"{CONFIG}/x"), ("GET", f"{CONFIG}/get-redirect-uri")),
    ],
)
async def test_configurations_are_for_administrators(house, jira, anna, method, path):
    """Only an administrator may read or change configurations."""
    before = await house.contents()

    refused = await anna.request(method, path.replace("/x", f"/{jira.id}"))

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert await house.contents() == before


# -- flows and tokens ------------------------------------------------------------------------------


@pytest.mark.every_loop
async def test_a_flow_brings_a_token(house, jira, anna, atlassian):
    """Start, consent, come back: the flow has succeeded, and the token is ready (seed 001, 1.21 to 1.23)."""
    flow = await start(anna, jira, landing="/done?flow={id}")
    pending = await anna.get(f"{REST}/flows/{flow['id']}")

    back = await finish(anna, atlassian, flow["url"])

    result = await anna.get(f"{REST}/flows/{flow['id']}")
    [token] = (await anna.get(f"{REST}/tokens")).json()
    assert pending.json()["status"] == "pending"
    assert back.headers["location"] == f"/done?flow={flow['id']}"
    assert result.json()["status"] == "success"
    assert result.json()["tokenId"] == token["id"]
    assert await house.owners.token_id("anna", jira.id) == token["id"]
    assert (token["state"], token["configId"]) == ("ready", jira.id)
    assert (set(token["scopes"]), token["missingScopes"]) == (set(jira.scopes), [])


async def test_two_flows_at_once(house, jira, anna, atlassian):
    """If a person finishes two flows, the token of the second one counts, and the other is deleted."""
    first, second = await start(anna, jira), await start(anna, jira)

    await finish(anna, atlassian, first["url"])
    await finish(anna, atlassian, second["url"])

    [token] = (await anna.get(f"{REST}/tokens")).json()
    assert await house.connections.tokens.list() == (token["id"],)


async def test_a_person_who_declines(jira, anna, atlassian):
    """If the person declines, the flow has an error that says so, and there is no token (seed 001, 1.23)."""
    atlassian.deny_next_consent()
    flow = await start(anna, jira)

    await finish(anna, atlassian, flow["url"])

    result = (await anna.get(f"{REST}/flows/{flow['id']}")).json()
    assert (result["status"], result["tokenId"]) == ("error", None)
    assert "declined" in result["error"]
    assert (await anna.get(f"{REST}/tokens")).json() == []


async def test_a_token_is_refreshed(house, jira, anna, atlassian):
    """POST refreshes a token now and returns its new status; no token goes out (seed 001, 1.26 and 1.30)."""
    await anna.connect(jira, atlassian)
    place = await place_of_token(anna)
    before = (await anna.get(place)).json()

    refreshed = await anna.post(f"{place}/refresh")

    assert refreshed.json()["refreshCount"] == before["refreshCount"] + 1
    assert "secret-" not in refreshed.text
    assert len(atlassian.token_requests) == 2


async def test_a_token_is_deleted(jira, anna, atlassian):
    """DELETE removes the token; then it is not found."""
    await anna.connect(jira, atlassian)
    place = await place_of_token(anna)

    assert (await anna.delete(place)).status_code == 204

    for gone in (
        await anna.get(place),
        await anna.delete(place),
        await anna.post(f"{place}/refresh"),
    ):
        assert (gone.status_code, gone.json()["code"]) == (404, "token_not_found")


async def test_a_dead_consent(jira, anna, atlassian):
    """If the consent was revoked, the refresh says that a person has to authorize, and so does the status."""
    await anna.connect(jira, atlassian)
    atlassian.families[-1].alive = False
    place = await place_of_token(anna)

    refused = await anna.post(f"{place}/refresh")

    assert (refused.status_code, refused.json()["code"]) == (409, "authorization_required")
    assert (await anna.get(place)).json()["state"] == "reauthorize"


async def test_a_provider_that_is_not_available(jira, anna, atlassian):
    """If the provider is not available, the answer says when to try again; the token still works."""
    await anna.connect(jira, atlassian)
    atlassian.fault("token", Fault.status(503, headers={"Retry-After": "90"}))
    place = await place_of_token(anna)

    refused = await anna.post(f"{place}/refresh")

    assert (refused.status_code, refused.json()["code"]) == (503, "transient")
    assert int(refused.headers["retry-after"]) >= 90
    assert (await anna.get(place)).json()["state"] in {"ready", "degraded"}


async def test_starts_are_counted(house_of, atlassian):
    """A caller who starts too many flows is told how long to wait; other callers go on."""
    house = house_of(flows_per_minute=2)
    config = await house.add()
    anna, bert = house.browser("anna"), house.browser("bert")
    for _ in range(2):
        await start(anna, config)

    refused = await anna.post(f"{REST}/flows", json={"configId": config.id})

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_flows")
    assert 60 <= int(refused.headers["retry-after"]) <= 61
    await start(bert, config)


# -- the rest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nothing", "/tokens/unknown", "/flows/unknown"])
async def test_what_is_not_there(anna, path):
    """Whatever is not there is a 404 in JSON with a code."""
    missing = await anna.get(f"{REST}{path}")

    assert missing.status_code == 404
    assert missing.json()["code"].endswith("not_found")


async def test_methods(boss):
    """A method that a path does not have is refused with those it has."""
    refused = await boss.patch(CONFIG)

    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert (await boss.head(CONFIG)).status_code == 200


async def test_the_openapi_document(anna):
    """The OpenAPI document is served to callers, with the place where the application is mounted."""
    document = (await anna.get(f"{REST}/openapi.json")).json()

    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": f"{ORIGIN}{REST}"}]
    assert "clientSecret" not in document["components"]["schemas"]["ClientView"]["properties"]
