"""The rules that all stores share: names, lifetimes, versions, and the timeout of locks.

For authors of stores: with these functions a store refuses the same arguments as the others, with the same
errors.
"""

from __future__ import annotations

import math

from atlassian_auth.exceptions import ConfigurationError, VersionConflict
from atlassian_auth.stores.base import ABSENT

__all__ = ["check_names", "check_version", "expiry", "lock_timeout"]


def check_names(**names: object) -> None:
    """Check that these can name a record or a namespace.

    Raises:
        ConfigurationError: if one is not text, is empty, or has a lone surrogate and so cannot be UTF-8.
    """
    for argument, name in names.items():
        if not isinstance(name, str) or not _can_be_encoded(name):
            message = (
                f"{argument}={name!a:.100} cannot name a record; expected text (str) that is not empty and "
                "can be encoded as UTF-8."
            )
            raise ConfigurationError(message, argument=argument)


def _can_be_encoded(name: str) -> bool:
    return bool(name) and not any("\ud800" <= character <= "\udfff" for character in name)


def expiry(now: float, ttl_seconds: float | None) -> float | None:
    """Return the POSIX time at which the record expires, or None for never.

    Raises:
        ConfigurationError: if ``ttl_seconds`` is negative or not finite.
    """
    if ttl_seconds is None:
        return None
    if not (math.isfinite(ttl_seconds) and ttl_seconds >= 0):
        message = f"ttl_seconds={ttl_seconds}; expected 0 or more seconds, or None for no expiry."
        raise ConfigurationError(message, argument="ttl_seconds")
    return now + ttl_seconds


def check_version(namespace: str, key: str, *, expected: int | None, actual: int) -> None:
    """Check that the record is at the version that the caller expects.

    Args:
        namespace: The group of records.
        key: The name of the record.
        expected: The version that the caller read, `ABSENT` if there was no record; None for any version.
        actual: The version that the record has now, `ABSENT` if there is none.

    Raises:
        VersionConflict: if the versions differ.
    """
    if expected in {None, actual}:
        return
    found = "absent" if actual == ABSENT else f"at version {actual}"
    wanted = "absent" if expected == ABSENT else f"at version {expected}"
    message = (
        f"Key {key!r} in {namespace!r} is {found}, not {wanted}: another task or process has changed it. "
        "Read it again, and then decide."
    )
    raise VersionConflict(message)


def lock_timeout(namespace: str, key: str, timeout_seconds: float) -> TimeoutError:
    """Return the error for a lock that another task or process held for too long."""
    return TimeoutError(
        f"The lock of key {key!r} in {namespace!r} was held by others for {timeout_seconds:g} s."
    )
