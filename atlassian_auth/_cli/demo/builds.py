"""Sends builds to Jira, as a continuous integration server does."""

from __future__ import annotations

import anyio

from atlassian_auth._cli.demo.caller import DemoCaller
from atlassian_auth.ports import SYSTEM_CLOCK, utc_now

__all__ = ["BuildSender"]


class BuildSender:
    """Sends one build after the other.

    Args:
        caller: Sends the requests.
        accepted: The numbers of the accepted builds; `send` appends to it.
    """

    def __init__(self, caller: DemoCaller, accepted: list[int]) -> None:
        self._caller = caller
        self._accepted = accepted

    async def send(self) -> None:
        """Send the next build; after a failure, the same one again."""
        number = len(self._accepted) + 1
        # Not cancelled during the request: it would be unknown whether the build has arrived.
        with anyio.CancelScope(shield=True):
            if await self._caller.post("bulk", {"builds": [_build(number)]}) is not None:
                self._accepted.append(number)


def _build(number: int) -> dict[str, object]:
    return {
        "schemaVersion": "1.0",
        "pipelineId": "demo",
        "buildNumber": number,
        "updateSequenceNumber": number,
        "displayName": f"Build {number}",
        "url": f"https://ci.example.com/builds/{number}",
        "state": "successful",
        "lastUpdated": utc_now(SYSTEM_CLOCK).isoformat(timespec="milliseconds"),
        "issueKeys": ["DEMO-1"],
    }
