"""The command doctor: tests each link between a profile and its API, and says what to change.

`links` has the links in order. `remedies` uses the words of Atlassian's pages.
"""

from __future__ import annotations

__all__: list[str] = []
