"""The command token, in the forms that other programs read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest


def test_a_token_that_lives_long_enough(authorized, world):
    """With --min-seconds a token that would end too early is refreshed first."""
    first = authorized("token", "acme").output

    kept = authorized("token", "acme", "--min-seconds", "3000")
    renewed = authorized("token", "acme", "--min-seconds", "3600")

    assert (kept.output, kept.errors) == (first, "")
    assert renewed.output != first
    assert world.count("token") == 2


def test_no_token_lives_that_long(authorized, world):
    """If the server issues shorter tokens, the newest one is printed, with a warning."""
    shown = authorized("token", "acme", "--min-seconds", "7200")

    assert (shown.status, shown.output.startswith("secret-at-")) == (0, True)
    assert "s only: the server issues none that lives for 7200 s." in shown.errors


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("header", "Authorization: Bearer {token}"),
        ("curl", 'header = "Authorization: Bearer {token}"'),
    ],
)
def test_the_forms_for_curl(authorized, form, text):
    """Curl reads the token from a pipe, where no other user sees it."""
    token = authorized("token", "acme").output.strip()

    assert authorized("token", "acme", "--format", form).output == text.format(token=token) + "\n"


@pytest.mark.parametrize(
    ("info", "version"),
    [
        (None, "v1"),
        ('{"apiVersion": "client.authentication.k8s.io/v1beta1"}', "v1beta1"),
        ('{"apiVersion": "client.authentication.k8s.io/v9"}', "v1"),
        ("[]", "v1"),
        ("{", "v1"),
    ],
)
def test_kubernetes(authorized, monkeypatch, info, version):
    """An ExecCredential has the version that kubectl asked for, the token and its end."""
    if info is not None:
        monkeypatch.setenv("KUBERNETES_EXEC_INFO", info)
    token = authorized("token", "acme", "--json").json

    shown = authorized("token", "acme", "--format", "kubernetes").json

    expiry = shown["status"].pop("expirationTimestamp")
    assert shown == {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "kind": "ExecCredential",
        "status": {"token": token["access_token"]},
    }
    assert _moment(expiry) == datetime.fromisoformat(token["expires_at"]).replace(microsecond=0)


def test_a_credential_process(authorized):
    """The members Version and Expiration are those of AWS."""
    token = authorized("token", "acme", "--json").json

    shown = authorized("token", "acme", "--format", "process").json

    assert _moment(shown.pop("Expiration")).tzinfo is UTC
    assert shown == {"Version": 1, "TokenType": "Bearer", "AccessToken": token["access_token"]}


def _moment(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "xml"], "--format: must be one of: header, curl, kubernetes, process"),
        (["--format", "curl", "--json"], "--format: it excludes --json"),
        (["--min-seconds", "-1"], "--min-seconds"),
        (["--min-seconds", "1e99"], "--min-seconds"),
    ],
)
def test_a_form_that_does_not_exist(authorized, arguments, words):
    """The message names the option, and what it may be."""
    refused = authorized("token", "acme", *arguments)

    assert (refused.status, refused.output) == (2, "")
    assert words in refused.errors


def test_a_failure_prints_no_document(acme):
    """A program that expects JSON gets none, and the exit status."""
    ended = acme("token", "acme", "--format", "kubernetes")

    assert (ended.status, ended.output) == (3, "")
