"""What was found out about one link of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one link is doing.

    Args:
        link: Its name.
        outcome: Whether it holds; skipped if it was not tested.
        detail: What was seen, or why it was not tested.
        remedy: What to change where.
        status: The exit status that fits.
    """

    link: str
    outcome: Literal["ok", "failed", "skipped"]
    detail: str = ""
    remedy: str = ""
    status: int = 0
