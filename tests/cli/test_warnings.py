"""The library's warnings are printed as sentences."""

from __future__ import annotations

import logging


def test_a_consent_that_ends_soon(authorized, monkeypatch):
    """A warning is one line on standard error, and does not change the result."""
    monkeypatch.setenv("ATLASSIAN_AUTH_WARNING_PERIOD", "P400D")

    ended = authorized("refresh", "acme", "--json")

    assert (ended.status, ended.json["state"]) == (0, "ready")
    lines = ended.errors.splitlines()
    assert lines
    assert all(
        line.startswith("atlassian-auth: Key 'acme': the consent ends at ") for line in lines
    )


def test_nothing_is_left_behind(authorized):
    """The logging configuration is restored after the command."""
    logger = logging.getLogger("atlassian_auth")
    before = list(logger.handlers)

    authorized("status", "acme")

    assert logger.handlers == before
