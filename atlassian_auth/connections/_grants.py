"""From a client configuration to the grant of its type."""

from __future__ import annotations

from atlassian_auth.exceptions import ConfigurationError

__all__ = ["check_line"]


def check_line(value: str, argument: str) -> str:
    """Return the text without blanks around it, if it is one line that is not empty."""
    text = value.strip()
    if not text or not text.isprintable():
        message = f"{argument} must be one line of visible text"
        raise ConfigurationError(message, argument=argument)
    return text
