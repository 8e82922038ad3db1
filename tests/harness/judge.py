"""What must hold at the end of every run: no consent is lost, no lock is left, no error tells a secret."""

from __future__ import annotations

import json


def stored_refresh_token(value):
    """Return the refresh token in the bytes of a record, without asking the library."""
    record = json.loads(value)["record"]
    token = record["token"]
    return token["refresh_token"] if token else record["pasted_refresh_token"]


def check_consent(atlassian, refresh_token):
    """See that the stored refresh token is the one that the server takes, and return its family."""
    family = atlassian.family_of(refresh_token)
    assert refresh_token == family.refresh_token, "store and server disagree"
    assert family.alive, "the consent is lost"
    return family


async def check_lock_is_free(store, key):
    """See that a newcomer gets the lock at once."""
    async with store.lock("tokens", key, timeout_seconds=0):
        pass


def broken_by_errors(errors):
    """Return the rules that errors break: each caller has its own one, without a secret or a cause."""
    errors = list(errors)
    rules = {
        "callers share an exception": len({id(error) for error in errors}) < len(errors),
        "an error holds a secret": any("secret-" in f"{error!r} {error}" for error in errors),
        "an error leads to another one": any(
            error.__cause__ or error.__context__ for error in errors
        ),
    }
    return [rule for rule, is_broken in rules.items() if is_broken]
