"""Cloud sites: how people write them, which sites a token may use, and how one is selected.

The rule of this file: the order of a list means nothing, so no site is ever selected by its position.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

from atlassian_auth.endpoints import check_secure, is_loopback, origin_of
from atlassian_auth.endpoints._hosts import CLOUDS, OLDER_SITES, PUBLIC
from atlassian_auth.exceptions import (
    AmbiguousSite,
    AtlassianAuthError,
    ConfigurationError,
    SiteNotFound,
)
from atlassian_auth.protocol._public_documents import read_document, unexpected
from atlassian_auth.protocol._redaction import printable
from atlassian_auth.protocol.messages import HTTPResponse

__all__ = [
    "Identity",
    "Site",
    "read_cloud_id",
    "read_identity",
    "read_sites",
    "select_site",
    "site_url",
]

_ENDS = "|".join(re.escape(end) for end in (*(cloud.sites for cloud in CLOUDS), *OLDER_SITES))
_SITE = re.compile(rf"https://[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?(?:{_ENDS})")
_BARE_NAME = re.compile(r"[A-Za-z0-9-]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CLOUD_ID = re.compile(r"[A-Za-z0-9-]+")

# These words in a scope name its product: "read:jira-work", "read:issue:jira-software",
# "read:servicedesk-request", "read:audit-log:confluence". read:me and offline_access name none.
_PRODUCT_WORDS = {"confluence": ("confluence",), "jira": ("jira", "servicedesk")}


@dataclass(frozen=True, slots=True)
class Site:
    """One Cloud site that a token may use.

    Args:
        cloud_id: The id of the site in the gateway's URLs; see `Endpoints.jira_url`.
        name: The name that its administrators gave it; not unique.
        url: The URL at which people open the site.
        scopes: The scopes granted there, for all products together, sorted. The person's own permissions
            may allow less.
    """

    cloud_id: str
    name: str
    url: str
    scopes: tuple[str, ...] = ()

    @property
    def products(self) -> tuple[str, ...]:
        """The products that the scopes name: ``"confluence"``, ``"jira"``, both or none."""
        return tuple(
            product
            for product, words in _PRODUCT_WORDS.items()
            if any(word in scope for scope in self.scopes for word in words)
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """The account that a token belongs to.

    Args:
        account_id: The account id on Cloud, the user key on Data Center.
        name: The display name.
        email: The email address; None if the person or the administrator hides it.
        username: The name with which the person logs in; Data Center only.
    """

    account_id: str
    name: str = ""
    email: str | None = None
    username: str | None = None


def site_url(site: str, *, argument: str = "site") -> str:
    """Return the URL of a Cloud site, such as ``https://acme.atlassian.net``.

    Args:
        site: Its bare name, host or URL, in any case, with or without ``/wiki``. A bare name is completed
            with ``atlassian.net``; write a government site with its host.
        argument: The name of the caller's argument, for the error.

    Raises:
        ConfigurationError: if it is anything else, such as another host, a page or a cloud id.
    """
    if _UUID.fullmatch(str(site)):
        _refuse(argument, "is already a cloud id, not the name of a site: use it directly")
    url = _comparable_url(site, argument)
    if not _SITE.fullmatch(url):
        _refuse(
            argument,
            "must be a Cloud site such as acme, acme.atlassian.net or https://acme.atlassian.net, without "
            f"the path of a page, but is {url}; Data Center has no cloud id",
        )
    return url


def read_cloud_id(response: HTTPResponse, *, site: str) -> str:
    """Return the cloud id in the answer of ``/_edge/tenant_info``.

    Args:
        response: The answer.
        site: The site's URL.

    Raises:
        SiteNotFound: if the status is 404: there is no such site.
        TransientError: if the status is 429 or 5xx.
        DiscoveryError: if the answer is a redirect or a page, or holds no cloud id.
    """
    if response.status == 404:
        message = f"There is no Cloud site {site}: check its name in the browser's address bar."
        raise SiteNotFound(message, wanted=site)
    asked, advice = f"The cloud id of {site}", "check the site's name and any proxy"
    document = read_document(response, asked=asked, advice=advice)
    cloud_id = cast("dict[str, object]", document).get("cloudId") if _is_object(document) else None
    if not isinstance(cloud_id, str) or not _CLOUD_ID.fullmatch(cloud_id):
        raise unexpected(response, asked=asked, advice=advice)
    return cloud_id


def read_sites(response: HTTPResponse) -> tuple[Site, ...]:
    """Return the sites in the answer of ``accessible-resources``, each once, sorted by URL.

    The answer has one entry per site and product, with the same ``id``
    (https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/, "Make calls to the API").

    Raises:
        TransientError: if the status is 429 or 5xx.
        DiscoveryError: if the status is another error, or the answer is not a list of sites.
    """
    asked = "The list of sites"
    advice = "check the token, the endpoints and any proxy"
    document = read_document(response, asked=asked, advice=advice)
    sites = _read_site_list(document)
    if sites is None:
        raise unexpected(response, asked=asked, advice=advice)
    return _merge(sites)


def read_identity(response: HTTPResponse) -> Identity:
    """Return the account in the answer of ``/me`` or of Jira's ``/rest/api/2/myself``.

    Raises:
        TransientError: if the status is 429 or 5xx.
        DiscoveryError: if the status is another error, or the answer does not describe an account.
    """
    asked, advice = "The account", "check the base URL, the credential and its scopes"
    document = read_document(response, asked=asked, advice=advice)
    members = cast("dict[str, object]", document) if _is_object(document) else {}
    # In this order: /me; Cloud's myself; Data Center's, whose oldest versions have no key.
    account_id = _first_text(members, "account_id", "accountId", "key", "name")
    if account_id is None:
        raise unexpected(response, asked=asked, advice=advice)
    return Identity(
        account_id=account_id,
        name=_first_text(members, "displayName", "name") or "",
        email=_first_text(members, "email", "emailAddress"),
        # In Cloud's /me, "name" is the display name.
        username=None if _is_cloud_account(members) else _first_text(members, "name"),
    )


def select_site(sites: Iterable[Site], wanted: str | None = None) -> Site:
    """Return the one site that ``wanted`` names, or the only site.

    Args:
        sites: The sites that `accessible_resources` returned, in any order.
        wanted: The site's cloud id, URL, host or bare name, in any case; ``/wiki`` and a trailing slash make
            no difference. The bare name of an emulated site on this computer is its ``name``. Needed only if
            there are several sites.

    Raises:
        SiteNotFound: if there is no site, or none that ``wanted`` names.
        AmbiguousSite: if there are several sites and ``wanted`` is None.
        ConfigurationError: if ``wanted`` is neither an id nor an address, or ``sites`` holds anything but
            sites.
    """
    if wanted is not None and not isinstance(wanted, str):
        raise ConfigurationError.wrong_type("wanted", "a cloud id, URL, host or name", wanted)
    found = list(_merge(_check_sites(sites)))
    urls = tuple(site.url for site in found)
    if not found:
        raise SiteNotFound(_NO_SITE, wanted=wanted)
    if wanted is not None:
        found = [site for site in found if _is_wanted(site, wanted)]
    if not found:
        listed = printable(", ".join(urls), _LONGEST_LIST)
        message = f"No site is {wanted!a:.200}. The token may use {listed}: {_ADD_SITE}."
        raise SiteNotFound(message, wanted=wanted, urls=urls)
    if len(found) > 1:
        raise _ambiguous_error(found)
    return found[0]


def _check_sites(sites: object) -> list[Site]:
    listed = list(cast("Iterable[object]", sites)) if isinstance(sites, Iterable) else [sites]
    for site in listed:
        if not isinstance(site, Site):
            raise ConfigurationError.wrong_type(
                "sites", "the sites that `await accessible_resources(auth)` returns", site
            )
    return cast("list[Site]", listed)


# Enough for some twenty sites with their ids; the error's ``urls`` holds all of them.
_LONGEST_LIST = 2000

_ADD_SITE = (
    "name one of these, or authorize again and choose the site on the consent page, signed in as a person "
    "who has access to it"
)
_NO_SITE = (
    "The token may use no site. Likely causes: the person has no access to a site any more; the scopes name "
    "no product, such as read:me alone; an administrator has blocked the app. Check the scopes, then "
    "authorize again and choose a site on the consent page."
)


def _ambiguous_error(found: list[Site]) -> AtlassianAuthError:
    listed = printable("; ".join(f"{site.url} ({site.cloud_id})" for site in found), _LONGEST_LIST)
    message = f"The token may use several sites: choose one by id, URL or host: {listed}."
    return AmbiguousSite(message, urls=tuple(site.url for site in found))


def _is_wanted(site: Site, wanted: str) -> bool:
    if site.cloud_id.casefold() == wanted.casefold():
        return True
    if _comparable_url(wanted, "wanted") == _comparable_url(site.url, "sites"):
        return True
    # An emulated site has no host of its own, so its name identifies it. Elsewhere a name is not unique.
    on_this_computer = is_loopback(urlsplit(site.url).hostname or "")
    return on_this_computer and site.name.casefold() == wanted.casefold()


def _merge(sites: Iterable[Site]) -> tuple[Site, ...]:
    # Sorted first, so that the order of the entries makes no difference.
    by_id: dict[str, Site] = {}
    for site in sorted(sites, key=lambda site: (site.url, site.name, site.cloud_id)):
        known = by_id.setdefault(site.cloud_id, site)
        scopes = tuple(sorted({*known.scopes, *site.scopes}))
        by_id[site.cloud_id] = Site(known.cloud_id, known.name, known.url, scopes)
    return tuple(by_id.values())


def _read_site_list(document: object) -> list[Site] | None:
    if not isinstance(document, list):
        return None
    sites = [_read_site(entry) for entry in cast("list[object]", document)]
    return None if None in sites else cast("list[Site]", sites)


def _read_site(entry: object) -> Site | None:
    members = cast("dict[str, object]", entry) if _is_object(entry) else {}
    cloud_id, url = _first_text(members, "id"), _first_text(members, "url")
    if cloud_id is None or url is None or not _CLOUD_ID.fullmatch(cloud_id) or not _is_url(url):
        return None
    scopes = members.get("scopes")
    names = cast("list[object]", scopes) if isinstance(scopes, list) else []
    texts = (name for name in names if isinstance(name, str))
    return Site(cloud_id, _first_text(members, "name") or "", url, tuple(texts))


def _is_url(url: str) -> bool:
    try:
        check_secure(url, argument="url")
    except ConfigurationError:
        return False
    return True


def _is_object(document: object) -> bool:
    return isinstance(document, dict)


def _is_cloud_account(members: dict[str, object]) -> bool:
    return bool(members.keys() & {"account_id", "accountId"})


def _first_text(members: dict[str, Any], *names: str) -> str | None:
    texts = (members.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text), None)


def _comparable_url(text: object, argument: str) -> str:
    """Return scheme, host and path of a site as one text that can be compared."""
    if not isinstance(text, str) or not text:
        _refuse(argument, "must name a site, such as https://acme.atlassian.net, but is empty")
    if _BARE_NAME.fullmatch(text):
        text += PUBLIC.sites
    url = check_secure(text if "://" in text else f"https://{text}", argument=argument)
    path = urlsplit(url).path.lower().rstrip("/").removesuffix("/wiki")
    return origin_of(url) + path


def _refuse(argument: str, message: str) -> NoReturn:
    raise ConfigurationError(f"{argument} {message}", argument=argument)
