"""What the numbers were measured on: they mean nothing without it, and little on another machine."""

from __future__ import annotations

import os
import platform

import httpx


def described() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    place = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{python}, httpx {httpx.__version__}, {place}. Median (lowest – highest) of the rounds."
