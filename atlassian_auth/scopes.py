"""What a token may do: reading scopes, presets for jobs, and what Data Center's levels include.

Scopes are kept in the order they were given; their order means nothing to Atlassian.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from atlassian_auth.exceptions import ConfigurationError

__all__ = [
    "CONFLUENCE_AUDIT",
    "CONFLUENCE_AUDIT_XSOAR",
    "CONFLUENCE_READ",
    "CONFLUENCE_WRITE",
    "DATA_CENTER_ADMIN",
    "DATA_CENTER_LEVELS",
    "DATA_CENTER_READ",
    "DATA_CENTER_SCOPES",
    "DATA_CENTER_SYSTEM_ADMIN",
    "DATA_CENTER_WRITE",
    "JIRA_AUDIT",
    "JIRA_AUDIT_CLASSIC",
    "JIRA_AUDIT_GRANULAR",
    "JIRA_AUDIT_XSOAR",
    "JIRA_AUDIT_XSOAR_PAGE",
    "JIRA_READ",
    "JIRA_SNOW_ATLAS",
    "JIRA_WRITE",
    "OFFLINE_ACCESS",
    "READ_ME",
    "missing_scopes",
    "parse_scopes",
]

# RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ). The comma, which it allows, is
# in no scope of Atlassian's and always means a list that was separated by commas.
_SCOPE = re.compile(r"[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+")

# developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens: asks for a refresh token. It
# is in no table of scopes and cannot be added to an app; it goes into the authorize URL only.
OFFLINE_ACCESS = "offline_access"

# Enough for GET /me, and for nothing else; "User identity API" has to be added to the app
# (passport-atlassian-oauth2 and next-auth, 2026-08). Add it to any preset.
READ_ME = "read:me"

# Granular and classic scopes: the scope pages say that an app may mix them, demisto/content says that one
# request must not (159ea5a, 2026-11). So no preset mixes them but the two that repeat what XSOAR asks for.

# Enough for GET /rest/api/3/auditing/record by the reference (JIRA_AUDIT_CLASSIC), and for the names of the
# people in it. Classic, which Atlassian recommends.
JIRA_AUDIT = ("manage:jira-configuration", "read:jira-user", OFFLINE_ACCESS)

# Enough for GET /rest/api/3/auditing/record by
# developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-audit-records/ (2026-08), "classic".
JIRA_AUDIT_CLASSIC = ("manage:jira-configuration", OFFLINE_ACCESS)

# The same page, "granular": both are needed. read:user:jira is not the classic read:jira-user.
JIRA_AUDIT_GRANULAR = ("read:audit-log:jira", "read:user:jira", OFFLINE_ACCESS)

# What demisto/content's AtlassianApiModule asks for on Jira Cloud (159ea5a, 2026-11). It says that the
# audit log needs the classic scope and the granular one; Atlassian's page asks for one kind.
JIRA_AUDIT_XSOAR = (
    "read:audit-log:jira",
    "manage:jira-configuration",
    "read:jira-work",
    "read:jira-user",
    OFFLINE_ACCESS,
)

# What xsoar.pan.dev/docs/reference/scripts/atlassian-api-module lists for Jira Cloud, which is less. For
# apps that were registered by that page; it equals neither documented set.
JIRA_AUDIT_XSOAR_PAGE = ("read:audit-log:jira", "read:jira-user", OFFLINE_ACCESS)

# The 13 granular scopes of Snow Atlas, "Prepare Atlassian Jira connector": users, their activity,
# licenses and the audit log, read only.
JIRA_SNOW_ATLAS = (
    "read:application-role:jira",
    "read:audit-log:jira",
    "read:avatar:jira",
    "read:group:jira",
    "read:license:jira",
    "read:issue:jira",
    "read:issue-meta:jira",
    "read:field:jira",
    "read:field-configuration:jira",
    "read:issue-details:jira",
    "read:user:jira",
    "read:user.columns:jira",
    "read:jql:jira",
    OFFLINE_ACCESS,
)

# Reading issues, projects, comments, and searching them by JQL; and changing them as well. Classic, which
# developer.atlassian.com/cloud/jira/platform/scopes-for-oauth-2-3LO-and-forge-apps/ recommends (2026-11).
# read:jira-user is for the people in them. The person's own permissions are the limit in any case.
JIRA_READ = ("read:jira-work", "read:jira-user", OFFLINE_ACCESS)
JIRA_WRITE = ("read:jira-work", "write:jira-work", "read:jira-user", OFFLINE_ACCESS)

# Reading pages and the spaces they are in by /wiki/api/v2; and creating and changing pages as well. Granular,
# as developer.atlassian.com/cloud/confluence/rest/v2/api-group-page names them (2026-11). Searching by CQL
# needs search:confluence, which is classic: kinds are not mixed here.
CONFLUENCE_READ = ("read:page:confluence", "read:space:confluence", OFFLINE_ACCESS)
CONFLUENCE_WRITE = (
    "read:page:confluence",
    "write:page:confluence",
    "read:space:confluence",
    OFFLINE_ACCESS,
)

# Enough for GET /wiki/rest/api/audit: the only scope its OpenAPI document names (2026-08).
CONFLUENCE_AUDIT = ("read:audit-log:confluence", OFFLINE_ACCESS)

# What demisto/content's AtlassianApiModule asks for on Confluence Cloud (159ea5a, 2026-11): the audit log,
# and content, spaces and groups besides, all granular. It may write and delete; prefer CONFLUENCE_AUDIT for
# the log alone.
CONFLUENCE_AUDIT_XSOAR = (
    "read:content:confluence",
    "write:content:confluence",
    "read:content-details:confluence",
    "read:space-details:confluence",
    "delete:content:confluence",
    "read:audit-log:confluence",
    "read:page:confluence",
    "write:page:confluence",
    "delete:page:confluence",
    "read:blogpost:confluence",
    "write:blogpost:confluence",
    "delete:blogpost:confluence",
    "read:custom-content:confluence",
    "write:custom-content:confluence",
    "delete:custom-content:confluence",
    "read:comment:confluence",
    "write:comment:confluence",
    "delete:comment:confluence",
    "read:template:confluence",
    "write:template:confluence",
    "read:label:confluence",
    "write:label:confluence",
    "read:watcher:confluence",
    "read:space:confluence",
    "write:space:confluence",
    "delete:space:confluence",
    "read:group:confluence",
    OFFLINE_ACCESS,
)

# The provider APIs of Jira Software Cloud (builds, deployments, devinfo, featureflags) have no preset:
# their credentials' permissions are chosen where they are made, and no scope is ever asked for.

# confluence.atlassian.com/adminjiraserver101/oauth-2-0-scopes-for-incoming-links-1455427906.html:
# "each includes the former".
DATA_CENTER_LEVELS = ("READ", "WRITE", "ADMIN", "SYSTEM_ADMIN")

# The same page: what the person may see; also change; also administer, which the audit log wants; all
# there is. Service accounts get READ and WRITE only (…/enterprise/…-1627556033.html).
DATA_CENTER_READ = ("READ",)
DATA_CENTER_WRITE = ("WRITE",)
DATA_CENTER_ADMIN = ("ADMIN",)
DATA_CENTER_SYSTEM_ADMIN = ("SYSTEM_ADMIN",)

# The four levels, on Jira and Confluence.
# READ_ALL, MANAGE_SUBSCRIPTIONS: Jira 10.3, adminjiraserver103/...-1489807049.html.
# PROJECT_ADMIN: confluence.atlassian.com/enterprise/...-1627556033.html.
# The others are Bitbucket's; its page 1115666709 names what they allow, these identifiers are
# unconfirmed (2026-11-20).
DATA_CENTER_SCOPES = frozenset(
    {
        *DATA_CENTER_LEVELS,
        "ACCOUNT_WRITE",
        "ADMIN_WRITE",
        "MANAGE_SUBSCRIPTIONS",
        "PROJECT_ADMIN",
        "PUBLIC_REPOS",
        "READ_ALL",
        "REPO_ADMIN",
        "REPO_READ",
        "REPO_WRITE",
    }
)


def parse_scopes(value: str | Iterable[str], *, argument: str = "scopes") -> tuple[str, ...]:
    """Return the scopes in the order given, each once.

    Source: RFC 6749 section 3.3.

    Args:
        value: Scopes separated by spaces, or several such texts.
        argument: The name of the caller's argument, for the error.

    Raises:
        ConfigurationError: if there is none, or one contains a comma, a quote, a backslash, a
            control character or a character that is not ASCII.
    """
    texts = _texts(value)
    if texts is None:
        message = f"{argument} must be text, or a list of texts, such as ['read:jira-work']"
        raise ConfigurationError(message, argument=argument)
    scopes = _words(texts)
    if not scopes:
        message = f"{argument} must name at least one scope, such as 'read:jira-work' or 'READ'"
        raise ConfigurationError(message, argument=argument)
    for scope in scopes:
        _check(scope, argument)
    return scopes


def _texts(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable):
        return None
    texts = list(cast("Iterable[object]", value))
    return cast("list[str]", texts) if all(isinstance(text, str) for text in texts) else None


def _words(texts: Iterable[str]) -> tuple[str, ...]:
    words = (word for text in texts for word in text.split(" ") if word)
    return tuple(dict.fromkeys(words))


def _check(scope: str, argument: str) -> None:
    if _SCOPE.fullmatch(scope):
        return
    message = (
        f"{argument} contains {scope!a}, which is not a scope: separate scopes by single spaces, "
        "without commas, quotes, backslashes or line breaks"
    )
    raise ConfigurationError(message, argument=argument)


def missing_scopes(granted: Iterable[str], required: str | Iterable[str]) -> tuple[str, ...]:
    """Return the required scopes that the granted ones do not cover, in the order required.

    Data Center's levels include each other: ``ADMIN`` covers ``WRITE``, which covers ``READ``.
    """
    texts = [required] if isinstance(required, str) else required
    covered = set(granted)
    for rank, level in enumerate(DATA_CENTER_LEVELS):
        if level in covered:
            covered.update(DATA_CENTER_LEVELS[:rank])
    return tuple(scope for scope in _words(texts) if scope not in covered)
