"""The error tree: its picture in the docstring, its fields, copies and pickles."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from atlassian_auth import exceptions

ERRORS = [
    exceptions.AtlassianAuthError("what"),
    exceptions.ConfigurationError("what", argument="client_id", error="invalid_client"),
    exceptions.AuthorizationRequired("what", key="acme", reason="missing"),
    exceptions.TransientError("what", retry_after_seconds=3.5, ambiguous=True),
    exceptions.TokenResponseError("what", status=302),
    exceptions.ScopeMismatch("what", granted=("a",), missing=("b",)),
    exceptions.OriginNotAllowed("what", origin="https://a.example", allowed=("https://b.example",)),
    exceptions.TokenRejected("what"),
    exceptions.SiteNotFound("what", wanted="acme", urls=("https://a.atlassian.net",)),
    exceptions.AmbiguousSite("what", urls=("https://a.atlassian.net", "https://b.atlassian.net")),
    exceptions.DiscoveryError("what", status=302),
    exceptions.StoreError("what"),
    exceptions.VersionConflict("what"),
]


def depth(kind: type[Exception]) -> int:
    return kind.__mro__.index(exceptions.AtlassianAuthError)


def test_the_drawn_tree_is_the_real_one():
    """The tree in the module's docstring shows each class below its base."""
    drawn = re.findall(r"^    ([│├└─ ]*)(\w+)", exceptions.__doc__, re.MULTILINE)

    tree = {name: len(prefix) // 4 for prefix, name in drawn if name in exceptions.__all__}

    assert tree == {name: depth(getattr(exceptions, name)) for name in exceptions.__all__}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "copied",
    [
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(lambda error: pickle.loads(pickle.dumps(error)), id="pickle"),
        pytest.param(lambda error: error.fresh(), id="fresh"),
    ],
)
def test_errors_travel_whole(error, copied):
    """A copied or pickled error is another object of the same class with the same text and fields."""
    other = copied(error)

    assert other is not error
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert vars(other) == vars(error)


def test_a_fresh_error_has_no_past():
    """A fresh error carries no traceback, cause or context of the one it was made from."""
    with pytest.raises(exceptions.StoreError) as caught:
        raise exceptions.StoreError("what") from ValueError("secret")

    fresh = caught.value.fresh()

    assert (fresh.__traceback__, fresh.__cause__, fresh.__context__) == (None, None, None)


def test_codes_are_distinct():
    """Each class has a code of its own, so that alerts can tell them apart."""
    classes = [getattr(exceptions, name) for name in exceptions.__all__]

    codes = {kind.code for kind in classes}

    assert len(codes) == len(classes)
    assert all(inspect.isclass(kind) and kind.__doc__ for kind in classes)
