"""The settings: what each one changes, its default, and where the default comes from."""

from __future__ import annotations

import os
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
    ValidationInfo,
    model_validator,
)

from atlassian_auth.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pydantic.functional_validators import ModelWrapValidatorHandler
    from pydantic_core import ErrorDetails

__all__ = ["Settings"]

# Longer periods could lead to dates beyond what a datetime can hold.
_CENTURY = timedelta(days=36525)


class Settings(BaseModel):
    """When tokens are refreshed, and what happens when that fails; the defaults suit most services.

    Give settings by keyword, or read them from ``ATLASSIAN_AUTH_…`` variables with `from_environment`. Names
    that end in ``_seconds`` are numbers of seconds; periods of days are ``timedelta``.

    Raises:
        ConfigurationError: if a name is unknown or a value is not allowed; ``argument`` is the name.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    buffer_seconds: NonNegativeFloat = 10
    """A token is not used any more when it expires within this time (at most a quarter of its lifetime); then
    requests wait for a refresh. Default: 10 s, as in the XSOAR AtlassianApiModule."""

    refresh_ahead_seconds: NonNegativeFloat | None = None
    """A request starts a refresh in the background when the token expires within this time (at most a
    quarter of its lifetime; up to a fifth less, at random). 0 turns this off. None, the default: 60 s on
    Cloud and 2LO; off on Data Center, where a refresh revokes the old access token at once."""

    refresh_spread_seconds: NonNegativeFloat = 900
    """A token is refreshed up to this much earlier still, within the last quarter of its lifetime. Each key
    has its own time for that, the same in all processes. So tokens that were issued together, after an outage
    or in a migration, spread out within hours; otherwise their refreshes would reach the token endpoint
    together each time. Default: 900 s (15 minutes); 0 turns this off."""

    connect_timeout_seconds: PositiveFloat = 10
    """How long connecting to the token endpoint may take. Default: 10 s."""

    read_timeout_seconds: PositiveFloat = 20
    """How long each wait for the next bytes of a response may take. Default: 20 s."""

    exchange_timeout_seconds: PositiveFloat = 45
    """How long one exchange with the token endpoint may take, with all its attempts and pauses. Default:
    45 s, far less than the 10 minutes in which Cloud accepts a refresh token again."""

    lock_timeout_seconds: PositiveFloat = 60
    """How long to wait for the store's lock; then `TransientError` is raised. Default: 60 s, longer than the
    exchange of another process may take."""

    wait_timeout_seconds: PositiveFloat = 120
    """How long a caller waits for a token in all: for the lock, the server and the store. Then
    `TransientError` is raised, while the refresh goes on and is saved. Default: 120 s, longer than lock and
    exchange together may take."""

    standstill_seconds: PositiveFloat = 150
    """How long a process may stand still (a stopped process, a frozen container) while it presents a refresh
    token, before another process gets its lock. It applies on servers that accept each refresh token once
    (Data Center), in stores whose locks are leases. If the process was killed, the key waits for as long.
    Default: 150 s."""

    concurrent_exchanges: PositiveInt = 32
    """How many credentials of a manager are refreshed at the same time; others wait for their turn. Each
    takes a connection and, in a store of files, a file descriptor. Default: 32."""

    attempts: PositiveInt = 3
    """How many requests one exchange makes at most, and how often a save is tried. Default: 3."""

    retry_pause_seconds: NonNegativeFloat = 0.5
    """The first pause between two attempts. It doubles each time; between requests it is up to half shorter,
    at random. Default: 0.5 s."""

    longest_pause_seconds: NonNegativeFloat = 5
    """The longest ``Retry-After`` that is waited for within an exchange; if the server requests more, the
    exchange ends with `TransientError`. Default: 5 s."""

    backoff_seconds: PositiveFloat = 1
    """How long no new attempt is made after a failed exchange; doubles with each failure in a row, and is up
    to a fifth longer, at random. Meanwhile calls raise the same error. Default: 1 s."""

    backoff_cap_seconds: PositiveFloat = 60
    """The longest backoff by doubling. A longer ``Retry-After`` is obeyed. Default: 60 s."""

    configuration_backoff_seconds: PositiveFloat = 300
    """The backoff after a response that a new attempt cannot change, such as a wrong client secret. Also
    how long a credential is not refreshed whose newly issued token the API has refused. Default: 300 s."""

    max_response_bytes: PositiveInt = Field(default=1024 * 1024)
    """The longest response that is read, in bytes; a longer one is refused. Default: 1 MiB, the limit of
    golang/oauth2."""

    public_addresses_only: bool = False
    """Whether to refuse token requests to addresses that are not public: loopback, link-local, private. For
    services whose tenants name the server; see "Servers that tenants name" in ``docs/security.md``. Default:
    False."""

    stripes: PositiveInt = 64
    """How many locks keep apart the decisions about different keys; more than one key may share a lock.
    Default: 64, as in Atlassian's own OAuth client plugin (``default.monitor.stripe.count``)."""

    unsaved: Literal["raise", "serve"] = "raise"
    """What callers get when a new pair cannot be saved: ``"raise"``, the default, raises `StoreError`;
    ``"serve"`` returns the token. Either way the pair stays in memory and is saved before anything else."""

    unrecoverable_token_failing_period: timedelta = timedelta(days=7)
    """After failing for this long, a credential's ``refresh_status`` is UNRECOVERABLE and `KeepsFailing` is
    reported. Failures before a day without an attempt do not count. Refreshes are still tried, and one
    success makes it VALID. Default: 7 days, as in Atlassian's plugin
    (``unrecoverable.token.failing.period.days``)."""

    inactivity_limit: timedelta | None = Field(default=None, gt=timedelta(), le=_CENTURY)
    """A refresh token ends after this time without use. It drives ``keep_alive``, warnings and the status.
    None, the default: 90 days, which Cloud states and Data Center has as its default
    (``refresh.token.expiration.seconds``)."""

    absolute_limit: timedelta | None = Field(default=None, gt=timedelta(), le=_CENTURY)
    """A consent ends this long after it was given, even if it is used. It drives warnings and the status,
    and never stops a refresh. None, the default: 365 days on Cloud, as Atlassian states; no limit on Data
    Center."""

    warning_period: timedelta = Field(default=timedelta(days=14), ge=timedelta(), le=_CENTURY)
    """How long before either limit `ConsentEndsSoon` is reported, once a day. Default: 14 days."""

    prune_after: timedelta = Field(default=timedelta(days=30), ge=timedelta(), le=_CENTURY)
    """``prune`` deletes a credential that has been unusable for this long. Default: 30 days, as in
    Atlassian's plugin (``lifetime.invalid.token.days``)."""

    default_refresh_token_duration: timedelta = Field(
        default=timedelta(days=30), gt=timedelta(), le=_CENTURY
    )
    """How long a refresh token of a `GenericGrant` is assumed to live without use, if it does not say. The
    status shows that date, and nothing stops before or after it. Default: 30 days, as in Atlassian's plugin
    (``default.refresh.token.duration.days``)."""

    minimum_access_token_only_lifetime: timedelta = Field(
        default=timedelta(days=30), ge=timedelta(), le=_CENTURY
    )
    """`Connections` refuse a new token without a refresh token whose access token ends before. Default: 30
    days, as in Atlassian's plugin (``minimum.access.token.only.lifetime.days``)."""

    max_clock_skew_seconds: NonNegativeFloat = 60
    """How much the clocks of your processes and of a provider may differ. In `Connections` a token is
    refreshed this much earlier, flows may take this much longer, and ``prune`` waits this much longer.
    Default: 60 s, as in Atlassian's plugin (``max.clock.skew.seconds``)."""

    max_client_delay_seconds: PositiveFloat = 60
    """How long a browser may take to start a flow of `Connections`, and later to fetch its result, beside the
    clock skew. Default: 60 s, as in Atlassian's plugin (``max.client.delay.seconds``)."""

    max_server_delay_seconds: PositiveFloat = 120
    """How long a person may take at the provider in a flow of `Connections`, beside the clock skew. Default:
    120 s, as in Atlassian's plugin (``max.server.delay.seconds``)."""

    prune_schedule: str = "0 0 23 * * ?"
    """When ``Connections.prune_job`` prunes, in UTC: seconds, minutes, hours, day of the month, month, day of
    the week, as Quartz has them; write days of the week as names. Default: 23:00 each day, as in Atlassian's
    plugin (``prune.expired.tokens.schedule``)."""

    skip_base_url_https_requirement: bool = False
    """Whether the base URL of `Connections` may be plain http on hosts other than loopback. Anyone on the
    network path can then read the codes. Default: False, as in Atlassian's plugin."""

    skip_provider_https_requirement: bool = False
    """Whether the endpoints of a client configuration may be plain http on hosts other than loopback. Anyone
    on the network path can then read the secrets. Default: False, as in Atlassian's plugin."""

    @model_validator(mode="wrap")
    @classmethod
    def _check_values(
        cls, values: Any, build: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        try:
            return build(values)
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_context=False, include_url=False)
        names = [_public_name(str(one["loc"][0]), info.context) for one in wrong]
        reasons = [f"{name}: {_reason(one)}" for name, one in zip(names, wrong, strict=True)]
        raise ConfigurationError("; ".join(reasons), argument=names[0])

    @classmethod
    def from_environment(cls, prefix: str = "ATLASSIAN_AUTH_") -> Self:
        """Return settings in which environment variables replace the defaults.

        Args:
            prefix: The beginning of the variables' names, as in ``ATLASSIAN_AUTH_BUFFER_SECONDS=30``.

        Raises:
            ConfigurationError: if a value is not allowed; ``argument`` is the variable.
        """
        variables = {_public_name(name, prefix): name for name in cls.model_fields}
        found = {name.upper(): text for name, text in os.environ.items()}
        given = {variables[name]: found[name] for name in variables.keys() & found.keys()}
        return cls.model_validate(given, context=prefix)


def _public_name(name: str, prefix: str | None) -> str:
    """Return the name of a setting, or of its variable if the environment was read."""
    return name if prefix is None else f"{prefix}{name}".upper()


def _reason(wrong: ErrorDetails) -> str:
    if wrong["type"] != "extra_forbidden":
        return wrong["msg"]
    near = get_close_matches(str(wrong["loc"][0]), Settings.model_fields, n=1)
    return f"there is no such setting{f', did you mean {near[0]}?' if near else ''}"
