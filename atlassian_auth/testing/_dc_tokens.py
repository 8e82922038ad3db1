"""Data Center's token endpoint: forms only, no reuse leeway, and the client is checked last.

Sources: "Jira OAuth 2.0 provider API", "Service accounts overview", and third parties' reports of
the shipped plugin. The status of `invalid_client` is expected, not seen.
"""

from __future__ import annotations

from collections.abc import Mapping

from atlassian_auth.testing._dc_scopes import covers_any
from atlassian_auth.testing._pkce import proves
from atlassian_auth.testing._world import World
from atlassian_auth.testing.apps import App, Product
from atlassian_auth.testing.ledger import AccessToken, Code, Family, RefreshToken
from atlassian_auth.testing.wire import Refused, Reply, Request, json_reply, oauth_error

__all__ = ["issue", "refresh_pair", "revoke"]

# Jersey's error for @FormParam with another content type.
_NOT_A_FORM = (
    "The @FormParam is utilized when the content type of the request entity is not "
    "application/x-www-form-urlencoded"
)


def issue(world: World, request: Request) -> Reply:
    """Answer ``POST /rest/oauth2/latest/token``."""
    if not request.is_form:
        return oauth_error(500, "server_error", _NOT_A_FORM)
    fields = request.fields
    match _required(fields, "grant_type"):
        case "authorization_code":
            return _redeem(world, fields)
        case "refresh_token":
            return _refresh(world, fields)
        case "client_credentials":
            return _service_account(world, fields)
        case _:
            return oauth_error(400, "unsupported_grant_type", "Unsupported grant type")


def revoke(world: World, request: Request) -> Reply:
    """Answer ``POST /rest/oauth2/latest/revoke``: it revokes both tokens of the pair."""
    fields = request.fields
    token = _required(fields, "token")
    if fields.get("token_type_hint", "access_token") not in {"access_token", "refresh_token"}:
        return oauth_error(400, "unsupported_token_type", "Unsupported token type")
    _client(world, fields, "data_center", "data_center_service_account")
    world.ledger.revoke(token)
    return Reply(200)


def refresh_pair(world: World, family: Family) -> AccessToken:
    """Issue the family's next pair, as one refresh does; the old pair is invalid at once."""
    world.ledger.cut_access(family, world.now)
    world.ledger.issue_refresh(family, world.now)
    return world.ledger.issue_access(family.app, family.scopes, world.now, family)


def _redeem(world: World, fields: Mapping[str, str]) -> Reply:
    client_id, redirect_uri = _required(fields, "client_id"), _required(fields, "redirect_uri")
    code = _unused_code(world, _required(fields, "code"))
    if code.app.client_id != client_id or code.redirect_uri != redirect_uri:
        return oauth_error(400, "invalid_grant", "The code was issued to another client or URI")
    if not proves(fields.get("code_verifier"), code):
        return oauth_error(400, "invalid_grant", "code_verifier does not match")
    _client(world, fields, "data_center")
    code.family = world.ledger.open_family(code.app, code.scopes, world.now)
    return _granted(world, refresh_pair(world, code.family))


def _unused_code(world: World, value: str) -> Code:
    code = world.ledger.codes.get(value)
    if code is not None and code.family is not None:
        code.family.alive = False  # a replayed code revokes the tokens of its first use
        raise Refused(oauth_error(400, "invalid_grant", "The code was used before"))
    if code is None or world.now >= code.issued_at + world.rules.code_lifetime_seconds:
        raise Refused(oauth_error(400, "invalid_request", "Unknown or expired code"))
    return code


def _refresh(world: World, fields: Mapping[str, str]) -> Reply:
    client_id = _required(fields, "client_id")
    token = world.ledger.refresh_tokens.get(_required(fields, "refresh_token"))
    if token is None or not _is_usable(world, token, client_id):
        return oauth_error(400, "invalid_grant", "Unknown or expired refresh token")
    if fields.get("redirect_uri", token.family.app.redirect_uri) != token.family.app.redirect_uri:
        return oauth_error(400, "invalid_grant", "redirect_uri is not the client's")
    _client(world, fields, "data_center")
    token.replaced_at = world.now
    return _granted(world, refresh_pair(world, token.family))


def _is_usable(world: World, token: RefreshToken, client_id: str) -> bool:
    if token.replaced_at is not None:
        # The server has deleted it: there is no leeway, and no reuse detection.
        world.ledger.reuses_outside_leeway += 1
        return False
    expires_at = token.issued_at + world.rules.refresh_token_lifetime_seconds
    owned = token.family.app.client_id == client_id
    return owned and token.family.alive and world.now < expires_at


def _service_account(world: World, fields: Mapping[str, str]) -> Reply:
    _required(fields, "client_id")
    scopes = tuple(_required(fields, "scope").split())
    app = world.app(fields["client_id"], "data_center_service_account")
    held = app.scopes or () if app else ("WRITE",)
    if not all(scope in {"READ", "WRITE"} and covers_any(held, scope) for scope in scopes):
        return oauth_error(400, "invalid scope", "The scope is not allowed for this client")
    client = _client(world, fields, "data_center_service_account")
    return _granted(world, world.ledger.issue_access(client, scopes, world.now))


def _granted(world: World, token: AccessToken) -> Reply:
    document: dict[str, object] = {
        "access_token": token.value,
        "token_type": "bearer",
        "expires_in": int(world.rules.access_token_lifetime_seconds[token.app.product]),
        "scope": " ".join(token.scopes),
    }
    if token.family is not None:
        document["refresh_token"] = token.family.refresh_token
    return json_reply(document, headers={"cache-control": "no-store"})


def _client(world: World, fields: Mapping[str, str], *products: Product) -> App:
    app = world.client(fields.get("client_id"), fields.get("client_secret"), *products)
    if app is None:
        raise Refused(oauth_error(401, "invalid_client", "Wrong client_id or client_secret"))
    return app


def _required(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise Refused(oauth_error(400, "invalid_request", f"{name} is required"))
    return fields[name]
