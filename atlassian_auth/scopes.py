"""Scopes: how to read them, presets for common tasks, and which levels of Data Center include which.

Scopes keep the order in which they were given; to Atlassian the order means nothing.
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

# RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ). It allows the comma, but no scope of
# Atlassian's has one: a comma means that the list was separated by commas.
_SCOPE = re.compile(r"[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+")

OFFLINE_ACCESS = "offline_access"
"""Requests a refresh token. It cannot be added to an app; it is only sent in the authorization URL.

Source: https://developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens/ (2026-08)."""

READ_ME = "read:me"
"""Enough for ``GET /me``, and for nothing else. It can be added to any preset.

The app needs "User identity API". Source: passport-atlassian-oauth2 and next-auth (2026-08)."""

# Granular and classic scopes: the scope pages say that an app may mix them; demisto/content says that one
# request must not (159ea5a, 2026-11). So only the two presets that repeat XSOAR's scopes mix them.

JIRA_AUDIT = ("manage:jira-configuration", "read:jira-user", OFFLINE_ACCESS)
"""Enough for ``GET /rest/api/3/auditing/record``, and for the names of the people in it.

Classic scopes, which Atlassian recommends. Source: as of `JIRA_AUDIT_CLASSIC`."""

JIRA_AUDIT_CLASSIC = ("manage:jira-configuration", OFFLINE_ACCESS)
"""Enough for ``GET /rest/api/3/auditing/record``; a classic scope.

Source: https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-audit-records/, where it is
called classic (2026-08)."""

JIRA_AUDIT_GRANULAR = ("read:audit-log:jira", "read:user:jira", OFFLINE_ACCESS)
"""Enough for ``GET /rest/api/3/auditing/record``; granular scopes, of which both are needed.

``read:user:jira`` is not the classic ``read:jira-user``. Source: the same page, "granular"."""

JIRA_AUDIT_XSOAR = (
    "read:audit-log:jira",
    "manage:jira-configuration",
    "read:jira-work",
    "read:jira-user",
    OFFLINE_ACCESS,
)
"""What Cortex XSOAR requests on Jira Cloud, for the audit log and issues; both kinds of scopes.

Source: demisto/content, AtlassianApiModule (159ea5a, 2026-11). It says that the audit log needs the classic
scope and the granular one; Atlassian's page says that one kind is enough."""

JIRA_AUDIT_XSOAR_PAGE = ("read:audit-log:jira", "read:jira-user", OFFLINE_ACCESS)
"""What XSOAR's manual lists for Jira Cloud: for apps that were registered according to that page.

They are fewer than its module requests, and neither of Atlassian's sets. Source:
https://xsoar.pan.dev/docs/reference/scripts/atlassian-api-module."""

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
"""The 13 granular scopes of Snow Atlas: users, their activity, licenses and the audit log, read only.

Source: Snow Atlas, "Prepare Atlassian Jira connector"."""

JIRA_READ = ("read:jira-work", "read:jira-user", OFFLINE_ACCESS)
"""Enough to read issues, projects and comments and the people in them, and to search by JQL.

Classic scopes. The person's own permissions always apply. Source:
https://developer.atlassian.com/cloud/jira/platform/scopes-for-oauth-2-3LO-and-forge-apps/ (2026-11)."""

JIRA_WRITE = ("read:jira-work", "write:jira-work", "read:jira-user", OFFLINE_ACCESS)
"""What `JIRA_READ` allows, and to change it."""

# A search by CQL needs search:confluence, which is classic, and these presets do not mix the kinds.
CONFLUENCE_READ = ("read:page:confluence", "read:space:confluence", OFFLINE_ACCESS)
"""Enough to read pages and spaces by ``/wiki/api/v2``, without a search by CQL; granular scopes.

Source: https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-page/ (2026-11)."""

CONFLUENCE_WRITE = (
    "read:page:confluence",
    "write:page:confluence",
    "read:space:confluence",
    OFFLINE_ACCESS,
)
"""What `CONFLUENCE_READ` allows, and to create and change pages."""

CONFLUENCE_AUDIT = ("read:audit-log:confluence", OFFLINE_ACCESS)
"""Enough for ``GET /wiki/rest/api/audit``: the only scope that its OpenAPI document names (2026-08)."""

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
"""What Cortex XSOAR requests on Confluence Cloud: the audit log, content, spaces and groups; granular scopes.

They allow writing and deleting; prefer `CONFLUENCE_AUDIT` for the audit log alone. Source: demisto/content,
AtlassianApiModule (159ea5a, 2026-11)."""

# The provider APIs of Jira Software Cloud (builds, deployments, devinfo, featureflags) have no preset: the
# permissions of their credentials are chosen when a credential is created, and requests name no scope.

DATA_CENTER_LEVELS = ("READ", "WRITE", "ADMIN", "SYSTEM_ADMIN")
"""The levels of Jira and Confluence: "each includes the former".

Source of all levels:
https://confluence.atlassian.com/adminjiraserver101/oauth-2-0-scopes-for-incoming-links-1455427906.html."""

DATA_CENTER_READ = ("READ",)
"""Reads what the person may read."""

DATA_CENTER_WRITE = ("WRITE",)
"""Also creates, changes and deletes. Service accounts get READ and WRITE only
(confluence.atlassian.com/enterprise, page 1627556033)."""

DATA_CENTER_ADMIN = ("ADMIN",)
"""Also administers; the audit log needs it."""

DATA_CENTER_SYSTEM_ADMIN = ("SYSTEM_ADMIN",)
"""Allows everything that the person may do."""

# READ_ALL, MANAGE_SUBSCRIPTIONS: Jira 10.3, adminjiraserver103/...-1489807049.html.
# PROJECT_ADMIN: confluence.atlassian.com/enterprise/...-1627556033.html.
# The others are Bitbucket's: its page 1115666709 says what they allow, but these identifiers are unconfirmed
# (2026-11-20).
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
"""The scopes that `DataCenterGrant` accepts: the four levels, three of single products, and those of
Bitbucket, whose identifiers are unconfirmed (2026-11-20)."""


def parse_scopes(value: str | Iterable[str], *, argument: str = "scopes") -> tuple[str, ...]:
    """Return the scopes in the order given, each once.

    Source: RFC 6749 section 3.3.

    Args:
        value: Scopes separated by spaces, or several such texts.
        argument: The name of the caller's argument, for the error.

    Raises:
        ConfigurationError: if there is no scope, or a scope contains a comma, a quote, a backslash, a control
            character or a character that is not ASCII.
    """
    texts = _to_texts(value)
    if texts is None:
        message = f"{argument} must be text, or a list of texts, such as ['read:jira-work']"
        raise ConfigurationError(message, argument=argument)
    scopes = _split(texts)
    if not scopes:
        message = f"{argument} must name at least one scope, such as 'read:jira-work' or 'READ'"
        raise ConfigurationError(message, argument=argument)
    for scope in scopes:
        _check_scope(scope, argument)
    return scopes


def _to_texts(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Iterable):
        return None
    texts = list(cast("Iterable[object]", value))
    return cast("list[str]", texts) if all(isinstance(text, str) for text in texts) else None


def _split(texts: Iterable[str]) -> tuple[str, ...]:
    words = (word for text in texts for word in text.split(" ") if word)
    return tuple(dict.fromkeys(words))


def _check_scope(scope: str, argument: str) -> None:
    if _SCOPE.fullmatch(scope):
        return
    message = (
        f"{argument} contains {scope!a}, which is not a scope: separate scopes by single spaces, "
        "without commas, quotes, backslashes or line breaks"
    )
    raise ConfigurationError(message, argument=argument)


def missing_scopes(granted: Iterable[str], required: str | Iterable[str]) -> tuple[str, ...]:
    """Return the required scopes that the granted scopes do not cover, in the order required.

    Each level of Data Center includes those below it: ``ADMIN`` covers ``WRITE``, which covers ``READ``.
    """
    texts = [required] if isinstance(required, str) else required
    covered = set(granted)
    for rank, level in enumerate(DATA_CENTER_LEVELS):
        if level in covered:
            covered.update(DATA_CENTER_LEVELS[:rank])
    return tuple(scope for scope in _split(texts) if scope not in covered)
