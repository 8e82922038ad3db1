"""The commands sites and whoami: the sites and the owner of a credential."""

from __future__ import annotations

import anyio
import typer

from atlassian_auth._cli.documents import IdentityDocument, SiteDocument
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileName, profile_of
from atlassian_auth._cli.output import show, show_table
from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.session import grant_without_secret, open_manager_with_credential
from atlassian_auth._cli.site import base_url_of
from atlassian_auth.auth import AtlassianAuth
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.manager import TokenManager
from atlassian_auth.scopes import READ_ME
from atlassian_auth.sites import Identity, Site, accessible_resources
from atlassian_auth.sites import whoami as ask_who

__all__ = ["identity_of", "sites", "whoami"]

_COLUMNS = ("name", "url", "cloud_id", "products")


def sites(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """List the Cloud sites of a credential."""
    chosen = profile_of(context, profile)
    if grant_without_secret(chosen).endpoints.resources_url is None:
        message = f"Profile {chosen.name} is for {chosen.product}, which has no list of the sites of a token."
        raise ConfigurationError(
            f"{message} Only 3LO apps and service accounts of Cloud have such a list."
        )
    found = anyio.run(_sites, chosen)
    show_table(map(_as_document, found), columns=_COLUMNS, as_json=as_json)


def whoami(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """Show the account of a credential.

    On Cloud this needs the scope read:me. Without it the request goes to the site's Jira, which needs
    read:jira-user.
    """
    chosen = profile_of(context, profile)
    if chosen.product == "jira-software":
        message = (
            f"Profile {chosen.name} is for {chosen.product}, whose tokens belong to no account."
        )
        raise ConfigurationError(
            f"{message} To test the credential, run: atlassian-auth doctor {chosen.arguments}"
        )
    found = anyio.run(_whoami, chosen)
    document: IdentityDocument = {
        "account_id": found.account_id,
        "name": found.name,
        "email": found.email,
        "username": found.username,
    }
    show(document, as_json=as_json)


async def identity_of(profile: Profile, manager: TokenManager) -> Identity:
    """Return the account of a credential.

    Raises:
        AtlassianAuthError: if the server does not return it.
    """
    auth = manager.auth(profile.store_key)
    if await _is_person(auth):
        return await ask_who(auth, endpoints=manager.grant.endpoints)
    return await ask_who(auth, base_url=await base_url_of(profile, manager))


async def _is_person(auth: AtlassianAuth) -> bool:
    # The identity endpoint exists on Cloud, and knows the person who consented; it knows no service accounts.
    grant = auth.manager.grant
    if grant.endpoints.identity_url is None or grant.redirect_uri is None:
        return False
    return READ_ME in (await auth.token()).scopes


async def _sites(profile: Profile) -> tuple[Site, ...]:
    async with open_manager_with_credential(profile) as manager:
        auth = manager.auth(profile.store_key)
        return await accessible_resources(auth, endpoints=manager.grant.endpoints)


async def _whoami(profile: Profile) -> Identity:
    async with open_manager_with_credential(profile) as manager:
        return await identity_of(profile, manager)


def _as_document(site: Site) -> SiteDocument:
    return {
        "name": site.name,
        "url": site.url,
        "cloud_id": site.cloud_id,
        "products": list(site.products),
        "scopes": list(site.scopes),
    }
