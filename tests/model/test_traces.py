"""The acceptor tells the library from one with a bug, by the trace of a short run."""

from __future__ import annotations

import json

import pytest

from tests.model.acceptor import Rejected, accept
from tests.model.bugs import BUGS, play, refreshed, refused_unheard
from tests.model.recording import append_to, read

EACH_BUG = pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])


@EACH_BUG
async def test_the_library_follows_the_model(bug):
    """The run in which a bug would show is one that the model allows."""
    trace = await play(bug.run, bug.product)

    accept(trace, bug.product)


@EACH_BUG
async def test_a_bug_leaves_the_model(bug):
    """With the bug the same run is rejected, at the event in which the bug shows."""
    trace = await play(bug.run, bug.product, bug.seed)

    with pytest.raises(Rejected) as caught:
        accept(trace, bug.product)
    assert f" {bug.shows} " in str(caught.value).splitlines()[0]


async def test_a_rejection_tells_what_the_model_allows():
    """The error for a rejected trace has the event, those before it, and what the model allows."""
    trace = await play(refreshed, "cloud")
    sent = next(number for number, event in enumerate(trace) if event.what == "send")

    with pytest.raises(Rejected, match="the model is at 'read'") as caught:
        accept([*trace[: sent - 1], trace[sent]], "cloud")

    assert "rejected:   1 send" in str(caught.value)
    assert "1 lock" in str(caught.value)
    assert "proves its lock" in str(caught.value)


async def test_the_answer_that_was_lost_may_be_a_refusal():
    """A refresh token that comes after the leeway ends the consent, though its answer is lost."""
    trace = await play(refused_unheard, "cloud")

    accept(trace, "cloud")
    heard = [event.what for event in trace if event.what.startswith("hear ")]
    assert heard == ["hear pair", *["hear unanswered"] * 3, "hear refused"]


async def test_a_trace_in_a_file(tmp_path):
    """Events that several processes append to one file are read in their order."""
    trace = await play(refreshed, "cloud")
    writers = [append_to(tmp_path / "trace.jsonl") for _ in range(2)]

    for number, event in enumerate(trace):
        writers[number % 2](event)

    assert read(tmp_path / "trace.jsonl") == trace


async def test_a_trace_holds_no_token():
    """A trace names tokens by fingerprints, and holds none of them."""
    trace = await play(refreshed, "cloud")

    assert "hear pair" in {event.what for event in trace}
    assert "secret-" not in json.dumps(trace)
