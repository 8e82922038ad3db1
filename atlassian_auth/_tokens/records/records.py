"""The record of one credential: its token, its status, and how both change."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PlainSerializer,
    PlainValidator,
)

from atlassian_auth._tokens.records.descent import Descent, fingerprint
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol.confidential import Confidential, same_secret
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.status import TokenStatus
from atlassian_auth.stores.records import IN_TRANSIT, STORE_ERRORS, Loaded, Records

__all__ = ["IN_TRANSIT", "STORE_ERRORS", "Loaded", "Records", "TokenRecord"]

_LONGEST_GAP = timedelta(days=1)  # failures further apart do not count as one row
_SAVED_AGAIN_AFTER = timedelta(hours=1)  # each failure that is saved costs a write


class _StoredPair(BaseModel):
    """A `TokenPair` as it is stored: the only place that turns it into JSON."""

    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    access_token: str
    obtained_at: AwareDatetime
    expires_at: AwareDatetime
    refresh_token: str | None = None
    scopes: tuple[str, ...] = ()

    @classmethod
    def read(cls, value: object) -> TokenPair:
        if isinstance(value, TokenPair):
            return value
        stored = cls.model_validate(value)
        return TokenPair(
            stored.access_token,
            stored.obtained_at,
            stored.expires_at,
            stored.refresh_token,
            stored.scopes,
        )

    @classmethod
    def write(cls, pair: TokenPair) -> dict[str, object]:
        return {name: getattr(pair, name) for name in cls.model_fields}


_Pair = Annotated[TokenPair, PlainValidator(_StoredPair.read), PlainSerializer(_StoredPair.write)]


class TokenRecord(BaseModel, Confidential):
    """The stored credential of one key; each change makes a new value.

    Args:
        configuration: The registration the token belongs to, see `Grant.configuration`.
        token: The last issued pair; None if a refresh token was added and not used yet.
        status: How the last refresh ended.
        status_since: When the status last changed: for a failing credential, since when it fails.
        authorized_at: The date of the consent, if it is known; refreshes do not move it.
        added_at: When a refresh token from elsewhere was added; None if the credential began with a login.
        last_refreshed_at: When the last refresh succeeded.
        refresh_count: The number of refreshes that succeeded.
        failure: Why the last refresh failed; holds no secret.
        ended: Why it is UNRECOVERABLE: ``"refused"`` is final; after ``"failing"`` refreshes are still tried.
        failing_since: When the refreshes began to fail, with no gap of a day between two failures.
        last_failed_at: When a refresh failed last, to within an hour.
        consent: The fingerprint of the consent's first refresh token, see `Descent`.
        spent: The fingerprints of spent refresh tokens, see `Descent`.
        pasted_refresh_token: The refresh token that `TokenManager.add` was given, until it is used.
        pasted_sha256: Its digest, which stays: adding the same refresh token again changes nothing.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, hide_input_in_errors=True, defer_build=True
    )

    configuration: str
    token: _Pair | None = Field(default=None, repr=False)
    status: TokenStatus = TokenStatus.UNKNOWN
    status_since: AwareDatetime
    authorized_at: AwareDatetime | None = None
    added_at: AwareDatetime | None = None
    last_refreshed_at: AwareDatetime | None = None
    refresh_count: NonNegativeInt = 0
    failure: str | None = None
    ended: Literal["refused", "failing"] | None = None
    failing_since: AwareDatetime | None = None
    last_failed_at: AwareDatetime | None = None
    consent: str = Field(default="", repr=False)
    spent: str = Field(default="", repr=False)
    pasted_refresh_token: str | None = Field(default=None, repr=False)
    pasted_sha256: str | None = Field(default=None, repr=False)

    @classmethod
    def begin(cls, configuration: str, now: datetime, *, replaced: Self | None = None) -> Self:
        """Return the record of a consent that was given now and has no token yet.

        Args:
            configuration: The registration it belongs to.
            now: The time.
            replaced: The record it replaces. If the store falls back to that one, this one counts as newer.
        """
        record = cls(configuration=configuration, status_since=now, authorized_at=now)
        if replaced is None:
            return record
        # The digest stays: a service that adds its configured token at each start must not undo this consent.
        kept = {"spent": replaced.descent.next(None).spent, "pasted_sha256": replaced.pasted_sha256}
        return record.model_copy(update=kept)

    @classmethod
    def pasted(
        cls,
        configuration: str,
        now: datetime,
        refresh_token: str,
        *,
        authorized_at: datetime | None,
        replaced: Self | None = None,
    ) -> Self:
        """Return the record of a refresh token that was obtained elsewhere.

        Args:
            configuration: The registration it belongs to.
            now: The time.
            refresh_token: The refresh token.
            authorized_at: The date of its consent; None if that is not known.
            replaced: As for `begin`.
        """
        changes = {
            "authorized_at": authorized_at,
            "added_at": now,
            "pasted_refresh_token": refresh_token,
            "pasted_sha256": _digest(refresh_token),
        }
        return cls.begin(configuration, now, replaced=replaced).model_copy(update=changes)

    def was_pasted(self, refresh_token: str) -> bool:
        """Return whether the credential began with this refresh token, obtained elsewhere."""
        return same_secret(self.pasted_sha256, _digest(refresh_token))

    @property
    def used_at(self) -> datetime | None:
        """When its refresh token was issued; if that was added and not used yet: when it was added."""
        return self.token.obtained_at if self.token else self.added_at or self.authorized_at

    @property
    def refresh_token(self) -> str | None:
        """The refresh token that the next refresh presents."""
        return self.pasted_refresh_token if self.token is None else self.token.refresh_token

    @property
    def revocable_token(self) -> str | None:
        """The token to revoke: the refresh token, which ends its access tokens too, or the access token."""
        access_token = None if self.token is None else self.token.access_token
        return self.refresh_token or access_token

    @property
    def descent(self) -> Descent:
        """The position of its pair in the line of its consent."""
        current = fingerprint(self.refresh_token)
        return Descent(self.consent or current, self.refresh_count, current, self.spent)

    @property
    def refused(self) -> bool:
        """Whether the server has refused its refresh token, which must not be presented again."""
        return self.status is TokenStatus.UNRECOVERABLE and self.ended != "failing"

    def check_owner(self, key: str, configuration: str) -> None:
        """Return if the credential belongs to this registration.

        Raises:
            ConfigurationError: if it belongs to another, whose token must not be spent or replaced.
        """
        if self.configuration != configuration:
            message = (
                f"Key {key!r} holds a credential of {self.configuration}, not of {configuration}. Use "
                "another key, or forget this one and authorize again."
            )
            raise ConfigurationError(message, argument="key")

    def check_not_spent(self, key: str, refresh_token: str | None) -> None:
        """Return unless a refresh of this credential has spent the refresh token.

        Raises:
            ConfigurationError: if it has: then the stored pair is newer, and must not be replaced by it.
        """
        current = fingerprint(refresh_token)
        if current and current in self.descent.spent:
            message = (
                f"This pair is older than the stored one: a refresh of key {key!r} has spent its refresh "
                "token. Nothing was changed; read the stored pair again."
            )
            raise ConfigurationError(message, argument="pair")

    def after_refresh(self, token: TokenPair, now: datetime) -> Self:
        """Return the record after a refresh that succeeded."""
        return self.restored(token, self.descent.next(token.refresh_token), now)

    def restored(self, token: TokenPair, descent: Descent, now: datetime) -> Self:
        """Return the record with a later, valid pair of its consent.

        Args:
            token: The pair.
            descent: Its position.
            now: When it was issued, or read.
        """
        return self._with_status(
            TokenStatus.VALID,
            now,
            token=token,
            consent=descent.consent,
            spent=descent.spent,
            refresh_count=descent.count,
            last_refreshed_at=now,
            failure=None,
            failing_since=None,
            last_failed_at=None,
            pasted_refresh_token=None,
        )

    def after_failure(self, reason: str, now: datetime, *, period: timedelta) -> Self:
        """Return the record after a refresh that failed and may succeed later.

        It is the same record if a failure was saved within the last hour.

        Args:
            reason: Why it failed.
            now: The time.
            period: After failing for this long the status is UNRECOVERABLE. Failures before a gap of a day do
                not count: nothing was tried in that time.
        """
        if self._failed_within(_SAVED_AGAIN_AFTER, now):
            return self
        since = self.failing_since if self._failed_within(_LONGEST_GAP, now) else None
        failing_since = since or now
        long = self.status is TokenStatus.UNRECOVERABLE or now - failing_since >= period
        return self._with_status(
            TokenStatus.UNRECOVERABLE if long else TokenStatus.RECOVERABLE,
            now,
            failure=reason,
            ended="failing" if long else None,
            failing_since=failing_since,
            last_failed_at=now,
        )

    def _failed_within(self, period: timedelta, now: datetime) -> bool:
        # If the clock was set back since then, the date lies in the future and says nothing.
        last = self.last_failed_at
        return last is not None and timedelta() <= now - last < period

    def after_refusal(self, reason: str, now: datetime) -> Self:
        """Return the record after the server refused its refresh token: the consent is lost."""
        return self._with_status(TokenStatus.UNRECOVERABLE, now, failure=reason, ended="refused")

    def _with_status(self, status: TokenStatus, now: datetime, **changes: Any) -> Self:
        since = self.status_since if status is self.status else now
        return self.model_copy(update={"status": status, "status_since": since, **changes})


def _digest(refresh_token: str) -> str:
    """Return the digest by which a refresh token is recognized later."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()
