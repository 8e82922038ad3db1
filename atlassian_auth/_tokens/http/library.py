"""The one place that decides which HTTP library carries the library's own requests.

That is httpx, and httpx2 where httpx is not installed. If the application has called
``httpx2.alias_httpx()``, Python finds httpx2 under the name httpx. All other modules import httpx from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
else:
    try:
        import httpx
    except ImportError:
        import httpx2 as httpx

__all__ = ["CORE", "httpx"]

CORE: str = httpx.__name__.replace("httpx", "httpcore")
"""The name of the package below it, which is imported by the first request."""
