"""Any bytes can be read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.protocol._documents import read_json, read_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES)
def test_json_is_read(value):
    """JSON of the standard library is read as the same value."""
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="html"),
        pytest.param(b'{"a":', id="cut"),
        pytest.param(b'"\xff"', id="not-utf-8"),
        pytest.param('{"a":1}'.encode("utf-16"), id="utf-16"),
        pytest.param(b"[" * 200_000, id="deep"),
    ],
)
def test_anything_else_is_nothing(body):
    """A body that is not JSON in UTF-8 is None, and has no members."""
    assert read_json(body) is None
    assert read_object(body) == {}


@given(st.binary())
def test_reading_never_raises(body):
    """No bytes are too strange."""
    assert isinstance(read_object(body), dict)


def test_one_odd_number_costs_nothing_else():
    """A number that Python refuses to read as an integer leaves the rest of the document alone."""
    document = read_object(b'\xef\xbb\xbf{"a": 1' + b"0" * 5000 + b', "b": 2}')

    assert document == {"a": float("inf"), "b": 2.0}


@pytest.mark.parametrize("body", [b"[1]", b"null", b'"text"', b"7"])
def test_only_objects_have_members(body):
    """A JSON value that is no object has no members."""
    assert read_object(body) == {}
