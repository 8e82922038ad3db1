"""The rules all stores share: names, lifetimes, conflicts, and locks that are not had in time.

For authors of stores: with these functions a store refuses what the others refuse, by the same errors.
"""

from __future__ import annotations

import math

from atlassian_auth.exceptions import ConfigurationError, VersionConflict
from atlassian_auth.stores.base import ABSENT

__all__ = ["check_names", "check_version", "expiry", "lock_timeout"]


def check_names(**names: object) -> None:
    """Return if these can name a record or a namespace.

    Raises:
        ConfigurationError: if one is no text, is empty, or holds a lone surrogate and so has no UTF-8 form.
    """
    for argument, name in names.items():
        if not isinstance(name, str) or not _can_be_encoded(name):
            message = (
                f"{argument}={name!a:.100} cannot name a record; expected text (str) that is not empty and "
                "can be written as UTF-8."
            )
            raise ConfigurationError(message, argument=argument)


def _can_be_encoded(name: str) -> bool:
    return bool(name) and not any("\ud800" <= character <= "\udfff" for character in name)


def expiry(now: float, ttl_seconds: float | None) -> float | None:
    """Return the POSIX time from which on the record counts as absent, or None for never.

    Raises:
        ConfigurationError: if ``ttl_seconds`` is negative or not finite.
    """
    if ttl_seconds is None:
        return None
    if not (math.isfinite(ttl_seconds) and ttl_seconds >= 0):
        message = (
            f"ttl_seconds={ttl_seconds}; expected seconds from 0 on, or None to keep for good."
        )
        raise ConfigurationError(message, argument="ttl_seconds")
    return now + ttl_seconds


def check_version(namespace: str, key: str, *, expected: int | None, actual: int) -> None:
    """Return if the record may be changed by who read it at version ``expected``.

    Args:
        namespace: The family of the record.
        key: Its name.
        expected: The version the caller read, `ABSENT` for none, None if any will do.
        actual: The version it has now, `ABSENT` for none.

    Raises:
        VersionConflict: if the versions differ.
    """
    if expected in {None, actual}:
        return
    found = "absent" if actual == ABSENT else f"at version {actual}"
    wanted = "absent" if expected == ABSENT else f"at version {expected}"
    message = (
        f"Key {key!r} in {namespace!r} is {found}, not {wanted}: somebody else changed it first. "
        "Read it again and decide anew."
    )
    raise VersionConflict(message)


def lock_timeout(namespace: str, key: str, timeout_seconds: float) -> TimeoutError:
    """Return the error of a lock that others held for too long."""
    return TimeoutError(
        f"The lock of key {key!r} in {namespace!r} was held by others for {timeout_seconds:g} s."
    )
