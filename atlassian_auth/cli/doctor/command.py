"""The command doctor."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Annotated

import anyio
import typer

from atlassian_auth.cli.doctor.finding import Finding
from atlassian_auth.cli.doctor.links import LINKS, Patient, examine
from atlassian_auth.cli.doctor.needs import JOBS
from atlassian_auth.cli.group import status_of
from atlassian_auth.cli.options import DEFAULT, AsJSON, ProfileName, flags_of
from atlassian_auth.cli.output import show_line, show_list
from atlassian_auth.cli.profile import Flags, Profile
from atlassian_auth.cli.session import obtaining
from atlassian_auth.exceptions import AtlassianAuthError
from atlassian_auth.manager import TokenManager

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
    as_json: AsJSON = False,
) -> None:
    """Try each link between a profile and its API, and say what to change where.

    Settings, network (DNS and TLS), clock, token, scopes, site, and one call, which changes nothing. The
    token is renewed only if need be. The exit status is that of the first link that does not hold.
    """
    findings = anyio.run(_findings, flags_of(context), profile, needs, call)
    if as_json:
        show_list(map(_described, findings))
    else:
        for finding in findings:
            _print(finding)
    raise typer.Exit(next((finding.status for finding in findings if finding.status), 0))


async def _findings(flags: Flags, name: str, needs: str | None, path: str | None) -> list[Finding]:
    async with AsyncExitStack() as stack:
        try:
            profile, manager = await _opened(flags, name, stack)
        except AtlassianAuthError as error:
            return _unusable(error)
        settings = (
            f"profile {name}: {profile.product}, key {profile.store_key!r} in {profile.place}"
        )
        first = Finding(link=_SETTINGS, outcome="ok", detail=settings)
        patient = Patient(profile=profile, manager=manager, needs=needs, path=path)
        return [first, *await examine(patient)]


async def _opened(flags: Flags, name: str, stack: AsyncExitStack) -> tuple[Profile, TokenManager]:
    profile = flags.profile(name)
    return profile, await stack.enter_async_context(obtaining(profile))


def _unusable(error: AtlassianAuthError) -> list[Finding]:
    failed = Finding(link=_SETTINGS, outcome="failed", detail=str(error), status=status_of(error))
    return [failed, *(Finding(link=link, outcome="skipped") for link in LINKS)]


def _described(finding: Finding) -> dict[str, object]:
    return {name: value for name, value in asdict(finding).items() if name != "status"}


def _print(finding: Finding) -> None:
    show_line(f"{finding.outcome:<8} {finding.link:<9} {finding.detail}".rstrip())
    if finding.remedy:
        show_line(f"{'':<18} {finding.remedy}.")
