"""Atlassian Cloud's authorize page, which consents at once, and its error page.

Every parameter that the 3LO page calls required is required. After a wrong request the browser is not
sent to the app: it ends at id.atlassian.com (community threads and Atlassian staff, 2026-08).
"""

from __future__ import annotations

import html

from atlassian_auth.testing._browser import outcome_of_consent, redirect
from atlassian_auth.testing._world import World
from atlassian_auth.testing.apps import App
from atlassian_auth.testing.wire import Refused, Reply, Request, html_reply

__all__ = ["authorize", "error_page"]

_FIXED = {"audience": "api.atlassian.com", "response_type": "code", "prompt": "consent"}


def authorize(world: World, request: Request) -> Reply:
    """Consent at once and send the browser back with a code."""
    app = _checked_app(world, request)
    _check_parameters(request)
    scopes = _checked_scopes(app, request)
    code = world.ledger.issue_code(app, scopes, request.query["redirect_uri"], world.now)
    code.challenge = request.query.get("code_challenge")
    callback = outcome_of_consent(world, request, code)
    return redirect(code.redirect_uri, callback, status=302)


def error_page(_world: World, request: Request) -> Reply:
    """Show the error in the query."""
    error = html.escape(request.query.get("error", ""))
    description = html.escape(request.query.get("error_description", ""))
    return html_reply(f"Something went wrong: {error}: {description}", 400)


def _checked_app(world: World, request: Request) -> App:
    app = world.app(request.query.get("client_id"), "cloud")
    if app is None:
        raise _wrong(request, "unauthorized_client", "Unknown client")
    if request.query.get("redirect_uri") != app.redirect_uri:
        raise _wrong(request, "unauthorized_client", "Callback URL mismatch")
    return app


def _check_parameters(request: Request) -> None:
    for name, value in _FIXED.items():
        if request.query.get(name) != value:
            raise _wrong(request, "invalid_request", f"{name}={value} is required")
    if not request.query.get("state"):
        raise _wrong(request, "invalid_request", "state is required")
    if "code_challenge" in request.query and request.query.get("code_challenge_method") != "S256":
        raise _wrong(request, "invalid_request", "code_challenge_method must be S256")


def _checked_scopes(app: App, request: Request) -> tuple[str, ...]:
    scopes = tuple(request.query.get("scope", "").split())
    allowed = scopes if app.scopes is None else (*app.scopes, "offline_access")
    # `openid` breaks an otherwise good 3LO request (live test, 2026-08-05).
    if not scopes or "openid" in scopes or not set(scopes) <= set(allowed):
        raise _wrong(request, "invalid_scope", "Something went wrong")
    return scopes


def _wrong(request: Request, error: str, description: str) -> Refused:
    parameters = {"error": error, "error_description": description}
    return Refused(redirect(f"{request.urls.id_url}/error", parameters, status=302))
