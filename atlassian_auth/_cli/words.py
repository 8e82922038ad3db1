"""Translates the library's errors: its arguments and calls become flags and commands."""

from __future__ import annotations

from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.registration import NEEDS_CONSENT
from atlassian_auth.exceptions import (
    AmbiguousSite,
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    OriginNotAllowed,
    SiteNotFound,
)

__all__ = ["describe_error"]

# A phrase of the library, and the words of the command line for it. `_fill_in` replaces {profile} and
# {scopes}.
_REPLACEMENTS = (
    ("use DataCenterGrant", "use --product data-center"),
    ("needs DataCenterGrant", "needs --product data-center"),
    ("use CloudGrant", "use --product cloud"),
    (
        "to scopes=, then authorize again;",
        "to {scopes}, then run atlassian-auth login {profile};",
    ),
    ("the grant is the one for this product", "--product is the right one"),
    ("use the same grant, or start again with this one", "start again"),
    ("leave offline_access=True", "which login does"),
    ("or say allow_insecure_network=True", "or add allow_insecure_network=true to its URL"),
    (
        "endpoints has no revoke_url: nothing can be revoked there. Forget the credential,",
        "This server has no --revoke-url: nothing can be revoked there. Run atlassian-auth forget {profile},",
    ),
    ("endpoints.revoke_url", "--revoke-url"),
    ("name the revoke_url of that server", "pass --revoke-url at that server"),
    (
        "Use Endpoints.jira_url(cloud_id) or confluence_url(cloud_id) as the base URL;",
        "Give the path alone: it is appended to the profile's API;",
    ),
    ("wanted must", "--site must"),
    (
        "its URL says more, and may be pasted",
        "run atlassian-auth login {profile} --paste, and paste the URL of that page: it says more",
    ),
    ("url=", "URL "),
)

_USE_A_PATH = "Give a path alone, such as /rest/api/3/myself: it is appended to the profile's API."

# Settings that have another name in the library.
_SETTINGS = {"wanted": "site"}


def describe_error(error: AtlassianAuthError, profile: Profile | None = None) -> str:
    """Return the message of an error, in one line.

    Args:
        error: The error.
        profile: The profile of the command, if it is known.
    """
    text = _fill_in(" ".join(_translate(error).split()), profile)
    if profile is None:
        return text
    advice = _advice(error, profile, text)
    if advice and not text.endswith((".", "?")):
        text += "."
    return " ".join([text, *advice])


def _translate(error: AtlassianAuthError) -> str:
    if isinstance(error, OriginNotAllowed):
        return (
            f"The URL is at {error.origin}, but the credential may only be sent to "
            f"{', '.join(error.allowed)}. Nothing was sent. {_USE_A_PATH}"
        )
    text = str(error)
    for library, shell in _REPLACEMENTS:
        text = text.replace(library, shell)
    return text


def _fill_in(text: str, profile: Profile | None) -> str:
    name, scopes = (
        ("PROFILE", None) if profile is None else (profile.arguments, profile.sources.get("scopes"))
    )
    return text.replace("{profile}", name).replace("{scopes}", scopes or "the profile's scopes")


def _advice(error: AtlassianAuthError, profile: Profile, text: str) -> list[str]:
    if isinstance(error, AuthorizationRequired):
        login = f"atlassian-auth login {profile.arguments}"
        helps = profile.product in NEEDS_CONSENT and login not in text
        return [f"Run: {login}"] if helps else []
    if isinstance(error, AmbiguousSite | SiteNotFound):
        return [f"To name a site, {profile.places('site')}."]
    if isinstance(error, ConfigurationError) and error.argument is not None:
        return _setting_source(error.argument, profile)
    return []


def _setting_source(argument: str, profile: Profile) -> list[str]:
    name = _SETTINGS.get(argument, argument)
    # The setting of a secret may be the file that contains it.
    sources = (profile.sources.get(setting) for setting in (f"{name}_file", name))
    return [f"It comes from {source}." for source in sources if source is not None][:1]
