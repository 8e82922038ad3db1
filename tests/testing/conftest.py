"""A plain HTTP client before the emulator, once for each skin; nothing of ours builds or reads."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from atlassian_auth.testing import FakeAtlassian, LoopbackServer, ManualClock, Urls, mock_router

TLS = ssl.create_default_context()


@dataclass
class Caller:
    """Sends requests as the vendor's pages spell them."""

    fake: FakeAtlassian
    urls: Urls
    http: httpx.Client

    @property
    def clock(self) -> ManualClock:
        return self.fake.clock

    # Cloud

    def cloud_authorize_url(self, **changes):
        app = self.fake.cloud_app
        query = {
            "audience": "api.atlassian.com",
            "client_id": app.client_id,
            "scope": "read:me offline_access",
            "redirect_uri": app.redirect_uri,
            "state": "s1",
            "response_type": "code",
            "prompt": "consent",
        }
        return f"{self.urls.authorize_url}?{urlencode(_changed(query, changes))}"

    def cloud_authorize(self, **changes):
        return callback(self.http.get(self.cloud_authorize_url(**changes)))

    def cloud_token(self, grant_type, *, as_form=False, **fields):
        body = {"grant_type": grant_type, **credentials(self.fake.cloud_app)}
        content = {"data" if as_form else "json": _changed(body, fields)}
        return self.http.post(self.urls.token_url, **content)

    def cloud_redeem(self, code, **fields):
        uri = {"redirect_uri": self.fake.cloud_app.redirect_uri}
        return self.cloud_token("authorization_code", code=code, **(uri | fields))

    def cloud_refresh(self, refresh_token, **fields):
        return self.cloud_token("refresh_token", refresh_token=refresh_token, **fields)

    # Data Center

    def dc_authorize_url(self, **changes):
        app = self.fake.data_center_app
        query = {
            "client_id": app.client_id,
            "redirect_uri": app.redirect_uri,
            "response_type": "code",
            "scope": "ADMIN",
            "state": "s1",
        }
        return f"{self.urls.dc_authorize_url}?{urlencode(_changed(query, changes))}"

    def dc_authorize(self, **changes):
        return callback(self.http.get(self.dc_authorize_url(**changes)))

    def dc_token(self, grant_type, **fields):
        body = {"grant_type": grant_type, **credentials(self.fake.data_center_app)}
        return self.http.post(self.urls.dc_token_url, data=_changed(body, fields))

    def dc_redeem(self, code, **fields):
        uri = {"redirect_uri": self.fake.data_center_app.redirect_uri}
        return self.dc_token("authorization_code", code=code, **(uri | fields))

    def dc_refresh(self, refresh_token, **fields):
        return self.dc_token("refresh_token", refresh_token=refresh_token, **fields)

    def dc_myself(self, token, scheme="Bearer"):
        headers = {"authorization": f"{scheme} {token}"}
        return self.http.get(f"{self.urls.dc_base_url}/rest/api/2/myself", headers=headers)

    def dc_audit(self, token=None, **query):
        token = token or self.fake.issue_grant(self.fake.data_center_app).access_token
        url = f"{self.urls.dc_base_url}/rest/auditing/1.0/events"
        return self.get(url, token, **query)

    # APIs

    def get(self, url, token, **query):
        headers = {"authorization": f"Bearer {token}"}
        return self.http.get(url, params=query or None, headers=headers)

    def me(self, token):
        return self.get(self.urls.identity_url, token)

    def jira_audit(self, token=None, *, version=3, **query):
        token = token or self.fake.issue_grant().access_token
        url = f"{self.urls.jira(self.fake.cloud_id)}rest/api/{version}/auditing/record"
        return self.get(url, token, **query)

    def confluence_audit(self, token=None, **query):
        token = token or self.fake.issue_grant().access_token
        return self.get(f"{self.urls.confluence(self.fake.cloud_id)}rest/api/audit", token, **query)


def credentials(app):
    return {"client_id": app.client_id, "client_secret": app.client_secret}


def callback(response):
    """Where a redirect leads: the address, and the parameters that follow it."""
    assert response.is_redirect, response.text
    address, _, query = response.headers["location"].partition("?")
    return address, dict(parse_qsl(urlsplit(f"?{query}").query, keep_blank_values=True))


def _changed(values, changes):
    """``values`` with ``changes``; a change to None leaves a name out."""
    return {name: value for name, value in (values | changes).items() if value is not None}


@pytest.fixture
def fake():
    return FakeAtlassian()


@pytest.fixture(params=["mock", "server"])
def caller(request, fake):
    with httpx.Client(verify=TLS, trust_env=False, timeout=300) as http:
        if request.param == "mock":
            with mock_router(fake):
                yield Caller(fake, fake.urls, http)
        else:
            with LoopbackServer(fake) as server:
                yield Caller(fake, server.urls, http)
