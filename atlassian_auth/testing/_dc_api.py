"""Data Center's APIs. A token that is not valid is not refused: the call is anonymous.

The scheme must be exactly "Bearer". Every authenticated answer has rate limit headers with a
`retry-after` of 0, which must not make clients wait.
"""

from __future__ import annotations

from dataclasses import replace

from atlassian_auth.testing._audit_views import data_center_page
from atlassian_auth.testing._browser import with_query
from atlassian_auth.testing._dc_scopes import covers_any
from atlassian_auth.testing._world import USER, World
from atlassian_auth.testing.answers import Answer
from atlassian_auth.testing.ledger import AccessToken
from atlassian_auth.testing.wire import Reply, Request, html_reply, json_reply

__all__ = ["answered", "audit_events", "myself"]

# "Rate limiting HTTP headers", Confluence 8.7.
_RATE_LIMIT = {
    "x-ratelimit-limit": "100",
    "x-ratelimit-remaining": "99",
    "x-ratelimit-interval-seconds": "1",
    "x-ratelimit-fillrate": "10",
    "retry-after": "0",
}


def answered(answer: Answer, world: World, request: Request) -> Reply:
    """Return the test's answer, if the bearer is valid and has the scopes."""
    token = _caller(world, request)
    if token is None or answer.product not in {None, token.app.product}:
        return _anonymous(world, request)
    if not all(covers_any(token.scopes, scope) for scope in answer.scopes):
        return _insufficient()
    return _authenticated(answer.reply(request))


def audit_events(world: World, request: Request) -> Reply:
    """Answer ``GET /rest/auditing/1.0/events``, which needs ADMIN."""
    token = _caller(world, request)
    if token is None:
        return _anonymous(world, request)
    if not covers_any(token.scopes, "ADMIN"):
        return _authenticated(_errors("You are not permitted to view the audit log.", 403))
    url = f"{request.urls.dc_base_url}{request.path}"
    return _authenticated(data_center_page(world.log, request.query, url))


def myself(world: World, request: Request) -> Reply:
    """Answer ``GET /rest/api/2/myself``, which needs READ."""
    token = _caller(world, request)
    if token is None:
        return _anonymous(world, request)
    if not any(covers_any(token.scopes, scope) for scope in ("READ", "READ_ALL")):
        return _insufficient()
    person = {"name": "ada", "displayName": USER["name"], "emailAddress": USER["email"]}
    return _authenticated(json_reply(person))


def _caller(world: World, request: Request) -> AccessToken | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    token = world.ledger.live_access(value, world.now) if scheme == "Bearer" else None
    known = {"data_center", "data_center_service_account"}
    return token if token and token.app.product in known else None


def _anonymous(world: World, request: Request) -> Reply:
    if world.rules.anonymous_answer == "redirect":
        query = {"permissionViolation": "true", "os_destination": request.path}
        return Reply(302, {"location": with_query(f"{request.urls.dc_base_url}/login.jsp", query)})
    if world.rules.anonymous_answer == "page":
        return html_reply("Log in")
    return _errors("You are not authenticated. Authentication required.", 401)


def _insufficient() -> Reply:
    return _authenticated(_errors("The token's scope is not sufficient.", 403))


def _errors(message: str, status: int) -> Reply:
    return json_reply({"errorMessages": [message], "errors": {}}, status)


def _authenticated(reply: Reply) -> Reply:
    return replace(reply, headers={**reply.headers, **_RATE_LIMIT})
