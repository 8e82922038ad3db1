"""The record of a login under way: for which key, for how long, and that it shows no secret."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from atlassian_auth._tokens.records.pending import PendingFlow, digest_of, mark_of, name_of
from atlassian_auth._tokens.records.records import Records
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import FakeAtlassian, cloud_grant, data_center_grant

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRETS = ("secret-state", "secret-verifier", "secret-session")


def pending(grant=None, **changes) -> PendingFlow:
    grant = grant or cloud_grant(FakeAtlassian())
    fields = {
        "key": "acme",
        "configuration": grant.configuration,
        "redirect_uri": grant.redirect_uri,
        "scopes": grant.scopes,
        "state": SECRETS[0],
        "created_at": NOW,
        "expires_at": NOW + timedelta(minutes=10),
    }
    return PendingFlow(**(fields | changes))


def full() -> PendingFlow:
    return pending(code_verifier=SECRETS[1], started_by_sha256=digest_of(SECRETS[2]))


async def test_it_survives_the_store():
    """A record is read as it was written."""
    records = Records(MemoryStore(), "flows", PendingFlow)

    await records.put("a", full())

    assert (await records.get("a")).value == full()


def test_its_secrets_stay_inside():
    """Secrets are in no repr and no pickle, and the names of records do not reveal them."""
    assert [secret for secret in (*SECRETS, digest_of(SECRETS[2])) if secret in repr(full())] == []
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(full())
    assert len(digest_of(SECRETS[0])) == 64
    assert digest_of("\ud800") != digest_of("\ud801")


@pytest.mark.parametrize(
    ("passed", "expired"),
    [(599.999, False), (600, True), (600.001, True)],
    ids=["just-before", "exactly", "just-after"],
)
def test_its_time(passed, expired):
    """A login expires exactly at ``expires_at``."""
    assert pending().expired(NOW + timedelta(seconds=passed)) is expired


@pytest.mark.parametrize(
    ("started_by", "completed_by", "same"),
    [
        (None, None, True),
        ("alice", "alice", True),
        ("alice", "bob", False),
        ("alice", None, False),
        (None, "bob", False),
    ],
)
def test_whose_it_is(started_by, completed_by, same):
    """A login belongs to the ``started_by`` that was given, or to none; never to another."""
    record = pending(started_by_sha256=started_by and digest_of(started_by))

    assert record.was_started_by(completed_by) is same


def test_which_grant_can_redeem_its_code():
    """A grant can redeem a login with its registration and redirect URI, and a verifier if it uses PKCE."""
    fake = FakeAtlassian()
    other = fake.register_cloud_app("other")
    moved = fake.register_cloud_app("cloud-app", redirect_uri="http://127.0.0.1:9999/callback")

    assert pending().belongs_to(cloud_grant(FakeAtlassian())) is True
    assert pending().belongs_to(cloud_grant(fake, app=other)) is False
    assert pending().belongs_to(cloud_grant(fake, app=moved)) is False
    assert pending(code_verifier="v").belongs_to(cloud_grant(FakeAtlassian())) is False
    assert pending(data_center_grant(fake)).belongs_to(data_center_grant(fake)) is False
    assert pending(data_center_grant(fake), code_verifier="v").belongs_to(data_center_grant(fake))


@pytest.mark.parametrize("key", ["acme", "ü", "\ud800", "a" * 10_000])
def test_its_name_begins_with_the_mark_of_its_key(key):
    """The logins of a key are found by their names, which reveal neither the key nor the state."""
    state = mark_of(key) + "secret-state"

    assert len(mark_of(key)) == 17
    assert name_of(state) == mark_of(key) + digest_of(state)
    assert key not in name_of(state)


@pytest.mark.parametrize(
    "state", ["", ".", "secret-state", "0" * 15 + ".a", "0" * 16 + ".", "G" * 16 + ".a", "\0/../.a"]
)
def test_the_name_of_a_strangers_state(state):
    """Of a state without a mark only the digest gets into the name."""
    assert name_of(state) == digest_of(state)
