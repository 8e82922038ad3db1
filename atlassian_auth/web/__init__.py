"""Connections in a browser: pages and a REST interface that any ASGI application can mount.

It needs the extra ``web``: ``pip install 'atlassian-auth[web]'``. Begin with `connections_app`.
"""

from __future__ import annotations

try:
    from atlassian_auth.web.app import connections_app
except ImportError as _missing:
    raise ImportError(
        "atlassian_auth.web needs starlette and jinja2: pip install 'atlassian-auth[web]'"
    ) from _missing
from atlassian_auth.web.callers import Authorize, Caller
from atlassian_auth.web.owners import Owners

__all__ = ["Authorize", "Caller", "Owners", "connections_app"]
