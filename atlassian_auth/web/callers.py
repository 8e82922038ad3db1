"""Who calls, as the host application says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from atlassian_auth.exceptions import ConfigurationError

__all__ = ["Authorize", "Caller"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person, or a program that acts for one. Each caller has connections of their own.

    Args:
        id: The caller's id in the host application; one that is never given to another person.
        administrator: Whether the caller may read, add, change and delete client configurations.

    Raises:
        ConfigurationError: if ``id`` is empty: all callers without an id would share their connections.
    """

    id: str
    administrator: bool = False

    def __post_init__(self) -> None:
        given: object = self.id
        if not isinstance(given, str) or not given:
            raise ConfigurationError(
                "The id of a Caller must be non-empty text: connections are kept for it.",
                argument="id",
            )


Authorize = Callable[[Request], Caller | Response | Awaitable[Caller | Response | None] | None]
"""The host application's decision about a request: a function, or a coroutine function. It returns the
`Caller`; None to refuse; or a response in place of the page, such as a redirect to the login."""
