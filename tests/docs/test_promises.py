"""The promises in the documentation, and its answers to RFC 9700, are held by tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.campaign

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text("utf-8")
RFC_9700 = (ROOT / "docs" / "rfc9700.md").read_text("utf-8")
PROMISES = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
NAMED_TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", PAGE + RFC_9700)))

# Its table of contents, https://www.rfc-editor.org/rfc/rfc9700.html, compared on 2026-11-22.
SECTIONS = """\
2.1 Protecting Redirect-Based Flows
2.1.1 Authorization Code Grant
2.1.2 Implicit Grant
2.2.1 Access Tokens
2.2.2 Refresh Tokens
2.3 Access Token Privilege Restriction
2.4 Resource Owner Password Credentials Grant
2.5 Client Authentication
2.6 Other Recommendations
4.1 Insufficient Redirection URI Validation
4.2 Credential Leakage via Referer Headers
4.3 Credential Leakage via Browser History
4.4 Mix-Up Attacks
4.5 Authorization Code Injection
4.6 Access Token Injection
4.7 Cross-Site Request Forgery
4.8 PKCE Downgrade Attack
4.9 Access Token Leakage at the Resource Server
4.10 Misuse of Stolen Access Tokens
4.11 Open Redirection
4.12 307 Redirect
4.13 TLS Terminating Reverse Proxies
4.14 Refresh Token Protection
4.15 Client Impersonating Resource Owner
4.16 Clickjacking
4.17 Attacks on In-Browser Communication Flows
""".splitlines()
POINTS = re.findall(r"^### ([^\n]+)\n(.*?)(?=^### |^## |\Z)", RFC_9700, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("number", "text"), PROMISES, ids=[number for number, _ in PROMISES])
def test_each_promise_names_its_tests(number, text):
    """A promise without a test is a wish."""
    assert re.search(r"`tests/[\w/]+\.py::\w+`", text), f"promise {number} names no test"


@pytest.mark.parametrize("name", NAMED_TESTS)
def test_named_tests_exist(name):
    """Each test that the page names exists."""
    path, _, function = name.partition("::")

    tree = ast.parse((ROOT / path).read_text("utf-8"))

    assert function in {getattr(node, "name", None) for node in ast.walk(tree)}


def test_promises_are_numbered_without_gaps():
    """Promises are referred to by number, so none is skipped or used twice."""
    numbers = [int(number) for number, _ in PROMISES]

    assert numbers == list(range(1, len(numbers) + 1))


def test_no_section_is_left_out():
    """The page answers each section of RFC 9700 with advice or an attack, in its order."""
    assert [title for title, _ in POINTS] == SECTIONS


@pytest.mark.parametrize(("title", "text"), POINTS, ids=[title.split()[0] for title, _ in POINTS])
def test_what_is_held_names_its_tests(title, text):
    """A point that is held names a test; another is the server's or the user's part, or does not apply."""
    no_duty = re.match(r"\n\*(Not applicable|Not offered|The server's part|Your part)", text)

    assert no_duty or "`tests/" in text, f"{title} names no test"
