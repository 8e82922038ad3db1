"""The command doctor with an emulated Atlassian that works, and that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.testing import FakeAtlassian, Fault, LoopbackServer
from atlassian_auth.testing.wire import Reply
from tests import terminal

LINKS = ["settings", "network", "clock", "token", "refresh", "scopes", "site", "call"]


@pytest.fixture
def doctor(authorized):
    """Run doctor; return the outcomes, the failed finding, and the exit status."""

    def doctor(*arguments, profile="acme"):
        ended = authorized("doctor", profile, "--json", *arguments)
        failed = [finding for finding in ended.json if finding["outcome"] == "failed"]
        assert [finding["link"] for finding in ended.json] == LINKS
        assert "secret-" not in ended.output + ended.errors
        outcomes = {finding["link"]: finding["outcome"] for finding in ended.json}
        return outcomes, failed[0] if failed else None, ended.status

    return doctor


@pytest.mark.parametrize("profile", ["acme", "robot", "builds", "tracker"])
def test_all_is_well(authorized, doctor, world, profile):
    """All links are ok with each kind of credential."""
    tokens = world.issue_grant(world.data_center_app)
    authorized("add", "tracker", stdin=tokens.refresh_token)

    outcomes, _, status = doctor(profile=profile)

    skipped = {"call"} if profile == "builds" else set()
    assert status == 0
    assert outcomes == {link: "skipped" if link in skipped else "ok" for link in LINKS}


def test_what_was_not_tested_is_said(authorized, doctor, home):
    """While the token is valid the client secret is not tested, and doctor says how to test it."""
    authorized("token", "acme")
    (home / "acme.secret").write_text("wrong", "utf-8")

    ended = authorized("doctor", "acme")
    outcomes, failed, status = doctor("--refresh")

    [line] = [line for line in ended.output.splitlines() if line.startswith("skipped")]
    assert ended.status == 0
    assert line.split()[:4] == ["skipped", "refresh", "not", "tested:"]
    assert "--refresh" in line
    assert (status, failed["link"], outcomes["call"]) == (2, "refresh", "ok")
    assert "It comes from client_secret_file in [profiles.acme] of" in failed["detail"]


@pytest.mark.parametrize("flag", ["--refresh", "--renew"])
def test_a_refresh_is_tried(authorized, doctor, world, flag):
    """--refresh and --renew refresh a valid token, but not one that was issued just now."""
    authorized("token", "acme")

    outcomes, _, status = doctor(flag)

    assert (status, {*outcomes.values()}) == (0, {"ok"})
    assert world.count("token", outcome="ok") == 2
    assert authorized("doctor", "robot", flag).status == 0
    assert world.count("token", outcome="ok") == 3


def test_a_refresh_that_is_known_to_fail(authorized, doctor, home):
    """A stored failure of the last refresh is reported until a refresh succeeds."""
    authorized("token", "acme")
    right = (home / "acme.secret").read_text("utf-8")
    (home / "acme.secret").write_text("wrong", "utf-8")
    authorized("refresh", "acme")

    outcomes, failed, status = doctor()
    (home / "acme.secret").write_text(right, "utf-8")
    mended, _, mended_status = doctor("--refresh")

    assert (status, failed["link"]) == (1, "refresh")
    assert failed["detail"].startswith("the last refresh failed: Refreshes have failed since 20")
    assert failed["detail"].endswith("; --refresh tries again")
    assert (outcomes["token"], outcomes["call"]) == ("ok", "ok")
    assert (mended_status, {*mended.values()}) == (0, {"ok"})


def test_a_grant_that_has_most_likely_ended(authorized, doctor, monkeypatch):
    """A lost consent exits with 3, although the token is valid."""
    authorized("token", "acme")
    monkeypatch.setenv("ATLASSIAN_AUTH_INACTIVITY_LIMIT", "PT0.000001S")

    outcomes, failed, status = doctor()

    assert (status, failed["link"], outcomes["token"]) == (3, "refresh", "ok")
    assert "has most likely ended" in failed["detail"]
    assert failed["remedy"].startswith("Run: atlassian-auth login acme")


def test_where_settings_come_from(authorized, monkeypatch, config):
    """The sources of the settings are named, without their values."""
    monkeypatch.setenv("ATLASSIAN_AUTH_CLIENT_SECRET", "hush")
    monkeypatch.setenv("ATLASSIAN_AUTH_SITE", "acme")

    ended = authorized("doctor", "robot", "--json")

    assert ended.json[0]["detail"].endswith(
        f"tokens.db; set by --store, {config}, ATLASSIAN_AUTH_CLIENT_SECRET, ATLASSIAN_AUTH_SITE"
    )
    assert "hush" not in ended.output + ended.errors


def test_for_people(authorized):
    """Each link has one line, and a failed link a second one with the remedy."""
    lines = authorized("doctor", "acme", "--needs", "jira-audit").output.splitlines()

    assert [line.split()[:2] for line in lines[:5]] == [["ok", link] for link in LINKS[:5]]
    assert lines[5].startswith("failed   scopes    Not granted: manage:jira-configuration;")
    assert "Permissions" in lines[6]
    assert lines[7].startswith("ok       site      cloud id ")


@pytest.mark.skipif(sys.platform != "linux", reason="the picture shows the paths of Linux")
def test_the_picture(command, config, home, world, app):
    """The picture in the documentation is what doctor prints if a scope is missing."""
    folder = home / ".config" / "atlassian-auth"
    folder.mkdir(parents=True)
    config.rename(folder / "config.toml")
    (home / "acme.secret").rename(folder / "acme.secret")
    tokens = world.issue_grant(app, ["read:me", "read:jira-user"])
    command("add", "acme", stdin=tokens.refresh_token)
    command("token", "acme")

    ended = command("doctor", "acme", "--needs", "jira-audit")

    shown = "\n" + ended.output.replace(str(home), "/home/me")
    terminal.check("doctor", "atlassian-auth doctor acme --needs jira-audit", shown)


def test_settings(doctor, config):
    """If the settings are wrong, all links are skipped."""
    config.write_text("[profiles.acme]\nproduct = 'x'", "utf-8")

    outcomes, failed, status = doctor()

    assert (status, failed["link"]) == (2, "settings")
    assert {outcomes[link] for link in LINKS[1:]} == {"skipped"}


def test_network(doctor, world):
    """If the network fails, all other links are skipped."""
    world.fault(lambda _request: True, Fault.refused_connection())

    outcomes, failed, status = doctor()

    assert (status, failed["link"]) == (4, "network")
    assert "firewalls" in failed["remedy"]
    assert {outcomes[link] for link in LINKS[2:]} == {"skipped"}


@pytest.mark.parametrize(("seconds", "way"), [(-3600, "ahead of"), (3600, "behind")])
def test_a_wrong_clock(doctor, world, seconds, way):
    """A wrong clock is reported, and the other links are tested."""
    date = format_datetime(datetime.fromtimestamp(SYSTEM_CLOCK.time() + seconds, UTC))
    fault = Fault.reply(Reply(405, {"date": date}))
    world.fault(lambda request: request.path == "/oauth/token", fault, times=2)

    outcomes, failed, status = doctor()

    assert (status, failed["link"], outcomes["call"]) == (2, "clock", "ok")
    assert f"{way} the server" in failed["detail"]


def test_a_server_that_does_not_tell_its_time(doctor, world):
    """If the server sends no date, the clock is skipped."""
    fault = Fault.reply(Reply(405, {"date": ""}))
    world.fault(lambda request: request.path == "/oauth/token", fault, times=2)

    outcomes, _, status = doctor()

    assert (status, outcomes["clock"]) == (0, "skipped")


def test_nothing_is_authorized(doctor, authorized):
    """If nothing is stored, the remedy is login."""
    authorized("forget", "acme")

    outcomes, failed, status = doctor()

    assert (status, failed["link"], outcomes["scopes"]) == (3, "token", "skipped")
    assert failed["remedy"].startswith("Run: atlassian-auth login acme --config ")


def test_a_wrong_secret(doctor, world):
    """For a wrong secret, the remedy names the page to compare it with."""
    world.fault("token", Fault.json({"error": "access_denied"}, status=401))

    _, failed, status = doctor()

    assert (status, failed["link"]) == (2, "token")
    assert "Settings > Authentication details" in failed["remedy"]


def test_no_site(doctor):
    """A site that the token does not include fails."""
    outcomes, failed, status = doctor("--site", "other")

    assert (status, failed["link"], outcomes["call"]) == (2, "site", "skipped")
    assert "consent page" in failed["remedy"]


def test_scopes_for_the_usual_call_are_not_demanded(doctor, authorized, world, app):
    """Without a scope for the default call, the call is still ok."""
    tokens = world.issue_grant(app, ["read:jira-work"])
    authorized("add", "acme", "--key", "other", stdin=tokens.refresh_token)

    outcomes, failed, _ = doctor("--key", "other", "--needs", "read:jira-work")

    assert (outcomes["call"], failed) == ("ok", None)


def test_scopes_for_a_call_of_ones_own_are(doctor):
    """A call that is named must succeed."""
    _, failed, status = doctor("--call", "/rest/api/3/auditing/record")

    assert (status, failed["link"]) == (2, "call")
    assert "Permissions" in failed["remedy"]


@pytest.mark.parametrize(
    ("http_status", "status", "words"),
    [(400, 1, "400"), (403, 1, "403"), (429, 4, "later"), (499, 1, "499"), (500, 4, "later")],
)
def test_a_call_that_fails(doctor, world, http_status, status, words):
    """An error of the API is not reported as a wrong token."""
    fault = Fault.status(http_status)
    world.fault(lambda request: request.path.endswith("/myself"), fault)

    _, failed, ended = doctor()

    assert (ended, failed["link"]) == (status, "call")
    assert words in failed["detail"]


def test_a_call_for_builds(doctor):
    """For builds a call is tested only if --call names one."""
    _, failed, status = doctor("--call", "/rest/builds/0.1/x", profile="builds")

    assert (status, failed["link"]) == (1, "call")


def test_a_process(home):
    """``doctor`` works in a process over real sockets."""
    with LoopbackServer(FakeAtlassian()) as server:
        robot, urls = server.atlassian.service_account_app, server.urls
        settings = {
            "PRODUCT": "service-account",
            "CLIENT_ID": robot.client_id,
            "CLIENT_SECRET": robot.client_secret,
            "TOKEN_URL": urls.token_url,
            "API_URL": urls.api_url,
            "RESOURCES_URL": urls.resources_url,
            "SITE": "acme",
        }
        ended = subprocess.run(
            [sys.executable, "-m", "atlassian_auth", "doctor", "--store", home / "tokens.db"],
            capture_output=True,
            check=False,
            env=os.environ | {f"ATLASSIAN_AUTH_{name}": value for name, value in settings.items()},
            text=True,
            timeout=300,
        )

    lines = ended.stdout.splitlines()
    # The emulator's clock stands still, at a moment that is not now.
    assert (ended.returncode, ended.stderr) == (2, "")
    assert [line.split()[1] for line in lines if line.startswith("ok")] == [
        link for link in LINKS if link != "clock"
    ]
    assert any(line.startswith("failed   clock") for line in lines)
