"""The limits of the emulated servers; a test may change them at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from atlassian_auth.testing._names import check_name
from atlassian_auth.testing.apps import Product

__all__ = ["Rules"]

_DAY = 86_400.0

_DeadGrantError = Literal["invalid_grant", "unauthorized_client"]
_AnonymousAnswer = Literal["401", "redirect", "page"]
_CHOICES = MappingProxyType(
    {"dead_grant_error": get_args(_DeadGrantError), "anonymous_answer": get_args(_AnonymousAnswer)}
)

_LIFETIMES: Mapping[Product, float] = MappingProxyType(
    {
        "cloud": 3600.0,
        "data_center": 3600.0,
        "jira_software": 900.0,  # "15 minutes", Jira Software Cloud's guide to 2LO
        "service_account": 3600.0,
        "data_center_service_account": 3600.0,
    }
)


class _Lifetimes(dict[Product, float]):
    """The lifetimes by product; other keys are refused."""

    def __setitem__(self, product: Product, seconds: float) -> None:
        check_name(product, get_args(Product), what="product")
        super().__setitem__(product, _check_lifetime(product, seconds))


def _lifetimes(given: Mapping[Product, float] = _LIFETIMES) -> dict[Product, float]:
    for product in given:
        check_name(product, get_args(Product), what="product")
    if missing := [product for product in get_args(Product) if product not in given]:
        message = (
            f"access_token_lifetime_seconds has no {', '.join(missing)}: expected one for each product. "
            'To change one lifetime, write: rules.access_token_lifetime_seconds["cloud"] = 5'
        )
        raise ValueError(message)
    return _Lifetimes({product: _check_lifetime(product, given[product]) for product in given})


def _check_lifetime(product: Product, seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ValueError(
            f"the lifetime of {product} is {seconds!r}, but must be a number of seconds above 0"
        )
    return seconds


@dataclass(slots=True, kw_only=True)
class Rules:
    """The limits of the servers. A token is valid until just before the end of its lifetime.

    Args:
        access_token_lifetime_seconds: For each product. A change affects new tokens; on Data Center also
            issued ones, because it computes expiry when a token is presented.
        reuse_leeway_seconds: How long Cloud still accepts a used refresh token, and the access
            token that was issued with it. Default: 10 minutes.
        refresh_token_lifetime_seconds: From a refresh token's issue. Default: 90 days.
        grant_lifetime_seconds: From consent, Cloud only. Default: 365 days.
        code_lifetime_seconds: Of authorization codes. Default: 60 (Data Center's figure).
        dead_grant_error: Cloud's error for an invalid refresh token.
        anonymous_answer: How Data Center answers a call whose token is not valid: by a 401, by a redirect to
            its login page, or by that page with status 200.

    Raises:
        ValueError: if a product is missing or unknown, a lifetime is no number above 0, or a choice is
            unknown; also on a later change.
    """

    access_token_lifetime_seconds: dict[Product, float] = field(default_factory=_lifetimes)
    reuse_leeway_seconds: float = 600.0
    refresh_token_lifetime_seconds: float = 90 * _DAY
    grant_lifetime_seconds: float = 365 * _DAY
    code_lifetime_seconds: float = 60.0
    dead_grant_error: _DeadGrantError = "invalid_grant"
    anonymous_answer: _AnonymousAnswer = "401"

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "access_token_lifetime_seconds":
            value = _lifetimes(value)
        if name in _CHOICES:
            check_name(value, _CHOICES[name], what=name)
        object.__setattr__(self, name, value)
