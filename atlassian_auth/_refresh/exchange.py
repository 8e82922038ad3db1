"""One exchange with the token endpoint: a request, its attempts, and a token or an error. Saves nothing."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol, TypeVar

from atlassian_auth._runtime.traces import log_places
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
from atlassian_auth.protocol._token_endpoint import read_revocation_response
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.settings import Settings

__all__ = ["LockLost", "TokenExchange"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Reader(Protocol[T_co]):
    """Makes something of an answer, or raises what it means."""

    def __call__(self, response: HTTPResponse, *, obtained_at: datetime) -> T_co: ...


# A store that never answers in time proves nothing.
_CONFIRMATIONS = 2


class LockLost(Exception):
    """The lock under which a refresh token is presented is held by another process, or by none."""


async def _certainly() -> bool:
    return True


class TokenExchange:
    """Exchanges a refresh token, a code or client credentials for a token; saves nothing.

    Args:
        grant: Builds the requests and reads the answers.
        sender: Carries them.
        settings: Attempts, pauses and the time for all of them.
        clock: What time it is.
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
        confirm: Callable[[], Awaitable[bool]] = _certainly,
    ) -> TokenPair:
        """Return a new token.

        Args:
            refresh_token: What to present; None for 2LO, which presents the client's credentials.
            previous: The token to be replaced; what the answer leaves out is carried over from it.
            confirm: Asked before each attempt whether the refresh token may be presented: whether the lock is
                still held.

        Raises:
            LockLost: if it may not, and no answer was lost before.
            AtlassianAuthError: as `read_token_response` tells the answers apart.
        """
        request = self._grant.refresh_request(refresh_token)
        read = functools.partial(self._grant.read_response, request=request, previous=previous)
        rotating = self._grant.rotates
        return await self._exchange(
            request, read, repeats=self._repeats(), rotating=rotating, confirm=confirm
        )

    async def redeem(self, code: str, *, code_verifier: str | None = None) -> TokenPair:
        """Return the first token of an authorization code.

        Raises:
            AtlassianAuthError: as `read_token_response` tells the answers apart.
        """
        request = self._grant.code_request(code, code_verifier=code_verifier)
        read = functools.partial(self._grant.read_response, request=request)
        # A code that is presented twice takes the tokens of its first use with it (RFC 6749 4.1.2).
        return await self._exchange(request, read, repeats=0)

    async def revoke(self, token: str) -> None:
        """Revoke a refresh token, or an access token, and with it its grant.

        Raises:
            AtlassianAuthError: as for an exchange, if the server did not revoke it.
        """
        request = self._grant.revocation_request(token)
        read = functools.partial(read_revocation_response, request=request)
        # What is revoked already is revoked once more without harm (RFC 7009 2.2).
        await self._exchange(request, read, repeats=self._settings.attempts)

    def _repeats(self) -> int:
        """How often a request may be repeated after one whose answer was lost."""
        if self._grant.rotates and not self._grant.reuse_leeway_seconds:
            # Data Center: the lost answer may have held the only valid refresh token. If it did, the
            # grant is gone whatever we do; if it did not, asking again is what keeps it.
            return 1
        return self._settings.attempts

    async def _exchange(
        self,
        request: HTTPRequest,
        read: _Reader[T],
        *,
        repeats: int,
        rotating: bool = False,
        confirm: Callable[[], Awaitable[bool]] = _certainly,
    ) -> T:
        deadline = self._clock.time() + self._settings.exchange_timeout_seconds
        attempt, lost_answers = 0, 0
        failure: AtlassianAuthError | None = None
        while await self._confirmed(confirm):
            attempt += 1
            outcome = await self._attempt(request, read, deadline)
            if not isinstance(outcome, AtlassianAuthError):
                return outcome
            lost_answers += isinstance(outcome, TransientError) and outcome.ambiguous
            failure = self._explained(outcome) if lost_answers and rotating else outcome
            pause = self._pause(outcome, attempt, repeatable=lost_answers <= repeats)
            if pause is None or self._clock.time() + pause >= deadline:
                raise failure
            await self._clock.sleep(pause)
        if failure and lost_answers:
            raise failure
        raise LockLost

    async def _confirmed(self, confirm: Callable[[], Awaitable[bool]]) -> bool:
        """Return whether the lock is held, by a fresh answer: none from before a standstill."""
        for _ in range(_CONFIRMATIONS):
            asked_at = self._clock.time()
            held = await confirm()
            took = self._clock.time() - asked_at
            if not held or took <= self._settings.connect_timeout_seconds:
                return held
        return False

    async def _attempt(
        self, request: HTTPRequest, read: _Reader[T], deadline: float
    ) -> T | AtlassianAuthError:
        # Expiry counts from before the request was sent: the server's clock starts after this one.
        obtained_at = utc_now(self._clock)
        response = await self._sent(request, deadline)
        if isinstance(response, AtlassianAuthError):
            return response
        try:
            return read(response, obtained_at=obtained_at)
        except AtlassianAuthError as error:
            return error

    async def _sent(
        self, request: HTTPRequest, deadline: float
    ) -> HTTPResponse | AtlassianAuthError:
        left_seconds = deadline - self._clock.time()
        if left_seconds <= 0:  # the process stood still since the last look
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
        except Exception as error:  # noqa: BLE001 -- users write senders too: it may have been sent
            reason = type(error).__name__
            log_places(error)
        return _unanswered(request, reason)

    def _pause(self, error: AtlassianAuthError, attempt: int, *, repeatable: bool) -> float | None:
        """How long to wait before the next attempt; None if there must be none."""
        settings = self._settings
        if attempt >= settings.attempts or not isinstance(error, TransientError):
            return None
        if error.ambiguous and not repeatable:
            return None
        if error.retry_after_seconds is not None:
            asked = error.retry_after_seconds
            return asked if asked <= settings.longest_pause_seconds else None
        if error.ambiguous:
            # At once: Cloud answers the same refresh token again for 10 minutes, not for ever.
            return 0
        pause = settings.retry_pause_seconds * 2.0 ** (attempt - 1)
        return pause * (1 - self._jitter() / 2)

    @property
    def _lost_answer(self) -> str:
        leeway = self._grant.reuse_leeway_seconds
        if leeway:
            return (
                "If the server has rotated the refresh token, it still takes the old one for "
                f"{leeway / 60:g} minutes: ask again before they are over."
            )
        return (
            "The answer to a request was lost on the way; if the server has rotated the refresh token, that "
            "answer held its only successor."
        )

    def _explained(self, error: AtlassianAuthError) -> AtlassianAuthError:
        if isinstance(error, TransientError):
            return TransientError(
                f"{error} {self._lost_answer}",
                retry_after_seconds=error.retry_after_seconds,
                ambiguous=True,
            )
        if isinstance(error, AuthorizationRequired):
            return AuthorizationRequired(
                f"{error} {self._lost_answer}", key=error.key, reason=error.reason
            )
        return error


def _unreachable(request: HTTPRequest, error: NothingSent) -> TransientError:
    message = (
        f"The token endpoint {request.url} could not be reached ({error}). Nothing was sent; try again "
        "later, and check network, proxy and TLS settings if it lasts."
    )
    return TransientError(message)


def _unanswered(request: HTTPRequest, reason: str) -> TransientError:
    message = f"The token endpoint {request.url} was asked and gave no complete answer ({reason})."
    return TransientError(message, ambiguous=True)
