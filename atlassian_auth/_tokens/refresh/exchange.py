"""One exchange with the token endpoint: a request, its attempts, a token or an error. It saves nothing."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol, TypeVar

from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    TransientError,
)
from atlassian_auth.grants.base import Grant
from atlassian_auth.ports import (
    Clock,
    NothingSent,
    Sender,
    Unanswered,
    is_being_cancelled,
    utc_now,
)
from atlassian_auth.ports._runtime.traces import log_places
from atlassian_auth.protocol._token_endpoint import read_revocation_response
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.settings import Settings

__all__ = ["LockLost", "TokenExchange"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Reader(Protocol[T_co]):
    """Reads a response: returns its content, or raises the error it means."""

    def __call__(self, response: HTTPResponse, *, obtained_at: datetime) -> T_co: ...


# If the store answers too late twice, its answer proves nothing and the lock counts as lost.
_CONFIRMATIONS = 2


class LockLost(Exception):
    """This process no longer holds the lock that it needs to present a refresh token."""


async def _no_lock_needed() -> bool:
    return True


def _unnoticed() -> None:
    pass


class TokenExchange:
    """Exchanges a refresh token, a code or client credentials for a token; it saves nothing.

    Args:
        grant: Builds the requests and reads the responses.
        sender: Sends them.
        settings: The number of attempts, their pauses, and the time for all of them.
        clock: Tells the time.
        jitter: Returns a number from 0 up to 1; it spreads the pauses of many processes.
    """

    def __init__(
        self,
        grant: Grant,
        sender: Sender,
        *,
        settings: Settings,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self._grant = grant
        self._sender = sender
        self._settings = settings
        self._clock = clock
        self._jitter = jitter

    async def refresh(
        self,
        refresh_token: str | None,
        *,
        previous: TokenPair | None = None,
        confirm: Callable[[], Awaitable[bool]] = _no_lock_needed,
        repeated: Callable[[], None] = _unnoticed,
    ) -> TokenPair:
        """Return a new token.

        Args:
            refresh_token: The token to present; None for 2LO, which presents the client's credentials.
            previous: The pair to be replaced; values that the response leaves out are taken from it.
            confirm: Returns whether the lock is still held. Called before each attempt: without the lock the
                refresh token must not be presented.
            repeated: Called before the refresh token is presented again after a lost response.

        Raises:
            LockLost: if the lock is not held any more, and no response was lost before.
            AtlassianAuthError: as `read_token_response` says.
        """
        request = self._grant.refresh_request(refresh_token)
        read = functools.partial(self._grant.read_response, request=request, previous=previous)
        rotating = self._grant.rotates
        return await self._exchange(
            request,
            read,
            repeats=self._repeats(),
            rotating=rotating,
            confirm=confirm,
            repeated=repeated,
        )

    async def redeem(self, code: str, *, code_verifier: str | None = None) -> TokenPair:
        """Return the first token of an authorization code.

        Raises:
            AtlassianAuthError: as `read_token_response` says.
        """
        request = self._grant.code_request(code, code_verifier=code_verifier)
        read = functools.partial(self._grant.read_response, request=request)
        # A code must not be presented twice: the server should then revoke its tokens (RFC 6749 4.1.2).
        return await self._exchange(request, read, repeats=0)

    async def revoke(self, token: str) -> None:
        """Revoke a refresh token or an access token.

        Raises:
            AtlassianAuthError: as for an exchange, if the server has not revoked it.
        """
        request = self._grant.revocation_request(token)
        read = functools.partial(read_revocation_response, request=request)
        # It is safe to repeat: revoking a revoked token succeeds (RFC 7009 2.2).
        await self._exchange(request, read, repeats=self._settings.attempts)

    def _repeats(self) -> int:
        """How often a request may be repeated after its response was lost."""
        if self._grant.rotates and not self._grant.reuse_leeway_seconds:
            # Data Center: the lost response may have held the only valid refresh token. Then the consent is
            # lost with or without a repeat. If the server did not rotate, the repeat gets a token.
            return 1
        return self._settings.attempts

    async def _exchange(
        self,
        request: HTTPRequest,
        read: _Reader[T],
        *,
        repeats: int,
        rotating: bool = False,
        confirm: Callable[[], Awaitable[bool]] = _no_lock_needed,
        repeated: Callable[[], None] = _unnoticed,
    ) -> T:
        deadline = self._clock.time() + self._settings.exchange_timeout_seconds
        attempt, lost_responses = 0, 0
        failure: AtlassianAuthError | None = None
        while await self._confirm_lock(confirm):
            attempt += 1
            if lost_responses:
                repeated()
            outcome = await self._attempt(request, read, deadline)
            if not isinstance(outcome, AtlassianAuthError):
                return outcome
            lost_responses += isinstance(outcome, TransientError) and outcome.ambiguous
            failure = self._add_loss(outcome) if lost_responses and rotating else outcome
            pause = self._pause(outcome, attempt, repeatable=lost_responses <= repeats)
            if pause is None or self._clock.time() + pause >= deadline:
                raise failure
            await self._clock.sleep(pause)
        if failure and lost_responses:
            raise failure
        raise LockLost

    async def _confirm_lock(self, confirm: Callable[[], Awaitable[bool]]) -> bool:
        """Return whether the lock is held. If the process stood still meanwhile, the store is asked again."""
        for _ in range(_CONFIRMATIONS):
            started = self._clock.time()
            held = await confirm()
            seconds = self._clock.time() - started
            if not held or seconds <= self._settings.connect_timeout_seconds:
                return held
        return False

    async def _attempt(
        self, request: HTTPRequest, read: _Reader[T], deadline: float
    ) -> T | AtlassianAuthError:
        # The time before the request: the server issues the token later, so its expiry is never set too late.
        obtained_at = utc_now(self._clock)
        response = await self._send(request, deadline)
        if isinstance(response, AtlassianAuthError):
            return response
        try:
            return read(response, obtained_at=obtained_at)
        except AtlassianAuthError as error:
            return error

    async def _send(
        self, request: HTTPRequest, deadline: float
    ) -> HTTPResponse | AtlassianAuthError:
        left_seconds = deadline - self._clock.time()
        if left_seconds <= 0:  # the process stood still since the deadline was checked
            return _unreachable(request, NothingSent("the time for the exchange ran out"))
        try:
            async with self._clock.timeout(left_seconds):
                return await self._sender.send(request)
        except NothingSent as error:
            return _unreachable(request, error)
        except Unanswered as error:
            reason = str(error)
        except TimeoutError:
            reason = "the time for the exchange ran out"
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            reason = "the connection was cancelled"
        except AtlassianAuthError as error:
            return error
        except Exception as error:  # noqa: BLE001 -- a user's sender: the request may have been sent
            reason = type(error).__name__
            log_places(error)
        return _unanswered(request, reason)

    def _pause(self, error: AtlassianAuthError, attempt: int, *, repeatable: bool) -> float | None:
        """Return the seconds to wait before the next attempt; None if there must be none."""
        settings = self._settings
        if attempt >= settings.attempts or not isinstance(error, TransientError):
            return None
        if error.ambiguous and not repeatable:
            return None
        if error.retry_after_seconds is not None:
            requested = error.retry_after_seconds
            return requested if requested <= settings.longest_pause_seconds else None
        if error.ambiguous:
            # At once: Cloud accepts the same refresh token again for 10 minutes only.
            return 0
        pause = settings.retry_pause_seconds * 2.0 ** (attempt - 1)
        return pause * (1 - self._jitter() / 2)

    @property
    def _what_was_lost(self) -> str:
        leeway = self._grant.reuse_leeway_seconds
        if leeway:
            return (
                "If the server has rotated the refresh token, it still accepts the old one for "
                f"{leeway / 60:g} minutes: try again within that time."
            )
        return (
            "The response to a request was lost on the way; if the server has rotated the refresh token, "
            "that response held the only new one."
        )

    def _add_loss(self, error: AtlassianAuthError) -> AtlassianAuthError:
        """Return the error with a sentence about the lost response, which may have held a refresh token."""
        message = f"{error} {self._what_was_lost}"
        if isinstance(error, TransientError):
            after = error.retry_after_seconds
            return TransientError(message, retry_after_seconds=after, ambiguous=True)
        if isinstance(error, AuthorizationRequired):
            return AuthorizationRequired(message, key=error.key, reason=error.reason)
        return error


def _unreachable(request: HTTPRequest, error: NothingSent) -> TransientError:
    message = (
        f"The token endpoint {request.url} could not be reached ({error}). Nothing was sent; try again "
        "later, and check network, proxy and TLS settings if it lasts."
    )
    return TransientError(message)


def _unanswered(request: HTTPRequest, reason: str) -> TransientError:
    message = (
        f"The request was sent to the token endpoint {request.url}, but no complete response came back "
        f"({reason})."
    )
    return TransientError(message, ambiguous=True)
