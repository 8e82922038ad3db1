"""The links between a profile and its API, in the order in which they depend on each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from atlassian_auth._cli.doctor.finding import Finding
from atlassian_auth._cli.doctor.needs import fewest_missing
from atlassian_auth._cli.doctor.network import reach, skew_seconds
from atlassian_auth._cli.doctor.remedies import remedy_for
from atlassian_auth._cli.group import status_of
from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.session import check_stored
from atlassian_auth._cli.site import base_url_of, cloud_id_of, has_sites, target_of
from atlassian_auth._cli.words import told
from atlassian_auth._http import lookup
from atlassian_auth.endpoints import origin_of
from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    DiscoveryError,
    ScopeMismatch,
    TransientError,
)
from atlassian_auth.manager import TokenManager
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.status import CredentialState, CredentialStatus

__all__ = ["BEHIND", "LINKS", "Patient", "examine"]

# Tokens end by the clock; whole seconds and a slow answer make for a few.
_TOLERATED_SECONDS = 30

_MYSELF = "rest/api/2/myself"

_STILL_GOOD = "the token is still good, so the client secret was not needed; --refresh tries it"

BEHIND = "not tested: it depends on what failed"
"""Why a link is skipped behind one that does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who is examined.

    Args:
        profile: Its settings.
        manager: Has its credential.
        began_at: When the examination began, in UTC.
        refreshing: Whether to refresh the token even if it is still good.
        needs: The job or scopes it should be good for; None for what the profile asks for.
        path: What to call; None for something that everybody may call.
    """

    profile: Profile
    manager: TokenManager
    began_at: datetime
    refreshing: bool = False
    needs: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class _Untested:
    reason: str


_Work = Callable[[Patient], Awaitable[str | _Untested]]


async def examine(patient: Patient) -> list[Finding]:
    """Return a finding for each link; those behind one that does not hold are skipped."""
    findings: list[Finding] = []
    broken = False
    for link, work in _WORK.items():
        if broken:
            findings.append(Finding(link=link, outcome="skipped", detail=BEHIND))
            continue
        finding = await _examined(link, work, patient)
        findings.append(finding)
        broken = finding.outcome == "failed" and link in _VITAL
    return findings


async def _examined(link: str, work: _Work, who: Patient) -> Finding:
    try:
        seen = await work(who)
    except AtlassianAuthError as error:
        remedy = remedy_for(link, error, who.profile)
        advised = remedy and not isinstance(error, ConfigurationError)
        return Finding(
            link=link,
            outcome="failed",
            detail=told(error, None if advised else who.profile),
            remedy=remedy,
            status=status_of(error),
        )
    if isinstance(seen, _Untested):
        return Finding(link=link, outcome="skipped", detail=f"not tested: {seen.reason}")
    return Finding(link=link, outcome="ok", detail=seen)


async def _network(who: Patient) -> str:
    endpoints = who.manager.grant.endpoints
    for url in (endpoints.token_url, endpoints.api_url):
        await reach(url)
    hosts = sorted({origin_of(endpoints.token_url), origin_of(endpoints.api_url)})
    return f"{' and '.join(hosts)} can be reached"


async def _clock(who: Patient) -> str | _Untested:
    headers = await reach(who.manager.grant.endpoints.token_url)
    ahead = skew_seconds(headers, SYSTEM_CLOCK.time())
    if ahead is None:
        return _Untested("the server does not tell its time")
    if abs(ahead) > _TOLERATED_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        raise ConfigurationError(f"This computer's clock is {abs(ahead):.0f} s {way} the server's.")
    return f"within {_TOLERATED_SECONDS} s of the server's"


async def _token(who: Patient) -> str:
    await check_stored(who.profile)
    token = await who.manager.token(who.profile.store_key)
    return f"good until {token.expires_at.isoformat(timespec='seconds')}"


async def _refresh(who: Patient) -> str | _Untested:
    status = await who.manager.status(who.profile.store_key)
    if status.last_refreshed_at is not None and status.last_refreshed_at >= who.began_at:
        return "the token was issued just now, so the client secret is right"
    if not who.refreshing:
        _check_last(status)
        return _Untested(_STILL_GOOD)
    token = await who.manager.refresh(who.profile.store_key)
    return f"a new token is good until {token.expires_at.isoformat(timespec='seconds')}"


def _check_last(status: CredentialStatus) -> None:
    """Return if nothing stored says that the next refresh will fail."""
    reason = (status.reason or "").rstrip(".")
    if status.state is CredentialState.REAUTHORIZE:
        raise AuthorizationRequired(reason, key=status.key)
    if status.state is CredentialState.DEGRADED:
        raise AtlassianAuthError(f"the last attempt failed: {reason}; --refresh tries it again")


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


async def _call(who: Patient) -> str | _Untested:
    if who.path is None and who.profile.product == "jira-software":
        return _Untested("nothing can be called without effect; --call PATH names what to GET")
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


_WORK: dict[str, _Work] = {
    "network": _network,
    "clock": _clock,
    "token": _token,
    "refresh": _refresh,
    "scopes": _scopes,
    "site": _site,
    "call": _call,
}
_VITAL = ("network", "token", "site")

LINKS: tuple[str, ...] = tuple(_WORK)
"""Their names."""
