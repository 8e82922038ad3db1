"""Makes the grant of a profile, and knows which settings each product needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from atlassian_auth._cli.profile import Product, Profile
from atlassian_auth.endpoints import Endpoints
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants import ClientCredentialsGrant, CloudGrant, DataCenterGrant, Grant
from atlassian_auth.manager import DEFAULT_KEY

__all__ = ["NEEDS_CONSENT", "grant_of", "needed_by"]

NEEDS_CONSENT: tuple[Product, ...] = ("cloud", "government", "data-center")
"""The products whose credentials need a person's consent."""

# In the order in which `init` asks for them.
_NEEDED: MappingProxyType[Product, tuple[str, ...]] = MappingProxyType(
    {
        "cloud": ("client_id", "scopes"),
        "government": ("client_id", "scopes"),
        "data-center": ("base_url", "client_id", "scopes"),
        "jira-software": ("client_id",),
        "service-account": ("client_id",),
        "data-center-service-account": ("base_url", "client_id", "scopes"),
    }
)
_ENDPOINTS = (
    "authorize_url",
    "token_url",
    "api_url",
    "revoke_url",
    "resources_url",
    "identity_url",
)


def grant_of(profile: Profile, client_secret: str) -> Grant:
    """Return the grant of a profile.

    Raises:
        ConfigurationError: if a setting is missing or malformed, or belongs to another product.
    """
    _check_complete(profile)
    return _GRANTS[profile.product](profile, client_secret)


def needed_by(product: Product) -> tuple[str, ...]:
    """Return the settings that a product requires, in the order in which to ask for them."""
    return _NEEDED[product]


def _cloud(profile: Profile, client_secret: str) -> Grant:
    return _three_legged(profile, client_secret, Endpoints.cloud())


def _government(profile: Profile, client_secret: str) -> Grant:
    return _three_legged(profile, client_secret, Endpoints.government())


def _three_legged(profile: Profile, client_secret: str, usual: Endpoints) -> Grant:
    return CloudGrant(
        client_id=_or_empty(profile.client_id),
        client_secret=client_secret,
        redirect_uri=profile.redirect_uri,
        scopes=profile.scopes,
        endpoints=_replace_endpoints(profile, usual),
    )


def _data_center(profile: Profile, client_secret: str) -> Grant:
    _check_no_endpoints(profile)
    return DataCenterGrant(
        _or_empty(profile.base_url),
        client_id=_or_empty(profile.client_id),
        client_secret=client_secret,
        redirect_uri=profile.redirect_uri,
        scopes=profile.scopes,
    )


def _data_center_service_account(profile: Profile, client_secret: str) -> Grant:
    _check_no_endpoints(profile)
    return ClientCredentialsGrant.data_center(
        _or_empty(profile.base_url),
        _or_empty(profile.client_id),
        client_secret,
        scopes=profile.scopes,
    )


def _jira_software(profile: Profile, client_secret: str) -> Grant:
    endpoints = _replace_endpoints(profile, Endpoints.jira_software())
    client_id = _or_empty(profile.client_id)
    return ClientCredentialsGrant.jira_software(client_id, client_secret, endpoints=endpoints)


def _service_account(profile: Profile, client_secret: str) -> Grant:
    endpoints = _replace_endpoints(profile, Endpoints.cloud())
    client_id = _or_empty(profile.client_id)
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


def _replace_endpoints(profile: Profile, usual: Endpoints) -> Endpoints:
    return replace(usual, **{name: url for name in _ENDPOINTS if (url := getattr(profile, name))})


def _check_no_endpoints(profile: Profile) -> None:
    for name in _ENDPOINTS:
        if getattr(profile, name) is not None:
            message = (
                f"{name} is not a setting of {profile.product}: its endpoints follow from base_url."
            )
            raise ConfigurationError(f"Profile {profile.name}: {message}", argument=name)


def _check_complete(profile: Profile) -> None:
    missing = [name for name in _NEEDED[profile.product] if not getattr(profile, name)]
    if not missing:
        return
    which = ", which is used if no profile is named," if profile.name == DEFAULT_KEY else ""
    message = (
        f"Profile {profile.name}{which} has no {' and no '.join(missing)}, which {profile.product} needs: "
        f"{profile.places(*missing)}."
    )
    if profile.in_file and profile.name not in profile.in_file:
        message += f" Or name one of the profiles in that file: {', '.join(profile.in_file)}."
    if not profile.file.exists():
        message += (
            f" That file does not exist. To create it, run: atlassian-auth init {profile.arguments}"
        )
    raise ConfigurationError(message, argument=missing[0])


def _or_empty(value: str | None) -> str:
    return value or ""  # `_check_complete` has refused an empty one
