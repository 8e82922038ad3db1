"""The sender of builds: one build goes out as the app, and Jira's answer is understood."""

from __future__ import annotations

import pytest

from atlassian_auth.testing import Fault, LoopbackServer, jira_software_grant

BUILD = [
    *("--pipeline", "shop", "--number", "16", "--state", "failed"),
    *("--url", "https://ci.example.com/shop/16", "--issue", "SHOP-1", "--issue", "SHOP-2"),
]
ANSWERS = {
    "accepted": ({"acceptedBuilds": [{"pipelineId": "shop", "buildNumber": 16}]}, 0),
    "rejected": (
        {
            "rejectedBuilds": [
                {
                    "key": {"pipelineId": "shop", "buildNumber": 16},
                    "errors": [{"message": "state is strange"}],
                }
            ]
        },
        1,
    ),
    "unknown_issue": ({"acceptedBuilds": [], "unknownIssueKeys": ["SHOP-1"]}, 1),
    "half_unknown": (
        {
            "acceptedBuilds": [{"pipelineId": "shop", "buildNumber": 16}],
            "unknownIssueKeys": ["SHOP-2"],
        },
        0,
    ),
}
REPORTS = {
    "accepted": "accepted shop #16\n",
    "rejected": "rejected shop #16: state is strange\n",
    "unknown_issue": "unknown issue SHOP-1\n",
    "half_unknown": "accepted shop #16\nunknown issue SHOP-2\n",
}


@pytest.fixture
def environment(atlassian):
    app = atlassian.jira_software_app
    return {
        "ATLASSIAN_CLIENT_ID": app.client_id,
        "ATLASSIAN_CLIENT_SECRET": app.client_secret,
    }


@pytest.mark.parametrize(
    "site",
    [
        "acme",
        "acme.atlassian.net",
        "https://acme.atlassian.net",
        "https://ACME.atlassian.net/wiki/",
    ],
)
async def test_sends_one_build(sender, atlassian, atlassian_clock, environment, site):
    """The build arrives at the site with all fields that Jira needs, however the site is named."""
    options = sender.parse(["--site", site, *BUILD])

    await sender.send(options, environment, clock=atlassian_clock)

    [submission] = atlassian.submissions
    assert (submission["entity"], submission["cloud_id"]) == ("builds", atlassian.cloud_id)
    assert submission["document"]["builds"] == [
        {
            "schemaVersion": "1.0",
            "pipelineId": "shop",
            "buildNumber": 16,
            "updateSequenceNumber": 1767268800000,
            "displayName": "shop #16",
            "url": "https://ci.example.com/shop/16",
            "state": "failed",
            "lastUpdated": "2026-01-01T12:00:00.000+00:00",
            "issueKeys": ["SHOP-1", "SHOP-2"],
        }
    ]


async def test_the_site_gets_no_credential(sender, environment, atlassian_clock, atlassian):
    """Asking a site for its cloud id carries no Authorization header."""
    options = sender.parse(["--site", "https://acme.atlassian.net", *BUILD])
    bare = Fault("bare", lambda work: work())
    atlassian.fault(lambda request: "authorization" not in request.headers, bare, times=None)

    await sender.send(options, environment, clock=atlassian_clock)

    assert atlassian.count("api", service="site", fault="bare") == 1
    assert atlassian.count("api", service="api", fault="") == 1


async def test_a_known_cloud_id_needs_no_lookup(sender, atlassian, environment, atlassian_clock):
    """Given the cloud id, the site itself is not asked."""
    options = sender.parse(["--cloud-id", atlassian.cloud_id, *BUILD])

    await sender.send(options, environment, clock=atlassian_clock)

    assert len(atlassian.submissions) == 1
    assert atlassian.count("api", service="site") == 0


async def test_other_endpoints_can_be_named(sender, atlassian, environment, atlassian_clock):
    """The same program talks to a test server."""
    with LoopbackServer(atlassian) as server:
        endpoints = jira_software_grant(atlassian, server.urls).endpoints
        options = sender.parse(["--cloud-id", atlassian.cloud_id, *BUILD])

        await sender.send(options, environment, endpoints=endpoints, clock=atlassian_clock)

    assert len(atlassian.submissions) == 1


@pytest.mark.parametrize("case", ANSWERS)
def test_says_what_jira_made_of_it(sender, atlassian, environment, monkeypatch, capsys, case):
    """Accepted, rejected and unknown are printed; the exit status tells a pipeline the rest."""
    document, status = ANSWERS[case]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    atlassian.fault("api", Fault.json(document, status=202))

    exit_status = sender.main(["--cloud-id", atlassian.cloud_id, *BUILD])

    assert capsys.readouterr().out == REPORTS[case]
    assert exit_status == status


@pytest.mark.parametrize(
    ("site", "left_out", "said"),
    [
        ("acme", ["ATLASSIAN_CLIENT_ID", "ATLASSIAN_CLIENT_SECRET"], "Set ATLASSIAN_CLIENT_ID and"),
        ("acme", ["ATLASSIAN_CLIENT_SECRET"], "Set ATLASSIAN_CLIENT_SECRET: "),
        ("nowhere", [], "There is no Cloud site https://nowhere.atlassian.net"),
        ("https://jira.example.com", [], "site must be a Cloud site such as acme"),
    ],
)
def test_wrong_input(sender, environment, monkeypatch, capsys, site, left_out, said):
    """A wrong input ends with one line that says what to do, and another status than a rejection."""
    for name, value in environment.items():
        monkeypatch.setenv(name, "" if name in left_out else value)

    exit_status = sender.main(["--site", site, *BUILD])

    printed = capsys.readouterr()
    assert (exit_status, printed.out) == (2, "")
    assert printed.err.startswith(said)
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "fault", "said"),
    [
        ("site", Fault.refused_connection(), "https://acme.atlassian.net/_edge/tenant_info could"),
        ("token", Fault.json({"error": "access_denied"}, status=401), "The token endpoint refused"),
        ("api", Fault.refused_connection(), "Jira gave no answer (ConnectError)"),
        ("api", Fault.html(403), "Jira answered HTTP 403: see that the credential"),
        ("api", Fault.html(), "Jira answered HTTP 200: see that the credential"),
    ],
)
def test_no_answer(sender, atlassian, environment, monkeypatch, capsys, kind, fault, said):
    """Whatever fails on the way, it ends in a sentence and no traceback."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    atlassian.fault(kind, fault)

    exit_status = sender.main(["--site", "acme", *BUILD])

    printed = capsys.readouterr()
    assert (exit_status, printed.out) == (2, "")
    assert printed.err.startswith(said)
    assert printed.err.count("\n") == 1
