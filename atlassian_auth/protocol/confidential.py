"""Values that hold secrets: they stay in memory, and are compared in constant time."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn, Self

__all__ = ["Confidential", "same_secret"]


class Confidential:
    """A frozen value that holds secrets: it cannot be pickled, and a copy of it is itself.

    A pickle is a file, a queue or a cache sooner or later, and nobody would look for secrets there.
    """

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        message = f"a {type(self).__name__} holds secrets and cannot be pickled: keep it in a store"
        raise TypeError(message)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def same_secret(one: str | None, other: str | None) -> bool:
    """Return whether both are the same text, or both None, in a time that tells nothing else."""
    if one is None or other is None:
        return one is other
    # compare_digest takes bytes of any kind, but only ASCII text.
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )
