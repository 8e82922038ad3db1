"""The token path: from a request for a token to a refreshed, saved and published one."""

from __future__ import annotations

__all__: list[str] = []
