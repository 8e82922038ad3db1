"""Judges a run by what the emulator saw, so that the library cannot praise itself. Pure.

A refresh was necessary if the token that was to be replaced had come so near to its end that refreshing is
allowed, or had been refused by an API, or if the answer to the request before was spoiled by a fault.
Any other is one too many.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from atlassian_auth._demo.credentials import Credential
from atlassian_auth.testing import APIRequest, TokenRequest

__all__ = [
    "Check",
    "Delivery",
    "Evidence",
    "Reason",
    "Verdict",
    "answers_of",
    "have_outlived_tokens",
    "judge",
    "reasons_of",
]

_SHOWN = 5


class Reason(Enum):
    """Why a token endpoint was asked."""

    FIRST = "to begin with"
    ENDING = "the token was ending"
    REJECTED = "the token was refused"
    REPEATED = "the answer before was spoiled"
    NONE = "needlessly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What was to arrive somewhere, and what did, both by id.

    Args:
        key: Whose credential did it.
        title: What and where, for people.
        expected: Each once.
        arrived: In the order of arrival.
    """

    key: str
    title: str
    expected: tuple[str, ...]
    arrived: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that the verdict is based on.

    Args:
        credentials: Whose refreshes are judged.
        token_requests: The emulator's journal.
        api_requests: The emulator's journal.
        asked: When the service set out to get a token, in POSIX time, by key. A token counts its age from
            then at the earliest, not from when the server issued it.
        deliveries: Events and builds.
        failures: What callers were told instead of an answer.
        reuses_outside_leeway: As the emulator counts them.
        troubles: Whether each was survived, by title.
    """

    credentials: tuple[Credential, ...]
    token_requests: tuple[TokenRequest, ...]
    api_requests: tuple[APIRequest, ...]
    asked: Mapping[str, tuple[float, ...]]
    deliveries: tuple[Delivery, ...]
    failures: tuple[str, ...]
    reuses_outside_leeway: int
    troubles: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, and what speaks against it.

    Args:
        promise: True if there are no problems.
        problems: What went wrong, for people.
    """

    promise: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the promise was kept."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return all(check.ok for check in self.checks)

    @property
    def exit_status(self) -> int:
        """0 if every promise was kept, 1 if not."""
        return 0 if self.ok else 1


def judge(evidence: Evidence) -> Verdict:
    """Return what the evidence says about each promise."""
    checks = {
        "Everything arrived, and arrived once": _delivery_problems(evidence),
        "No request failed": iter(evidence.failures),
        "No refresh token was presented twice outside the leeway": _reuses(evidence),
        "No token was asked for needlessly": _needless(evidence),
        "Each credential outlived its tokens": _short_lives(evidence),
        "Each trouble was met and survived": _unsurvived(evidence),
    }
    return Verdict(tuple(Check(promise, tuple(found)) for promise, found in checks.items()))


def reasons_of(credential: Credential, evidence: Evidence) -> tuple[Reason, ...]:
    """Return why the token endpoint was asked, for each of the credential's requests, in order."""
    return tuple(_explained(credential, evidence))


def answers_of(credential: Credential, evidence: Evidence) -> tuple[APIRequest, ...]:
    """Return what the APIs were asked with the credential."""
    # Client credentials have no family, and are the only ones without.
    families = {
        request.family
        for request in evidence.token_requests
        if request.client_id == credential.client_id
    }
    return tuple(answer for answer in evidence.api_requests if answer.family in families)


# -- refreshes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Held:
    """The token in the service's hands; ``generation`` as the journal counts, from 1."""

    asked_at: float
    issued_at: float
    generation: int


def _explained(credential: Credential, evidence: Evidence) -> Iterator[Reason]:
    held: _Held | None = None
    spoiled = False
    issued = 0
    for request in evidence.token_requests:
        if request.client_id != credential.client_id:
            continue
        yield _reason(request, held, credential, evidence, spoiled=spoiled)
        issued += request.outcome == "ok"
        spoiled = bool(request.fault)
        if request.outcome == "ok" and not spoiled:
            since = held.issued_at if held else -math.inf
            asked_at = _asked_at(request, since, evidence.asked.get(credential.key, ()))
            held = _Held(asked_at, request.at, issued)


def _reason(
    request: TokenRequest,
    held: _Held | None,
    credential: Credential,
    evidence: Evidence,
    *,
    spoiled: bool,
) -> Reason:
    if spoiled:
        return Reason.REPEATED
    if held is None:
        return Reason.FIRST
    if request.at >= held.asked_at + credential.lifetime_seconds - credential.window_seconds:
        return Reason.ENDING
    refused = any(_refuses(answer, held, request) for answer in evidence.api_requests)
    return Reason.REJECTED if refused else Reason.NONE


def _asked_at(request: TokenRequest, since: float, moments: tuple[float, ...]) -> float:
    return max((at for at in moments if since <= at <= request.at), default=request.at)


def _refuses(answer: APIRequest, held: _Held, request: TokenRequest) -> bool:
    """Return whether the answer refuses the very token that was held, before the request was made."""
    # Client credentials have no family, and so no generation either.
    generation = held.generation if request.family else None
    return (
        answer.status == 401
        and (answer.family, answer.generation) == (request.family, generation)
        and held.issued_at <= answer.at <= request.at
    )


def _needless(evidence: Evidence) -> Iterator[str]:
    for credential in evidence.credentials:
        count = reasons_of(credential, evidence).count(Reason.NONE)
        if count:
            yield f"{credential.title}: {count} times, without expiry, refusal or fault"


def have_outlived_tokens(evidence: Evidence) -> bool:
    """Return whether of each credential a token was refreshed because it was ending."""
    return not any(_short_lives(evidence))


def _short_lives(evidence: Evidence) -> Iterator[str]:
    for credential in evidence.credentials:
        if Reason.ENDING not in reasons_of(credential, evidence):
            yield f"{credential.title}: no token was refreshed because it was ending"


# -- refresh tokens -------------------------------------------------------------------------------


def _reuses(evidence: Evidence) -> Iterator[str]:
    answered: set[tuple[str | None, int]] = set()
    for request in evidence.token_requests:
        if request.generation is None:
            continue
        presented = request.family, request.generation
        if presented in answered:
            yield f"{request.client_id}: refresh token {request.generation} was presented again"
        if request.outcome == "ok" and not request.fault:
            answered.add(presented)
    if evidence.reuses_outside_leeway:
        yield f"{evidence.reuses_outside_leeway} times outside of the leeway"


# -- everything else ------------------------------------------------------------------------------


def _delivery_problems(evidence: Evidence) -> Iterator[str]:
    for delivery in evidence.deliveries:
        expected, arrived = Counter(delivery.expected), Counter(delivery.arrived)
        doubled = [name for name, count in arrived.items() if count > 1]
        for what, ids in (
            ("missing", list(expected - arrived)),
            ("double", doubled),
            ("never sent", [name for name in arrived if name not in expected]),
        ):
            if ids:
                yield f"{delivery.title}: {len(ids)} {what} ({_some(ids)})"


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")


def _unsurvived(evidence: Evidence) -> Iterator[str]:
    for title, survived in evidence.troubles.items():
        if not survived:
            yield f"not survived: {title}"
