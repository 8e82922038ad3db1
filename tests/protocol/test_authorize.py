"""The authorize URL carries exactly what was put in."""

from __future__ import annotations

from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol._authorize import authorization_url


@pytest.mark.parametrize(
    ("authorize_url", "expected"),
    [
        ("https://a.b/authorize", "https://a.b/authorize?scope=a%20b%3Ac"),
        ("https://a.b/authorize?", "https://a.b/authorize?scope=a%20b%3Ac"),
        ("https://a.b/authorize?x=1", "https://a.b/authorize?x=1&scope=a%20b%3Ac"),
    ],
)
def test_parameters_are_added(authorize_url, expected):
    """An existing query stays, spaces are %20, and reserved characters are encoded."""
    assert authorization_url(authorize_url, {"scope": "a b:c"}) == expected


def test_no_parameter_appears_twice():
    """A pasted example of a whole authorize URL is refused, with the names that clash."""
    pasted = "https://a.b/authorize?audience=x&state=&y=1"

    with pytest.raises(ConfigurationError, match="already has audience, state in") as caught:
        authorization_url(pasted, {"state": "s", "audience": "z"})

    assert caught.value.argument == "authorize_url"


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_the_query_reads_back(parameters):
    """The standard library reads the same names and values, each once, in order."""
    url = authorization_url("https://a.b/authorize", parameters)

    query = urlsplit(url).query
    assert parse_qsl(query, keep_blank_values=True) == list(parameters.items())
    assert all(len(values) == 1 for values in parse_qs(query, keep_blank_values=True).values())
    assert url.isascii()
    assert "+" not in query
