"""One request with a credential, against an emulated Atlassian."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from atlassian_auth.testing import Fault, LoopbackServer, Reply

ME = "https://api.atlassian.com/me"


@pytest.fixture
def call(authorized):
    """Send a request with the credential of profile acme."""
    return lambda *arguments, **more: authorized(*arguments, "--profile", "acme", **more)


@pytest.fixture
def bulk(acme, world):
    """Post something with the credential of profile builds, and return what arrived."""

    def bulk(*arguments, stdin=""):
        url = f"https://api.atlassian.com/jira/builds/0.1/cloud/{world.cloud_id}/bulk"
        ended = acme("request", "POST", url, "--profile", "builds", *arguments, stdin=stdin)
        return ended, [entry["document"] for entry in world.submissions]

    return bulk


def test_the_body_and_the_status_do_not_mix(call):
    """The body goes to standard output, the status to standard error."""
    ended = call("request", "get", ME)

    assert (ended.status, ended.errors) == (0, "HTTP/1.1 200 OK\n")
    assert json.loads(ended.output)["account_id"]


def test_the_answer_as_json(call, world):
    """With --json one document has the status, the headers and the body."""
    found = call("request", "GET", ME, "--json")
    world.fault("api", Fault.html(404))
    missing = call("request", "GET", ME, "--json")

    assert found.json.keys() == {"status", "headers", "body"}
    assert (found.json["status"], bool(found.json["body"]["account_id"])) == (200, True)
    assert (missing.status, missing.json["status"]) == (1, 404)
    assert missing.json["body"].startswith("<")


def test_an_answer_that_is_nested_too_deeply(call, world):
    """A body with too deep nesting is printed as text."""
    nested = b"[" * 100_000
    world.fault("api", Fault.reply(Reply(200, {}, nested)))

    assert call("request", "GET", ME, "--json").json["body"] == nested.decode()


def test_the_body_in_a_file(call, home):
    """With --output the body goes to the file only."""
    file = home / "me.json"

    ended = call("request", "GET", ME, "--output", file)

    assert (ended.status, ended.output) == (0, "")
    assert json.loads(file.read_text("utf-8"))["account_id"]


def test_a_file_that_cannot_be_written(call, home):
    """A file that cannot be written is an error of its own."""
    ended = call("request", "GET", ME, "--output", home / "missing" / "me.json")

    assert ended.status == 2
    assert "cannot be written: No such file" in ended.errors


def test_data(bulk, home):
    """The body comes from the option, a file or standard input; the default type is JSON."""
    file = home / "build.json"
    file.write_text('{"number": 2}', "utf-8")

    bulk("--data", '{"number": 1}')
    bulk("--data", f"@{file}")
    ended, arrived = bulk("--data", "@-", stdin='{"number": 3}')

    assert ended.status == 0
    assert arrived == [{"number": 1}, {"number": 2}, {"number": 3}]


def test_headers(call, world):
    """Headers may be repeated; Authorization is always the credential's."""
    seen = []
    world.fault(lambda request: seen.append(request.headers), Fault.empty())
    headers = ("--header", "X-One:1", "--header", "authorization: Basic x")

    call("request", "POST", ME, "--data", "x", *headers, "--header", "Content-Type: text/plain")

    assert (seen[-1]["x-one"], seen[-1]["content-type"]) == ("1", "text/plain")
    assert seen[-1]["authorization"].startswith("Bearer secret-")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("G T", ME), "METHOD: must be a method such as GET"),
        (("GET", ME, "--header", "x"), "--header: must look like 'Name: value'"),
        (("GET", ME, "--header", "x: a\nb: c"), "--header: must look like 'Name: value'"),
        (("GET", ME, "--data", "@/nowhere"), "/nowhere cannot be read: No such file"),
        (("GET", "https://api.atlassian.com:x/"), "URL is malformed"),
    ],
    ids=["method", "header", "two headers", "data", "url"],
)
def test_misuse_is_refused(call, world, arguments, words):
    """Wrong arguments are refused before a request is sent."""
    ended = call("request", *arguments)

    assert (ended.status, words in ended.errors) == (2, True), ended.errors
    assert world.api_requests == ()


def test_other_hosts_get_nothing(call, world):
    """A URL of another host is refused before a request is sent."""
    ended = call("request", "GET", "https://example.com/")

    assert (ended.status, ended.output) == (2, "")
    assert "https://example.com" in ended.errors


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.status(399), 0),
        (Fault.status(400), 1),
        (Fault.status(428), 1),
        (Fault.status(429), 4),
        (Fault.status(499), 1),
        (Fault.status(500), 4),
        (Fault.refused_connection(), 4),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_exit_status(call, world, fault, status):
    """The exit status says whether the same request may succeed later."""
    world.fault("api", fault)

    ended = call("request", "GET", ME)

    assert (ended.status, len(ended.errors.splitlines())) == (status, 1)


def test_redirects_are_shown(call, world):
    """A redirect is reported, and not followed."""
    world.fault("api", Fault.redirect("https://example.com/"))

    ended = call("request", "GET", ME)

    assert (ended.status, ended.errors.splitlines()[1:]) == (0, ["location: https://example.com/"])


def test_a_missing_scope(call, world):
    """A missing scope exits with 2, and nothing is refreshed."""
    ended = call("request", "GET", "/rest/api/3/auditing/record")

    assert ended.status == 2
    assert "lacks a scope" in ended.errors


def test_a_process(home):
    """A process sends and prints binary data over real sockets."""
    with LoopbackServer() as server:
        robot, urls = server.atlassian.service_account_app, server.urls
        server.atlassian.add_event("Ünïcode")
        settings = {
            "PRODUCT": "service-account",
            "CLIENT_ID": robot.client_id,
            "CLIENT_SECRET": robot.client_secret,
            "TOKEN_URL": urls.token_url,
            "API_URL": urls.api_url,
            "RESOURCES_URL": urls.resources_url,
        }
        arguments = ("request", "GET", "rest/api/3/auditing/record", "--store", home / "tokens.db")
        ended = subprocess.run(
            [sys.executable, "-m", "atlassian_auth", *arguments],
            capture_output=True,
            check=False,
            env=os.environ | {f"ATLASSIAN_AUTH_{name}": value for name, value in settings.items()},
            timeout=300,
        )

    assert (ended.returncode, ended.stderr) == (0, b"HTTP/1.1 200 OK\n")
    assert "Ünïcode" in json.dumps(json.loads(ended.stdout), ensure_ascii=False)
