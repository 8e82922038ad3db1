"""What strangers write is shown without our secrets."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlassian_auth.protocol._redaction import printable, redact, redact_scopes

SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=20)


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        pytest.param("plain", (), "plain", id="nothing-to-hide"),
        pytest.param("got s3cret!", ("s3cret",), "got [secret]!", id="echo"),
        pytest.param("a+b/c a%2Bb%2Fc", ("a+b/c",), "[secret] [secret]", id="percent-encoded"),
        pytest.param("abcdef abc", ("abc", "abcdef"), "[secret] [secret]", id="longest-first"),
        pytest.param("a\nb\x00c\u00e9\ud800", (), "a b c  ", id="not-printable"),
        pytest.param("keep", ("",), "keep", id="empty-secret"),
        pytest.param("secretive", ("cret",), "se[secret]ive", id="marker-is-not-read-again"),
        pytest.param("x" * 300, (), "x" * 200, id="long"),
        pytest.param("x" * 195 + "s3cret", ("s3cret",), "x" * 195 + "[secr", id="cut-comes-last"),
    ],
)
def test_redaction(text, secrets, shown):
    """Printable, at most 200 characters, and ``[secret]`` where one stood."""
    assert redact(text, secrets) == shown


SECRET = 's3<cr"et/+&%41\\of-mine'
TWICE = quote(quote(SECRET, safe=""), safe="")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param(quote(SECRET, safe=""), "[secret]", id="percent"),
        pytest.param(quote(SECRET, safe="").lower(), "[secret]", id="percent-lower-case"),
        pytest.param(quote_plus(SECRET), "[secret]", id="form"),
        pytest.param(TWICE, "[secret]", id="percent-twice"),
        pytest.param(json.dumps(SECRET), '"[secret]"', id="json"),
        pytest.param(json.dumps(SECRET).replace("/", "\\/"), '"[secret]"', id="json-slashes"),
        pytest.param("".join(f"\\u{ord(c):04x}" for c in SECRET), "[secret]", id="json-codes"),
        pytest.param("".join(f"\\x{ord(c):02x}" for c in SECRET), "[secret]", id="javascript"),
        pytest.param("".join(f"\\u{ord(c):04X}" for c in SECRET), "[secret]", id="upper-case"),
        pytest.param(html.escape(SECRET), "[secret]", id="html"),
        pytest.param("".join(f"&#{ord(c)};" for c in SECRET), "[secret]", id="html-codes"),
        pytest.param(html.escape(json.dumps(SECRET)), '"[secret]"', id="json-in-html"),
        pytest.param(base64.b64encode(SECRET.encode()).decode(), "[secret]", id="base64"),
        pytest.param(
            base64.b64encode(f"id:{SECRET}".encode()).decode(), "[secret]", id="basic-credentials"
        ),
        pytest.param(
            "x" + base64.urlsafe_b64encode(f"id:{SECRET}".encode()).decode(),
            "[secret]",
            id="shifted",
        ),
        pytest.param(SECRET[:8] + "...", "[secret]...", id="cut"),
        pytest.param(SECRET[:-1] + "...", "[secret]...", id="cut-late"),
        pytest.param(SECRET[:7] + "...", 's3<cr"e...', id="cut-too-short-to-tell"),
    ],
)
def test_a_secret_is_found_however_it_is_written(written, shown):
    """A secret is hidden even if it is encoded, escaped, in base64 or cut."""
    assert redact(f"bad {written}!", (SECRET,)) == f"bad {shown}!"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "x", "xx", "xxx"])
@pytest.mark.parametrize("text", ["{}", "i{}", "id{}", "id{}:more"])
@pytest.mark.parametrize("secret", [">>>???>>", "abcdefgW", "\ud8001234567"])
def test_a_secret_is_found_in_any_base64(encode, before, text, secret):
    """Both alphabets are read, wherever in a group of four characters the secret begins and ends."""
    run = encode(text.format(secret).encode("utf-8", "surrogatepass")).decode()

    assert redact(f"bad {before}{run}!", (secret,)) == "bad [secret]!"


def test_a_secret_at_the_end_of_base64():
    """What follows the last group of four characters hides nothing of what stands before it."""
    run = base64.b64encode(b"xabcdefgh").decode()

    assert redact(f"{run} {run}y", ("abcdefgh",)) == "[secret] [secret]"


def test_a_short_secret_in_base64():
    """Four characters are found in base64; three also occur in it by chance."""
    run = base64.b64encode(b"id=word, and more").decode()

    assert redact(run, ("word",)) == "[secret]"
    assert redact(run, ("wor",)) == run


def test_the_longer_of_two_secrets_is_hidden_whole():
    """Of a secret that begins with another one, nothing is left."""
    both = ("my-secret", "my-secret-and-more", "zz-secret")

    assert redact("my-secret-and-more, my-secret, zz-secret", both) == ", ".join(["[secret]"] * 3)


def test_a_form_writes_a_space_as_a_plus():
    """A client secret may hold one."""
    assert redact("bad my+s3cret+words", ("my s3cret words",)) == "bad [secret]"


def test_two_ways_of_writing_at_once():
    """All of them are found in one text."""
    text = f"{SECRET} {quote(SECRET, safe='')} {html.escape(SECRET)} {TWICE}"

    assert redact(text, (SECRET,)) == "[secret] [secret] [secret] [secret]"


def test_a_text_without_secrets_stays_as_it_was_written():
    """A text without a secret is returned as it was, not decoded."""
    text = "100%25 of a+b &amp; c\\n"

    assert redact(text, (SECRET,)) == text


def test_more_layers_than_can_be_told():
    """A text that still reveals a secret after many decodings is hidden completely."""
    text = "".join(f"%{'25' * layer}73" for layer in range(30))

    assert redact(text, ("s",)) == "[secret]"


def test_overlapping_beginnings():
    """A secret that begins where a beginning of another ends is found as well."""
    assert redact("abcdefgh12345678x", ("abcdefgh1zzzz", "12345678x")) == "[secret]2345678x"
    assert redact("abcdefghabcdefghi", ("abcdefghi",)) == "[secret][secret]"


@pytest.mark.parametrize(
    "text", ["%25" * 400_000, "&amp;" * 200_000, "s3<cr" * 200_000, "A" * 1_000_000, "\\" * 500_000]
)
def test_long_texts_are_searched_as_far_as_they_are_shown(text):
    """A server does not choose how much work its words are."""
    assert len(redact(text, (SECRET, "s"))) <= 200


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("read:me  write:x read:me", ("read:me", "write:x")),
        ("read:jira-user offline_access", ("read:jira-user", "offline_access")),
        ("read:me user", ("read:me", "[secret]")),
        ("read:me long-refresh-token-1", ("read:me", "[secret]")),
        ("x:long-refresh-token-1:y", ("[secret]",)),
        ("a\x1b[2Jb", ("a", "[2Jb")),
        ("", ()),
    ],
)
def test_scopes_are_data(text, scopes):
    """A scope with a short secret in it stays; one that is a secret, or holds a long one, does not."""
    assert redact_scopes(text, ("user", "long-refresh-token-1", "")) == scopes


def test_a_long_secret_is_found_in_a_scope():
    """Sixteen characters of a scope are no accident; fifteen may be a word."""
    assert redact_scopes("read:1234567890abcdef", ("1234567890abcdef",)) == ("[secret]",)
    assert redact_scopes("read:1234567890abcde", ("1234567890abcde",)) == ("read:1234567890abcde",)


def test_an_encoded_secret_is_found_in_a_long_scope():
    """A scope is searched as far as it is read, not only as far as an error is shown."""
    assert redact_scopes("x" * 300 + quote(SECRET, safe=""), (SECRET,)) == ("[secret]",)


@pytest.mark.parametrize(("longest", "scopes"), [(7, ("abc", "def")), (6, ("abc",)), (2, ())])
def test_scopes_are_cut_between_two(longest, scopes):
    """Half a scope would be another scope."""
    assert redact_scopes("abc def", (), longest=longest) == scopes


def test_eight_kibibytes_are_searched():
    """What stands after them is never shown."""
    assert redact("x" * 9_000, (SECRET,), longest=9_000) == "x" * 8 * 1024


def test_a_long_list_of_scopes_is_cut():
    """Twenty thousand characters are read; the scope at their end may be half of one."""
    longest = "a" * 19_998

    assert redact_scopes(f"{longest} b", ()) == (longest, "b")
    assert redact_scopes(f"{longest} bc", ()) == (longest,)


@pytest.mark.parametrize(("length", "shown"), [(199, 199), (200, 200), (201, 200)])
def test_what_is_printable(length, shown):
    """Visible ASCII and spaces, no more than can be read."""
    assert printable("a\x1b\x9b" + "x" * (length - 3)) == "a  " + "x" * (shown - 3)


@given(st.lists(SECRETS, min_size=1, max_size=3), st.text(max_size=30), st.text(max_size=30))
def test_no_secret_survives(secrets, before, after):
    """A secret is hidden at any position of a text."""
    shown = redact(before + "\n".join(secrets) + after, secrets, longest=1000)

    assert not any(secret in shown for secret in secrets)
    assert all(" " <= char <= "~" for char in shown)
