"""The command doctor: tries each link between a profile and its API, and says what to change where.

`links` has them in order, `remedies` speaks the words of Atlassian's own pages.
"""

from __future__ import annotations

__all__: list[str] = []
