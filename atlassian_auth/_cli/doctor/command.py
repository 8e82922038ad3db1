"""The command doctor."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Annotated

import anyio
import typer

from atlassian_auth._cli.doctor.finding import Finding
from atlassian_auth._cli.doctor.links import BEHIND, LINKS, Patient, examine
from atlassian_auth._cli.doctor.needs import JOBS, check_needs
from atlassian_auth._cli.group import status_of
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileName, flags_of
from atlassian_auth._cli.output import show_line, show_list
from atlassian_auth._cli.profile import Flags, Profile
from atlassian_auth._cli.session import authorizing
from atlassian_auth._cli.words import told
from atlassian_auth.exceptions import AtlassianAuthError
from atlassian_auth.manager import TokenManager
from atlassian_auth.ports import SYSTEM_CLOCK, utc_now

__all__ = ["doctor"]

_SETTINGS = "settings"


def doctor(
    context: typer.Context,
    profile: ProfileName = DEFAULT,
    *,
    needs: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help=f"What it should be good for: scopes, or one of: {', '.join(JOBS)}.",
        ),
    ] = None,
    call: Annotated[
        str | None, typer.Option(metavar="PATH", help="What to GET, such as /rest/api/3/field.")
    ] = None,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Refresh the token, too, which tries the client secret."),
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Try each link between a profile and its API, and say what to change where.

    Settings, network (DNS and TLS), clock, token, refresh, scopes, site, and one call, which changes
    nothing. A token that is still good is not refreshed without --refresh, and then the client secret is not
    tried. What was not tested is said, and logins never are. The exit status is that of the first link that
    does not hold.
    """
    if needs is not None:
        check_needs(needs)
    options = _Options(needs=needs, path=call, refreshing=refresh)
    findings = anyio.run(_findings, flags_of(context), profile, options)
    if as_json:
        show_list(map(_described, findings))
    else:
        for finding in findings:
            _print(finding)
    raise typer.Exit(next((finding.status for finding in findings if finding.status), 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    needs: str | None
    path: str | None
    refreshing: bool


async def _findings(flags: Flags, name: str, options: _Options) -> list[Finding]:
    began_at = utc_now(SYSTEM_CLOCK)
    async with AsyncExitStack() as stack:
        try:
            profile, manager = await _opened(flags, name, stack)
        except AtlassianAuthError as error:
            return _unusable(error)
        first = Finding(link=_SETTINGS, outcome="ok", detail=_settings(profile))
        patient = Patient(profile=profile, manager=manager, began_at=began_at, **asdict(options))
        return [first, *await examine(patient)]


def _settings(profile: Profile) -> str:
    # Of a flag or a variable its name alone: a variable may hold a secret.
    sources = profile.sources.values()
    places = {str(profile.file) if " in [" in source else source for source in sources}
    return (
        f"profile {profile.name}: {profile.product}, key {profile.store_key!r} in {profile.place}; set by "
        f"{', '.join(sorted(places))}"
    )


async def _opened(flags: Flags, name: str, stack: AsyncExitStack) -> tuple[Profile, TokenManager]:
    profile = flags.profile(name)
    return profile, await stack.enter_async_context(authorizing(profile))


def _unusable(error: AtlassianAuthError) -> list[Finding]:
    failed = Finding(link=_SETTINGS, outcome="failed", detail=told(error), status=status_of(error))
    return [failed, *(Finding(link=link, outcome="skipped", detail=BEHIND) for link in LINKS)]


def _described(finding: Finding) -> dict[str, object]:
    return {name: value for name, value in asdict(finding).items() if name != "status"}


def _print(finding: Finding) -> None:
    show_line(f"{finding.outcome:<8} {finding.link:<9} {finding.detail}".rstrip())
    if finding.remedy:
        # No full stop: a shell would take it for a part of the command that is copied.
        show_line(f"{'':<18} {finding.remedy}")
