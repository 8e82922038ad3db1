"""A login by authorization code: start, consent page, callback, complete.

The login waits in the manager's store, so different processes may serve start and callback. It is deleted
from the store before its code is exchanged, so that it can be completed only once.
"""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atlassian_auth._tokens.credentials.checks import checked_key, checked_period
from atlassian_auth._tokens.records.pending import (
    PENDING_NAMESPACE,
    PendingFlow,
    digest_of,
    mark_of,
    name_of,
)
from atlassian_auth._tokens.records.records import Loaded, Records
from atlassian_auth.events import ConsentDeclined
from atlassian_auth.exceptions import (
    AuthorizationRequired,
    ConfigurationError,
    TransientError,
    VersionConflict,
)
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

# RFC 6749 section 10.10: the probability of guessing must be at most 2^-128, and should be at most 2^-160.
# For PKCE, RFC 7636 section 7.1 asks for 256 bits.
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest(Confidential):
    """Where to send the person; its ``repr`` holds no state, and it cannot be pickled.

    Args:
        url: The URL of the consent page. Redirect the browser there, or show it to the person.
        state: The state that the callback must bring; the URL holds it already.
        expires_at: The time after which a callback is refused.
        key: The credential to authorize.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    expires_at: datetime
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResult:
    """The result of a login.

    Args:
        status: The status of the stored credential. If it is not ``refreshable``, a person has to log in
            again after ``access_expires_at``.
        missing_scopes: The scopes that were requested and not granted, without ``offline_access``.
    """

    status: CredentialStatus
    missing_scopes: tuple[str, ...]

    @property
    def key(self) -> str:
        """The key of the credential."""
        return self.status.key


class AuthorizationFlow:
    """Lets a person authorize credentials of a manager, in a browser.

    Any number of logins may be under way, also for one key; the last one completed replaces the others.

    Args:
        manager: The manager of the credentials; its store keeps the logins that wait.
        lifetime: How long a person may take from `start` to the callback, as a ``timedelta``. Default: ten
            minutes.
        issuer: The ``iss`` that each callback must have (RFC 9207); a callback with another one, or without,
            is then refused. Atlassian's servers are not known to send it.
        random_bytes: Returns so many bytes that cannot be guessed.

    Raises:
        ConfigurationError: if ``manager`` is not a `TokenManager`, or ``lifetime`` is not positive.
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
        self.manager = manager
        self._lifetime = checked_period("lifetime", lifetime)
        self._issuer = issuer
        self._random_bytes = random_bytes
        self._records = Records(manager.store, PENDING_NAMESPACE, PendingFlow)

    async def start(self, key: str, *, started_by: str | None) -> AuthorizationRequest:
        """Store a new login, and return the URL of its consent page.

        Args:
            key: The credential to authorize.
            started_by: The id of the session that starts the login; only the same session can complete it.
                Its digest is stored. It protects against a consent link that an attacker has prepared: a
                victim who follows the link would store their consent under the attacker's key. None for a
                person at their own computer, where there are no sessions.

        Raises:
            ConfigurationError: if an argument is empty, or the manager's grant needs no person's consent.
            StoreError: if the login cannot be stored.
        """
        pending = self._new_login(checked_key(key), _check_started_by(started_by))
        challenge = code_challenge(pending.code_verifier) if pending.code_verifier else None
        url = self.manager.grant.authorization_url(state=pending.state, code_challenge=challenge)
        await self.manager.perform(functools.partial(self._save, pending))
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
        """Check a callback, exchange its code, and store the token in place of the key's previous one.

        A callback that is refused before its code is used changes nothing, so the right one can still come.
        Cancelling the caller does not stop the exchange.

        Args:
            callback: The URL with which the browser came back, or its query; blanks from pasting are dropped.
            code: In place of ``callback``: its ``code``.
            state: In place of ``callback``: its ``state``.
            started_by: The id of the session in which the browser comes back; the same that `start` got, also
                if it is None.

        Raises:
            AuthorizationRequired: if the person declined (``reason="declined"``), or the code was refused.
            ConfigurationError: if the callback answers no login of this store, or one that was completed, has
                expired or was started by another session; also if the app's registration is wrong.
            TransientError: if the authorization server is temporarily unavailable. Start again later.
            TokenResponseError: if the answer is not one of a token endpoint.
            StoreError: if the store cannot be read or written.
        """
        unchecked = _parse_callback(callback, code, state)
        starter = _check_started_by(started_by)
        return await self.manager.perform(functools.partial(self._complete, unchecked, starter))

    def _new_login(self, key: str, started_by: str | None) -> PendingFlow:
        grant, now = self.manager.grant, utc_now(self.manager.clock)
        return PendingFlow(
            key=key,
            configuration=grant.configuration,
            redirect_uri=grant.redirect_uri,
            scopes=grant.scopes,
            state=mark_of(key) + self._random_text(),
            code_verifier=self._random_text() if grant.uses_pkce else None,
            started_by_sha256=started_by and digest_of(started_by),
            created_at=now,
            expires_at=now + self._lifetime,
        )

    def _random_text(self) -> str:
        return verifier_from(self._random_bytes(_RANDOM_BYTES))

    # -- in the runner -------------------------------------------------------------------------

    async def _save(self, pending: PendingFlow) -> None:
        ttl_seconds = self._lifetime.total_seconds()
        await self._records.put(name_of(pending.state), pending, ttl_seconds=ttl_seconds)

    async def _complete(
        self, callback: UncheckedCallback, started_by: str | None
    ) -> AuthorizationResult:
        stored = await self._load(callback)
        pending = stored.value
        self._check_pending(pending, started_by)
        code = self._check_callback(callback, pending)
        await self._delete(stored)
        return _build_result(await self._exchange(pending, code), pending)

    def _check_callback(
        self, callback: UncheckedCallback, pending: PendingFlow
    ) -> AuthorizationCode:
        try:
            return check_callback(
                callback, state=pending.state, issuer=self._issuer, key=pending.key
            )
        except AuthorizationRequired:
            now = utc_now(self.manager.clock)
            declined = ConsentDeclined(key=pending.key, at=now)
            self.manager._report(declined)  # noqa: SLF001 -- of the same package
            raise

    async def _load(self, callback: UncheckedCallback) -> Loaded[PendingFlow]:
        stored = await self._records.get(name_of(stated(callback)))
        if stored is None:
            raise _no_login_error()
        return stored

    def _check_pending(self, pending: PendingFlow, started_by: str | None) -> None:
        if pending.expired(utc_now(self.manager.clock)):
            raise _no_login_error()
        if not pending.was_started_by(started_by):
            message = (
                "This login was started by another session, which can still complete it: start your own. "
                "started_by must be the same for start() and complete()."
            )
            raise ConfigurationError(message, argument="started_by")
        if not pending.belongs_to(self.manager.grant):
            message = (
                f"This login was started for {pending.configuration} and {pending.redirect_uri}, but "
                f"the manager's grant is {self.manager.grant.configuration} and "
                f"{self.manager.grant.redirect_uri}: use the same grant, or start again with this one."
            )
            raise ConfigurationError(message, argument="grant")

    async def _delete(self, stored: Loaded[PendingFlow]) -> None:
        """Delete the login from the store; of two callbacks at the same time, only one succeeds."""
        try:
            await self._records.delete(name_of(stored.value.state), expected=stored.version)
        except VersionConflict:
            raise _no_login_error() from None

    async def _exchange(self, pending: PendingFlow, code: AuthorizationCode) -> CredentialStatus:
        try:
            return await self.manager.authorize(
                pending.key, code.value, code_verifier=pending.code_verifier
            )
        except TransientError as error:
            raise TransientError(
                f"{error} This login cannot be completed any more: start a new one then.",
                retry_after_seconds=error.retry_after_seconds,
                ambiguous=error.ambiguous,
            ) from None


def _parse_callback(
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


def _check_started_by(started_by: str | None) -> str | None:
    given: object = started_by
    if given is None or (isinstance(given, str) and given):
        return started_by
    message = (
        "started_by must be non-empty text or None: with an empty session id, any session could "
        "complete the login. Give the session an id first."
    )
    raise ConfigurationError(message, argument="started_by")


def _no_login_error() -> ConfigurationError:
    message = (
        "No login is waiting for this callback: the login was completed already, took too long, was "
        "started with another store, or was never started here. Nothing was changed; start again."
    )
    return ConfigurationError(message, argument="state")


def _build_result(status: CredentialStatus, pending: PendingFlow) -> AuthorizationResult:
    wanted = [scope for scope in pending.scopes if scope != OFFLINE_ACCESS]
    missing = missing_scopes(status.scopes, wanted)
    if missing:
        logger.warning(
            "Key %r was authorized without %s, although it was requested: calls that need it will fail. "
            "Check the app's settings and the person's permissions.",
            status.key,
            ", ".join(missing),
            extra={"key": status.key, "missing_scopes": missing},
        )
    if OFFLINE_ACCESS in pending.scopes and not status.refreshable:
        logger.warning(
            "Key %r was authorized without a refresh token, although %s was requested: a person has to "
            "log in again at %s.",
            status.key,
            OFFLINE_ACCESS,
            status.access_expires_at,
            extra={"key": status.key},
        )
    return AuthorizationResult(status=status, missing_scopes=missing)
