"""Builds: numbered without gaps, each counted when it was accepted."""

from __future__ import annotations

import httpx

from atlassian_auth._cli.demo.builds import BuildSender
from atlassian_auth._cli.demo.caller import DemoCaller


async def test_a_failed_build_is_sent_again(logbook):
    """A build that was not accepted is not counted, and is sent again next."""
    answers = iter([202, 500, 202])
    numbers = []

    def answer(request):
        numbers.append(request.read().decode().partition('"buildNumber":')[2].strip()[0])
        return httpx.Response(next(answers), json={})

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(answer), base_url="https://api.example.com/"
    ) as client:
        sender = BuildSender(DemoCaller("jira-software", client, logbook), logbook.builds)
        for _ in range(3):
            await sender.send()

    assert numbers == ["1", "2", "2"]
    assert logbook.builds == [1, 2]
