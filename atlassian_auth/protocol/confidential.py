"""Values that hold secrets: they cannot be pickled, and are compared in constant time."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn, Self

__all__ = ["Confidential", "same_secret"]


class Confidential:
    """A frozen value that holds secrets: it cannot be pickled, and a copy of it is itself.

    A pickle ends in a file, a queue or a cache, where secrets are not expected.
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
    """Return whether both are the same text, or both None, in constant time."""
    if one is None or other is None:
        return one is other
    # compare_digest accepts any bytes, but only ASCII text.
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )
