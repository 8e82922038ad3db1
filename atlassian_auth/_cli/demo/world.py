"""The environment of the service: an emulated Atlassian, the registered apps, and the SQLite file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atlassian_auth._cli.demo.credentials import CLOUD, DATA_CENTER, JIRA_SOFTWARE
from atlassian_auth.endpoints import Endpoints
from atlassian_auth.grants import ClientCredentialsGrant, CloudGrant, DataCenterGrant, Grant
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.scopes import DATA_CENTER_ADMIN, JIRA_AUDIT
from atlassian_auth.testing import FakeAtlassian, Rules, Urls

__all__ = ["DemoWorld", "new_atlassian"]

_REDIRECT_URI = "http://127.0.0.1:8765/callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoWorld:
    """The parts that survive a restart of the service.

    Args:
        atlassian: The emulator.
        urls: Its URLs.
        path: The SQLite file with the tokens.
    """

    atlassian: FakeAtlassian
    urls: Urls
    path: Path

    @property
    def grants(self) -> Mapping[str, Grant]:
        """The registered apps, each under its credential's key."""
        return {
            CLOUD.key: self._cloud(),
            DATA_CENTER.key: self._data_center(),
            JIRA_SOFTWARE.key: self._jira_software(),
        }

    @property
    def base_urls(self) -> Mapping[str, str]:
        """The base URL of each credential's API, with a trailing slash."""
        cloud_id = self.atlassian.cloud_id
        return {
            CLOUD.key: self._cloud().endpoints.jira_url(cloud_id),
            DATA_CENTER.key: f"{self._data_center().endpoints.api_url}/",
            JIRA_SOFTWARE.key: self._jira_software().endpoints.provider_url("builds", cloud_id),
        }

    def _cloud(self) -> CloudGrant:
        return CloudGrant(
            client_id=CLOUD.client_id,
            client_secret=_secret(CLOUD.client_id),
            redirect_uri=_REDIRECT_URI,
            scopes=JIRA_AUDIT,
            endpoints=Endpoints(
                authorize_url=self.urls.authorize_url,
                token_url=self.urls.token_url,
                audience="api.atlassian.com",
                api_url=self.urls.api_url,
            ),
        )

    def _data_center(self) -> DataCenterGrant:
        return DataCenterGrant(
            self.urls.dc_base_url,
            client_id=DATA_CENTER.client_id,
            client_secret=_secret(DATA_CENTER.client_id),
            redirect_uri=_REDIRECT_URI,
            scopes=DATA_CENTER_ADMIN,
        )

    def _jira_software(self) -> ClientCredentialsGrant:
        return ClientCredentialsGrant.jira_software(
            JIRA_SOFTWARE.client_id,
            _secret(JIRA_SOFTWARE.client_id),
            endpoints=Endpoints(
                token_url=self.urls.jira_software_token_url,
                audience="api.atlassian.com",
                api_url=self.urls.api_url,
            ),
        )


def new_atlassian() -> FakeAtlassian:
    """Return an emulator on the computer's own clock that knows the three apps."""
    rules = Rules()
    rules.access_token_lifetime_seconds |= {
        "cloud": CLOUD.lifetime_seconds,
        "data_center": DATA_CENTER.lifetime_seconds,
        "jira_software": JIRA_SOFTWARE.lifetime_seconds,
    }
    atlassian = FakeAtlassian(SYSTEM_CLOCK, rules=rules)
    for register, client_id, scopes in (
        (atlassian.register_cloud_app, CLOUD.client_id, JIRA_AUDIT),
        (atlassian.register_data_center_app, DATA_CENTER.client_id, DATA_CENTER_ADMIN),
    ):
        register(
            client_id,
            client_secret=_secret(client_id),
            redirect_uri=_REDIRECT_URI,
            scopes=scopes,
        )
    atlassian.register_2lo(
        "jira_software", JIRA_SOFTWARE.client_id, client_secret=_secret(JIRA_SOFTWARE.client_id)
    )
    return atlassian


def _secret(client_id: str) -> str:
    # Not a real secret: only the emulator on this computer accepts it. It begins like the emulator's own
    # secrets, so that the tests find it if it is ever printed.
    return f"secret-cs-{client_id}"
