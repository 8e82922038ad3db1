"""Scopes are read as RFC 6749 writes them, and Data Center's levels include each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth import scopes
from atlassian_auth.exceptions import ConfigurationError

SCOPES = st.text(st.sampled_from("abcXYZ019:._-/"), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        pytest.param("READ", ("READ",), id="one"),
        pytest.param("b a", ("b", "a"), id="order-kept"),
        pytest.param(["b", "a"], ("b", "a"), id="list"),
        pytest.param(("a b", "c"), ("a", "b", "c"), id="list-of-texts"),
        pytest.param("  a   b ", ("a", "b"), id="spaces"),
        pytest.param("a b a", ("a", "b"), id="duplicates"),
        pytest.param(["a", "", "b"], ("a", "b"), id="empty-entry"),
        pytest.param(iter(["a", "b"]), ("a", "b"), id="iterator"),
        pytest.param("!#[]~", ("!#[]~",), id="all-that-is-allowed"),
    ],
)
def test_scopes_are_split_once(value, parsed):
    """Spaces separate, the order stays, duplicates go."""
    assert scopes.parse_scopes(value) == parsed


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("", "at least one", id="empty"),
        pytest.param("  ", "at least one", id="blank"),
        pytest.param([], "at least one", id="empty-list"),
        pytest.param([""], "at least one", id="list-of-nothing"),
        pytest.param(None, "must be text", id="none"),
        pytest.param(7, "must be text", id="number"),
        pytest.param(["a", None], "must be text", id="list-with-none"),
        pytest.param(b"READ", "must be text", id="bytes"),
        pytest.param("a,b", "without commas", id="comma"),
        pytest.param("a\nb", "line breaks", id="line-break"),
        pytest.param("a\tb", "line breaks", id="tab"),
        pytest.param('"a"', "quotes", id="quote"),
        pytest.param("a\\b", "backslashes", id="backslash"),
        pytest.param("a\u00a0b", "not a scope", id="no-break-space"),
        pytest.param("a\x7f", "not a scope", id="delete"),
    ],
)
def test_malformed_scopes_are_refused(value, expected):
    """The error for malformed scopes says what was expected, and names the argument."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        scopes.parse_scopes(value, argument="required")

    assert caught.value.argument == "required"


@given(st.lists(SCOPES, min_size=1))
def test_parsing_is_idempotent(values):
    """Parsing parsed scopes again changes nothing."""
    parsed = scopes.parse_scopes(values)

    assert scopes.parse_scopes(parsed) == parsed
    assert scopes.parse_scopes(" ".join(parsed)) == parsed
    assert set(parsed) == set(values)


@pytest.mark.parametrize(
    ("granted", "required", "missing"),
    [
        pytest.param(("a", "b"), ("b",), (), id="granted"),
        pytest.param(("a",), ("c", "a", "b"), ("c", "b"), id="order-of-required"),
        pytest.param((), "b a b", ("b", "a"), id="text"),
        pytest.param(("a",), (), (), id="nothing-required"),
        pytest.param(("a",), "", (), id="empty-text"),
        pytest.param(("ADMIN",), ("READ", "WRITE", "ADMIN"), (), id="admin-covers"),
        pytest.param(("ADMIN",), ("SYSTEM_ADMIN",), ("SYSTEM_ADMIN",), id="not-upward"),
        pytest.param(("SYSTEM_ADMIN",), ("ADMIN",), (), id="system-admin-covers"),
        pytest.param(("WRITE",), ("ADMIN", "READ"), ("ADMIN",), id="write"),
        pytest.param(("READ",), ("WRITE",), ("WRITE",), id="read-is-least"),
        pytest.param(("admin",), ("READ",), ("READ",), id="case-matters"),
        pytest.param(("ADMIN",), ("REPO_READ",), ("REPO_READ",), id="no-level"),
        pytest.param(iter(["WRITE"]), ["READ"], (), id="iterator"),
    ],
)
def test_missing_scopes(granted, required, missing):
    """A scope is missing if it is required, not granted, and not covered by a higher level."""
    assert scopes.missing_scopes(granted, required) == missing


@given(st.lists(SCOPES), st.lists(SCOPES))
def test_missing_scopes_are_a_part_of_the_required(granted, required):
    """Nothing that was granted is missing, and nothing is missing once it is granted."""
    missing = scopes.missing_scopes(granted, required)

    assert set(missing) == set(required) - set(granted)
    assert scopes.missing_scopes([*granted, *missing], required) == ()


@pytest.mark.parametrize(
    ("read", "write", "added", "granular"),
    [
        (scopes.JIRA_READ, scopes.JIRA_WRITE, {"write:jira-work"}, False),
        (scopes.CONFLUENCE_READ, scopes.CONFLUENCE_WRITE, {"write:page:confluence"}, True),
    ],
    ids=["issues", "pages"],
)
def test_reading_and_writing(read, write, added, granular):
    """A preset for writing can also read, and no preset mixes classic and granular scopes."""
    assert set(write) - set(read) == added
    assert set(read) < set(write)
    kinds = {scope.count(":") == 2 for scope in write if scope != scopes.OFFLINE_ACCESS}
    assert kinds == {granular}


def test_presets_are_scopes():
    """Every preset is parsed already; those of Cloud ask for a refresh token."""
    cloud = [
        scopes.JIRA_AUDIT,
        scopes.JIRA_AUDIT_CLASSIC,
        scopes.JIRA_AUDIT_GRANULAR,
        scopes.JIRA_AUDIT_XSOAR,
        scopes.JIRA_AUDIT_XSOAR_PAGE,
        scopes.JIRA_SNOW_ATLAS,
        scopes.JIRA_READ,
        scopes.JIRA_WRITE,
        scopes.CONFLUENCE_AUDIT,
        scopes.CONFLUENCE_AUDIT_XSOAR,
        scopes.CONFLUENCE_READ,
        scopes.CONFLUENCE_WRITE,
    ]
    data_center = [
        scopes.DATA_CENTER_READ,
        scopes.DATA_CENTER_WRITE,
        scopes.DATA_CENTER_ADMIN,
        scopes.DATA_CENTER_SYSTEM_ADMIN,
    ]

    assert all(scopes.parse_scopes(preset) == preset for preset in cloud + data_center)
    assert all(scopes.OFFLINE_ACCESS in preset for preset in cloud)
    assert all(scopes.DATA_CENTER_SCOPES.issuperset(preset) for preset in data_center)


def kinds_of(preset):
    """Granular scopes name their product at the end: read:audit-log:jira."""
    asked = [scope for scope in preset if scope != scopes.OFFLINE_ACCESS]
    return {scope.count(":") == 2 for scope in asked}


@pytest.mark.parametrize(
    "preset",
    [
        scopes.JIRA_AUDIT,
        scopes.JIRA_AUDIT_CLASSIC,
        scopes.JIRA_AUDIT_GRANULAR,
        scopes.JIRA_SNOW_ATLAS,
        scopes.CONFLUENCE_AUDIT,
        scopes.CONFLUENCE_AUDIT_XSOAR,
    ],
)
def test_presets_do_not_mix(preset):
    """A preset asks for classic scopes or for granular ones, and not for both."""
    assert len(kinds_of(preset)) == 1


def test_jira_audit_scopes():
    """The documented scope of the audit log, classic or granular, and the names of people."""
    assert scopes.JIRA_AUDIT == ("manage:jira-configuration", "read:jira-user", "offline_access")
    assert set(scopes.JIRA_AUDIT_CLASSIC) < set(scopes.JIRA_AUDIT)
    assert set(scopes.JIRA_AUDIT_GRANULAR) == {
        "read:audit-log:jira",
        "read:user:jira",
        "offline_access",
    }


def test_snow_atlas_is_enough_for_the_audit_log():
    """Thirteen read-only granular scopes of Jira; the documented granular set is among them."""
    granular = set(scopes.JIRA_SNOW_ATLAS) - {scopes.OFFLINE_ACCESS}

    assert len(granular) == 13
    assert all(scope.startswith("read:") and scope.endswith(":jira") for scope in granular)
    assert scopes.missing_scopes(scopes.JIRA_SNOW_ATLAS, scopes.JIRA_AUDIT_GRANULAR) == ()


def test_xsoar_sets_are_those_of_its_module():
    """Five scopes for Jira, of which its page lists three, and 28 for Confluence (159ea5a), in its order."""
    assert scopes.JIRA_AUDIT_XSOAR == (
        "read:audit-log:jira",
        "manage:jira-configuration",
        "read:jira-work",
        "read:jira-user",
        "offline_access",
    )
    assert scopes.JIRA_AUDIT_XSOAR_PAGE == (
        "read:audit-log:jira",
        "read:jira-user",
        "offline_access",
    )
    assert len(set(scopes.CONFLUENCE_AUDIT_XSOAR)) == len(scopes.CONFLUENCE_AUDIT_XSOAR) == 28
    assert scopes.missing_scopes(scopes.CONFLUENCE_AUDIT_XSOAR, scopes.CONFLUENCE_AUDIT) == ()


def test_data_center_levels_include_each_other():
    """Each level covers itself and those before it, and none after it."""
    for rank, level in enumerate(scopes.DATA_CENTER_LEVELS):
        missing = scopes.missing_scopes([level], scopes.DATA_CENTER_LEVELS)

        assert missing == scopes.DATA_CENTER_LEVELS[rank + 1 :]


def test_identity_is_one_more_scope():
    """``READ_ME`` is added to a preset like any other scope."""
    assert scopes.missing_scopes(scopes.JIRA_AUDIT, [scopes.READ_ME]) == ("read:me",)
    assert scopes.parse_scopes([*scopes.JIRA_AUDIT, scopes.READ_ME])[-1] == "read:me"
