"""Plays one trouble under one load: all is well, the trouble begins, it ends, and nothing may be lost."""

from __future__ import annotations

import asyncio
from functools import cache

import pytest

from atlassian_auth import AtlassianAuthError
from tests.faults.stage import HOUR
from tests.faults.trouble import FLEET, Seen
from tests.harness.judge import broken_by_errors, check_consent, check_lock_is_free
from tests.harness.world import KEY

_INSTANT = 0.001


@cache
def play(trouble, product, load):
    """Return what is seen, or None and the reason to skip it; each trouble is played once."""
    try:
        return asyncio.run(_play(trouble, product, load)), None
    except pytest.skip.Exception as reason:
        return None, reason


async def _play(trouble, product, load):
    async with trouble.stage(product, load) as stage:
        await stage.enrol(load)
        before = stage.requests
        async with trouble.lasts(stage):
            answers = await stage.ask_together(load)
            states = {await _state(manager) for manager in stage.managers}
            asked = stage.requests
            if load is not FLEET:  # where some pause while others ask
                await stage.ask(load)
                assert stage.requests == asked, "a request during the pause"
        await _check_pause(trouble, stage, load)
        stage.clock.advance(trouble.passed_seconds)
        after = [_code(answer) for answer in await stage.ask(load)]
        _check_errors(trouble, load, answers)
        [afterwards] = set(after)
        await _check_nothing_is_lost(trouble, stage, lost=afterwards != "token")
    codes = tuple(sorted({_code(answer) for answer in answers}))
    return Seen(codes, " or ".join(sorted(states)), asked - before, afterwards)


def _code(answer):
    return answer.code if isinstance(answer, AtlassianAuthError) else answer


async def _state(manager):
    try:
        return (await manager.status(KEY)).state.value
    except AtlassianAuthError as error:
        return error.code


async def _check_pause(trouble, stage, load):
    """See that no request is sent before the pause is over; the pauses of a fleet end one by one."""
    if trouble.pause_seconds is None:
        return
    if load is not FLEET:
        stage.clock.advance(trouble.pause_seconds - _INSTANT)
        asked = stage.requests
        answers = await stage.ask(load)
        assert stage.requests == asked, "a request before the pause was over"
        assert all(isinstance(answer, AtlassianAuthError) for answer in answers)
        stage.clock.advance(_INSTANT)
    else:
        stage.clock.advance(trouble.pause_seconds)


def _check_errors(trouble, load, answers):
    errors = [answer for answer in answers if isinstance(answer, AtlassianAuthError)]
    assert not broken_by_errors(errors)
    missing = {
        (word, str(error)) for error in errors for word in trouble.words if word not in str(error)
    }
    others = {str(error) for error in errors} - {text for _, text in missing}
    # In a fleet some managers do not get the lock in time; their errors say that instead.
    assert not missing or (load is FLEET and others), missing


async def _check_nothing_is_lost(trouble, stage, *, lost):
    """See that the store and the server agree: a process that starts an hour later refreshes it."""
    family, atlassian = stage.family, stage.atlassian
    assert trouble.excused or not atlassian.reuses_outside_leeway, "a used refresh token left"
    store = stage.new_store()
    await check_lock_is_free(store, KEY)
    await store.aclose()
    if lost:
        [status] = {await _state(manager) for manager in stage.managers}
        assert status == "reauthorize"
        return
    stage.clock.advance(HOUR)
    asked, newcomer = stage.requests, stage.new_host()
    token = await newcomer.refresh(KEY)
    assert stage.requests == asked + 1
    assert atlassian.family_of(token.access_token) is family
    assert check_consent(atlassian, await newcomer.reveal_refresh_token(KEY)) is family
    assert {await _state(manager) for manager in stage.managers} == {"ready"}
