"""Where the work runs: a loop in a thread, futures across loops, forks."""

from __future__ import annotations

__all__: list[str] = []
