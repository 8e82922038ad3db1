"""Every tunable, its default, and where the default comes from."""

from __future__ import annotations

from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from atlassian_auth.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pydantic.functional_validators import ModelWrapValidatorHandler
    from pydantic_core import ErrorDetails

__all__ = ["Settings"]

# Dates stay within what a calendar can hold.
_CENTURY = timedelta(days=36525)


class Settings(BaseModel):
    """How tokens are refreshed and what happens when that fails; the defaults suit most services.

    Build it by keyword, or from ``ATLASSIAN_AUTH_…`` variables with `from_environment`.

    Raises:
        ConfigurationError: if a name is unknown or a value is impossible; ``argument`` is the name.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    buffer_seconds: NonNegativeFloat = 10
    """A token with no more than this left is not used any more (at most a quarter of its lifetime).
    10 s is the buffer of the XSOAR AtlassianApiModule."""

    refresh_ahead_seconds: NonNegativeFloat | None = None
    """So long before expiry a request starts a refresh without waiting for it (at most a quarter of the
    lifetime, less up to a fifth by chance). None: the grant's own, 60 s on Cloud and 2LO, 0 (off) on Data
    Center, which revokes the old access token as soon as it refreshes."""

    refresh_spread_seconds: NonNegativeFloat = 900
    """A token is refreshed up to so much earlier than that, still within the last quarter of its lifetime, so
    that the refreshes of its key come back to a moment of the key's own. Credentials that began together,
    after an outage or in a migration, drift apart within hours instead of asking the token endpoint
    together for ever; and all processes choose the same moment. 0: off."""

    connect_timeout_seconds: PositiveFloat = 10
    """Reaching the token endpoint."""

    read_timeout_seconds: PositiveFloat = 20
    """Each wait for bytes of its answer."""

    exchange_timeout_seconds: PositiveFloat = 45
    """One exchange with the token endpoint, all its attempts and pauses included. Far inside Cloud's
    reuse leeway of 10 minutes, within which a refresh token may be presented again."""

    lock_timeout_seconds: PositiveFloat = 60
    """Waiting for the store's lock: longer than another process's exchange takes."""

    wait_timeout_seconds: PositiveFloat = 120
    """A caller waits for no longer than this, whatever is slow: the lock, the server or the store. What it
    waited for goes on and is saved. Longer than lock and exchange take together."""

    standstill_seconds: PositiveFloat = 150
    """For so long a process that presents a refresh token may stand still (a stopped process, a frozen
    container) before another process gets its lock: on servers that take each refresh token once (Data
    Center), in stores whose locks are leases. If it was killed instead, the key waits for as long."""

    concurrent_exchanges: PositiveInt = 32
    """So many credentials of a manager are refreshed at the same time; the others wait for their turn. Each
    takes a connection and, in a store of files, a descriptor."""

    attempts: PositiveInt = 3
    """Requests in one exchange at the most."""

    retry_pause_seconds: NonNegativeFloat = 0.5
    """The first pause between two attempts; doubles, less up to a half by chance."""

    longest_pause_seconds: NonNegativeFloat = 5
    """A ``Retry-After`` beyond this is not waited for within an exchange: it ends and callers are told."""

    backoff_seconds: PositiveFloat = 1
    """After a failed exchange nobody asks again for this long; doubles with each failure."""

    backoff_cap_seconds: PositiveFloat = 60
    """Where the doubling ends. A longer ``Retry-After`` is kept."""

    configuration_backoff_seconds: PositiveFloat = 300
    """The same after an answer that repeating cannot change, such as a wrong client secret; also how long
    a credential whose brand-new token was refused too is left alone."""

    max_response_bytes: PositiveInt = Field(default=1024 * 1024)
    """A longer answer is not read to its end. 1 MiB is golang/oauth2's limit."""

    public_addresses_only: bool = False
    """Refuse to send a token request to an address that is not public: loopback, link-local, private. For
    services whose tenants name the server; see "Servers that tenants name" in ``docs/security.md``."""

    stripes: PositiveInt = 64
    """How many locks guard the decisions; 64 as in Atlassian's own OAuth client plugin
    (``default.monitor.stripe.count``)."""

    unsaved: Literal["raise", "serve"] = "raise"
    """When a refreshed pair cannot be saved: raise `StoreError` to the callers, or serve the token from
    memory. Either way the pair is kept and saved before anything else."""

    unrecoverable_token_failing_period: timedelta = timedelta(days=7)
    """After failing for so long a credential's status is UNRECOVERABLE and `KeepsFailing` is told
    (``unrecoverable.token.failing.period.days`` of Atlassian's plugin). A day without an attempt does not
    count. It goes on being tried, and one success makes it VALID."""

    inactivity_limit: timedelta | None = Field(default=None, gt=timedelta(), le=_CENTURY)
    """A refresh token that is not used for so long ends. None: 90 days, as Cloud says and as is Data
    Center's default (``refresh.token.expiration.seconds``)."""

    absolute_limit: timedelta | None = Field(default=None, gt=timedelta(), le=_CENTURY)
    """So long after the consent a grant ends, however it is used. None: 365 days on Cloud, as Atlassian
    states; nothing on Data Center. Only a date to warn of: it never stops a refresh."""

    warning_period: timedelta = Field(default=timedelta(days=14), ge=timedelta(), le=_CENTURY)
    """So long ahead of either limit `ConsentEndsSoon` is told, once a day."""

    prune_after: timedelta = Field(default=timedelta(days=30), ge=timedelta(), le=_CENTURY)
    """A credential that has been good for nothing for so long is deleted by ``prune``
    (``lifetime.invalid.token.days`` of Atlassian's plugin)."""

    @model_validator(mode="wrap")
    @classmethod
    def _checked(cls, values: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return build(values)
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_context=False, include_url=False)
        reasons = [f"{cls._shown(str(one['loc'][0]))}: {_reason(one)}" for one in wrong]
        argument = cls._shown(str(wrong[0]["loc"][0]))
        raise ConfigurationError("; ".join(reasons), argument=argument)

    @staticmethod
    def _shown(name: str) -> str:
        return name

    @classmethod
    def from_environment(cls, prefix: str = "ATLASSIAN_AUTH_") -> Self:
        """Return settings in which environment variables replace defaults.

        Args:
            prefix: What the variables' names begin with: ``ATLASSIAN_AUTH_BUFFER_SECONDS=30``.

        Raises:
            ConfigurationError: if a value is impossible; ``argument`` is the variable.
        """
        # Imported here: it would make a quarter of the library's import time.
        from pydantic_settings import BaseSettings, SettingsConfigDict  # noqa: PLC0415

        class FromEnvironment(BaseSettings, cls):  # type: ignore[misc,valid-type]
            model_config = SettingsConfigDict(env_prefix=prefix, frozen=True, extra="ignore")

            @staticmethod
            def _shown(name: str) -> str:
                return f"{prefix}{name}".upper()

        return cls.model_validate(FromEnvironment().model_dump())


def _reason(wrong: ErrorDetails) -> str:
    if wrong["type"] != "extra_forbidden":
        return wrong["msg"]
    near = get_close_matches(str(wrong["loc"][0]), Settings.model_fields, n=1)
    return f"there is no such setting{f', did you mean {near[0]}?' if near else ''}"
