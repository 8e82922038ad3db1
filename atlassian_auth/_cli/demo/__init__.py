"""The demonstration: a service uses the library over real sockets, with injected faults.

`scenario` runs it, `verdict` checks it, and `display` shows it.
"""

from __future__ import annotations

__all__: list[str] = []
