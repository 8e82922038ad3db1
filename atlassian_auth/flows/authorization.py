"""A person's consent, from the authorization URL to the stored token: start, browser, callback, complete.

What has to be remembered in between is kept in the manager's store, so start and callback may be served by
different processes. A login is taken out of the store before its code is used: it works once, or not at all.
"""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atlassian_auth._records.pending import (
    PENDING_NAMESPACE,
    PendingFlow,
    digest_of,
    mark_of,
    name_of,
)
from atlassian_auth._records.records import Loaded, Records
from atlassian_auth._refresh.checks import checked_key
from atlassian_auth.exceptions import ConfigurationError, TransientError, VersionConflict
from atlassian_auth.manager import TokenManager
from atlassian_auth.ports import utc_now
from atlassian_auth.protocol.callback import (
    AuthorizationCode,
    UncheckedCallback,
    check_callback,
    stated,
)
from atlassian_auth.protocol.confidential import Confidential
from atlassian_auth.protocol.pkce import code_challenge, verifier_from
from atlassian_auth.scopes import OFFLINE_ACCESS, missing_scopes
from atlassian_auth.status import CredentialStatus

__all__ = ["AuthorizationFlow", "AuthorizationRequest", "AuthorizationResult"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

# RFC 6749 section 10.10: at most 2^-128 to be guessed, better 2^-160. The same for PKCE: RFC 7636 7.1.
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest(Confidential):
    """Where to send the person; its ``repr`` holds no state, and it cannot be pickled.

    Args:
        url: The consent page. Redirect the browser there, or show it to the person.
        state: What the callback must bring; it is in the URL already.
        expires_at: When it is too late to come back.
        key: The credential it is for.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    expires_at: datetime
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResult:
    """What a login brought.

    Args:
        status: The credential as it is stored now. If it is not ``refreshable``, somebody has to log in
            again when ``access_expires_at`` is over.
        missing_scopes: What was asked for and not granted, ``offline_access`` aside.
    """

    status: CredentialStatus
    missing_scopes: tuple[str, ...]

    @property
    def key(self) -> str:
        """The credential it is for."""
        return self.status.key


class AuthorizationFlow:
    """Lets a person authorize credentials of a manager, in a browser.

    Any number of logins may be under way, for one key as well; the last to come back is what counts.

    Args:
        manager: Whose credentials; its store keeps what has to be remembered.
        lifetime: How long a person may take.
        issuer: What the authorization server calls itself in ``iss`` (RFC 9207); a callback with
            another one, or without, is then refused. Atlassian's servers are not known to send it.
        random_bytes: Returns so many bytes that nobody can guess.

    Raises:
        ConfigurationError: if ``manager`` is none, or ``lifetime`` is not longer than nothing.
    """

    def __init__(
        self,
        manager: TokenManager,
        *,
        lifetime: timedelta = timedelta(minutes=10),
        issuer: str | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        if not isinstance(manager, TokenManager):
            raise ConfigurationError.wrong_type(
                "manager", "a TokenManager, such as the .manager of an auth", manager
            )
        if lifetime <= timedelta():
            message = f"lifetime must be longer than nothing, but is {lifetime}: give it minutes"
            raise ConfigurationError(message, argument="lifetime")
        self.manager = manager
        self._lifetime = lifetime
        self._issuer = issuer
        self._random_bytes = random_bytes
        self._records = Records(manager.store, PENDING_NAMESPACE, PendingFlow)

    async def start(self, key: str, *, started_by: str | None) -> AuthorizationRequest:
        """Return where to send the person, and remember that they were sent there.

        Args:
            key: The credential they are going to authorize.
            started_by: The id of the session that starts the login, which alone can complete it; kept as
                a digest. It protects from a consent link that an attacker prepared: who follows that
                link would store their grant under the attacker's key. None for a person at their own
                computer, where there are no sessions.

        Raises:
            ConfigurationError: if an argument is empty, or the manager's grant needs nobody's consent.
            StoreError: if it cannot be remembered.
        """
        pending = self._begun(checked_key(key), _checked_starter(started_by))
        challenge = code_challenge(pending.code_verifier) if pending.code_verifier else None
        url = self.manager.grant.authorization_url(state=pending.state, code_challenge=challenge)
        await self.manager.perform(functools.partial(self._remember, pending))
        return AuthorizationRequest(
            url=url, state=pending.state, expires_at=pending.expires_at, key=key
        )

    async def complete(
        self,
        callback: str | UncheckedCallback | None = None,
        *,
        code: str | None = None,
        state: str | None = None,
        started_by: str | None,
    ) -> AuthorizationResult:
        """Check a callback, exchange its code, and store the token in place of whatever the key had.

        A callback that is refused before its code is used leaves everything as it is, so the right one
        can still come. A caller that is cancelled leaves the exchange undisturbed.

        Args:
            callback: The URL the browser came back with, its query, or either as somebody pasted it.
            code: In place of ``callback``: its ``code``, if it is at hand.
            state: In place of ``callback``: its ``state``.
            started_by: The id of the session that the browser comes back in, as `start` was given it;
                None if `start` was given None.

        Raises:
            AuthorizationRequired: if the person declined (``reason="declined"``), or the code was refused.
            ConfigurationError: if the callback is none of ours, was used already or has expired, if
                somebody else started it, or if the app's registration is wrong.
            TransientError: if the authorization server has a bad minute. Start again later.
            TokenResponseError: if something else answers in the token endpoint's place.
            StoreError: if the store cannot be read or written.
        """
        unchecked = _unchecked(callback, code, state)
        starter = _checked_starter(started_by)
        return await self.manager.perform(functools.partial(self._complete, unchecked, starter))

    def _begun(self, key: str, started_by: str | None) -> PendingFlow:
        grant, now = self.manager.grant, utc_now(self.manager.clock)
        return PendingFlow(
            key=key,
            configuration=grant.configuration,
            redirect_uri=grant.redirect_uri,
            scopes=grant.scopes,
            state=mark_of(key) + self._unguessable(),
            code_verifier=self._unguessable() if grant.uses_pkce else None,
            started_by_sha256=started_by and digest_of(started_by),
            created_at=now,
            expires_at=now + self._lifetime,
        )

    def _unguessable(self) -> str:
        return verifier_from(self._random_bytes(_RANDOM_BYTES))

    # -- in the runner -------------------------------------------------------------------------

    async def _remember(self, pending: PendingFlow) -> None:
        ttl_seconds = self._lifetime.total_seconds()
        await self._records.put(name_of(pending.state), pending, ttl_seconds=ttl_seconds)

    async def _complete(
        self, callback: UncheckedCallback, started_by: str | None
    ) -> AuthorizationResult:
        stored = await self._pending(callback)
        pending = stored.value
        self._check_pending(pending, started_by)
        code = check_callback(callback, state=pending.state, issuer=self._issuer, key=pending.key)
        await self._use_up(stored)
        return _result(await self._redeemed(pending, code), pending)

    async def _pending(self, callback: UncheckedCallback) -> Loaded[PendingFlow]:
        stored = await self._records.get(name_of(stated(callback)))
        if stored is None:
            raise _not_pending()
        return stored

    def _check_pending(self, pending: PendingFlow, started_by: str | None) -> None:
        if pending.expired(utc_now(self.manager.clock)):
            raise _not_pending()
        if not pending.was_started_by(started_by):
            message = (
                "This login was started by somebody else, who can still complete it: start your own. "
                "started_by must be the same for start() and complete()."
            )
            raise ConfigurationError(message, argument="started_by")
        if not pending.belongs_to(self.manager.grant):
            message = (
                f"This login was started for {pending.configuration} and {pending.redirect_uri}, but "
                f"comes back to {self.manager.grant.configuration} and "
                f"{self.manager.grant.redirect_uri}: use the same grant, or start again with this one."
            )
            raise ConfigurationError(message, argument="grant")

    async def _use_up(self, stored: Loaded[PendingFlow]) -> None:
        """Take the login out of the store: of two callbacks at once, one gets here and the other not."""
        try:
            await self._records.delete(name_of(stored.value.state), expected=stored.version)
        except VersionConflict:
            raise _not_pending() from None

    async def _redeemed(self, pending: PendingFlow, code: AuthorizationCode) -> CredentialStatus:
        try:
            return await self.manager.authorize(
                pending.key, code.value, code_verifier=pending.code_verifier
            )
        except TransientError as error:
            raise TransientError(
                f"{error} This login is used up all the same: start a new one then.",
                retry_after_seconds=error.retry_after_seconds,
                ambiguous=error.ambiguous,
            ) from None


def _unchecked(
    callback: str | UncheckedCallback | None, code: str | None, state: str | None
) -> UncheckedCallback:
    if (callback is None) == (code is None and state is None):
        message = "Give either the callback (a URL, or its query), or its code and its state."
        raise ConfigurationError(message, argument="callback")
    if callback is None:
        return UncheckedCallback(code=code, state=state)
    if isinstance(callback, UncheckedCallback):
        return callback
    return UncheckedCallback.parse(callback)


def _checked_starter(started_by: str | None) -> str | None:
    given: object = started_by
    if given is None or (isinstance(given, str) and given):
        return started_by
    message = (
        "started_by must be non-empty text or None: an empty session id would be everybody's. "
        "Give the session an id first."
    )
    raise ConfigurationError(message, argument="started_by")


def _not_pending() -> ConfigurationError:
    message = (
        "No login is waiting for this callback: it was completed already, took too long, was started "
        "with another store, or was never started here. Nothing was changed; start again."
    )
    return ConfigurationError(message, argument="state")


def _result(status: CredentialStatus, pending: PendingFlow) -> AuthorizationResult:
    wanted = [scope for scope in pending.scopes if scope != OFFLINE_ACCESS]
    missing = missing_scopes(status.scopes, wanted)
    if missing:
        logger.warning(
            "Key %r was authorized without %s, which was asked for: calls that need it will fail. See "
            "what the app's settings and the person's rights allow.",
            status.key,
            ", ".join(missing),
        )
    if OFFLINE_ACCESS in pending.scopes and not status.refreshable:
        logger.warning(
            "Key %r was authorized without a refresh token, although %s was asked for: somebody has to "
            "log in again at %s.",
            status.key,
            OFFLINE_ACCESS,
            status.access_expires_at,
        )
    return AuthorizationResult(status=status, missing_scopes=missing)
