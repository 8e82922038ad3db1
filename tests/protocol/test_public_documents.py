"""A temporary failure and a wrong answer are different errors."""

from __future__ import annotations

import pytest

from atlassian_auth.exceptions import DiscoveryError, TransientError
from atlassian_auth.protocol._public_documents import check_reachable, read_document
from atlassian_auth.protocol.messages import HTTPResponse


def answer(status, body=b"{}", *, truncated=False):
    return HTTPResponse(status, {}, body, truncated=truncated)


@pytest.mark.parametrize("status", [429, 500, 503, 599])
def test_an_outage_is_transient(status):
    """A status 429 or 5xx is a TransientError, whatever its body is."""
    with pytest.raises(TransientError, match=f"The account .*HTTP {status}.* later"):
        check_reachable(answer(status), asked="The account")


@pytest.mark.parametrize("status", [200, 302, 404, 428, 430, 499])
def test_other_answers_are_answers(status):
    """Any other status is an answer: the server could be reached."""
    check_reachable(answer(status), asked="The account")


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 401, 403, 404])
def test_only_200_is_read(status):
    """The error for another status says what was requested, what came, and what to do."""
    with pytest.raises(DiscoveryError, match=r"The account .*HTTP \d+.*: look\.") as caught:
        read_document(answer(status), asked="The account", advice="look")

    assert caught.value.status == status


@pytest.mark.parametrize(
    ("body", "document"),
    [
        pytest.param(b'{"a": []}', {"a": []}, id="object"),
        pytest.param(b"[]", [], id="list"),
        pytest.param(b"<html>", None, id="page"),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"\xff", None, id="no-text"),
    ],
)
def test_documents_are_read(body, document):
    """JSON comes out as a value, anything else as None."""
    assert read_document(answer(200, body), asked="It", advice="look") == document


def test_half_a_document_is_none():
    """A truncated document is not read, even if it looks complete."""
    half = answer(200, b"[]", truncated=True)

    assert read_document(half, asked="It", advice="look") is None
