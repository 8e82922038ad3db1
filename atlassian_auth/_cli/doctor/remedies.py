"""What to change, in the words of the page on which it is changed.

Cloud: developer.atlassian.com/console/myapps, as described in "Prepare Atlassian Jira connector" of
Snow Atlas and in Aembit's guide for Atlassian (2026-11-20). Data Center:
confluence.atlassian.com/adminjiraserver101/oauth-2-0-scopes-for-incoming-links-1455427906.html.
"""

from __future__ import annotations

from types import MappingProxyType

from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.registration import NEEDS_CONSENT
from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    ScopeMismatch,
    SiteNotFound,
)

__all__ = ["remedy_for"]

_CONSOLE = "https://developer.atlassian.com/console/myapps/ > your app"
_INCOMING = "Administration > Applications > Application links > your incoming link"
_ACCOUNTS = "https://admin.atlassian.com > your organization > Service accounts"
_JIRA = "Jira > Settings > Apps > OAuth credentials"

_SECRET = MappingProxyType(
    {
        "cloud": f"{_CONSOLE} > Settings > Authentication details: compare Client ID and Secret",
        "government": "In the developer console, your app > Settings: compare Client ID and Secret",
        "data-center": f"{_INCOMING}: compare Client ID and Client secret",
        "jira-software": f"{_JIRA}: compare Client ID and Secret",
        "service-account": f"{_ACCOUNTS}: compare Client ID and Client secret",
        "data-center-service-account": "Compare client id and secret with the service account's",
    }
)
_SCOPES = MappingProxyType(
    {
        "cloud": f"{_CONSOLE} > Permissions > Add or Configure the API > Edit Scopes",
        "government": "In the developer console, your app > Permissions > Edit Scopes",
        "data-center": f"{_INCOMING} > Application permissions: allow the level",
        "jira-software": f"{_JIRA}: create a credential with these permissions",
        "service-account": f"{_ACCOUNTS}: create a credential with these scopes",
        "data-center-service-account": "Service accounts get READ and WRITE at most",
    }
)

_BY_LINK = MappingProxyType(
    {
        "network": "Check the address, DNS, HTTPS_PROXY and firewalls; set SSL_CERT_FILE to the "
        "certificates of a proxy that inspects TLS",
        "clock": "Set this computer's clock, for example by NTP",
        "call": "Check the permissions of the person who consented, and whether an administrator has "
        "blocked the app; a token has no more permissions than the person",
    }
)


def remedy_for(link: str, error: AtlassianAuthError, profile: Profile) -> str:
    """Return what to do about an error of a link; empty if the error itself says it."""
    if isinstance(error, AuthorizationRequired):
        return f"Run: atlassian-auth login {profile.arguments}"
    if isinstance(error, ScopeMismatch):
        return _scopes(profile)
    if isinstance(error, SiteNotFound):
        return _site(profile)
    if isinstance(error, ConfigurationError) and error.error is not None:
        return _SECRET[profile.product]
    return _BY_LINK.get(link, "")


def _scopes(profile: Profile) -> str:
    where = _SCOPES[profile.product]
    if profile.product not in NEEDS_CONSENT:
        return where
    source = profile.sources.get("scopes", "scopes")
    return f"{where}; then change {source} and run: atlassian-auth login {profile.arguments}"


def _site(profile: Profile) -> str:
    if profile.product == "service-account":
        return f"{_ACCOUNTS}: give the account access to the site's apps"
    return f"Run atlassian-auth login {profile.arguments} and choose the site on the consent page"
