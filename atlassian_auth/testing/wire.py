"""The requests and replies of the emulator, with the standard library only.

The library's protocol modules are not used here, so that the emulator does not share their mistakes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

from atlassian_auth.testing.gate import Gate
from atlassian_auth.testing.urls import Urls

__all__ = ["Refused", "Reply", "Request", "html_reply", "json_reply", "oauth_error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, addressed to one of the emulated services.

    Args:
        service: ``"auth"``, ``"api"``, ``"id"``, ``"site"`` or ``"dc"``.
        path: The path below that service's base URL.
        urls: The URLs of the services for the sender, for links in answers.
        values: The named parts of the path.
    """

    method: str
    service: str
    path: str
    urls: Urls
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = field(default=b"", repr=False)
    values: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def is_form(self) -> bool:
        """Whether the content type is ``application/x-www-form-urlencoded``."""
        return self._media_type == "application/x-www-form-urlencoded"

    @property
    def fields(self) -> Mapping[str, str]:
        """The body's fields, from JSON or a form; empty if it is neither."""
        if self.is_form:
            return dict(parse_qsl(self.body.decode("latin-1"), keep_blank_values=True))
        document = self.document if self._media_type == "application/json" else None
        if not isinstance(document, dict):
            return {}
        pairs = cast("dict[str, object]", document).items()
        return {name: value for name, value in pairs if isinstance(value, str)}

    @property
    def document(self) -> Any:
        """The body read as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def _media_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, and how it is delivered.

    Args:
        status: The HTTP status code.
        headers: Names in lower case.
        body: The whole body.
        delay_seconds: How long, by the emulator's clock, the answer is under way.
        pause_seconds: How long, by the same clock, each byte of the body waits for its turn.
        gate: Holds the answer back until the test opens it.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = field(default=b"", repr=False)
    delay_seconds: float = 0.0
    pause_seconds: float = 0.0
    gate: Gate | None = None

    def json(self) -> Any:
        """Return the body read as JSON."""
        return json.loads(self.body)


class Refused(Exception):
    """The request ends here, with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


def json_reply(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Reply:
    """Return ``document`` as JSON."""
    content_type = {"content-type": "application/json;charset=UTF-8"}
    return Reply(status, {**content_type, **(headers or {})}, json.dumps(document).encode())


def html_reply(text: str, status: int = 200) -> Reply:
    """Return a small HTML page; ``text`` is trusted."""
    page = f"<!DOCTYPE html><html><body><h1>{text}</h1></body></html>"
    return Reply(status, {"content-type": "text/html; charset=utf-8"}, page.encode())


def oauth_error(status: int, error: str, description: str) -> Reply:
    """Return an error of RFC 6749 section 5.2."""
    return json_reply({"error": error, "error_description": description}, status)
