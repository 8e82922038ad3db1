"""The command doctor."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Annotated

import anyio
import typer

from atlassian_auth._cli.doctor.finding import Finding
from atlassian_auth._cli.doctor.links import DEPENDS_ON_FAILED, LINKS, Examination, try_links
from atlassian_auth._cli.doctor.needs import JOBS, check_needs
from atlassian_auth._cli.documents import FindingDocument
from atlassian_auth._cli.group import status_of
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileName, flags_of
from atlassian_auth._cli.output import show_line, show_list
from atlassian_auth._cli.profile import Flags, Profile
from atlassian_auth._cli.session import open_manager
from atlassian_auth._cli.words import describe_error
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
            help=f"What the credential is needed for: scopes, or one of: {', '.join(JOBS)}.",
        ),
    ] = None,
    call: Annotated[
        str | None, typer.Option(metavar="PATH", help="The path to GET, such as /rest/api/3/field.")
    ] = None,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh",
            "--renew",
            help="Refresh the token even if it is valid, which also tests the client secret.",
        ),
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Test each link between a profile and its API, and say what to change.

    The links are: settings, network (DNS and TLS), clock, token, refresh, scopes, site, and one call, which
    changes nothing. Without --refresh a valid token is not refreshed, and the client secret is not tested.
    A link that is not tested is reported as skipped. Logins are never tested. The exit status is that of the
    first link that fails.
    """
    if needs is not None:
        check_needs(needs)
    options = _Options(needs=needs, path=call, refreshing=refresh)
    findings = anyio.run(_findings, flags_of(context), profile, options)
    if as_json:
        show_list(map(_as_document, findings))
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
            profile, manager = await _open(flags, name, stack)
        except AtlassianAuthError as error:
            return _settings_failed(error)
        first = Finding(link=_SETTINGS, outcome="ok", detail=_settings(profile))
        examination = Examination(
            profile=profile, manager=manager, began_at=began_at, **asdict(options)
        )
        return [first, *await try_links(examination)]


def _settings(profile: Profile) -> str:
    # Only the names of flags and variables: a variable may hold a secret.
    sources = profile.sources.values()
    places = {str(profile.file) if " in [" in source else source for source in sources}
    return (
        f"profile {profile.name}: {profile.product}, key {profile.store_key!r} in {profile.place}; set by "
        f"{', '.join(sorted(places))}"
    )


async def _open(flags: Flags, name: str, stack: AsyncExitStack) -> tuple[Profile, TokenManager]:
    profile = flags.profile(name)
    return profile, await stack.enter_async_context(open_manager(profile))


def _settings_failed(error: AtlassianAuthError) -> list[Finding]:
    failed = Finding(
        link=_SETTINGS, outcome="failed", detail=describe_error(error), status=status_of(error)
    )
    return [
        failed,
        *(Finding(link=link, outcome="skipped", detail=DEPENDS_ON_FAILED) for link in LINKS),
    ]


def _as_document(finding: Finding) -> FindingDocument:
    return {
        "link": finding.link,
        "outcome": finding.outcome,
        "detail": finding.detail,
        "remedy": finding.remedy,
    }


def _print(finding: Finding) -> None:
    show_line(f"{finding.outcome:<8} {finding.link:<9} {finding.detail}".rstrip())
    if finding.remedy:
        # No full stop: it would become a part of a command that a person copies.
        show_line(f"{'':<18} {finding.remedy}")
