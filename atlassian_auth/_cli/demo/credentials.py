"""The three credentials of the demonstration.

Their access tokens are valid for seconds instead of an hour, so that many expire in a short run.
"""

from __future__ import annotations

from dataclasses import dataclass

from atlassian_auth.grants import ClientCredentialsGrant, CloudGrant, DataCenterGrant, Grant
from atlassian_auth.settings import Settings

__all__ = ["CLOUD", "CREDENTIALS", "DATA_CENTER", "JIRA_SOFTWARE", "SETTINGS", "Credential"]

# The default buffer is 10 s; it is reduced like the lifetimes. Cloud refreshes well before it.
SETTINGS = Settings(buffer_seconds=0.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One credential of the demonstration.

    Args:
        key: Its name in the store.
        title: Its name in the display.
        client_id: The registered app.
        lifetime_seconds: The lifetime of its access tokens.
        window_seconds: The time before expiry in which a token may be refreshed.
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
