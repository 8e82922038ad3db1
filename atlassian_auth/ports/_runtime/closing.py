"""What ``with`` and ``async with`` do for an object that is closed at its end."""

from __future__ import annotations

from types import TracebackType
from typing import Self

__all__ = ["AsyncClosing", "Closing"]


class AsyncClosing:
    """Closes itself at the end of ``async with``."""

    async def aclose(self) -> None:
        """Release what is open; a subclass says how."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class Closing(AsyncClosing):
    """Closes itself at the end of ``with``, too."""

    def close(self) -> None:
        """Do the same as `aclose`, blocking this thread; a subclass says how."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
