"""The command serve: the pages of connections on this computer, for one person.

`command` has its options, `server` runs it, and `gate` lets in who has the link from the terminal.
"""

from __future__ import annotations

__all__: list[str] = []
