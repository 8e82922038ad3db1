"""The three credentials of the demonstration.

Their access tokens live for seconds instead of an hour, so that a short run sees many of them end.
"""

from __future__ import annotations

from dataclasses import dataclass

from atlassian_auth.grants import ClientCredentialsGrant, CloudGrant, DataCenterGrant, Grant
from atlassian_auth.settings import Settings

__all__ = ["CLOUD", "CREDENTIALS", "DATA_CENTER", "JIRA_SOFTWARE", "SETTINGS", "Credential"]

# The default buffer of 10 s, scaled down with the lifetimes: Cloud refreshes well ahead of it.
SETTINGS = Settings(buffer_seconds=0.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One credential, as it is shown and judged.

    Args:
        key: Its name in the store.
        title: Its name for people.
        client_id: The registered app it belongs to.
        lifetime_seconds: How long its access tokens live.
        window_seconds: How long before its end a token may be refreshed, and no sooner.
    """

    key: str
    title: str
    client_id: str
    lifetime_seconds: float
    window_seconds: float


def _credential(key: str, title: str, kind: type[Grant], *, lifetime_seconds: float) -> Credential:
    longest = max(SETTINGS.buffer_seconds, kind.refresh_ahead_seconds)
    return Credential(
        key=key,
        title=title,
        client_id=f"demo-{key}",
        lifetime_seconds=lifetime_seconds,
        window_seconds=min(longest, lifetime_seconds / 4),
    )


CLOUD = _credential("cloud", "Cloud (3LO)", CloudGrant, lifetime_seconds=4)
DATA_CENTER = _credential("data-center", "Data Center", DataCenterGrant, lifetime_seconds=3)
JIRA_SOFTWARE = _credential(
    "jira-software", "Builds (2LO)", ClientCredentialsGrant, lifetime_seconds=2
)
CREDENTIALS = (CLOUD, DATA_CENTER, JIRA_SOFTWARE)
