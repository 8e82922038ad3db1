"""Atlassian Cloud's token endpoints: rotation with a reuse leeway, and client credentials.

Sources: the pages "OAuth 2.0 (3LO) apps", "Refresh tokens" and "Create OAuth 2.0 credential for
service accounts", the guide to Jira Software Cloud's 2LO, and dated field reports where those say
nothing. Cloud's text for a wrong code, and its statuses for `invalid_request` and
`unsupported_grant_type`, are not confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping

from atlassian_auth.testing._pkce import proves
from atlassian_auth.testing._world import World
from atlassian_auth.testing.apps import App, Product
from atlassian_auth.testing.ledger import AccessToken, Code, Family, RefreshToken
from atlassian_auth.testing.wire import Refused, Reply, Request, json_reply, oauth_error

__all__ = ["issue", "issue_jira_software", "revoke", "rotate"]

_DEAD = {
    "invalid_grant": "Unknown or invalid refresh token.",
    "unauthorized_client": "refresh_token is invalid",
}


def issue(world: World, request: Request) -> Reply:
    """Answer ``POST /oauth/token`` of the authorization server; it accepts JSON and forms."""
    fields = request.fields
    match fields.get("grant_type"):
        case "authorization_code":
            return _redeem(world, _client(world, fields, "cloud"), fields)
        case "refresh_token":
            return _refresh(world, _client(world, fields, "cloud"), fields)
        case "client_credentials":
            app = _client(world, fields, "service_account")
            return _granted(world.ledger.issue_access(app, app.scopes or (), world.now))
        case other:
            return _unsupported(other)


def issue_jira_software(world: World, request: Request) -> Reply:
    """Answer ``POST /oauth/token`` of the API host, for 2LO credentials of Jira Software."""
    fields = request.fields
    if fields.get("grant_type") != "client_credentials":
        return _unsupported(fields.get("grant_type"))
    app = _client(world, fields, "jira_software")
    if fields.get("audience") != "api.atlassian.com":
        return oauth_error(400, "invalid_request", "audience must be api.atlassian.com")
    return _granted(world.ledger.issue_access(app, app.scopes or (), world.now))


def revoke(world: World, request: Request) -> Reply:
    """Answer ``POST /oauth/revoke``, whose effect on 3LO grants is unconfirmed."""
    _client(world, request.fields, "cloud")
    token = world.ledger.refresh_tokens.get(request.fields.get("token", ""))
    if token is not None:
        token.family.alive = False
    return Reply(200)


def rotate(world: World, family: Family) -> AccessToken:
    """Issue the family's next pair, as one refresh does."""
    if "offline_access" in family.scopes:
        world.ledger.issue_refresh(family, world.now)
    return world.ledger.issue_access(family.app, family.scopes, world.now, family)


def _redeem(world: World, app: App, fields: Mapping[str, str]) -> Reply:
    code = world.ledger.codes.get(_required(fields, "code"))
    if code is None or code.app is not app or not _is_redeemable(world, code, fields):
        return oauth_error(403, "invalid_grant", "Invalid authorization code")
    code.family = world.ledger.open_family(app, code.scopes, world.now)
    return _granted(rotate(world, code.family))


def _is_redeemable(world: World, code: Code, fields: Mapping[str, str]) -> bool:
    fresh = world.now < code.issued_at + world.rules.code_lifetime_seconds
    same_uri = fields.get("redirect_uri") == code.redirect_uri
    return code.family is None and fresh and same_uri and _pkce_holds(code, fields)


def _pkce_holds(code: Code, fields: Mapping[str, str]) -> bool:
    # A verifier without a challenge may be checked as well (Atlassian staff, community, 2026-08).
    stray = code.challenge is None and "code_verifier" in fields
    return not stray and proves(fields.get("code_verifier"), code)


def _refresh(world: World, app: App, fields: Mapping[str, str]) -> Reply:
    if "scope" in fields:
        # Refused with 403 (field report); the body is not known.
        return oauth_error(403, "invalid_request", "scope is not allowed when refreshing")
    token = world.ledger.refresh_tokens.get(_required(fields, "refresh_token"))
    if token is None or token.family.app is not app or not _is_usable(world, token):
        error = world.rules.dead_grant_error
        return oauth_error(403, error, _DEAD[error])
    _replace(world, token)
    return _granted(rotate(world, token.family))


def _is_usable(world: World, token: RefreshToken) -> bool:
    rules, now = world.rules, world.now
    if token.replaced_at is not None and now >= token.replaced_at + rules.reuse_leeway_seconds:
        # A token that is used after the leeway may be stolen, so the whole family is revoked.
        world.ledger.reuses_outside_leeway += 1
        token.family.alive = False
    idle = now >= token.issued_at + rules.refresh_token_lifetime_seconds
    # "1 year, absolute": only Aembit's guide says so.
    too_old = now >= token.family.created_at + rules.grant_lifetime_seconds
    return token.family.alive and not idle and not too_old


def _replace(world: World, token: RefreshToken) -> None:
    if token.replaced_at is None:
        token.replaced_at = world.now
        world.ledger.cut_access(token.family, world.now + world.rules.reuse_leeway_seconds)
    else:
        world.ledger.leeway_reuses += 1


def _granted(token: AccessToken) -> Reply:
    document: dict[str, object] = {
        "access_token": token.value,
        "expires_in": int(token.expires_at - token.issued_at),
        "token_type": "Bearer",
        "scope": " ".join(token.scopes),
    }
    if token.family is not None and token.family.refresh_token is not None:
        document["refresh_token"] = token.family.refresh_token
    return json_reply(document, headers={"cache-control": "no-store"})


def _client(world: World, fields: Mapping[str, str], product: Product) -> App:
    app = world.client(_required(fields, "client_id"), fields.get("client_secret"), product)
    if app is None:
        raise Refused(oauth_error(401, "access_denied", "Unauthorized"))
    return app


def _required(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise Refused(oauth_error(400, "invalid_request", f"{name} is required"))
    return fields[name]


def _unsupported(grant_type: str | None) -> Reply:
    if not grant_type:
        return oauth_error(400, "invalid_request", "grant_type is required")
    return oauth_error(400, "unsupported_grant_type", "Unsupported grant type")
