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
    "nobody_knows_it": ({"acceptedBuilds": [], "unknownIssueKeys": ["SHOP-1"]}, 1),
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
    "nobody_knows_it": "unknown issue SHOP-1\n",
    "half_unknown": "accepted shop #16\nunknown issue SHOP-2\n",
}


@pytest.fixture
def environment(atlassian):
    app = atlassian.jira_software_app
    return {
        "ATLASSIAN_CLIENT_ID": app.client_id,
        "ATLASSIAN_CLIENT_SECRET": app.client_secret,
    }


async def test_sends_one_build(sender, atlassian, atlassian_clock, environment):
    """The build arrives at the site whose name was given, with everything Jira wants to know."""
    options = sender.parse(["--site", "https://acme.atlassian.net", *BUILD])

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
    atlassian.fault(lambda request: "authorization" not in request.headers, bare, times=9)

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
        options = sender.parse(["--site", server.urls.site("acme"), *BUILD])

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
