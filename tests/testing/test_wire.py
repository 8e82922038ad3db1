"""Requests and replies as the emulator reads and writes them."""

from __future__ import annotations

import pytest

from atlassian_auth.testing import Reply, Request, Urls


def request(content_type, body):
    return Request(
        method="POST",
        service="auth",
        path="/",
        urls=Urls.atlassian("https://jira.example.com"),
        headers={"content-type": content_type},
        body=body,
    )


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"a=1&b=%C3%BC+x&c="),
        ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", b"a=1&b=%C3%BC+x&c="),
        ("application/json", '{"a": "1", "b": "ü x", "c": ""}'.encode()),
        ("application/json; charset=utf-8", b'{"a": "1", "b": "\\u00fc x", "c": "", "d": 4}'),
    ],
)
def test_fields_are_read_from_forms_and_json(content_type, body):
    """The media type decides, in any case and with any parameter; JSON's numbers are no fields."""
    assert request(content_type, body).fields == {"a": "1", "b": "ü x", "c": ""}


def test_bodies_are_not_shown():
    """The repr of a request or reply does not show its body, which may hold secrets."""
    assert "secret" not in repr((request("text/plain", b"secret"), Reply(200, {}, b"secret")))


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_not_json(body):
    """A body that is not JSON has no document and no fields, however deeply it is nested."""
    strange = request("application/json", body)

    assert (strange.document, strange.fields) == (None, {})
