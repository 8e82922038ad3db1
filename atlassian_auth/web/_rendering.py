"""Templates become pages here. All text is escaped; the sheet and the icon are the only files."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from atlassian_auth.web._visit import Visit

__all__ = ["Renderer"]

_ASSETS = Path(__file__).with_name("_assets")
_FILES = (("/style.css", "text/css"), ("/icon.svg", "image/svg+xml"))


class Renderer:
    """Makes the responses of the pages.

    Args:
        base_url: Where browsers reach the application; all links are below its path.
    """

    def __init__(self, base_url: str) -> None:
        self.base = urlsplit(base_url).path.rstrip("/")
        self._templates = Environment(
            loader=FileSystemLoader(_ASSETS),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(
        self, template: str, visit: Visit | None, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """Return a page."""
        shown = {"here": "", "notice": None, "problem": None, **values}
        text = self._templates.get_template(template).render(base=self.base, visit=visit, **shown)
        return HTMLResponse(text, status)

    def go(self, path: str, **query: str) -> RedirectResponse:
        """Return a redirect to another page, which the browser reads with GET."""
        return RedirectResponse(f"{self.base}{path}{'?' if query else ''}{urlencode(query)}", 303)

    def routes(self) -> list[Route]:
        """Return the routes of the files, which hold nothing that is not public."""
        return [_file_route(path, kind) for path, kind in _FILES]


def _file_route(path: str, kind: str) -> Route:
    async def serve(_request: object) -> Response:
        headers = {"Cache-Control": "public, max-age=3600"}
        return FileResponse(_ASSETS / path[1:], media_type=kind, headers=headers)

    return Route(path, serve)
