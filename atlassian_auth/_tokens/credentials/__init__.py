"""Whole credentials: how they begin, what state they are in, what keeps them, how they end."""

from __future__ import annotations

__all__: list[str] = []
