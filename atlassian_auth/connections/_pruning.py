"""Delete what cannot be used any more, at the times of a schedule, once for all processes."""

from __future__ import annotations

import functools
import logging
import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NoReturn

from pydantic import AwareDatetime, BaseModel

from atlassian_auth.connections._credentials import TokenCredentials
from atlassian_auth.connections._desk import Desk
from atlassian_auth.connections.configs import ClientConfigs
from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError
from atlassian_auth.stores.records import Records

__all__ = ["Pruning", "next_time"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

_JOB = "prune"


class _Run(BaseModel):
    due_at: AwareDatetime


class Pruning:
    """Prunes the tokens of all configurations."""

    def __init__(self, desk: Desk, configs: ClientConfigs, credentials: TokenCredentials) -> None:
        self._desk = desk
        self._configs = configs
        self._credentials = credentials
        self._runs = Records(desk.store, "jobs", _Run)

    async def run(self) -> NoReturn:
        """Prune at each time of the schedule, until cancelled."""
        schedule = self._desk.settings.prune_schedule
        while True:
            now = self._desk.now()
            due_at = next_time(schedule, now)
            await self._desk.clock.sleep((due_at - now).total_seconds())
            try:
                await self._desk.perform(functools.partial(self._prune_once, due_at))
            except AtlassianAuthError as error:
                logger.warning("Tokens could not be pruned: %s", error)

    async def prune(self) -> tuple[str, ...]:
        """Delete unusable tokens, and those of deleted configurations; return their ids."""
        now = self._desk.now() - timedelta(seconds=self._desk.settings.max_clock_skew_seconds)
        deleted: set[str] = set()
        for config in await self._configs.list():
            for token_id in await (await self._desk.managers.of(config)).prune(now):
                # Only the note: the token may be there again, because the person connects at this moment.
                await self._credentials.forget_expiration(token_id)
                deleted.add(token_id)
        for token_id in await self._credentials.ids():
            if await self._credentials.is_left_over(token_id):
                await self._credentials.remove(token_id)
                deleted.add(token_id)
        return tuple(sorted(deleted))

    async def _prune_once(self, due_at: datetime) -> None:
        try:
            timeout_seconds = self._desk.settings.lock_timeout_seconds
            async with self._runs.lock(_JOB, timeout_seconds=timeout_seconds):
                last = await self._runs.get(_JOB)
                if last is None or last.value.due_at < due_at:
                    await self.prune()
                    await self._runs.put(_JOB, _Run(due_at=due_at))
        except TimeoutError:
            logger.debug("Another process prunes the tokens.")


def next_time(schedule: str, now: datetime) -> datetime:
    """Return the first time of a schedule after ``now``.

    Raises:
        ConfigurationError: if it is no schedule, or the package `croniter` is missing.
    """
    try:
        import croniter  # noqa: PLC0415 -- an extra
    except ImportError:
        message = "prune_job needs croniter: pip install 'atlassian-auth[connections]'"
        raise ConfigurationError(message, argument="prune_schedule") from None
    fields = schedule.split()
    # Quartz counts days of the week from 1, Sunday; croniter from 0. Names mean the same in both.
    if len(fields) == 6 and not re.search("[0-9]", fields[5]):
        with suppress(croniter.CroniterError):
            times = croniter.croniter(schedule, now, second_at_beginning=True)
            return times.get_next(datetime)
    message = (
        f"prune_schedule is {schedule!r}, but must have six fields, such as 0 0 23 * * ?: seconds, minutes, "
        "hours, day of the month, month, and day of the week by name, such as SUN"
    )
    raise ConfigurationError(message, argument="prune_schedule")
