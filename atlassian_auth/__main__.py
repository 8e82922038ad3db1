"""``python -m atlassian_auth`` is the command ``atlassian-auth``."""

from __future__ import annotations

from atlassian_auth._cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
