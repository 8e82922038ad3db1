"""What is stored about a credential: typed, versioned records."""

from __future__ import annotations

__all__: list[str] = []
