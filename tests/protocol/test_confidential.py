"""Secrets are compared in constant time, whatever text they are."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.confidential import same_secret
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.stores.base import Stored

TEXTS = st.none() | st.text(st.characters(codec=None), max_size=5)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "", False),
        ("", "", True),
        ("", None, False),
        (None, "a", False),
        (None, None, True),
        ("\udc00", "\udc00", True),
    ],
)
def test_secrets_are_compared_by_value(one, other, same):
    """Equal texts are the same secret, and nothing is the same as nothing."""
    assert same_secret(one, other) is same


@given(TEXTS, TEXTS)
def test_comparison_agrees_with_equality(one, other):
    """Any two texts are the same secret exactly if they are equal; it never raises."""
    assert same_secret(one, other) is (one == other)


@pytest.mark.parametrize(
    "value",
    [
        HTTPRequest("https://a.example", {}, body=b"secret", secrets=("secret",)),
        HTTPResponse(200, {}, body=b"secret"),
        Requirement(rejected="secret"),
        Stored(b"secret", 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_holds_secrets_stays_in_memory(value):
    """Requests, answers and stored bytes show no secret and are not pickled; a copy is itself."""
    assert "secret" not in repr(value)
    assert copy.copy(value) is copy.deepcopy(value) is value
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(value)
