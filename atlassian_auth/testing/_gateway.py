"""Atlassian Cloud's API host and sites: who may call what, and the texts of refusals.

The texts are those that clients recorded: one 401 for an invalid token, and another for a missing
scope, which a refresh does not change.
"""

from __future__ import annotations

from atlassian_auth.testing._audit_views import confluence_cloud_page, jira_cloud_page
from atlassian_auth.testing._world import USER, World
from atlassian_auth.testing.answers import Answer
from atlassian_auth.testing.apps import Product, Site
from atlassian_auth.testing.ledger import AccessToken
from atlassian_auth.testing.wire import Refused, Reply, Request, json_reply

__all__ = [
    "accessible_resources",
    "answered",
    "confluence_audit",
    "identity",
    "jira_audit",
    "jira_myself",
    "provider_bulk",
    "tenant_info",
    "unknown_site_path",
]

# Each set of scopes is enough on its own; developer.atlassian.com, "Audit records" and "Audit".
_CLASSIC_AUDIT = frozenset({"manage:jira-configuration"})
_GRANULAR_AUDIT = frozenset({"read:audit-log:jira", "read:user:jira"})
_CONFLUENCE_AUDIT = frozenset({"read:audit-log:confluence"})
_MYSELF = (frozenset({"read:jira-user"}), frozenset({"read:user:jira"}))

_PEOPLE: tuple[Product, ...] = ("cloud", "service_account")
_PROVIDERS: tuple[Product, ...] = ("jira_software",)


def jira_audit(world: World, request: Request) -> Reply:
    """Answer ``GET /ex/jira/{cloudId}/rest/api/{2,3}/auditing/record``."""
    token = _bearer(world, request, *_PEOPLE)
    _site(world, request)
    # With granular scopes only version 3 works (field report, XSOAR's collector).
    granular = (_GRANULAR_AUDIT,) if request.values["version"] == "3" else ()
    _need(token, _CLASSIC_AUDIT, *granular)
    return jira_cloud_page(world.log, request.query)


def jira_myself(world: World, request: Request) -> Reply:
    """Answer ``GET /ex/jira/{cloudId}/rest/api/{2,3}/myself``."""
    token = _bearer(world, request, *_PEOPLE)
    _site(world, request)
    _need(token, *_MYSELF)
    name = {"accountId": USER["account_id"], "displayName": USER["name"], "active": True}
    return json_reply({**name, "emailAddress": USER["email"]})


def confluence_audit(world: World, request: Request) -> Reply:
    """Answer ``GET /ex/confluence/{cloudId}/wiki/rest/api/audit``."""
    token = _bearer(world, request, *_PEOPLE)
    site = _site(world, request)
    _need(token, _CONFLUENCE_AUDIT)
    return confluence_cloud_page(world.log, request.query, request.urls.site(site.name))


def identity(world: World, request: Request) -> Reply:
    """Answer ``GET /me``."""
    _need(_bearer(world, request, "cloud"), frozenset({"read:me"}))
    return json_reply(USER)


def accessible_resources(world: World, request: Request) -> Reply:
    """Answer with one entry per site and product: ids are not unique, `scopes` differ."""
    token = _bearer(world, request, *_PEOPLE)
    entries = [
        _resource(site, request.urls.site(site.name), scopes)
        for site in world.sites.values()
        for product in site.products
        if (scopes := [scope for scope in token.scopes if _product_of(scope) == product])
    ]
    return json_reply(entries)


def provider_bulk(world: World, request: Request) -> Reply:
    """Answer ``POST /jira/{entity}/0.1/cloud/{cloudId}/bulk`` and keep what was submitted."""
    _bearer(world, request, *_PROVIDERS)
    _site(world, request)
    document = request.document
    if document is None:
        return json_reply([{"message": "The body is not JSON"}], 400)
    world.submissions.append({**request.values, "document": document})
    return json_reply({"unknownIssueKeys": []}, 202)


def answered(answer: Answer, world: World, request: Request) -> Reply:
    """Return the test's answer, if the bearer is valid and has the scopes, and the site exists."""
    usual = _PROVIDERS if request.path.startswith("/jira/") else _PEOPLE
    products = (answer.product,) if answer.product else usual
    token = _bearer(world, request, *products)
    if "cloud_id" in request.values:
        _site(world, request)
    _need(token, frozenset(answer.scopes))
    return answer.reply(request)


def tenant_info(world: World, request: Request) -> Reply:
    """Answer ``GET /_edge/tenant_info``; it asks for no credential."""
    site = world.sites.get(request.values["site"].lower())
    return json_reply({"cloudId": site.cloud_id}) if site else _not_found()


def unknown_site_path(_world: World, _request: Request) -> Reply:
    """Refuse: tokens of 3LO do not work on the site itself, only behind the gateway."""
    return _unauthorized(failure="FAILURE_CLIENT_AUTH_MISMATCH")


def _bearer(world: World, request: Request, *products: Product) -> AccessToken:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    token = world.ledger.live_access(value, world.now) if scheme.lower() == "bearer" else None
    if token is None:
        raise Refused(_unauthorized())
    if token.app.product not in products:
        raise Refused(_unauthorized(failure="FAILURE_CLIENT_AUTH_MISMATCH"))
    return token


def _site(world: World, request: Request) -> Site:
    site = world.site_of(request.values["cloud_id"])
    if site is None:
        raise Refused(_not_found())
    return site


def _need(token: AccessToken, *alternatives: frozenset[str]) -> None:
    if not any(scopes <= set(token.scopes) for scopes in alternatives):
        failure = "FAILURE_CLIENT_SCOPE_CHECK"
        raise Refused(_unauthorized("Unauthorized; scope does not match", failure=failure))


def _unauthorized(message: str = "Unauthorized", *, failure: str | None = None) -> Reply:
    headers = {"x-failure-category": failure} if failure else {}
    return json_reply({"code": 401, "message": message}, 401, headers)


def _not_found() -> Reply:
    return json_reply({"code": 404, "message": "Not Found"}, 404)


def _resource(site: Site, url: str, scopes: list[str]) -> dict[str, object]:
    avatar = f"{url}/avatar.png"
    return {
        "id": site.cloud_id,
        "name": site.name,
        "url": url,
        "scopes": scopes,
        "avatarUrl": avatar,
    }


def _product_of(scope: str) -> str | None:
    if scope in {"offline_access", "read:me"}:
        return None
    return "confluence" if "confluence" in scope else "jira"
