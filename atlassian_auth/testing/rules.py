"""The numbers the emulated servers go by; a test may change them at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from atlassian_auth.testing.apps import Product

__all__ = ["Rules"]

_DAY = 86_400.0


def _lifetimes() -> dict[Product, float]:
    return {
        "cloud": 3600.0,
        "data_center": 3600.0,
        "jira_software": 900.0,  # "15 minutes", Jira Software Cloud's guide to 2LO
        "service_account": 3600.0,
        "data_center_service_account": 3600.0,
    }


@dataclass(slots=True, kw_only=True)
class Rules:
    """What the servers go by. Everything lives until just before its time is up.

    Args:
        access_token_lifetime_seconds: Per product. A change acts on new tokens; on Data Center on
            live ones too, because it computes expiry when a token is presented.
        reuse_leeway_seconds: How long Cloud still accepts a refresh token that was exchanged, and
            the access token that came with it. Default: 10 minutes.
        refresh_token_lifetime_seconds: From a refresh token's issue. Default: 90 days.
        grant_lifetime_seconds: From consent, Cloud only. Default: 365 days.
        code_lifetime_seconds: Of authorization codes. Default: 60 (Data Center's figure).
        dead_grant_error: Which of its two wordings Cloud uses for a dead refresh token.
        anonymous_answer: How Data Center answers a call whose token is not valid: by a 401, by a redirect to
            its login page, or by that page with status 200.
    """

    access_token_lifetime_seconds: dict[Product, float] = field(default_factory=_lifetimes)
    reuse_leeway_seconds: float = 600.0
    refresh_token_lifetime_seconds: float = 90 * _DAY
    grant_lifetime_seconds: float = 365 * _DAY
    code_lifetime_seconds: float = 60.0
    dead_grant_error: Literal["invalid_grant", "unauthorized_client"] = "invalid_grant"
    anonymous_answer: Literal["401", "redirect", "page"] = "401"
