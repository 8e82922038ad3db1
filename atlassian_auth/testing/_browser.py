"""What both authorize endpoints share: the consent, and the redirect to the app."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from atlassian_auth.testing._world import World
from atlassian_auth.testing.ledger import Code
from atlassian_auth.testing.wire import Reply, Request

__all__ = ["outcome_of_consent", "redirect", "with_query"]


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return ``url`` with ``parameters`` after its query."""
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}"


def redirect(url: str, parameters: Mapping[str, str], *, status: int) -> Reply:
    """Return a redirect that the browser must not cache."""
    location = with_query(url, parameters)
    return Reply(status, {"location": location, "cache-control": "no-store"})


def outcome_of_consent(world: World, request: Request, code: Code) -> dict[str, str]:
    """Return the callback's parameters: a code, or that the person declined."""
    state = {"state": request.query["state"]} if "state" in request.query else {}
    if not world.denials:
        return {"code": code.value, **state}
    world.denials -= 1
    declined = "The user has denied access to the application"
    return {"error": "access_denied", "error_description": declined, **state}
