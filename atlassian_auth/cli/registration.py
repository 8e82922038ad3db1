"""From a profile to a grant: which product it is for, and which settings that product needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from atlassian_auth.cli.profile import Profile
from atlassian_auth.endpoints import Endpoints
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants import ClientCredentialsGrant, CloudGrant, DataCenterGrant, Grant

__all__ = ["grant_of"]

_ENDPOINTS = (
    "authorize_url",
    "token_url",
    "api_url",
    "revoke_url",
    "resources_url",
    "identity_url",
)


def grant_of(profile: Profile, client_secret: str) -> Grant:
    """Return the grant a profile describes.

    Raises:
        ConfigurationError: if a setting is missing or malformed, or is for another product.
    """
    return _GRANTS[profile.product](profile, client_secret)


def _cloud(profile: Profile, client_secret: str) -> Grant:
    return _three_legged(profile, client_secret, Endpoints.cloud())


def _government(profile: Profile, client_secret: str) -> Grant:
    return _three_legged(profile, client_secret, Endpoints.government())


def _three_legged(profile: Profile, client_secret: str, usual: Endpoints) -> Grant:
    return CloudGrant(
        client_id=_needed(profile, "client_id"),
        client_secret=client_secret,
        redirect_uri=profile.redirect_uri,
        scopes=_needed_scopes(profile),
        endpoints=_changed(profile, usual),
    )


def _data_center(profile: Profile, client_secret: str) -> Grant:
    _check_unchanged(profile)
    return DataCenterGrant(
        _needed(profile, "base_url"),
        client_id=_needed(profile, "client_id"),
        client_secret=client_secret,
        redirect_uri=profile.redirect_uri,
        scopes=_needed_scopes(profile),
    )


def _data_center_service_account(profile: Profile, client_secret: str) -> Grant:
    _check_unchanged(profile)
    return ClientCredentialsGrant.data_center(
        _needed(profile, "base_url"),
        _needed(profile, "client_id"),
        client_secret,
        scopes=_needed_scopes(profile),
    )


def _jira_software(profile: Profile, client_secret: str) -> Grant:
    endpoints = _changed(profile, Endpoints.jira_software())
    client_id = _needed(profile, "client_id")
    return ClientCredentialsGrant.jira_software(client_id, client_secret, endpoints=endpoints)


def _service_account(profile: Profile, client_secret: str) -> Grant:
    endpoints = _changed(profile, Endpoints.cloud())
    client_id = _needed(profile, "client_id")
    return ClientCredentialsGrant.service_account(client_id, client_secret, endpoints=endpoints)


_GRANTS: MappingProxyType[str, Callable[[Profile, str], Grant]] = MappingProxyType(
    {
        "cloud": _cloud,
        "government": _government,
        "data-center": _data_center,
        "jira-software": _jira_software,
        "service-account": _service_account,
        "data-center-service-account": _data_center_service_account,
    }
)


def _changed(profile: Profile, usual: Endpoints) -> Endpoints:
    return replace(usual, **{name: url for name in _ENDPOINTS if (url := getattr(profile, name))})


def _check_unchanged(profile: Profile) -> None:
    for name in _ENDPOINTS:
        if getattr(profile, name) is not None:
            message = f"{name} is not for {profile.product}, whose addresses follow from base_url."
            raise ConfigurationError(f"Profile {profile.name}: {message}", argument=name)


def _needed_scopes(profile: Profile) -> str | tuple[str, ...]:
    if not profile.scopes:
        raise _missing(profile, "scopes")
    return profile.scopes


def _needed(profile: Profile, name: str) -> str:
    value: str | None = getattr(profile, name)
    if not value:
        raise _missing(profile, name)
    return value


def _missing(profile: Profile, name: str) -> ConfigurationError:
    message = (
        f"Profile {profile.name} has no {name}, which {profile.product} needs: write it into "
        f"[profiles.{profile.name}] of the configuration file, pass --{name.replace('_', '-')}, or set "
        f"ATLASSIAN_AUTH_{name.upper()}."
    )
    return ConfigurationError(message, argument=name)
