"""Cloud's authorize page asks for what the 3LO page calls required, and errs where Atlassian errs."""

from __future__ import annotations

import httpx
import pytest


def test_consent_leads_back_with_code_and_state(caller):
    """Consent is given at once: the browser returns to the app with a code and the app's state."""
    address, parameters = caller.cloud_authorize(state="s 1/ü")

    assert address == caller.fake.cloud_app.redirect_uri
    assert parameters == {"code": parameters["code"], "state": "s 1/ü"}


def test_the_redirect_is_not_cached(caller):
    """A code must not be kept by a browser."""
    response = caller.http.get(caller.cloud_authorize_url())

    assert response.status_code == 302
    assert response.headers["cache-control"] == "no-store"


def test_a_query_of_the_callback_is_kept(caller):
    """A callback URL with a query of its own gets the code after it."""
    app = caller.fake.register_cloud_app("b", redirect_uri="https://app.example.com/cb?tenant=7")

    _, parameters = caller.cloud_authorize(client_id="b", redirect_uri=app.redirect_uri)

    assert parameters["tenant"] == "7"
    assert "code" in parameters


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": None},
        {"audience": "api.example.com"},
        {"client_id": None},
        {"client_id": "nobody"},
        {"client_id": "data-center-app"},
        {"redirect_uri": None},
        {"redirect_uri": "http://127.0.0.1:8765/"},
        {"response_type": None},
        {"response_type": "token"},
        {"prompt": None},
        {"prompt": "none"},
        {"state": None},
        {"state": ""},
        {"scope": None},
        {"scope": "read:me openid"},
        {"code_challenge": "x" * 43},
        {"code_challenge": "x" * 43, "code_challenge_method": "plain"},
    ],
    ids=str,
)
def test_a_wrong_request_ends_on_an_error_page(caller, changes):
    """A wrong authorization request ends on a page of id.atlassian.com, not at the app."""
    address, parameters = caller.cloud_authorize(**changes)

    assert address == f"{caller.urls.id_url}/error"
    assert set(parameters) == {"error", "error_description"}


def test_a_callback_mismatch_is_worded_as_atlassian_words_it(caller):
    """The error page names the mismatch."""
    _, parameters = caller.cloud_authorize(redirect_uri="https://evil.example.com/")

    assert parameters == {
        "error": "unauthorized_client",
        "error_description": "Callback URL mismatch",
    }


def test_the_error_page_shows_the_error_as_text(caller):
    """Whatever is in the query, the page executes none of it."""
    page = caller.http.get(
        f"{caller.urls.id_url}/error", params={"error": "<script>", "error_description": "<b>"}
    )

    assert page.status_code == 400
    assert "<script>" not in page.text
    assert "&lt;script&gt;: &lt;b&gt;" in page.text


def test_a_scope_the_app_does_not_have_is_refused(caller):
    """An app gets no scope that was not added to it; offline_access needs no adding."""
    caller.fake.register_cloud_app("b", scopes=["read:me"])

    allowed, _ = caller.cloud_authorize(client_id="b", scope="read:me offline_access")
    refused, _ = caller.cloud_authorize(client_id="b", scope="read:me read:jira-work")

    assert allowed == caller.fake.cloud_app.redirect_uri
    assert refused == f"{caller.urls.id_url}/error"


def test_a_person_can_decline_once(caller):
    """A declined consent returns access_denied with the state; the next person consents."""
    caller.fake.deny_next_consent()

    address, declined = caller.cloud_authorize(state="s1")
    _, accepted = caller.cloud_authorize()

    assert address == caller.fake.cloud_app.redirect_uri
    assert (declined["error"], declined["state"]) == ("access_denied", "s1")
    assert declined["error_description"]
    assert "code" in accepted


def test_browsing_returns_where_the_browser_ends(fake):
    """A test needs no browser: `browse` opens the URL and returns the callback."""
    url = httpx.URL(
        fake.urls.authorize_url,
        params={
            "audience": "api.atlassian.com",
            "client_id": fake.cloud_app.client_id,
            "scope": "read:me",
            "redirect_uri": fake.cloud_app.redirect_uri,
            "state": "s1",
            "response_type": "code",
            "prompt": "consent",
        },
    )

    callback = fake.browse(str(url))

    assert callback.startswith(f"{fake.cloud_app.redirect_uri}?code=secret-code-")
