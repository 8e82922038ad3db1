"""Checks a run by the emulator's journal, not by the library's own events. Pure.

A refresh is necessary if the current token is within its refresh window, if an API has refused it, or if a
fault changed the answer to the previous request. Any other refresh is needless.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from atlassian_auth._cli.demo.credentials import Credential
from atlassian_auth.testing import APIRequest, TokenRequest

__all__ = [
    "Check",
    "Delivery",
    "DemoVerdict",
    "Evidence",
    "Reason",
    "answers_of",
    "have_outlived_tokens",
    "judge",
    "reasons_of",
]

_SHOWN = 5


class Reason(Enum):
    """Why a token request was sent."""

    FIRST = "first token"
    ENDING = "the token was expiring"
    REJECTED = "the token was refused"
    REPEATED = "a fault hit the last answer"
    NONE = "needlessly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The expected and the delivered items of one credential, by id.

    Args:
        key: The credential.
        title: A title for the summary.
        expected: Each id once.
        arrived: The ids in the order of arrival.
    """

    key: str
    title: str
    expected: tuple[str, ...]
    arrived: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The data for the verdict.

    Args:
        credentials: The credentials to check.
        token_requests: The emulator's journal.
        api_requests: The emulator's journal.
        asked: When the service began to request tokens, in POSIX time, by key. The age of a token counts
            from there, not from when the server issued it.
        deliveries: Events and builds.
        failures: The errors that callers got.
        reuses_outside_leeway: The emulator's count.
        troubles: Whether each fault was survived, by title.
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
    """One promise, and its violations.

    Args:
        promise: The text; it is kept if there are no problems.
        problems: The violations, as text.
    """

    promise: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the promise was kept."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class DemoVerdict:
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


def judge(evidence: Evidence) -> DemoVerdict:
    """Check each promise."""
    checks = {
        "Everything arrived, and arrived once": _delivery_problems(evidence),
        "No request failed": iter(evidence.failures),
        "No refresh token was presented twice outside the leeway": _reuses(evidence),
        "No token was requested needlessly": _needless(evidence),
        "A token of each credential expired and was refreshed": _short_lives(evidence),
        "Each fault was injected and survived": _unsurvived(evidence),
    }
    return DemoVerdict(tuple(Check(promise, tuple(found)) for promise, found in checks.items()))


def reasons_of(credential: Credential, evidence: Evidence) -> tuple[Reason, ...]:
    """Return the reason of each token request of the credential, in order."""
    return tuple(_explain(credential, evidence))


def answers_of(credential: Credential, evidence: Evidence) -> tuple[APIRequest, ...]:
    """Return the API requests of the credential."""
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
    """The current token; ``generation`` counts from 1, as in the journal."""

    asked_at: float
    issued_at: float
    generation: int


def _explain(credential: Credential, evidence: Evidence) -> Iterator[Reason]:
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
    """Return whether the answer refused exactly the held token before the token request."""
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
    """Return whether a token of each credential was refreshed because it was expiring."""
    return not any(_short_lives(evidence))


def _short_lives(evidence: Evidence) -> Iterator[str]:
    for credential in evidence.credentials:
        if Reason.ENDING not in reasons_of(credential, evidence):
            yield f"{credential.title}: no token was refreshed because it was expiring"


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
                yield f"{delivery.title}: {len(ids)} {what} ({_first_ids(ids)})"


def _first_ids(ids: list[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")


def _unsurvived(evidence: Evidence) -> Iterator[str]:
    for title, survived in evidence.troubles.items():
        if not survived:
            yield f"not survived: {title}"
