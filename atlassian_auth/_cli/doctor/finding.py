"""The result of testing one link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of testing one link.

    Args:
        link: Its name.
        outcome: ``"skipped"`` if it was not tested.
        detail: What was seen, or why it was not tested.
        remedy: What to change, and where.
        status: The exit status for this result.
    """

    link: str
    outcome: Literal["ok", "failed", "skipped"]
    detail: str = ""
    remedy: str = ""
    status: int = 0
