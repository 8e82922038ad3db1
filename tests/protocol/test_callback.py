"""A callback is parsed whatever it is, and becomes a code only if it answers the request that was sent."""

from __future__ import annotations

import copy
import pickle
from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atlassian_auth import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    TransientError,
)
from atlassian_auth.protocol.callback import (
    AuthorizationCode,
    UncheckedCallback,
    check_callback,
    check_state,
    stated,
)

CODE, STATE = "secret-code", "secret-state"
QUERY = f"code={CODE}&state={STATE}"
NAMES = ("code", "state", "error", "error_description", "iss")


def refused(**fields) -> AtlassianAuthError:
    """What a callback with our state and these fields leads to."""
    callback = UncheckedCallback(**({"state": STATE} | fields))
    with pytest.raises(AtlassianAuthError) as caught:
        check_callback(callback, state=STATE, key="acme")
    assert STATE not in str(caught.value)
    assert CODE not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"http://127.0.0.1:8765/callback?{QUERY}", id="url"),
        pytest.param(f"HTTPS://app.example.com/a=b/cb?{QUERY}", id="url-with-an-equals-sign"),
        pytest.param(f"http://127.0.0.1/cb?tenant=4&{QUERY}", id="redirect-uri-with-a-query"),
        pytest.param(f"localhost:8765/callback?{QUERY}", id="url-without-its-scheme"),
        pytest.param(f"/callback?{QUERY}", id="path-and-query"),
        pytest.param(f"?{QUERY}", id="query-with-its-mark"),
        pytest.param(QUERY, id="query"),
        pytest.param(f"{QUERY}&note=http://a/?b=c", id="query-with-a-mark-within"),
        pytest.param(f"http://127.0.0.1/cb?{QUERY}#_=_", id="fragment"),
        pytest.param(f" \r\n\thttp://127.0.0.1/cb?{QUERY}\n \n", id="blanks-around"),
        pytest.param(f"http://127.0.0.1/cb?{QUERY[:9]}\r\n  {QUERY[9:]}", id="wrapped"),
        pytest.param(f"{QUERY}&error=&iss=&error_description=", id="empty-counts-as-missing"),
        pytest.param(f"{QUERY}&prompt=1&prompt=2", id="strangers-are-ignored"),
    ],
)
def test_code_and_state_are_found(text):
    """Code and state are found in a URL and in a query, also if a person pasted it with spaces."""
    callback = UncheckedCallback.parse(text)

    assert [getattr(callback, name) for name in NAMES] == [CODE, STATE, None, None, None]


def test_everything_is_kept():
    """Errors, their descriptions and the issuer as well, decoded."""
    text = "error=invalid%20scope&error_description=Not+%C3%BC&iss=https%3A%2F%2Fa.b&state=s"

    callback = UncheckedCallback.parse(text)

    assert [getattr(callback, name) for name in NAMES] == [
        *(None, "s", "invalid scope", "Not ü", "https://a.b")
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("twice", ["{0}=a&{0}=b", "{0}=a&{0}=a", "{0}=&{0}=a", "{0}=a&{0}"])
def test_duplicates_are_refused(name, twice):
    """A parameter that occurs twice is refused: two programs could read different values."""
    with pytest.raises(ConfigurationError, match=f"has {name} more than once") as caught:
        UncheckedCallback.parse("http://127.0.0.1/cb?" + twice.format(name))

    assert caught.value.argument == "callback"


@pytest.mark.parametrize("given", [None, 7, b"code=a", ["code=a"]], ids=repr)
def test_only_text_is_parsed(given):
    """The error for anything but text says what was expected."""
    with pytest.raises(ConfigurationError, match=r"callback must be text \(str\)") as caught:
        UncheckedCallback.parse(given)

    assert caught.value.argument == "callback"


def test_how_long_it_may_be():
    """64 KiB are parsed, one character more is refused without being quoted."""
    longest = f"{QUERY}&x=".ljust(65_536, "x")

    assert UncheckedCallback.parse(longest).code == CODE
    with pytest.raises(ConfigurationError, match="65537 characters") as caught:
        UncheckedCallback.parse(longest + "x")
    assert CODE not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_fields_are_text(name):
    """Parameters that a framework hands over as lists or bytes are refused by name."""
    with pytest.raises(
        ConfigurationError, match=f"{name} must be text or None, not list"
    ) as caught:
        UncheckedCallback(**{name: ["a"]})

    assert caught.value.argument == name


@given(st.text())
@example("\ud800=\udfff&code=%ff&state=%")
@example("http://[::1/?code=a")
def test_any_text_is_parsed(text):
    """Any pasted text is parsed, or refused with a ConfigurationError."""
    with suppress(ConfigurationError):
        callback = UncheckedCallback.parse(text)
        assert all(getattr(callback, name) != "" for name in NAMES)


@given(st.dictionaries(st.sampled_from([*NAMES, "other"]), st.text()), st.booleans())
def test_what_was_encoded_is_read(parameters, as_url):
    """A query that the standard library wrote comes out as it went in."""
    query = urlencode(parameters)

    callback = UncheckedCallback.parse(f"https://a.b/cb?{query}" if as_url else query)

    for name in NAMES:
        assert getattr(callback, name) == (parameters.get(name) or None)


# -- secrets ---------------------------------------------------------------------------------------


def test_a_callback_keeps_its_secrets():
    """Neither code nor state is in its repr; it cannot be pickled, and a copy is itself."""
    callback = UncheckedCallback.parse(f"{QUERY}&error=e")

    assert CODE not in repr(callback)
    assert STATE not in repr(callback)
    assert copy.deepcopy(callback) is copy.copy(callback) is callback
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(callback)
    with pytest.raises(AttributeError):
        callback.code = "another"


def test_a_code_is_made_by_checking_only():
    """No unchecked value can be passed off as one; it keeps its secret, and does not change."""
    code = check_callback(UncheckedCallback.parse(QUERY), state=STATE)

    assert isinstance(code, AuthorizationCode)
    assert code.value == CODE
    assert CODE not in repr(code)
    with pytest.raises(TypeError, match="check_callback"):
        AuthorizationCode()
    with pytest.raises(TypeError):
        AuthorizationCode("made-up")
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(code)
    with pytest.raises(AttributeError):
        code.value = "another"


# -- checking --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "foreign", ["another", STATE[:-1], STATE + "x", STATE.upper(), "ü", "\ud800"]
)
@pytest.mark.parametrize("also", [{"code": CODE}, {"error": "access_denied"}, {}])
def test_a_foreign_state_is_refused(foreign, also):
    """Whatever else the callback says is not even looked at."""
    callback = UncheckedCallback(state=foreign, **also)

    with pytest.raises(ConfigurationError, match="answers another login") as caught:
        check_callback(callback, state=STATE)

    assert caught.value.argument == "state"
    assert foreign not in str(caught.value) or foreign == "another"


@pytest.mark.parametrize("state", [None, ""])
@pytest.mark.parametrize("check", [stated, lambda callback: check_state(callback, "")])
def test_a_missing_state_is_refused(state, check):
    """No state is never the right one, not even where none was sent."""
    with pytest.raises(ConfigurationError, match="has no state") as caught:
        check(UncheckedCallback(code=CODE, state=state))

    assert caught.value.argument == "state"


@given(st.text(min_size=1).filter(lambda text: text != STATE))
def test_no_other_state_will_do(state):
    """Of all states only the one that was sent lets a code through."""
    with pytest.raises(ConfigurationError):
        check_callback(UncheckedCallback(code=CODE, state=state), state=STATE)


def test_a_pasted_error_page_tells_what_is_wrong():
    """Cloud's own error page has no state; its error is explained all the same."""
    page = (
        "https://id.atlassian.com/error?error=unauthorized_client&error_description=Callback%20URL%20"
        "mismatch.%20http%3A%2F%2Flocalhost"
    )

    with pytest.raises(ConfigurationError) as caught:
        check_callback(UncheckedCallback.parse(page), state=STATE)

    assert caught.value.argument == "redirect_uri"
    assert caught.value.error == "unauthorized_client"
    assert "unauthorized_client: Callback URL mismatch. http://localhost" in str(caught.value)
    assert "Callback URL under Authorization" in str(caught.value)


@pytest.mark.parametrize(
    ("issuer", "iss"),
    [(None, None), (None, "https://anybody"), ("https://as.example.com", "https://as.example.com")],
)
def test_the_issuer_may_be_unknown_or_right(issuer, iss):
    """The issuer of a callback is compared only if the flow names one."""
    callback = UncheckedCallback(code=CODE, state=STATE, iss=iss)

    assert check_callback(callback, state=STATE, issuer=issuer).value == CODE


@pytest.mark.parametrize(
    ("iss", "found"),
    [
        (None, "no issuer"),
        ("https://evil.example.com", "https://evil.example.com"),
        ("https://as.example.com/", "https://as.example.com/"),
        (f"https://{CODE}", "https://[secret]"),
    ],
)
def test_another_issuer_is_refused(iss, found):
    """Also one that differs by a slash, and none where one is expected (RFC 9207)."""
    callback = UncheckedCallback(code=CODE, state=STATE, iss=iss)

    with pytest.raises(ConfigurationError, match="its code must not be used") as caught:
        check_callback(callback, state=STATE, issuer="https://as.example.com")

    assert caught.value.argument == "issuer"
    assert f"callback names {found}," in str(caught.value)


def test_a_person_may_decline():
    """A declined consent is not a mistake: it raises AuthorizationRequired."""
    error = refused(error="access_denied", error_description="User denied")

    assert isinstance(error, AuthorizationRequired)
    assert (error.key, error.reason) == ("acme", "declined")
    assert "access_denied: User denied" in str(error)


def test_a_key_is_not_needed():
    """An error names the credential only if the caller did."""
    with pytest.raises(AuthorizationRequired) as caught:
        check_callback(UncheckedCallback(state=STATE, error="access_denied"), state=STATE)

    assert caught.value.key == ""


@pytest.mark.parametrize("said", ["server_error", "temporarily_unavailable"])
def test_an_outage_is_transient(said):
    """The authorization server may be asked again later."""
    error = refused(error=said)

    assert isinstance(error, TransientError)
    assert said in str(error)


@pytest.mark.parametrize(
    ("said", "name", "argument", "advice"),
    [
        ("invalid_scope", "invalid_scope", "scopes", "Permissions in the developer console"),
        ("invalid scope", "invalid_scope", "scopes", "incoming link"),
        (
            "unauthorized_client",
            "unauthorized_client",
            "redirect_uri",
            "equal the redirect_uri exactly",
        ),
        ("invalid_request", "invalid_request", None, "client_id and redirect_uri"),
        ("unsupported_response_type", "unsupported_response_type", None, "enable OAuth 2.0"),
        ("consent_required", "consent_required", None, "then start again"),
    ],
)
def test_a_wrong_registration_is_explained(said, name, argument, advice):
    """Each error names what to change, as the developer console calls it."""
    error = refused(error=said, error_description="Because.")

    assert isinstance(error, ConfigurationError)
    assert (error.error, error.argument) == (name, argument)
    assert f"({said}: Because.)" in str(error)
    assert advice in str(error)


def test_a_strangers_text_is_cleaned():
    """A quoted error text is shortened, without control characters, code or state."""
    text = f"\x1b[31m{CODE} {STATE}\r\n" + "x" * 500

    error = refused(code=CODE, error="e" * 300, error_description=text)
    told = refused(code=CODE, error="odd", error_description=text)

    assert len(error.error) == 200
    assert "(odd:  [31m[secret] [secret]  xxx" in str(told)
    assert "x" * 200 not in str(told)


def test_an_error_beside_a_code_counts():
    """A callback that has both is refused: no server sends that."""
    assert isinstance(refused(code=CODE, error="access_denied"), AuthorizationRequired)


@pytest.mark.parametrize("code", [None, ""])
def test_neither_code_nor_error(code):
    """The error for a callback without code and error says what to paste."""
    error = refused(code=code)

    assert isinstance(error, ConfigurationError)
    assert error.argument == "callback"
    assert "neither a code nor an error: give the whole URL" in str(error)


@pytest.mark.parametrize("code", ["a b", "ü", "\ufffd", "a\n"])
def test_a_damaged_code_is_refused(code):
    """A damaged code is refused before the exchange, so the login can still be completed."""
    error = refused(code=code)

    assert isinstance(error, ConfigurationError)
    assert error.argument == "callback"
    assert "damaged" in str(error)
