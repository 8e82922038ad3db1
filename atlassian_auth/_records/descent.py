"""Which of two records of a key is the newer one: told by descent, not by a clock, which can be set back.

Each refresh spends a refresh token and brings the next one. So the pairs of one consent are a line, and a
record that names the tokens spent before it knows its own ancestors. A store that holds an ancestor has lost
saves: in a failover, from a replica that lags, or because a backup was restored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

__all__ = ["REMEMBERED", "Descent", "fingerprint"]

REMEMBERED = 32
"""So many spent refresh tokens are remembered one by one. A server may take one of the last of them again
(Cloud does for 10 minutes), which begins a branch; of anything older only the consent and the count are
compared."""

_LETTERS = 12  # 48 bits: they tell the tokens of one key apart, and give none away


@dataclass(frozen=True, slots=True)
class Descent:
    """Where a pair stands in the line of its consent.

    Args:
        consent: The fingerprint of the first refresh token of its consent; empty if there was none.
        count: How many refreshes ago that was.
        current: The fingerprint of its refresh token; empty if it has none.
        spent: The fingerprints of the tokens spent for it, the last ones, oldest first, between spaces.
    """

    consent: str = field(repr=False)
    count: int
    current: str = field(repr=False)
    spent: str = field(repr=False)

    def follows(self, other: Descent) -> bool:
        """Return whether the other's refresh token was spent for this pair, however long ago.

        A refresh token that did not change was not spent: servers that do not rotate have no ancestors.
        """
        if not other.current or other.current == self.current:
            return False
        forgotten = other.count < self.count - REMEMBERED
        return other.current in self.spent or (forgotten and other.consent == self.consent)

    def next(self, refresh_token: str | None) -> Descent:
        """Return the place of the pair that this one's refresh token was spent for."""
        current = fingerprint(refresh_token)
        spent = self.spent if current == self.current else f"{self.spent} {self.current}".strip()
        kept = spent[-REMEMBERED * (_LETTERS + 1) :].strip()
        return Descent(self.consent or current, self.count + 1, current, kept)


def fingerprint(refresh_token: str | None) -> str:
    """Return what tells refresh tokens apart, and is none; empty if there is none."""
    if not refresh_token:
        return ""
    return hashlib.sha256(refresh_token.encode()).hexdigest()[:_LETTERS]
