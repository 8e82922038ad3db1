"""The page about errors leaves none out, and its examples are what users read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import httpx
import pytest

from atlassian_auth import exceptions
from atlassian_auth.exceptions import AtlassianAuthError, DiscoveryError, VersionConflict
from atlassian_auth.protocol import _token_endpoint as token_endpoint
from atlassian_auth.protocol import callback
from atlassian_auth.sites import cloud_id_for_site
from atlassian_auth.stores import MemoryStore

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text("utf-8")
TITLES = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
EXAMPLES = {
    " ".join(re.sub(r"^> ", "", quoted, flags=re.MULTILINE).split())
    for quoted in re.findall(r"(?:^> .*\n)+", PAGE, re.MULTILINE)
}
# Brought about below; the others in the tests of users' pains.
CONFLICT = (
    "Key 'acme' in 'tokens' is at version 2, not at version 1: another task or process has changed "
    "it. Read it again, and then decide."
)
DISCOVERY = (
    "The cloud id of https://acme.atlassian.net was asked for, and something else answered (HTTP 200): "
    "check the site's name and any proxy."
)


def section(title):
    """The text below a title."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", exceptions.__all__)
def test_each_error_is_there(name):
    """With its code in the list, and a section of its own but for the base of all."""
    kind = getattr(exceptions, name)

    assert f"`{name}`" in PAGE
    assert f"`{kind.code}`" in PAGE
    assert kind is AtlassianAuthError or name in TITLES


def test_there_are_no_others():
    """A section is about an error that exists."""
    assert set(TITLES) <= set(exceptions.__all__)


@pytest.mark.parametrize(
    ("title", "errors"),
    [
        ("What the token endpoint says", token_endpoint._MEANINGS),
        (
            "What the consent page says",
            {*callback._MEANINGS, *callback._TRANSIENT, callback._DECLINED},
        ),
    ],
)
def test_each_oauth_error_is_there(title, errors):
    """The page explains each OAuth error whose meaning the library knows."""
    missing = {error for error in errors if f"`{error}`" not in section(title)}

    assert missing == set()


def test_each_reason_is_there():
    """The page lists each reason why a person has to authorize."""
    reasons = set(re.findall(r'``"(\w+)"``', exceptions.AuthorizationRequired.__doc__ or ""))

    missing = {reason for reason in reasons if f"\n`{reason}`\n: " not in PAGE}

    assert (missing, len(reasons)) == (set(), 5)


def test_examples_are_real():
    """Each example is a text that a test brings about."""
    pains = ast.parse((ROOT / "tests" / "test_pains.py").read_text("utf-8"))
    asserted = {node.value for node in ast.walk(pains) if isinstance(node, ast.Constant)}

    assert len(EXAMPLES) > 10
    assert EXAMPLES - asserted == {CONFLICT, DISCOVERY}


async def test_the_example_of_a_discovery_error():
    """A login page in place of a site's id."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, html="Please log in"))

    with pytest.raises(DiscoveryError) as caught:
        await cloud_id_for_site("acme", transport=transport, cache={})

    assert str(caught.value) == DISCOVERY


async def test_the_example_of_a_conflict():
    """The page shows the message for a record that another process has changed."""
    store = MemoryStore()
    for value in (b"one", b"two"):
        await store.put("tokens", "acme", value)

    with pytest.raises(VersionConflict) as caught:
        await store.put("tokens", "acme", b"three", expected=1)

    assert str(caught.value) == CONFLICT
