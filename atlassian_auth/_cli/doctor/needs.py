"""The scopes that a job needs."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from types import MappingProxyType

from atlassian_auth import scopes
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.scopes import missing_scopes, parse_scopes

__all__ = ["JOBS", "check_needs", "fewest_missing"]

# One complete set is enough. `atlassian_auth.scopes` names the source of each set.
_ENOUGH = MappingProxyType(
    {
        "jira-audit": (scopes.JIRA_AUDIT_CLASSIC, scopes.JIRA_AUDIT_GRANULAR),
        "confluence-audit": (scopes.CONFLUENCE_AUDIT,),
        "data-center-audit": (scopes.DATA_CENTER_ADMIN,),
        "snow-atlas": (scopes.JIRA_SNOW_ATLAS,),
        "whoami": ((scopes.READ_ME,),),
    }
)

JOBS: tuple[str, ...] = tuple(_ENOUGH)
"""The names of the jobs."""


def check_needs(needs: str) -> None:
    """Raise unless this is the name of a job, or scopes.

    Raises:
        ConfigurationError: if it is neither, or looks like a mistyped job.
    """
    # A Cloud scope has a colon, and a Data Center scope is in capitals: neither looks like a job.
    near = get_close_matches(needs, JOBS, n=1)
    if needs not in JOBS and near and ":" not in needs:
        message = (
            f"--needs is {needs!a:.100}, which is not a job. Did you mean {near[0]}? "
            f"Jobs: {', '.join(JOBS)}. You can also name scopes, such as {scopes.READ_ME}."
        )
        raise ConfigurationError(message, argument="--needs")
    parse_scopes(needs, argument="--needs")


def fewest_missing(needs: str | Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes that are missing for a job; of several sets, for the one that lacks fewest.

    Args:
        needs: The name of a job, or scopes.
        granted: The scopes of the token.

    Raises:
        ConfigurationError: if it is neither.
    """
    known = _ENOUGH.get(needs) if isinstance(needs, str) else None
    sets = known or (parse_scopes(needs, argument="needs"),)
    # No API needs `offline_access`: it only asks for a refresh token.
    wanted = ([name for name in names if name != scopes.OFFLINE_ACCESS] for names in sets)
    return min((missing_scopes(granted, names) for names in wanted), key=len)
