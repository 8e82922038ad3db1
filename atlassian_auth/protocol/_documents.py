"""Read JSON from an untrusted server: any bytes are accepted, and nothing is raised."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import cast

__all__ = ["read_json", "read_object"]


def read_json(body: bytes) -> object:
    """Return the JSON value, or None if the bytes are not JSON in UTF-8. Never raises.

    Every number becomes a ``float``: Python's ``int`` refuses an integer of five thousand digits, and one odd
    number must not make the whole document unreadable.
    """
    try:
        return json.loads(body.removeprefix(BOM_UTF8).decode(), parse_int=float)
    except (ValueError, RecursionError):
        return None


def read_object(body: bytes) -> dict[str, object]:
    """Return the members of the JSON object; empty if the bytes are not a JSON object."""
    value = read_json(body)
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
