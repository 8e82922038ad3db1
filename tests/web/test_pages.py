"""The pages: connections for people, clients for administrators."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from atlassian_auth.web._cards import distance
from tests.web.house import ORIGIN

CLIENTS = "/connections/clients"


def texts(page):
    """What a person reads, without tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


def form_of(house, **changes):
    fields = house.fields()
    return {
        "type": fields["type"],
        "name": fields["name"],
        "description": fields["description"],
        "clientId": fields["client_id"],
        "clientSecret": fields["client_secret"],
        "authorizationEndpoint": fields["authorization_endpoint"],
        "tokenEndpoint": fields["token_endpoint"],
        "scopes": "read:jira-work\r\noffline_access",
    } | changes


# -- connections -----------------------------------------------------------------------------------


async def test_a_person_connects(jira, anna, atlassian):
    """Connect leads to the provider and back, and then the connection is Ready."""
    before = await anna.get("/connections/")

    after = await anna.connect(jira, atlassian)

    assert "Not connected" in texts(before)
    assert "Jira is connected." in texts(after)
    assert "Ready" in texts(after)
    assert "read:jira-work" in texts(after)
    assert "Access token ends In 60 minutes" in texts(after)
    assert all(word in texts(after) for word in ("Reconnect", "Refresh now", "Delete"))


async def test_missing_scopes_are_shown(house, anna, atlassian):
    """Scopes that were requested and not granted are shown as missing."""
    jira = await house.add()
    await anna.connect(jira, atlassian)
    await house.connections.configs.save(jira.changed(scopes=[*jira.scopes, "write:jira-work"]))

    page = await anna.get("/connections/")

    assert re.search(r'class="missing"><code>write:jira-work<', page.text)


async def test_a_person_declines(jira, anna, atlassian):
    """Who declines lands on the page, which says so."""
    atlassian.deny_next_consent()

    page = await anna.connect(jira, atlassian)

    assert page.status_code == 400
    assert "declined" in texts(page)
    assert "Not connected" in texts(page)


async def test_a_person_refreshes(jira, anna, atlassian):
    """Refresh now refreshes the token, and the page says when."""
    await anna.connect(jira, atlassian)

    done = await anna.submit(f"/connections/connections/{jira.id}/refresh")
    page = await anna.get(done.headers["location"])

    assert "Jira was refreshed." in texts(page)
    assert "Last refresh Now" in texts(page)


async def test_a_lost_consent(jira, anna, atlassian):
    """If the consent was revoked, the page says why it does not work, and Reconnect repairs it."""
    await anna.connect(jira, atlassian)
    atlassian.families[-1].alive = False

    refused = await anna.submit(f"/connections/connections/{jira.id}/refresh")
    page = await anna.get("/connections/")
    repaired = await anna.connect(jira, atlassian)

    assert refused.status_code == 409
    assert "Connect again" in texts(page)
    assert "Refresh now" not in texts(page)
    assert "Ready" in texts(repaired)


async def test_a_person_deletes(jira, anna, atlassian):
    """Delete asks first, then removes the token."""
    await anna.connect(jira, atlassian)
    place = f"/connections/connections/{jira.id}/delete"

    question = await anna.get(place)
    done = await anna.submit(place, page=place)
    page = await anna.get(done.headers["location"])

    assert "Delete the connection to Jira?" in texts(question)
    assert "The connection to Jira was deleted." in texts(page)
    assert "Not connected" in texts(page)


async def test_client_credentials_need_no_consent(house, anna, atlassian):
    """A client that acts for itself is connected without a provider's page."""
    app = atlassian.service_account_app
    urls = atlassian.urls
    robot = await house.add(
        name="Robot",
        type="CLIENT_CREDENTIALS",
        client_id=app.client_id,
        client_secret=app.client_secret,
        authorization_endpoint="",
        token_endpoint=urls.token_url,
        scopes=None,
    )

    for _ in range(2):
        done = await anna.submit(f"/connections/connections/{robot.id}/connect")
        page = await anna.get(done.headers["location"])

        assert "Robot is connected." in texts(page)
        assert "Ready" in texts(page)
    assert len(await house.connections.tokens.list()) == 1
    clients = await house.browser("boss").get(CLIENTS)
    assert "Redirect URI" not in texts(clients)


async def test_client_credentials_that_are_wrong(house, boss, atlassian):
    """If the provider refuses the client, the page says what to check."""
    robot = await house.add(
        name="Robot", type="CLIENT_CREDENTIALS", authorization_endpoint="", scopes=None
    )

    page = await boss.submit(f"/connections/connections/{robot.id}/connect")

    assert page.status_code >= 400
    assert 'role="alert"' in page.text


@pytest.mark.parametrize("query", ["?done=connected&client=x", "?done=x", "?done=connected"])
async def test_notices_are_ours(jira, anna, query):
    """The URL chooses a sentence and a client, and cannot bring a text of its own."""
    assert 'role="status"' not in (await anna.get(f"/connections/{query}")).text


async def test_nothing_to_connect_to(anna, boss):
    """Without a client, an administrator is led to add one, and others learn who can."""
    assert "Add a client" in texts(await boss.get("/connections/"))
    assert "An administrator has to add a client first." in texts(await anna.get("/connections/"))


async def test_unknown_pages(anna):
    """A page that is not there says so, and leads back."""
    page = await anna.get("/connections/nothing")

    assert page.status_code == 404
    assert "There is nothing at this address." in texts(page)


# -- clients ---------------------------------------------------------------------------------------


async def test_an_administrator_adds_a_client(house, boss):
    """The form begins with the known endpoints and the redirect URI; Save stores the client."""
    new = f"{CLIENTS}/new?type=ATLASSIAN_CLOUD"
    empty = await boss.get(new)

    done = await boss.submit(CLIENTS, page=new, **form_of(house))
    page = await boss.get(done.headers["location"])

    [stored] = await house.connections.configs.list()
    assert 'value="https://auth.atlassian.com/authorize"' in empty.text
    assert f"{ORIGIN}/connections/plugins/servlet/oauth2/client/callback/" in empty.text
    assert "The client was saved." in texts(page)
    assert stored.name in texts(page)
    assert stored.scopes == ("offline_access", "read:jira-work")


async def test_an_administrator_changes_a_client(house, jira, boss):
    """The form shows what is stored, without the secret; an empty secret keeps the stored one."""
    place = f"{CLIENTS}/{jira.id}"
    shown = await boss.get(place)

    form = form_of(house, name="Jira of Acme", clientSecret="")
    await boss.submit(place, page=place, **form)

    stored = await house.connections.configs.get(jira.id)
    assert f'value="{jira.client_id}"' in shown.text
    assert jira.client_secret not in shown.text
    assert (stored.name, stored.client_secret) == ("Jira of Acme", jira.client_secret)


async def test_an_administrator_deletes_a_client(house, jira, boss):
    """Delete says what it does to people, then removes the client."""
    place = f"{CLIENTS}/{jira.id}/delete"
    question = await boss.get(place)

    done = await boss.submit(place, page=place)
    page = await boss.get(done.headers["location"])

    assert "will stop working" in texts(question)
    assert "The client was deleted." in texts(page)
    assert "No client is added yet" in texts(page)


async def test_the_types_of_clients(boss):
    """Each type of client has its form, which asks for a consent page only if the type has one."""
    choices = re.findall(r"new\?type=(\w+)", (await boss.get(f"{CLIENTS}/new")).text)

    forms = {name: (await boss.get(f"{CLIENTS}/new?type={name}")).text for name in choices}

    assert len(forms) == 6
    asked = {name for name, text in forms.items() if 'name="authorizationEndpoint"' in text}
    assert set(forms) - asked == {"CLIENT_CREDENTIALS"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", ""), ("name", "x" * 256), ("description", "x" * 1001), ("clientId", "")),
        *(("clientId", "a b"), ("clientSecret", ""), ("clientSecret", "x" * 2001)),
        *(("authorizationEndpoint", ""), ("authorizationEndpoint", "http://idp.example.com/")),
        *(("tokenEndpoint", ""), ("tokenEndpoint", "no url"), ("scopes", "a,b"), ("type", "OTHER")),
    ],
)
async def test_a_wrong_field_has_its_message(house, boss, field, value):
    """Wrong input at any field gives a message at the field; what was typed stays, apart from the secret."""
    form = form_of(house, **{field: value})
    before = await house.contents()

    page = await boss.submit(CLIENTS, page=f"{CLIENTS}/new?type=GENERIC", **form)

    assert page.status_code == 400
    assert "Nothing was saved." in texts(page)
    assert f'href="#{field}"' in page.text
    if field != "type":
        assert f'id="{field}-wrong"' in page.text
        assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', page.text)
    assert house.fields()["client_secret"] not in page.text
    assert await house.contents() == before


async def test_each_wrong_field_has_its_message(house, boss):
    """If several fields are wrong, each of them says so at once, a missing secret too."""
    form = form_of(house, name="", clientSecret="")

    page = await boss.submit(CLIENTS, page=f"{CLIENTS}/new?type=GENERIC", **form)

    assert page.status_code == 400
    assert 'id="name-wrong"' in page.text
    assert 'id="clientSecret-wrong"' in page.text


async def test_a_wrong_form_without_a_field_of_its_own(house, boss):
    """What is wrong with a client as a whole stands above the form."""
    form = form_of(house, type="ATLASSIAN_DATA_CENTER")

    page = await boss.submit(CLIENTS, page=f"{CLIENTS}/new?type=ATLASSIAN_DATA_CENTER", **form)

    assert page.status_code == 400
    assert "Nothing was saved. base_url is Atlassian Cloud" in texts(page)


async def test_pages_for_administrators(house, jira, anna):
    """Others may neither see nor change clients."""
    for path in ("", "/new", f"/{jira.id}", f"/{jira.id}/delete"):
        refused = await anna.get(f"{CLIENTS}{path}")
        assert refused.status_code == 403
        assert jira.client_id not in refused.text
    before = await house.contents()

    for path in ("", f"/{jira.id}", f"/{jira.id}/delete"):
        assert (await anna.submit(f"{CLIENTS}{path}", **form_of(house))).status_code == 403

    assert await house.contents() == before


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "Now"), (1, "In 1 second"), (119, "In 119 seconds"), (120, "In 2 minutes")),
        *((-7199, "119 minutes ago"), (-7200, "2 hours ago"), (172_800, "In 2 days")),
    ],
)
def test_distances(seconds, words):
    """A distance in time is told in the largest unit of which there are two."""
    assert distance(timedelta(seconds=seconds)) == words
