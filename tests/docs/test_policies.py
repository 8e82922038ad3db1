"""Versions, workflows and manifests of the pages are those of the repository; the FAQ has the words."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from atlassian_auth import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WORKFLOWS = {path.stem: path.read_text("utf-8") for path in ROOT.glob(".github/workflows/*.yml")}
TESTS = yaml.safe_load(WORKFLOWS["tests"])["jobs"]
MANIFESTS = [
    pytest.param(block, id=f"{path.stem}-{number}")
    for path in sorted(DOCS.rglob("*.md"))
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
]


def test_the_supported_pythons_are_the_same_everywhere():
    """The policy, the metadata, the sessions of nox and the workflow name the same versions."""
    page = (DOCS / "policies.md").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    supported = re.search(
        r"^SUPPORTED = (.*)$", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE
    )
    versions = ast.literal_eval(supported[1])

    assert re.findall(r"(3\.\d+) \(October", page) == versions
    assert [name[-4:] for name in project["classifiers"] if ":: 3." in name] == versions
    assert TESTS["elsewhere"]["strategy"]["matrix"]["python"] == versions
    assert (
        sorted({one["python"] for one in TESTS["linux"]["strategy"]["matrix"]["include"]})
        == versions
    )


def test_the_workflow_runs_sessions_of_nox():
    """Each session in the matrix of a job is in the noxfile."""
    noxfile = (ROOT / "noxfile.py").read_text("utf-8")
    matrices = [TESTS[job]["strategy"]["matrix"]["include"] for job in ("linux", "elsewhere")]

    named = {one["session"] for include in matrices for one in include}

    assert [name for name in named if f"\ndef {name}(session" not in noxfile] == []


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_has_no_more_rights_than_it_needs(name):
    """Rights are given to jobs alone, each with its reason; actions are pinned; no credential is kept."""
    text, workflow = WORKFLOWS[name], yaml.safe_load(WORKFLOWS[name])
    used = re.findall(r"uses: (.*)", text)

    assert workflow["permissions"] == {}
    assert [
        line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
    ] == []
    assert text.count("persist-credentials: false") == text.count("uses: actions/checkout@")
    assert re.findall(r"^ +[a-z-]+: (?:write|read)$", text, re.MULTILINE) == []  # without a reason
    assert "secrets." not in text


@pytest.mark.parametrize("block", MANIFESTS)
def test_a_manifest_is_yaml(block):
    """A manifest that is copied from a page can be read."""
    assert yaml.safe_load(block)


def test_a_pod_may_finish_its_exchange():
    """The manifest gives a pod longer to end than an exchange and its save may take."""
    page = (DOCS / "deployment.md").read_text("utf-8")
    [seconds] = re.findall(r"terminationGracePeriodSeconds: (\d+)", page)

    assert int(seconds) >= Settings().exchange_timeout_seconds + 10


@pytest.mark.parametrize(
    "words",
    [
        "401 Unauthorized",
        "Unauthorized; scope does not match",
        "Client must be authenticated",
        "403 Forbidden",
        "invalid_grant",
        "Unknown or invalid refresh token",
        "unauthorized_client",
        "refresh_token is invalid",
        "Refresh token expired",
        "No refresh token",
        "offline_access",
        "redirect_uri",
        "Callback URL mismatch",
        "Something went wrong",
        "scopes that have not been added",
        "site admin must authorize",
        "Access denied",
        "access_denied",
        "invalid_request",
        "invalid_client",
        "accessible-resources",
        "429 Too Many Requests",
        "CERTIFICATE_VERIFY_FAILED",
        'Invalid "auth" argument',
        "requests",
    ],
)
def test_what_people_search_for_is_a_heading(words):
    """Words that Atlassian's servers and Python print are found in a heading of the FAQ."""
    headings = re.findall(r"^### .*", (DOCS / "faq.md").read_text("utf-8"), re.MULTILINE)

    assert any(words in heading for heading in headings)
