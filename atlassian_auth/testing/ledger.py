"""Every token and code that the emulator has issued, valid or not."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from itertools import count

from atlassian_auth.testing.apps import App
from atlassian_auth.testing.rules import Rules

__all__ = ["AccessToken", "Code", "Family", "Ledger", "RefreshToken"]


@dataclass(slots=True, eq=False)
class Family:
    """One consent, and all its tokens."""

    id: str
    app: App
    scopes: tuple[str, ...]
    created_at: float
    alive: bool = True
    generation: int = 0
    refresh_token: str | None = field(default=None, repr=False)
    access_tokens: list[AccessToken] = field(default_factory=list["AccessToken"], repr=False)


@dataclass(slots=True, eq=False)
class RefreshToken:
    """One refresh token of a family; ``replaced_at`` is set when it is exchanged for the next."""

    value: str = field(repr=False)
    family: Family
    generation: int
    issued_at: float
    replaced_at: float | None = None


@dataclass(slots=True, eq=False)
class AccessToken:
    """An access token; ``cut_at`` is when rotation or revocation ends it early."""

    value: str = field(repr=False)
    app: App
    scopes: tuple[str, ...]
    issued_at: float
    expires_at: float
    family: Family | None = None
    generation: int | None = None
    cut_at: float = math.inf


@dataclass(slots=True, eq=False)
class Code:
    """An authorization code; ``family`` is set when it is redeemed."""

    value: str = field(repr=False)
    app: App
    scopes: tuple[str, ...]
    redirect_uri: str
    issued_at: float
    challenge: str | None = None
    challenge_method: str = "S256"
    family: Family | None = None


class Ledger:
    """Issues tokens with recognizable values, and keeps them all."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        # No two servers issue the same token, even if tests share a store.
        self._server = secrets.token_hex(4)
        self._numbers = count(1)
        self.families: dict[str, Family] = {}
        self.codes: dict[str, Code] = {}
        self.refresh_tokens: dict[str, RefreshToken] = {}
        self.access_tokens: dict[str, AccessToken] = {}
        self.leeway_reuses = 0
        self.reuses_outside_leeway = 0

    def open_family(self, app: App, scopes: tuple[str, ...], now: float) -> Family:
        """Add the family of a new consent."""
        family = Family(f"family-{len(self.families) + 1}", app, scopes, now)
        self.families[family.id] = family
        return family

    def issue_code(self, app: App, scopes: tuple[str, ...], redirect_uri: str, now: float) -> Code:
        """Return a new authorization code."""
        code = Code(self._secret("code"), app, scopes, redirect_uri, now)
        self.codes[code.value] = code
        return code

    def issue_refresh(self, family: Family, now: float) -> RefreshToken:
        """Return the family's next refresh token."""
        family.generation += 1
        token = RefreshToken(self._secret("rt"), family, family.generation, now)
        family.refresh_token = token.value
        self.refresh_tokens[token.value] = token
        return token

    def issue_access(
        self, app: App, scopes: tuple[str, ...], now: float, family: Family | None = None
    ) -> AccessToken:
        """Return an access token with the lifetime of the current rules."""
        expires_at = now + self._rules.access_token_lifetime_seconds[app.product]
        generation = family.generation if family else None
        token = AccessToken(self._secret("at"), app, scopes, now, expires_at, family, generation)
        self.access_tokens[token.value] = token
        if family is not None:
            family.access_tokens.append(token)
        return token

    def live_access(self, value: str, now: float) -> AccessToken | None:
        """Return the access token if it is valid at ``now``."""
        token = self.access_tokens.get(value)
        if token is None or now >= min(self._expiry(token), token.cut_at):
            return None
        return token if token.family is None or token.family.alive else None

    def cut_access(self, family: Family, at: float) -> None:
        """Let the family's access tokens expire at ``at`` at the latest."""
        for token in family.access_tokens:
            token.cut_at = min(token.cut_at, at)
        family.access_tokens.clear()  # a later call need not shorten them again

    def revoke(self, value: str) -> None:
        """Revoke the family of the token, or the token itself if it has none."""
        family, token = self.family_of(value), self.access_tokens.get(value)
        if family is not None:
            family.alive = False
        elif token is not None:
            token.cut_at = token.issued_at

    def family_of(self, value: str) -> Family | None:
        """Return the family of a code, an access token or a refresh token."""
        holder = (
            self.refresh_tokens.get(value) or self.access_tokens.get(value) or self.codes.get(value)
        )
        return holder.family if holder else None

    def _expiry(self, token: AccessToken) -> float:
        if token.app.product == "data_center":
            # createdAt plus the current property: an admin's change affects issued tokens.
            return token.issued_at + self._rules.access_token_lifetime_seconds["data_center"]
        return token.expires_at

    def _secret(self, kind: str) -> str:
        return f"secret-{kind}-{self._server}-{next(self._numbers):06d}"
