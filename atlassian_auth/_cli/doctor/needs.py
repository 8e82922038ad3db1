"""Which scopes a job needs: those named, or any of the sets that are known to be enough for it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from types import MappingProxyType

from atlassian_auth import scopes
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.scopes import missing_scopes, parse_scopes

__all__ = ["JOBS", "check_needs", "fewest_missing"]

# Each set alone is enough; where the sets come from is said at the presets.
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
"""The jobs that are known by name."""


def check_needs(needs: str) -> None:
    """Return if this is a job's name, or scopes.

    Raises:
        ConfigurationError: if it is neither, or looks like the name of a job that was mistyped.
    """
    # Scopes of Cloud have a colon, and those of Data Center are capitals.
    near = get_close_matches(needs, JOBS, n=1)
    if needs not in JOBS and near and ":" not in needs:
        message = (
            f"--needs is {needs!a:.100}, which is no job. Did you mean {near[0]}? "
            f"There are: {', '.join(JOBS)}; or name scopes, such as {scopes.READ_ME}."
        )
        raise ConfigurationError(message, argument="--needs")
    parse_scopes(needs, argument="--needs")


def fewest_missing(needs: str | Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
    """Return what is missing for a job, by the set that lacks least.

    Args:
        needs: A job's name, or scopes.
        granted: What the token was granted.

    Raises:
        ConfigurationError: if it is neither.
    """
    known = _ENOUGH.get(needs) if isinstance(needs, str) else None
    sets = known or (parse_scopes(needs, argument="needs"),)
    # Asked for on the way, and granted by there being a refresh token.
    wanted = ([name for name in names if name != scopes.OFFLINE_ACCESS] for names in sets)
    return min((missing_scopes(granted, names) for names in wanted), key=len)
