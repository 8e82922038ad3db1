"""The command ``atlassian-auth``. It names the extra to install if packages are missing."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["main"]

_NEEDED = ("pydantic_settings", "platformdirs", "rich", "typer")


def main() -> None:
    """Run the command line and exit with its status.

    Raises:
        SystemExit: always; with one line that names the extra to install if packages are missing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"atlassian-auth: not installed: {', '.join(missing)}. "
            "Run: pip install 'atlassian-auth[cli]'"
        )
    from atlassian_auth._cli.app import app  # noqa: PLC0415 -- needs the packages checked above

    app(prog_name="atlassian-auth")
