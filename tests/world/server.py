"""A strict token server: it counts each refresh token, and a second use ends the consent."""

from __future__ import annotations

from collections import Counter

from atlassian_auth.testing import FakeAtlassian


class StrictAtlassian(FakeAtlassian):
    """Cloud as it is, with its leeway of ten minutes, and a Data Center that takes reuse for theft.

    The real Data Center only refuses a refresh token that was used. Here its successors die, too, as
    RFC 9700 4.14.2 recommends, so that luck cannot hide a mistake.
    """

    def handle(self, *arguments, **options):
        reply = super().handle(*arguments, **options)
        for request in self.token_requests:
            if request.service == "dc" and request.outcome == "invalid_grant" and request.family:
                self._world.ledger.families[request.family].alive = False
        return reply

    def presented_twice(self):
        """Return how often a refresh token was presented that had been presented before.

        Requests that the server did not serve, while it was temporarily unavailable, do not count.
        """
        counts = Counter(
            (request.family, request.generation)
            for request in self.token_requests
            if request.family and request.outcome
        )
        return sum(counts.values()) - len(counts)
