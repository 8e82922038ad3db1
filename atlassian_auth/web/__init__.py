"""Connections in a browser: pages and a REST interface that any ASGI application can mount.

It needs the extra ``web``: ``pip install 'atlassian-auth[web]'``. Begin with `connections_app`.
"""

from __future__ import annotations

from importlib.util import find_spec

if _missing := [name for name in ("jinja2", "starlette") if find_spec(name) is None]:
    raise ImportError(
        f"atlassian_auth.web needs {' and '.join(_missing)}: pip install 'atlassian-auth[web]'"
    )

from atlassian_auth.web.app import connections_app
from atlassian_auth.web.callers import Authorize, Caller
from atlassian_auth.web.owners import Owners

__all__ = ["Authorize", "Caller", "Owners", "connections_app"]
