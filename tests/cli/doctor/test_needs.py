"""The scopes that are missing for a job."""

from __future__ import annotations

import pytest

from atlassian_auth import ConfigurationError
from atlassian_auth._cli.doctor.needs import JOBS, check_needs, fewest_missing


@pytest.mark.parametrize(
    ("needs", "granted", "missing"),
    [
        ("jira-audit", ["manage:jira-configuration"], ()),
        ("jira-audit", ["read:audit-log:jira", "read:user:jira"], ()),
        ("jira-audit", [], ("manage:jira-configuration",)),
        ("data-center-audit", ["SYSTEM_ADMIN"], ()),
        ("data-center-audit", ["READ"], ("ADMIN",)),
        ("a:b c:d", ["c:d"], ("a:b",)),
        (("a:b", "offline_access"), ["a:b"], ()),
    ],
)
def test_what_is_missing(needs, granted, missing):
    """Of several sets, the one that lacks fewest counts; offline_access is ignored."""
    assert fewest_missing(needs, granted) == missing


@pytest.mark.parametrize("job", JOBS)
def test_jobs_need_something(job):
    """Each job needs at least one scope."""
    assert fewest_missing(job, []) != ()


def test_neither_job_nor_scope():
    """An invalid value of --needs is refused by name."""
    with pytest.raises(ConfigurationError, match="needs") as caught:
        fewest_missing("a,b", [])

    assert caught.value.argument == "needs"


@pytest.mark.parametrize("needs", [*JOBS, "read:me", "READ ADMIN", "offline_access"])
def test_what_is_needed_can_be_said(needs):
    """--needs takes a job, or scopes of either product."""
    check_needs(needs)


@pytest.mark.parametrize(
    ("needs", "meant"),
    [("jira-audits", "jira-audit"), ("whoam", "whoami"), ("snow-atlass", "snow-atlas")],
)
def test_a_mistyped_job(needs, meant):
    """A mistyped job is refused, and the likely job is named."""
    with pytest.raises(ConfigurationError, match=f"Did you mean {meant}\\?") as caught:
        check_needs(needs)

    assert caught.value.argument == "--needs"


def test_nothing_that_can_be_needed():
    """Invalid scopes are refused before a request is sent."""
    with pytest.raises(ConfigurationError, match="--needs"):
        check_needs("a,b")
