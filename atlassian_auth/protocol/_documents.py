"""Reading JSON that a stranger sent: any bytes come in, a value or None comes out."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import cast

__all__ = ["read_json", "read_object"]


def read_json(body: bytes) -> object:
    """Return the JSON value, or None if the bytes are not JSON in UTF-8. Never raises.

    All numbers come out as ``float``: an integer of five thousand digits is an error to Python's
    ``int``, and one odd number must not cost the document it stands in.
    """
    try:
        return json.loads(body.removeprefix(BOM_UTF8).decode(), parse_int=float)
    except (ValueError, RecursionError):
        return None


def read_object(body: bytes) -> dict[str, object]:
    """Return the members of the JSON object, or none at all if the bytes are not a JSON object."""
    value = read_json(body)
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
