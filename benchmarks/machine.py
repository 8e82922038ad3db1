"""What the numbers were measured on: they mean nothing without it, and little on another machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

_MEASURED = ("httpx", "httpx2", "requests", "authlib", "httpx-auth", "mcp")


def described() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    place = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{python}, {', '.join(_versions())}, {place}. Median (lowest – highest) of the rounds."


def _versions() -> Iterator[str]:
    for name in _MEASURED:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"
