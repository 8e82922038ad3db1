"""The library's own requests, and the rules for the requests that carry a credential."""

from __future__ import annotations

__all__: list[str] = []
