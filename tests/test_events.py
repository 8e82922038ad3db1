"""The sentence of each event, and its log record."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from atlassian_auth import ClientCredentialsGrant, TokenManager, events

AT = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
LATER = AT + timedelta(hours=1)
SINCE, UNTIL = "2026-01-02T03:04:05+00:00", "2026-01-02T04:04:05+00:00"


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        (events.Event, {}, "something happened."),
        (events.RefreshStarted, {}, "a refresh begins."),
        (
            events.RefreshSucceeded,
            {"duration_seconds": 0.25, "refresh_count": 3, "expires_at": LATER},
            f"refreshed in 0.2 s; the access token expires at {UNTIL}.",
        ),
        (
            events.RefreshFailed,
            {"duration_seconds": 3, "code": "transient", "reason": "Why.", "retry_at": LATER},
            f"a refresh failed after 3.0 s (transient): Why. No attempt is made before {UNTIL}.",
        ),
        (
            events.RefreshFailed,
            {"duration_seconds": 3, "code": "transient", "reason": "Why.", "retry_at": None},
            "a refresh failed after 3.0 s (transient): Why.",
        ),
        (
            events.TokenAdopted,
            {"expires_at": LATER},
            f"another process has refreshed the token; the access token expires at {UNTIL}.",
        ),
        (
            events.Degraded,
            {"reason": "Why.", "expires_at": LATER},
            f"a refresh was due and failed; the present access token is used until {UNTIL}: Why.",
        ),
        (
            events.RotationUnsaved,
            {"reason": "Why."},
            "the new refresh token could not be saved and is only in memory: Why.",
        ),
        (
            events.AuthorizationNeeded,
            {"reason": "Why."},
            "the consent is lost; a person has to authorize again: Why.",
        ),
        (
            events.RequestRepeated,
            {},
            "an answer of the token endpoint was lost; the same refresh token is presented again.",
        ),
        (events.ConsentGiven, {}, "a person has authorized it."),
        (events.ConsentDeclined, {}, "a person declined to authorize it."),
        (events.ConsentRevoked, {}, "it was revoked and deleted."),
        (
            events.KeepsFailing,
            {"since": AT, "reason": "Why."},
            f"refreshes have failed since {SINCE} and are still tried: Why.",
        ),
        (
            events.ConsentEndsSoon,
            {"limit": "inactivity", "ends_at": LATER},
            f"the consent ends at {UNTIL}, unless the token is refreshed before then.",
        ),
        (
            events.ConsentEndsSoon,
            {"limit": "absolute", "ends_at": LATER},
            f"the consent ends at {UNTIL}: a person has to authorize again before then.",
        ),
    ],
)
def test_an_event_is_a_sentence(kind, fields, sentence):
    """``str(event)`` is a sentence with the key, and no repr."""
    assert str(kind(key="acme", at=AT, **fields)) == f"Key 'acme': {sentence}"


async def test_a_log_has_the_sentence_and_the_fields(atlassian, atlassian_clock, caplog):
    """A log record has the sentence as its message, and the event's fields beside it."""
    caplog.set_level(logging.DEBUG, logger="atlassian_auth")
    app = atlassian.service_account_app
    grant = ClientCredentialsGrant.service_account(app.client_id, app.client_secret)

    async with TokenManager(grant, clock=atlassian_clock) as manager:
        await manager.token("robot")

    [record] = [one for one in caplog.records if getattr(one, "event", "") == "RefreshSucceeded"]
    assert record.getMessage().startswith("Key 'robot': refreshed in ")
    assert (record.key, record.refresh_count, record.levelname) == ("robot", 1, "DEBUG")
