"""Tests the links between a profile and its API, in the order in which they depend on each other."""

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
from atlassian_auth._cli.words import describe_error
from atlassian_auth._tokens.http import lookup
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

__all__ = ["DEPENDS_ON_FAILED", "LINKS", "Examination", "try_links"]

# Expiry is computed with the clock. Whole seconds in `Date` and a slow answer make a few seconds of error.
_TOLERATED_SECONDS = 30

_MYSELF = "rest/api/2/myself"

_NOT_REFRESHED = "the token is still valid, so the client secret was not needed; --refresh tests it"

DEPENDS_ON_FAILED = "not tested: it depends on a link that failed"
"""Why a link is skipped after one that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The credential to test, and the options of the test.

    Args:
        profile: The settings.
        manager: Has the credential.
        began_at: When the command began, in UTC.
        refreshing: Whether to refresh the token even if it is valid.
        needs: The job or scopes that the token must have; None for those of the profile.
        path: The path to GET; None for one that any person may read.
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


_Work = Callable[[Examination], Awaitable[str | _Untested]]


async def try_links(examination: Examination) -> list[Finding]:
    """Return a finding for each link; links that depend on a failed one are skipped."""
    findings: list[Finding] = []
    broken = False
    for link, work in _WORK.items():
        if broken:
            findings.append(Finding(link=link, outcome="skipped", detail=DEPENDS_ON_FAILED))
            continue
        finding = await _try_link(link, work, examination)
        findings.append(finding)
        broken = finding.outcome == "failed" and link in _STOPS_THE_REST
    return findings


async def _try_link(link: str, work: _Work, examination: Examination) -> Finding:
    try:
        seen = await work(examination)
    except AtlassianAuthError as error:
        remedy = remedy_for(link, error, examination.profile)
        advised = remedy and not isinstance(error, ConfigurationError)
        return Finding(
            link=link,
            outcome="failed",
            detail=describe_error(error, None if advised else examination.profile),
            remedy=remedy,
            status=status_of(error),
        )
    if isinstance(seen, _Untested):
        return Finding(link=link, outcome="skipped", detail=f"not tested: {seen.reason}")
    return Finding(link=link, outcome="ok", detail=seen)


async def _network(examination: Examination) -> str:
    endpoints = examination.manager.grant.endpoints
    for url in (endpoints.token_url, endpoints.api_url):
        await reach(url)
    hosts = sorted({origin_of(endpoints.token_url), origin_of(endpoints.api_url)})
    return f"{' and '.join(hosts)} can be reached"


async def _clock(examination: Examination) -> str | _Untested:
    headers = await reach(examination.manager.grant.endpoints.token_url)
    ahead = skew_seconds(headers, SYSTEM_CLOCK.time())
    if ahead is None:
        return _Untested("the server sends no Date header")
    if abs(ahead) > _TOLERATED_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        raise ConfigurationError(f"This computer's clock is {abs(ahead):.0f} s {way} the server's.")
    return f"within {_TOLERATED_SECONDS} s of the server's"


async def _token(examination: Examination) -> str:
    await check_stored(examination.profile)
    token = await examination.manager.token(examination.profile.store_key)
    return f"valid until {token.expires_at.isoformat(timespec='seconds')}"


async def _refresh(examination: Examination) -> str | _Untested:
    status = await examination.manager.status(examination.profile.store_key)
    if status.last_refreshed_at is not None and status.last_refreshed_at >= examination.began_at:
        return "the token was issued just now, so the client secret is right"
    if not examination.refreshing:
        _check_last(status)
        return _Untested(_NOT_REFRESHED)
    token = await examination.manager.refresh(examination.profile.store_key)
    return f"a new token is valid until {token.expires_at.isoformat(timespec='seconds')}"


def _check_last(status: CredentialStatus) -> None:
    """Raise the error of the last refresh, if the store says that it failed."""
    reason = (status.reason or "").rstrip(".")
    if status.state is CredentialState.REAUTHORIZE:
        raise AuthorizationRequired(reason, key=status.key)
    if status.state is CredentialState.DEGRADED:
        raise AtlassianAuthError(f"the last refresh failed: {reason}; --refresh tries again")


async def _scopes(examination: Examination) -> str:
    token = await examination.manager.token(examination.profile.store_key)
    wanted = examination.needs or examination.manager.grant.scopes
    missing = fewest_missing(wanted, token.scopes) if wanted else ()
    granted = " ".join(token.scopes) or "unknown"
    if missing:
        message = f"Not granted: {' '.join(missing)}; granted: {granted}."
        raise ScopeMismatch(message, granted=token.scopes, missing=missing)
    return f"granted: {granted}"


async def _site(examination: Examination) -> str:
    if not has_sites(examination.profile):
        return f"Data Center at {await base_url_of(examination.profile, examination.manager)}"
    return f"cloud id {await cloud_id_of(examination.profile, examination.manager)}"


async def _call(examination: Examination) -> str | _Untested:
    if examination.path is None and examination.profile.product == "jira-software":
        return _Untested(
            "this product has no call without side effects; --call PATH names one to GET"
        )
    url = await target_of(examination.path or _MYSELF, examination.profile, examination.manager)
    try:
        answer = await lookup.get(url, auth=examination.manager.auth(examination.profile.store_key))
    except ScopeMismatch:
        if examination.path is not None:
            raise
        return f"GET {url}: the token was accepted, but it lacks a scope for this call"
    _check_status(url, answer.status)
    return f"GET {url}: {answer.status}"


def _check_status(url: str, status: int) -> None:
    if status == 429 or status >= 500:
        raise TransientError(f"GET {url}: {status}; try later.")
    if status >= 400:
        raise DiscoveryError(f"GET {url}: {status}, although the token is valid.", status=status)


_WORK: dict[str, _Work] = {
    "network": _network,
    "clock": _clock,
    "token": _token,
    "refresh": _refresh,
    "scopes": _scopes,
    "site": _site,
    "call": _call,
}
_STOPS_THE_REST = ("network", "token", "site")

LINKS: tuple[str, ...] = tuple(_WORK)
"""Their names."""
