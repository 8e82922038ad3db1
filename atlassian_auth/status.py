"""How a credential is doing, without its secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from atlassian_auth.records import TokenRecord, TokenStatus

__all__ = ["CredentialStatus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialStatus:
    """How one credential is doing; holds no secret, so it may be logged and shown.

    Args:
        key: Which credential.
        status: How its last renewal ended.
        status_since: When the status last changed: for a failing credential, since when it fails.
        failure: Why the last renewal failed; None if it did not.
        scopes: What was granted.
        access_expires_at: When the access token ends; None if none was issued yet.
        authorized_at: When somebody consented.
        last_refreshed_at: When the last renewal succeeded; None if none has.
        refresh_count: How many have.
        renewable: Whether a refresh token is at hand.
    """

    key: str
    status: TokenStatus
    status_since: datetime
    failure: str | None
    scopes: tuple[str, ...]
    access_expires_at: datetime | None
    authorized_at: datetime
    last_refreshed_at: datetime | None
    refresh_count: int
    renewable: bool

    @classmethod
    def of(cls, key: str, record: TokenRecord) -> Self:
        """Return the status of a stored record."""
        token = record.token
        return cls(
            key=key,
            status=record.status,
            status_since=record.status_since,
            failure=record.failure,
            scopes=token.scopes if token else (),
            access_expires_at=token.expires_at if token else None,
            authorized_at=record.authorized_at,
            last_refreshed_at=record.last_refreshed_at,
            refresh_count=record.refresh_count,
            renewable=record.refresh_token is not None,
        )
