"""Data Center's authorize endpoint: PKCE, one scope, and errors that mostly appear on the instance.

Sources: "Jira OAuth 2.0 provider API" and third parties' reports of the shipped plugin.
"""

from __future__ import annotations

import html

from atlassian_auth.testing._browser import outcome_of_consent, redirect
from atlassian_auth.testing._dc_scopes import covers_any
from atlassian_auth.testing._pkce import is_well_formed
from atlassian_auth.testing._world import World
from atlassian_auth.testing.apps import App
from atlassian_auth.testing.wire import Refused, Reply, Request, html_reply

__all__ = ["authorize"]


def authorize(world: World, request: Request) -> Reply:
    """Consent at once and send the browser back with a code."""
    app = _checked_app(world, request)
    challenge, method = _checked_pkce(request)
    scope = _checked_scope(app, request)
    code = world.ledger.issue_code(app, (scope,), request.query["redirect_uri"], world.now)
    code.challenge, code.challenge_method = challenge, method
    callback = outcome_of_consent(world, request, code)
    return redirect(code.redirect_uri, callback, status=303)


def _checked_app(world: World, request: Request) -> App:
    for name in ("client_id", "redirect_uri", "response_type", "scope"):
        if not request.query.get(name):
            raise _page(f"{name} is required")
    app = world.app(request.query["client_id"], "data_center")
    if app is None or request.query["redirect_uri"] != app.redirect_uri:
        raise _page("unknown client_id or redirect_uri")
    return app


def _checked_pkce(request: Request) -> tuple[str | None, str]:
    challenge = request.query.get("code_challenge")
    # A challenge without a method means "plain" (RFC 7636 section 4.3).
    method = request.query.get("code_challenge_method", "plain").upper()
    if method not in {"PLAIN", "S256"}:
        raise _page("code_challenge_method is unknown")
    if challenge is not None and not is_well_formed(challenge):
        raise _page("code_challenge is malformed")
    return challenge, method


def _checked_scope(app: App, request: Request) -> str:
    if request.query["response_type"] != "code":
        raise _back(request, "unsupported_response_type", "response_type must be code")
    scope = request.query["scope"]
    # The whole parameter is looked up as one name, so "READ WRITE" is no scope.
    if not covers_any(app.scopes or (), scope):
        raise _back(request, "invalid_scope", f"{scope} is not allowed for this client")
    return scope


def _page(description: str) -> Refused:
    return Refused(html_reply(f"invalid_request: {html.escape(description)}", 400))


def _back(request: Request, error: str, description: str) -> Refused:
    parameters = {"error": error, "error_description": description}
    if "state" in request.query:
        parameters["state"] = request.query["state"]
    return Refused(redirect(request.query["redirect_uri"], parameters, status=303))
