"""What is wrong with a request, in one form for the REST interface and for the pages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.responses import Response

from atlassian_auth.connections import (
    ClientConfig,
    ConfigurationNotFound,
    FlowNotFound,
    FlowOutOfOrder,
    TokenNotFound,
)
from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    StoreError,
    TransientError,
    VersionConflict,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["EMPTY_FIELD", "Instead", "Problem", "camel", "invalid", "problem_of"]


# What a person fills in; other arguments are no fields.
_FIELDS = (*ClientConfig.model_fields, "landing")

EMPTY_FIELD = "It is empty: fill it in."

_TOO_LONG = "It is too long: the limit is {max_length}."

# By pydantic's type of error; other errors keep pydantic's words.
_REASONS = MappingProxyType(
    {
        "missing": EMPTY_FIELD,
        "string_too_short": EMPTY_FIELD,
        "string_too_long": _TOO_LONG,
        "too_long": _TOO_LONG,
        "string_type": "It must be text.",
        "list_type": "It must be a list.",
        "enum": "It must be one of {expected}.",
        "extra_forbidden": "There is no such field: remove it.",
    }
)


class Problem(Exception):
    """A request that is refused.

    Args:
        status: The HTTP status.
        code: A word for programs that does not change.
        message: What was wrong and what to do; None if ``errors`` says it all.
        errors: Messages by the name of the field.
        retry_after_seconds: After how many seconds a new attempt makes sense.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str | None = None,
        *,
        errors: Mapping[str, str] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.messages = [message] if message else []
        self.errors = dict(errors or {})
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the response."""
        seconds = self.retry_after_seconds
        return {} if seconds is None else {"Retry-After": str(max(1, round(seconds + 0.5)))}


class Instead(Exception):
    """The host application sends this response in place of the page."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


_STATUSES: tuple[tuple[type[AtlassianAuthError], int], ...] = (
    (ConfigurationNotFound, 404),
    (TokenNotFound, 404),
    (FlowNotFound, 404),
    (FlowOutOfOrder, 409),
    (ConfigurationError, 400),
    (AuthorizationRequired, 409),
    (VersionConflict, 409),
    (TransientError, 503),
    (StoreError, 503),
)


def problem_of(error: AtlassianAuthError) -> Problem:
    """Return what to answer when the library raises an error: a fault of the other server is a 502."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 502)
    field = getattr(error, "argument", None) if status == 400 else None
    known = field in _FIELDS
    return Problem(
        status,
        error.code,
        None if known else str(error),
        errors={camel(str(field)): _about_field(str(error), str(field))} if known else None,
        retry_after_seconds=getattr(error, "retry_after_seconds", None),
    )


def invalid(error: ValidationError) -> Problem:
    """Return the refusal of a body: a message for each field that is wrong. It quotes no value."""
    wrong = error.errors(include_input=False, include_url=False)
    errors: dict[str, str] = {}
    for one in wrong:
        errors.setdefault(str(one["loc"][0]) if one["loc"] else "body", _reason(one))
    return Problem(400, "invalid", errors=errors)


def camel(name: str) -> str:
    """Return the name of an argument as the REST interface writes it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _about_field(message: str, field: str) -> str:
    """Return a message that begins with the name of an argument as it reads beside the field."""
    about = message.startswith(f"{field} ")
    text = f"It {message.removeprefix(f'{field} ')}" if about else message
    return f"{text.rstrip('.')}."


def _reason(wrong: ErrorDetails) -> str:
    text = _REASONS.get(wrong["type"])
    return f"{wrong['msg']}." if text is None else text.format_map(wrong.get("ctx", {}))
