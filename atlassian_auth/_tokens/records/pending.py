"""What is stored about a login between its start and its callback, which another process may receive."""

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
"""The namespace of logins in a store; each has the name that `name_of` makes from its state."""

# A state without a mark, as old releases made it, has no dot: it is base64url (RFC 4648 section 5).
_MARKED = re.compile(r"([0-9a-f]{16}\.).", re.DOTALL)


class PendingFlow(BaseModel, Confidential):
    """A login that was started and whose callback has not arrived yet.

    Args:
        key: The credential it is for.
        configuration: The registration it was started with, see `Grant.configuration`.
        redirect_uri: Where the server sends the browser back to.
        scopes: The requested scopes.
        state: The state that the callback must bring.
        code_verifier: The PKCE code verifier; None if the grant does not use PKCE.
        started_by_sha256: The digest of the ``started_by`` that the caller gave; None if it gave none.
        created_at: When it was started.
        expires_at: From then on its callback is refused.
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
        """Return whether it has expired."""
        return now >= self.expires_at

    def was_started_by(self, started_by: str | None) -> bool:
        """Return whether ``started_by`` is the value given at the start; compares in constant time."""
        return same_secret(self.started_by_sha256, started_by and digest_of(started_by))

    def belongs_to(self, grant: Grant) -> bool:
        """Return whether this grant can redeem the login's code."""
        return (self.configuration, self.redirect_uri, self.code_verifier is not None) == (
            grant.configuration,
            grant.redirect_uri,
            grant.uses_pkce,
        )


def mark_of(key: str) -> str:
    """Return the prefix of the states of a key's logins, and of their names in the store.

    It finds the logins of one key without reading those of other keys.
    """
    return f"{digest_of(key)[:16]}."


def name_of(state: str) -> str:
    """Return the name under which a login with this state is stored; the state may come from anywhere."""
    marked = _MARKED.match(state)
    return f"{marked[1] if marked else ''}{digest_of(state)}"


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a secret, in hex: a name that finds the secret and does not reveal it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
