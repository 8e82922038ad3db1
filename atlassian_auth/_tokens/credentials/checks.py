"""The checks of a manager's arguments, made when they are given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

from atlassian_auth.events import Event
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants.base import Grant
from atlassian_auth.ports import Clock, utc_now
from atlassian_auth.protocol.tokens import is_visible_ascii
from atlassian_auth.settings import Settings
from atlassian_auth.stores.base import Store
from atlassian_auth.stores.memory import MemoryStore
from atlassian_auth.stores.opening import AnyStore, checked_store
from atlassian_auth.stores.rules import check_names

__all__ = [
    "check_left_out",
    "check_ports",
    "checked_callback",
    "checked_code",
    "checked_consent_date",
    "checked_grant",
    "checked_key",
    "checked_period",
    "checked_refresh_token",
    "checked_settings",
    "checked_store_for",
]


_PORTS = {
    "clock": ("a Clock such as ManualClock()", ("time", "sleep", "timeout")),
    "runner": ("a Runner such as InlineRunner()", ("home", "submit", "check_may_wait")),
    "sender": ("a Sender, with the methods send and aclose", ("send", "aclose")),
}


def checked_key(key: str) -> str:
    """Return the key if a store can hold it."""
    check_names(key=key)
    return key


def checked_grant(grant: object) -> Grant:
    """Return the argument if it is a `Grant`."""
    if not isinstance(grant, Grant):
        raise ConfigurationError.wrong_type("grant", "a grant such as CloudGrant", grant)
    return grant


def checked_period(argument: str, period: object) -> timedelta:
    """Return the period if it is positive."""
    if not isinstance(period, timedelta) or period <= timedelta():
        message = f"{argument} must be positive, but is {period}: write timedelta(minutes=5)"
        raise ConfigurationError(message, argument=argument)
    return period


def check_ports(**ports: object) -> None:
    """Return if each of these has the methods of the port of its name."""
    for argument, given in ports.items():
        expected, names = _PORTS[argument]
        if isinstance(given, type) or not all(hasattr(given, name) for name in names):
            raise ConfigurationError.wrong_type(argument, expected, given)


def checked_settings(settings: object) -> Settings:
    """Return the settings; the defaults if the argument is None."""
    if settings is None:
        return Settings()
    if not isinstance(settings, Settings):
        raise ConfigurationError.wrong_type("settings", "Settings(...)", settings)
    return settings


def checked_callback(on_event: object) -> Callable[[Event], None] | None:
    """Return the callback if it can be called."""
    if on_event is not None and not callable(on_event):
        expected = "a function that takes an event"
        raise ConfigurationError.wrong_type("on_event", expected, on_event)
    return cast("Callable[[Event], None] | None", on_event)


def check_left_out(**options: object) -> None:
    """Raise if one of these options was given: with a ``sender`` they would have no effect."""
    for argument, given in options.items():
        if given is not None:
            message = (
                f"{argument}= has no effect together with sender=, which sends the token requests in its own "
                "way. Give it to the sender instead."
            )
            raise ConfigurationError(message, argument=argument)


def checked_store_for(grant: Grant, store: AnyStore | None, clock: Clock) -> Store:
    """Return the store; if there is none, a `MemoryStore` for a grant without refresh tokens."""
    if store is not None:
        return checked_store(store, clock=clock)
    if grant.rotates:
        message = (
            f"{type(grant).__name__} needs a store: its refresh tokens rotate, and a token that was not "
            'stored is lost at the next restart. Pass store=SQLiteStore("tokens.db"), or '
            "store=MemoryStore() if it may be lost."
        )
        raise ConfigurationError(message, argument="store")
    return MemoryStore()


def checked_code(code: object) -> str:
    """Return the authorization code if it is text."""
    if not isinstance(code, str):
        expected = "the text of an authorization code, such as the .value of an AuthorizationCode"
        raise ConfigurationError.wrong_type("code", expected, code)
    return code


def checked_refresh_token(grant: Grant, refresh_token: str) -> str:
    """Return the refresh token if the grant uses refresh tokens and it has the form of one."""
    if not grant.rotates:
        message = f"{type(grant).__name__} uses no refresh tokens; there is nothing to add."
        raise ConfigurationError(message, argument="refresh_token")
    if not is_visible_ascii(refresh_token):
        message = (
            "This is no refresh token: it is empty, or has spaces, line breaks or characters that no token "
            "has. Paste it again, without the text around it."
        )
        raise ConfigurationError(message, argument="refresh_token")
    return refresh_token


def checked_consent_date(authorized_at: object, clock: Clock) -> datetime | None:
    """Return the date of a consent if it has a time zone and lies in the past; None if there is none."""
    if authorized_at is None:
        return None
    if not isinstance(authorized_at, datetime):
        raise ConfigurationError.wrong_type("authorized_at", "a datetime", authorized_at)
    if authorized_at.utcoffset() is None or authorized_at > utc_now(clock):
        message = (
            f"authorized_at={authorized_at} must be the date of the consent: with a time zone, and in the "
            "past. Write datetime(2026, 1, 31, tzinfo=timezone.utc)."
        )
        raise ConfigurationError(message, argument="authorized_at")
    return authorized_at
