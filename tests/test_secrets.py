"""No secret in anything that can be shown, through good times and bad."""

from __future__ import annotations

import logging
import traceback

import httpx
import pytest

from atlassian_auth import AtlassianAuth, AtlassianAuthError
from atlassian_auth.stores import SQLiteStore
from atlassian_auth.testing import Fault, cloud_grant, data_center_grant

TROUBLES = [
    Fault.status(503),
    Fault.lost_answer(),
    Fault.html(),
    Fault.truncated(),
    Fault.redirect("https://evil.example/"),
    Fault.json({"error": "access_denied", "error_description": "secret-echo"}, status=401),
]


@pytest.fixture
def shown(caplog):
    """Everything that was shown: log records of all loggers at all levels, and what a test adds."""
    caplog.set_level(logging.DEBUG)
    texts = []
    yield texts
    texts += [f"{record.getMessage()} {record.exc_text}" for record in caplog.get_records("call")]
    assert len(texts) > 10
    assert [text for text in texts if "secret-" in text.replace("secret-echo", "")] == []


def everything_about(error: BaseException) -> str:
    chain, seen = [error], []
    while chain:
        link = chain.pop()
        seen.append(f"{link!r} {link} {vars(link)}")
        chain += [other for other in (link.__cause__, link.__context__) if other]
    return "\n".join([*seen, *traceback.format_exception(error)])


@pytest.mark.parametrize("kind", ["cloud", "data_center"])
async def test_nothing_shown_holds_a_secret(shown, atlassian, atlassian_server, tmp_path, kind):
    """Under every fault, no log record, event, error or repr holds a secret."""
    urls = atlassian_server.urls
    cloud = kind == "cloud"
    grant = (cloud_grant if cloud else data_center_grant)(atlassian, urls)
    app = atlassian.cloud_app if cloud else atlassian.data_center_app
    auth = AtlassianAuth(
        grant,
        store=SQLiteStore(tmp_path / "tokens.db"),
        clock=atlassian.clock,
        on_event=lambda event: shown.append(repr(event)),
    )
    pasted = atlassian.issue_grant(app).refresh_token
    page = f"{urls.dc_base_url}/rest/api/2/myself"
    if cloud:
        page = f"{urls.api_url}/ex/jira/{atlassian.cloud_id}/rest/api/3/myself"

    async with httpx.AsyncClient(auth=auth, trust_env=False) as client:
        shown.append(repr(await auth.manager.add(auth.key, refresh_token=pasted)))
        await client.get(page)
        for trouble in TROUBLES:
            atlassian.fault("token", trouble, times=3)
            atlassian.clock.advance(4000)
            try:
                shown.append(repr(await client.get(page)))
            except AtlassianAuthError as error:
                shown.append(everything_about(error))
            atlassian.clear_faults()
        for thing in (auth, auth.manager, grant, await auth.status()):
            shown.append(f"{thing!r} {thing}")
    await auth.aclose()


async def test_what_is_at_rest_is_private(atlassian, tmp_path):
    """The files of the embedded store can be read by their owner only."""
    auth = AtlassianAuth(
        cloud_grant(atlassian), store=SQLiteStore(tmp_path / "tokens.db"), clock=atlassian.clock
    )
    await auth.manager.add(auth.key, refresh_token=atlassian.issue_grant().refresh_token)
    await auth.token()

    modes = {file.name: file.stat().st_mode & 0o077 for file in tmp_path.rglob("*")}

    assert set(modes.values()) == {0}
    assert "tokens.db" in modes
    await auth.aclose()
