"""Flow requests: a person's login at a provider, from the first click to its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from atlassian_auth.connections._desk import Desk
from atlassian_auth.connections.config import ClientConfig

__all__ = ["FlowError", "FlowRequest", "FlowRequests", "FlowSuccess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRequest:
    """A flow that was created.

    Args:
        id: Of the flow.
        start_url: Send the browser here to start: it is below your base URL.
        landing_url: Where the browser ends, with a result or an error.
        expires_at: The flow must be started before.
    """

    id: str
    start_url: str
    landing_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSuccess:
    """The person consented; the token is saved.

    Args:
        token_id: The id of the token, for `ClientTokens` and `TokenHandler`.
        config_id: The configuration that it was issued for.
        missing_scopes: The scopes that were requested and not granted.
    """

    token_id: str
    config_id: str
    missing_scopes: tuple[str, ...] = ()
    ok: ClassVar[Literal[True]] = True

    def to_success(self) -> FlowSuccess:
        """Return itself."""
        return self

    def to_error(self) -> FlowError:
        """Raise ``ValueError``: the flow has succeeded."""
        raise ValueError("the flow has succeeded: ask for to_success()")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowError:
    """The flow brought no token.

    Args:
        config_id: The configuration that it was for.
        error: The ``code`` of the error, such as ``"authorization_required"``.
        reason: The ``reason`` of an `AuthorizationRequired`, such as ``"declined"``; else None.
        message: What was wrong, and what to do; holds no secret.
    """

    config_id: str
    error: str
    reason: str | None
    message: str
    ok: ClassVar[Literal[False]] = False

    def to_success(self) -> FlowSuccess:
        """Raise ``ValueError``: the flow has failed."""
        raise ValueError(f"the flow has failed: ask for to_error(). {self.message}")

    def to_error(self) -> FlowError:
        """Return itself."""
        return self


class FlowRequests:
    """Runs flows, each bound to the session that created it; the ``flows`` of a `Connections`.

    The steps are `create`, `start` and `callback`, each once and in this order. Then `get` returns the
    result.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create(
        self,
        session: str,
        config: ClientConfig,
        *,
        landing: Callable[[str], str],
        token_id: str | None = None,
    ) -> FlowRequest:
        """Store a new flow. The person has ``max_client_delay_seconds`` to start it.

        Args:
            session: The id of the person's session, which an attacker cannot choose. Its digest is stored.
            config: A stored configuration.
            landing: Returns the page to show at the end, from the flow's id: a path, or a URL of the base
                URL's origin.
            token_id: A token to replace, when a person connects again; None for a new one.

        Raises:
            ConfigurationNotFound: if the configuration is not stored.
            TokenNotFound: if ``token_id`` is no token of the configuration.
            ConfigurationError: if the landing page is on another origin, the session is empty, or the
                configuration needs no person.
        """
        raise NotImplementedError

    async def start(self, session: str, flow_id: str) -> str:
        """Return the URL of the provider, to which to send the browser.

        The person has ``max_server_delay_seconds`` to come back.

        Raises:
            FlowNotFound: if the session has no such flow.
            FlowOutOfOrder: if it was started already; it has ended.
        """
        raise NotImplementedError

    async def callback(self, session: str, suffix: str, callback_url: str) -> str:
        """Exchange the code, save the token, and return the landing URL; `get` has the result.

        Args:
            session: The id of the session in which the browser comes back.
            suffix: The last part of the path of the callback.
            callback_url: The whole URL, or its query.

        Raises:
            FlowNotFound: if the session has no flow that waits for this callback. Nothing has changed.
            ConfigurationError: if this is no callback.
        """
        raise NotImplementedError

    async def get(self, session: str, flow_id: str) -> FlowSuccess | FlowError:
        """Return the result; for ``max_client_delay_seconds`` after the callback.

        Raises:
            FlowNotFound: if the session has no such flow, or its time is over.
            FlowPending: if there is no result yet.
        """
        raise NotImplementedError
