"""Which of two records of a key is newer: decided by descent, not by a clock, which can be set back.

Each refresh spends one refresh token and brings the next. So the pairs of one consent form a line, and each
record names the refresh tokens that were spent before it: its ancestors. If the store holds an ancestor, it
has lost saves: in a failover, from a replica that lags, or because a backup was restored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

__all__ = ["REMEMBERED", "Descent", "fingerprint"]

REMEMBERED = 32
"""How many spent refresh tokens are remembered one by one. The server may accept one of the last again (Cloud
does for 10 minutes), and the line branches there. Older ones are compared by consent and count only."""

_LETTERS = 12  # 48 bits: enough to distinguish the tokens of one key, too few to reveal one


@dataclass(frozen=True, slots=True)
class Descent:
    """The position of a pair in the line of its consent.

    Args:
        consent: The fingerprint of the consent's first refresh token; empty if there was none.
        count: The number of refreshes since then.
        current: The fingerprint of the pair's refresh token; empty if it has none.
        spent: The fingerprints of the last refresh tokens spent before it, oldest first, separated by spaces.
    """

    consent: str = field(repr=False)
    count: int
    current: str = field(repr=False)
    spent: str = field(repr=False)

    def follows(self, other: Descent) -> bool:
        """Return whether the other pair is an ancestor of this one: its refresh token was spent before it.

        A refresh token that did not change was not spent: where a server does not rotate, there are no
        ancestors.
        """
        if not other.current or other.current == self.current:
            return False
        forgotten = other.count < self.count - REMEMBERED
        return other.current in self.spent or (forgotten and other.consent == self.consent)

    def next(self, refresh_token: str | None) -> Descent:
        """Return the position of the next pair, whose refresh token this is."""
        current = fingerprint(refresh_token)
        spent = self.spent if current == self.current else f"{self.spent} {self.current}".strip()
        kept = spent[-REMEMBERED * (_LETTERS + 1) :].strip()
        return Descent(self.consent or current, self.count + 1, current, kept)


def fingerprint(refresh_token: str | None) -> str:
    """Return a short digest that distinguishes refresh tokens and reveals none; empty if there is none."""
    if not refresh_token:
        return ""
    return hashlib.sha256(refresh_token.encode()).hexdigest()[:_LETTERS]
