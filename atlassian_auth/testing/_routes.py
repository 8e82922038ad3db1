"""Finds the endpoint for a request."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from atlassian_auth.testing import _cloud_login as cloud_login
from atlassian_auth.testing import _cloud_tokens as cloud_tokens
from atlassian_auth.testing import _dc_api as dc_api
from atlassian_auth.testing import _dc_login as dc_login
from atlassian_auth.testing import _dc_tokens as dc_tokens
from atlassian_auth.testing import _gateway as gateway
from atlassian_auth.testing._world import World
from atlassian_auth.testing.answers import Answers
from atlassian_auth.testing.faults import Kind
from atlassian_auth.testing.wire import Reply, Request, oauth_error

__all__ = ["Endpoint", "Route", "find"]

Endpoint = Callable[[World, Request], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint; the named groups of ``path`` become the request's values."""

    service: str
    method: str
    path: str
    kind: Kind
    endpoint: Endpoint

    def match(self, request: Request) -> re.Match[str] | None:
        """Return the match if this endpoint answers the request."""
        if (request.service, request.method) != (self.service, self.method):
            return None
        return re.fullmatch(self.path, request.path)


_JIRA = r"/ex/jira/(?P<cloud_id>[^/]+)/rest/api/(?P<version>[23])"
_CONFLUENCE = r"/ex/confluence/(?P<cloud_id>[^/]+)/wiki"
_ENTITY = r"(?P<entity>builds|deployments|devinfo|featureflags)"

_ROUTES = (
    Route("auth", "GET", "/authorize", "authorize", cloud_login.authorize),
    Route("auth", "POST", "/oauth/token", "token", cloud_tokens.issue),
    Route("auth", "POST", "/oauth/revoke", "revoke", cloud_tokens.revoke),
    Route("id", "GET", "/error", "authorize", cloud_login.error_page),
    Route("api", "POST", "/oauth/token", "token", cloud_tokens.issue_jira_software),
    Route("api", "GET", "/oauth/token/accessible-resources", "api", gateway.accessible_resources),
    Route("api", "GET", "/me", "api", gateway.identity),
    Route("api", "GET", f"{_JIRA}/auditing/record", "api", gateway.jira_audit),
    Route("api", "GET", f"{_JIRA}/myself", "api", gateway.jira_myself),
    Route("api", "GET", f"{_CONFLUENCE}/rest/api/audit", "api", gateway.confluence_audit),
    Route(
        "api",
        "POST",
        rf"/jira/{_ENTITY}/0\.1/cloud/(?P<cloud_id>[^/]+)/bulk",
        "api",
        gateway.provider_bulk,
    ),
    Route("site", "GET", "/(?P<site>[^/]+)/_edge/tenant_info", "site", gateway.tenant_info),
    Route("dc", "GET", "/rest/oauth2/latest/authorize", "authorize", dc_login.authorize),
    Route("dc", "POST", "/rest/oauth2/latest/token", "token", dc_tokens.issue),
    Route("dc", "POST", "/rest/oauth2/latest/revoke", "revoke", dc_tokens.revoke),
    Route("dc", "GET", r"/rest/auditing/1\.0/events", "api", dc_api.audit_events),
    Route("dc", "GET", "/rest/api/2/myself", "api", dc_api.myself),
)


def find(request: Request, answers: Answers) -> tuple[Route, dict[str, str]]:
    """Return the route for ``request`` and the values in its path; without a route, one that answers 404.

    Args:
        request: The request.
        answers: The answers that a test defined; they apply to APIs only.
    """
    route, values = _find(request)
    own = answers.find(request) if route.kind == "api" else None
    if own is None:
        return route, values
    answer, values = own
    answered = dc_api.answered if request.service == "dc" else gateway.answered
    return replace(route, endpoint=partial(answered, answer)), values


def _find(request: Request) -> tuple[Route, dict[str, str]]:
    for route in _ROUTES:
        if match := route.match(request):
            return route, match.groupdict()
    kind: Kind = "site" if request.service == "site" else "api"
    endpoint = gateway.unknown_site_path if kind == "site" else _nothing_here
    return Route(request.service, request.method, request.path, kind, endpoint), {}


def _nothing_here(_world: World, request: Request) -> Reply:
    return oauth_error(
        404,
        "not_found",
        f"The emulator has no {request.method} {request.path}: add it with respond()",
    )
