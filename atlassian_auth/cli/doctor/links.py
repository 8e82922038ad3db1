"""The links between a profile and its API, in the order in which they depend on each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from atlassian_auth import lookup
from atlassian_auth.cli.doctor.finding import Finding
from atlassian_auth.cli.doctor.needs import fewest_missing
from atlassian_auth.cli.doctor.network import reach, skew_seconds
from atlassian_auth.cli.doctor.remedies import remedy_for
from atlassian_auth.cli.group import status_of
from atlassian_auth.cli.profile import Profile
from atlassian_auth.cli.site import base_url_of, cloud_id_of, has_sites, target_of
from atlassian_auth.endpoints import origin_of
from atlassian_auth.exceptions import (
    AtlassianAuthError,
    ConfigurationError,
    DiscoveryError,
    ScopeMismatch,
    TransientError,
)
from atlassian_auth.manager import TokenManager
from atlassian_auth.ports import SYSTEM_CLOCK

__all__ = ["LINKS", "Patient", "examine"]

# Tokens end by the clock; whole seconds and a slow answer make for a few.
_TOLERATED_SECONDS = 30

_MYSELF = "rest/api/2/myself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who is examined.

    Args:
        profile: Its settings.
        manager: Has its credential.
        needs: The job or scopes it should be good for; None for what the profile asks for.
        path: What to call; None for something that everybody may call.
    """

    profile: Profile
    manager: TokenManager
    needs: str | None = None
    path: str | None = None


async def examine(patient: Patient) -> list[Finding]:
    """Return a finding for each link; those behind one that does not hold are skipped."""
    findings: list[Finding] = []
    broken = False
    for link, work in _WORK.items():
        if broken:
            findings.append(Finding(link=link, outcome="skipped"))
            continue
        finding = await _examined(link, work, patient)
        findings.append(finding)
        broken = finding.outcome == "failed" and link in _VITAL
    return findings


async def _examined(link: str, work: Callable[[Patient], Awaitable[str]], who: Patient) -> Finding:
    try:
        return Finding(link=link, outcome="ok", detail=await work(who))
    except AtlassianAuthError as error:
        return Finding(
            link=link,
            outcome="failed",
            detail=str(error),
            remedy=remedy_for(link, error, who.profile),
            status=status_of(error),
        )


async def _network(who: Patient) -> str:
    endpoints = who.manager.grant.endpoints
    for url in (endpoints.token_url, endpoints.api_url):
        await reach(url)
    hosts = sorted({origin_of(endpoints.token_url), origin_of(endpoints.api_url)})
    return f"{' and '.join(hosts)} can be reached"


async def _clock(who: Patient) -> str:
    headers = await reach(who.manager.grant.endpoints.token_url)
    ahead = skew_seconds(headers, SYSTEM_CLOCK.time())
    if ahead is None:
        return "the server does not tell its time"
    if abs(ahead) > _TOLERATED_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        raise ConfigurationError(f"This computer's clock is {abs(ahead):.0f} s {way} the server's.")
    return f"within {_TOLERATED_SECONDS} s of the server's"


async def _token(who: Patient) -> str:
    token = await who.manager.token(who.profile.store_key)
    return f"good until {token.expires_at.isoformat(timespec='seconds')}"


async def _scopes(who: Patient) -> str:
    token = await who.manager.token(who.profile.store_key)
    wanted = who.needs or who.manager.grant.scopes
    missing = fewest_missing(wanted, token.scopes) if wanted else ()
    granted = " ".join(token.scopes) or "nothing known"
    if missing:
        message = f"Not granted: {' '.join(missing)}; granted: {granted}."
        raise ScopeMismatch(message, granted=token.scopes, missing=missing)
    return f"granted: {granted}"


async def _site(who: Patient) -> str:
    if not has_sites(who.profile):
        return f"Data Center at {await base_url_of(who.profile, who.manager)}"
    return f"cloud id {await cloud_id_of(who.profile, who.manager)}"


async def _call(who: Patient) -> str:
    if who.path is None and who.profile.product == "jira-software":
        return "none: nothing can be called without effect; name a path with --call"
    url = await target_of(who.path or _MYSELF, who.profile, who.manager)
    try:
        answer = await lookup.get(url, auth=who.manager.auth(who.profile.store_key))
    except ScopeMismatch:
        if who.path is not None:
            raise
        return f"GET {url}: the token is known, and has no scope for this"
    _check_status(url, answer.status)
    return f"GET {url}: {answer.status}"


def _check_status(url: str, status: int) -> None:
    if status == 429 or status >= 500:
        raise TransientError(f"GET {url}: {status}; try later.")
    if status >= 400:
        raise DiscoveryError(f"GET {url}: {status}, although the token is fresh.", status=status)


_WORK: dict[str, Callable[[Patient], Awaitable[str]]] = {
    "network": _network,
    "clock": _clock,
    "token": _token,
    "scopes": _scopes,
    "site": _site,
    "call": _call,
}
_VITAL = ("network", "token", "site")

LINKS: tuple[str, ...] = tuple(_WORK)
"""Their names."""
