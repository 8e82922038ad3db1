"""When a credential ends: its access token, its grant if nobody uses it, and its grant in any case.

Three dates that are easily mixed up. The server tells the first. The others are what Atlassian writes
about its refresh tokens: good for a warning in time, never a reason to stop trying.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Self

from atlassian_auth._records.records import TokenRecord, TokenStatus
from atlassian_auth.events import ConsentEndsSoon, Limit
from atlassian_auth.settings import Settings

__all__ = [
    "Lifetimes",
    "Limits",
    "dead_since",
    "idle_refresh_at",
    "is_warning_due",
    "limits_of",
    "warnings_due",
]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a grant lives.

    Args:
        inactivity: Without being refreshed; None for ever.
        absolute: From the consent on, whatever is done with it; None for ever.
    """

    inactivity: timedelta | None = None
    absolute: timedelta | None = None


# Both for Cloud are Atlassian's own statements: the 3LO page has the 90 days and a row with the 365, which
# community.developer.atlassian.com/t/54172 and /60806 explain: all tokens of the consent end then, whatever
# is refreshed, and no app can change it (2026-11). Data Center: refresh.token.expiration.seconds, which is 90
# days unless an administrator says otherwise, from the creation of each refresh token.
_LIMITS = MappingProxyType(
    {
        "cloud": Limits(inactivity=timedelta(days=90), absolute=timedelta(days=365)),
        "data_center": Limits(inactivity=timedelta(days=90)),
    }
)


def limits_of(configuration: str, settings: Settings) -> Limits:
    """Return how long the grants of a registration live.

    Args:
        configuration: Its `Grant.configuration`, whose first word is the kind of grant.
        settings: May say otherwise.
    """
    usual = _LIMITS.get(_kind(configuration), Limits())
    return Limits(
        inactivity=settings.inactivity_limit or usual.inactivity,
        absolute=settings.absolute_limit or usual.absolute,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """When one credential ends.

    Args:
        access_expires_at: When the access token ends, which is then refreshed; None if there is none yet.
        inactive_by: When the grant ends unless it is refreshed before; each refresh moves it.
        consent_expires_at: When it ends whatever is done: somebody has to consent again. Refreshes do not
            move it. None if nothing is known of such an end or of the day of the consent, or a refresh has
            succeeded since. Without a refresh token it is the end of the access token.
    """

    access_expires_at: datetime | None = None
    inactive_by: datetime | None = None
    consent_expires_at: datetime | None = None

    @classmethod
    def of(cls, record: TokenRecord, settings: Settings) -> Self:
        """Return when this credential ends.

        Args:
            record: As it is stored. Where it does not say when somebody consented, ``consent_expires_at`` is
                not known. Of a refresh token that was added and not used yet, ``inactive_by`` is the latest
                possible date.
            settings: Where the limits are changed.
        """
        access_expires_at = record.token.expires_at if record.token else None
        if record.refresh_token is None:
            # Where there should be one, the grant ends with its access token.
            ends_at = access_expires_at if _kind(record.configuration) in _LIMITS else None
            return cls(access_expires_at=access_expires_at, consent_expires_at=ends_at)
        limits = limits_of(record.configuration, settings)
        used_at = record.used_at
        ends_at = _after(record.authorized_at, limits.absolute)
        return cls(
            access_expires_at=access_expires_at,
            inactive_by=_after(used_at, limits.inactivity),
            # A grant that has outlived it has no such end: the rule may change, or the date be wrong.
            consent_expires_at=ends_at if ends_at and used_at and used_at < ends_at else None,
        )

    def limits(self) -> dict[Limit, datetime]:
        """Return the ends of the grant that are known, by their names."""
        ends: dict[Limit, datetime | None] = {
            "inactivity": self.inactive_by,
            "absolute": self.consent_expires_at,
        }
        return {limit: ends_at for limit, ends_at in ends.items() if ends_at}

    def passed(self, now: datetime) -> datetime | None:
        """Return the end of the grant that lies behind us; None if none does."""
        return min((end for end in self.limits().values() if end <= now), default=None)


def warnings_due(
    key: str,
    record: TokenRecord,
    settings: Settings,
    *,
    last_look: datetime | None,
    now: datetime,
) -> list[ConsentEndsSoon]:
    """Return what is to be told of a credential's limits at this look at it; see `is_warning_due`."""
    period = settings.warning_period
    return [
        ConsentEndsSoon(key=key, at=now, limit=limit, ends_at=ends_at)
        for limit, ends_at in Lifetimes.of(record, settings).limits().items()
        if is_warning_due(ends_at, last_look=last_look, now=now, period=period)
    ]


def idle_refresh_at(key: str, record: TokenRecord, settings: Settings) -> datetime | None:
    """Return when a credential that nobody uses is refreshed so that it does not end.

    At half to three quarters of what it may be idle for, at a point of its own for each key: credentials
    that began on one day are refreshed over weeks, and all processes choose the same moment.
    """
    idle_limit = limits_of(record.configuration, settings).inactivity
    inactive_by = Lifetimes.of(record, settings).inactive_by
    if idle_limit is None or inactive_by is None:
        return None
    phase = zlib.crc32(key.encode("utf-8", "surrogatepass")) / 2**32
    return inactive_by - idle_limit * (0.5 - phase / 4)


def dead_since(record: TokenRecord, now: datetime, settings: Settings) -> datetime | None:
    """Return since when a credential is of no use; None if it may still be refreshed.

    It was refused; or its access token has expired and there is no refresh token; or it has failed for long,
    and beyond the time for which a refresh token lives unused.
    """
    if record.refused:
        return record.status_since
    lifetimes = Lifetimes.of(record, settings)
    failing = record.status is TokenStatus.UNRECOVERABLE
    end = lifetimes.inactive_by if failing else None
    if record.refresh_token is None:
        end = lifetimes.access_expires_at
    return end if end and end <= now else None


def _after(start: datetime | None, period: timedelta | None) -> datetime | None:
    try:
        return None if start is None or period is None else start + period
    except OverflowError:
        return None  # a damaged record: its grant has no end that the calendar knows


def _kind(configuration: str) -> str:
    return configuration.partition(":")[0]


def is_warning_due(
    ends_at: datetime, *, last_look: datetime | None, now: datetime, period: timedelta
) -> bool:
    """Return whether this look at a credential should warn of an end: once a day within the period.

    It depends on nothing but the two looks. Refreshes look at what is stored, so that of all processes of a
    fleet the one that makes the first refresh of a day warns.

    Args:
        ends_at: The end.
        last_look: When the credential was looked at before; None if never.
        now: When it is looked at.
        period: How long ahead of the end warnings begin.
    """
    left = ends_at - now
    if not timedelta() <= left <= period:
        return False
    if last_look is None or ends_at - last_look > period:
        return True
    return (ends_at - last_look) // _DAY != left // _DAY
