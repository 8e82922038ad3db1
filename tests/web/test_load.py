"""Two hundred people connect at the same time, and each gets their own token."""

from __future__ import annotations

from contextlib import aclosing
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest

from atlassian_auth.stores import MemoryStore, PostgresStore, RedisStore, SQLiteStore

PEOPLE = 200


@pytest.fixture(
    params=[
        *("memory", "sqlite"),
        *(pytest.param(name, marks=pytest.mark.campaign) for name in ("redis", "postgres")),
    ]
)
def store(request, tmp_path, atlassian_clock):
    if request.param == "redis":
        return RedisStore(request.getfixturevalue("redis_url"))
    if request.param == "postgres":
        return PostgresStore(request.getfixturevalue("postgres_url"))
    if request.param == "sqlite":
        return SQLiteStore(tmp_path / "connections.db", clock=atlassian_clock)
    return MemoryStore(clock=atlassian_clock)


async def test_no_mix_up(house, jira, atlassian):
    """Of many flows at once, each brings its person the token of their own consent."""
    codes = {}

    async def connect(person):
        async with aclosing(house.browser(person)) as browser:
            callback = atlassian.browse(await browser.leave(jira))
            codes[person] = parse_qs(urlsplit(callback).query)["code"][0]
            landed = await browser.get((await browser.get(callback)).headers["location"])
            assert landed.status_code == 303

    async with anyio.create_task_group() as everyone:
        for number in range(PEOPLE):
            everyone.start_soon(connect, f"person-{number}")

    owned = {person: await house.owners.token_id(person, jira.id) for person in codes}
    assert len(set(owned.values())) == PEOPLE
    for person, token_id in owned.items():
        token = await house.connections.tokens.get(token_id)
        assert atlassian.family_of(token.refresh_token) is atlassian.family_of(codes[person])
    assert len(atlassian.token_requests) == PEOPLE
