"""Errors in the words of the command line: flags and commands, where the library names its arguments."""

from __future__ import annotations

from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.registration import CONSENTED
from atlassian_auth.exceptions import (
    AmbiguousSite,
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    OriginNotAllowed,
    SiteNotFound,
)

__all__ = ["told"]

# What the library advises to those who call it, and what does the same here, with what `_filled` fills in.
_WORDS = (
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
        "Give the path alone: it is taken below the profile's API;",
    ),
    ("wanted must", "--site must"),
    (
        "its URL says more, and may be pasted",
        "run atlassian-auth login {profile} --paste, and paste that page's URL: it says more",
    ),
    ("url=", "URL "),
)

_ELSEWHERE = "Give the path alone, such as /rest/api/3/myself: it is taken below the profile's API."

# Under which name the library has a setting.
_SETTINGS = {"wanted": "site"}


def told(error: AtlassianAuthError, profile: Profile | None = None) -> str:
    """Return what is said about an error, in one line.

    Args:
        error: What went wrong.
        profile: What the command is about, if that is known.
    """
    text = _filled(" ".join(_translated(error).split()), profile)
    if profile is None:
        return text
    advice = _advice(error, profile, text)
    if advice and not text.endswith((".", "?")):
        text += "."
    return " ".join([text, *advice])


def _translated(error: AtlassianAuthError) -> str:
    if isinstance(error, OriginNotAllowed):
        return (
            f"The credential was about to go to {error.origin}, but it belongs to "
            f"{', '.join(error.allowed)}. Nothing was sent. {_ELSEWHERE}"
        )
    text = str(error)
    for library, shell in _WORDS:
        text = text.replace(library, shell)
    return text


def _filled(text: str, profile: Profile | None) -> str:
    name, scopes = (
        ("PROFILE", None) if profile is None else (profile.arguments, profile.sources.get("scopes"))
    )
    return text.replace("{profile}", name).replace("{scopes}", scopes or "the profile's scopes")


def _advice(error: AtlassianAuthError, profile: Profile, text: str) -> list[str]:
    if isinstance(error, AuthorizationRequired):
        login = f"atlassian-auth login {profile.arguments}"
        helps = profile.product in CONSENTED and login not in text
        return [f"Run: {login}"] if helps else []
    if isinstance(error, AmbiguousSite | SiteNotFound):
        return [f"To name a site, {profile.places('site')}."]
    if isinstance(error, ConfigurationError) and error.argument is not None:
        return _origin(error.argument, profile)
    return []


def _origin(argument: str, profile: Profile) -> list[str]:
    name = _SETTINGS.get(argument, argument)
    # A secret may be in a file that is named.
    sources = (profile.sources.get(setting) for setting in (f"{name}_file", name))
    return [f"It comes from {source}." for source in sources if source is not None][:1]
