"""Up to two hundred people connect at the same time, and each gets their own token."""

from __future__ import annotations

from contextlib import aclosing
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest

from atlassian_auth.stores import MemoryStore, PostgresStore, RedisStore, SQLiteStore
from tests.web.house import REST

PATIENCE_SECONDS = 300  # a crowd on a busy machine


@pytest.fixture
def store(request, place, tmp_path, atlassian_clock):
    if place == "redis":
        return RedisStore(request.getfixturevalue("redis_url"), timeout_seconds=PATIENCE_SECONDS)
    if place == "postgres":
        return PostgresStore(
            request.getfixturevalue("postgres_url"), timeout_seconds=PATIENCE_SECONDS
        )
    if place == "sqlite":
        return SQLiteStore(tmp_path / "connections.db", clock=atlassian_clock)
    return MemoryStore(clock=atlassian_clock)


@pytest.mark.parametrize(
    ("place", "people"),
    [
        *(("memory", 50), ("sqlite", 10)),
        *(pytest.param(name, 200, marks=pytest.mark.campaign) for name in ("memory", "postgres")),
        *(pytest.param(name, 50, marks=pytest.mark.campaign) for name in ("redis", "sqlite")),
    ],
)
async def test_no_mix_up(house, jira, atlassian, people):
    """Of many flows at once, each brings its person the token of their own consent."""
    codes = {}

    async def connect(person):
        async with aclosing(house.browser(person)) as browser:
            flow = (await browser.post(f"{REST}/flows", json={"configId": jira.id})).json()
            provider = (await browser.get(flow["url"])).headers["location"]
            callback = atlassian.browse(provider)
            codes[person] = parse_qs(urlsplit(callback).query)["code"][0]
            assert (await browser.get(callback)).status_code == 303

    async with anyio.create_task_group() as everyone:
        for number in range(people):
            everyone.start_soon(connect, f"person-{number}")

    owned = {person: await house.owners.token_id(person, jira.id) for person in codes}
    assert len(set(owned.values())) == people
    for person, token_id in owned.items():
        token = await house.connections.tokens.get(token_id)
        assert atlassian.family_of(token.refresh_token) is atlassian.family_of(codes[person])
    assert len(atlassian.token_requests) == people
