"""The base of the values that cross the border of `atlassian_auth.connections`."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol.confidential import Confidential

__all__ = ["Form"]


class Form(BaseModel, Confidential):
    """A frozen value; secrets are neither in its ``repr`` nor in its JSON, and it cannot be pickled."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True
    )

    @model_validator(mode="wrap")
    @classmethod
    def _check_values(cls, values: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        # pydantic's own errors could quote a secret, so ours is raised outside the except block.
        try:
            return build(values)
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_context=False, include_url=False)
        names = [str(one["loc"][0]) if one["loc"] else cls.__name__ for one in wrong]
        reasons = [f"{name}: {one['msg']}" for name, one in zip(names, wrong, strict=True)]
        raise ConfigurationError("; ".join(reasons), argument=names[0])

    def changed(self, **changes: Any) -> Self:
        """Return a copy with these fields changed and checked.

        Raises:
            ConfigurationError: if there is no such field, or a value is not allowed.
        """
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**(fields | changes))
