"""When a credential ends: its access token, its consent if it stays unused, and its consent in any case.

These are three dates. The server sends the first. The other two follow from what Atlassian documents about
its refresh tokens: they are good enough for a warning, and never a reason to stop refreshing.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Self

from atlassian_auth._tokens.records.records import TokenRecord
from atlassian_auth.events import ConsentEndsSoon, Limit
from atlassian_auth.settings import Settings
from atlassian_auth.status import TokenStatus

__all__ = [
    "Lifetimes",
    "Limits",
    "idle_refresh_at",
    "is_warning_due",
    "limits_of",
    "phase_of",
    "unusable_since",
    "warnings_due",
]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a consent lasts.

    Args:
        inactivity: Without a refresh; None if that does not end it.
        absolute: From the day it was given, however it is used; None if that does not end it.
    """

    inactivity: timedelta | None = None
    absolute: timedelta | None = None


# Cloud: Atlassian's 3LO page states 90 and 365 days. community.developer.atlassian.com/t/54172 and /60806
# explain the 365: all tokens of the consent end then, even if they were refreshed, and no app can change it
# (read 2026-11). Data Center: refresh.token.expiration.seconds, counted from the creation of each refresh
# token; 90 days unless an administrator has changed it.
_LIMITS = MappingProxyType(
    {
        "cloud": Limits(inactivity=timedelta(days=90), absolute=timedelta(days=365)),
        "data_center": Limits(inactivity=timedelta(days=90)),
        "generic": Limits(),  # no provider in common: see `default_refresh_token_duration`
    }
)


def limits_of(configuration: str, settings: Settings) -> Limits:
    """Return how long the consents of a registration last.

    Args:
        configuration: Its `Grant.configuration`, whose first word is the kind of grant.
        settings: Where a user can set other limits.
    """
    kind = _kind(configuration)
    usual = _LIMITS.get(kind, Limits())
    assumed = settings.default_refresh_token_duration if kind == "generic" else usual.inactivity
    return Limits(
        inactivity=settings.inactivity_limit or assumed,
        absolute=settings.absolute_limit or usual.absolute,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """When one credential ends.

    Args:
        access_expires_at: When the access token expires; None if none was issued yet.
        inactive_by: When the consent ends unless the token is refreshed before; each refresh moves it.
        consent_expires_at: When the consent ends in any case: then a person has to authorize again. Refreshes
            do not move it. None if no such limit or no date of the consent is known, or if a refresh has
            succeeded after it. Without a refresh token it is the expiry of the access token.
    """

    access_expires_at: datetime | None = None
    inactive_by: datetime | None = None
    consent_expires_at: datetime | None = None

    @classmethod
    def of(cls, record: TokenRecord, settings: Settings) -> Self:
        """Return when this credential ends.

        Args:
            record: The stored credential. Without the date of its consent, ``consent_expires_at`` is not
                known. For a refresh token that was added and not used yet, ``inactive_by`` is the latest
                possible date.
            settings: Where a user can set other limits.
        """
        access_expires_at = record.token.expires_at if record.token else None
        if record.refresh_token is None:
            # A grant that should have one: the consent ends with its access token.
            ends_at = access_expires_at if _kind(record.configuration) in _LIMITS else None
            return cls(access_expires_at=access_expires_at, consent_expires_at=ends_at)
        limits = limits_of(record.configuration, settings)
        used_at = record.used_at
        ends_at = _after(record.authorized_at, limits.absolute)
        return cls(
            access_expires_at=access_expires_at,
            inactive_by=_after(used_at, limits.inactivity),
            # A refresh has succeeded after the date: the rule has changed, or the date was wrong.
            consent_expires_at=ends_at if ends_at and used_at and used_at < ends_at else None,
        )

    def limits(self) -> dict[Limit, datetime]:
        """Return the known ends of the consent, by the name of the limit."""
        ends: dict[Limit, datetime | None] = {
            "inactivity": self.inactive_by,
            "absolute": self.consent_expires_at,
        }
        return {limit: ends_at for limit, ends_at in ends.items() if ends_at}

    def passed(self, now: datetime) -> datetime | None:
        """Return the first end of the consent that has passed; None if none has."""
        return min((end for end in self.limits().values() if end <= now), default=None)

    def ended(self, now: datetime) -> Limit | None:
        """Return the limit that has passed first; None if none has."""
        return next(
            (limit for limit, end in self.limits().items() if end == self.passed(now)), None
        )


def warnings_due(
    key: str,
    record: TokenRecord,
    settings: Settings,
    *,
    last_look: datetime | None,
    now: datetime,
) -> list[ConsentEndsSoon]:
    """Return the warnings to report at this look at a credential; see `is_warning_due`."""
    period = settings.warning_period
    return [
        ConsentEndsSoon(key=key, at=now, limit=limit, ends_at=ends_at)
        for limit, ends_at in Lifetimes.of(record, settings).limits().items()
        if is_warning_due(ends_at, last_look=last_look, now=now, period=period)
    ]


def idle_refresh_at(key: str, record: TokenRecord, settings: Settings) -> datetime | None:
    """Return when an idle credential must be refreshed to keep its consent; None if idleness does not end it.

    That is between half and three quarters of the inactivity limit. Each key has its own date, the same in
    all processes, so credentials authorized on one day are refreshed over weeks.
    """
    idle_limit = limits_of(record.configuration, settings).inactivity
    inactive_by = Lifetimes.of(record, settings).inactive_by
    if idle_limit is None or inactive_by is None:
        return None
    return inactive_by - idle_limit * (0.5 - phase_of(key) / 4)


def phase_of(key: str) -> float:
    """Return a number from 0 up to 1: different for each key, the same in all processes and releases."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) / 2**32


def unusable_since(record: TokenRecord, now: datetime, settings: Settings) -> datetime | None:
    """Return since when a credential cannot be used; None if a refresh may still succeed.

    There are three cases: the server has refused its refresh token; it has no refresh token and the access
    token has expired; or refreshes kept failing until the inactivity limit had passed.
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
        return None  # a damaged record: the date is beyond what a datetime can hold


def _kind(configuration: str) -> str:
    return configuration.partition(":")[0]


def is_warning_due(
    ends_at: datetime, *, last_look: datetime | None, now: datetime, period: timedelta
) -> bool:
    """Return whether this look at a credential should warn of an end: once a day within the period.

    Only the times of the last look and of this one count. A refresh takes the time of the last look from the
    store, so in a fleet the process that makes the first refresh of a day gives the warning.

    Args:
        ends_at: The end.
        last_look: The time of the look before; None if there was none.
        now: The time of this look.
        period: How long before the end the warnings begin.
    """
    left = ends_at - now
    if not timedelta() <= left <= period:
        return False
    if last_look is None or ends_at - last_look > period:
        return True
    return (ends_at - last_look) // _DAY != left // _DAY
