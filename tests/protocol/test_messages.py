"""What the headers of an answer announce."""

from __future__ import annotations

import pytest

from atlassian_auth.protocol.messages import announced_length


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ({"content-length": "5"}, 5),
        ({"content-length": "9" * 19}, int("9" * 19)),
        ({"content-length": "9" * 20}, 0),
        ({"content-length": "-5"}, 0),
        ({"content-length": "5.0"}, 0),
        ({}, 0),
    ],
)
def test_a_length_that_makes_sense_is_read(headers, length):
    """A length of twenty digits, or one that is no number, counts as none."""
    assert announced_length(headers) == length
