"""The places an unexpected error came from, without its text, which could quote a secret."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator

__all__ = ["chain", "log_places", "places"]

logger: logging.Logger = logging.getLogger("atlassian_auth")


def log_places(error: BaseException) -> None:
    """Log at level DEBUG the places the error came from."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug("The %s came from these places:\n%s", type(error).__name__, places(error))


def places(error: BaseException) -> str:
    """Return the types of an error and its causes, and the files and lines they came from; not their text."""
    return "\n".join(line for one in chain(error) for line in _lines(one))


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, each once: an error that was raised twice can be its own cause."""
    one: BaseException | None = error
    seen: list[BaseException] = []
    while one is not None and one not in seen:
        seen.append(one)
        yield one
        one = one.__cause__ or one.__context__


def _lines(error: BaseException) -> Iterator[str]:
    yield type(error).__qualname__
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        yield f'  File "{code.co_filename}", line {line}, in {code.co_qualname}'
