"""The token path: refreshes, the upkeep of credentials, and their records."""

from __future__ import annotations

__all__: list[str] = []
