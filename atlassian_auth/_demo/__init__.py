"""The demonstration: the library's main job, on real sockets, with trouble, and judged afterwards.

`scenario` tells the story, `verdict` judges it, `display` shows it.
"""

from __future__ import annotations

__all__: list[str] = []
