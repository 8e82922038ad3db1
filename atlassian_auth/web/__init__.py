"""Connections in a browser: pages and a REST interface that any ASGI application can mount.

It needs the extra ``web``: ``pip install 'atlassian-auth[web]'``. Begin with `connections_app`.
"""

from __future__ import annotations

try:
    from atlassian_auth.web.app import connections_app
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"jinja2", "starlette"}:
        raise
    message = "atlassian_auth.web needs the extra web. Run: pip install 'atlassian-auth[web]'"
    raise ModuleNotFoundError(message, name=error.name) from error
from atlassian_auth.web.callers import Authorize, Caller
from atlassian_auth.web.owners import Owners

__all__ = ["Authorize", "Caller", "Owners", "connections_app"]
