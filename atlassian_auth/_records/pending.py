"""What is remembered of a login between its start and its callback, which may be another process's."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from atlassian_auth.grants.base import Grant
from atlassian_auth.protocol.confidential import Confidential, same_secret

__all__ = ["PENDING_NAMESPACE", "PendingFlow", "digest_of", "mark_of", "name_of"]

PENDING_NAMESPACE = "flows"
"""Where logins are kept in a store, each under the name that `name_of` makes of its state."""

# States of releases that marked none have no dot in them (RFC 4648 section 5).
_MARKED = re.compile(r"([0-9a-f]{16}\.).", re.DOTALL)


class PendingFlow(BaseModel, Confidential):
    """A login that was started and has not come back yet.

    Args:
        key: The credential it is for.
        configuration: The registration it was started with, see `Grant.configuration`.
        redirect_uri: Where it comes back to.
        scopes: What was asked for.
        state: What its callback must bring.
        code_verifier: What its code is bound to, where the grant uses PKCE.
        started_by_sha256: The digest of who started it; None if that was not told.
        created_at: When it was started.
        expires_at: When it is no longer answered.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, hide_input_in_errors=True, defer_build=True
    )

    key: str
    configuration: str
    redirect_uri: str | None
    scopes: tuple[str, ...]
    state: str = Field(repr=False)
    code_verifier: str | None = Field(default=None, repr=False)
    started_by_sha256: str | None = Field(default=None, repr=False)
    created_at: AwareDatetime
    expires_at: AwareDatetime

    def expired(self, now: datetime) -> bool:
        """Return whether its time is over."""
        return now >= self.expires_at

    def was_started_by(self, started_by: str | None) -> bool:
        """Return whether this is who started it; takes the same time whoever it is."""
        return same_secret(self.started_by_sha256, started_by and digest_of(started_by))

    def belongs_to(self, grant: Grant) -> bool:
        """Return whether this grant can redeem its code."""
        return (self.configuration, self.redirect_uri, self.code_verifier is not None) == (
            grant.configuration,
            grant.redirect_uri,
            grant.uses_pkce,
        )


def mark_of(key: str) -> str:
    """Return what the states of a key's logins, and their names in the store, begin with.

    With it the logins of one key are found among those of all others without reading them.
    """
    return f"{digest_of(key)[:16]}."


def name_of(state: str) -> str:
    """Return the name under which a login with this state is kept; the state may be a stranger's."""
    marked = _MARKED.match(state)
    return f"{marked[1] if marked else ''}{digest_of(state)}"


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a secret, in hex: a name by which it can be found, but not told."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
