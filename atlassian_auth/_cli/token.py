"""The command token: a fresh access token, in the form that another program reads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any

import anyio
import typer

from atlassian_auth._cli.documents import TokenDocument
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileName, profile_of
from atlassian_auth._cli.output import say, show
from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.session import open_manager_with_credential
from atlassian_auth.ports import SYSTEM_CLOCK, utc_now
from atlassian_auth.protocol.tokens import Token

__all__ = ["token"]

_LONGEST = 365 * 86_400

# kubernetes.io/docs/reference/config-api/client-authentication.v1: kubectl says in this variable which
# version it reads.
_KUBERNETES = "KUBERNETES_EXEC_INFO"
_KUBERNETES_VERSIONS = tuple(f"client.authentication.k8s.io/{v}" for v in ("v1", "v1beta1"))


def token(
    context: typer.Context,
    profile: ProfileName = DEFAULT,
    *,
    min_seconds: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=_LONGEST,
            help="Refresh first if the token lives for less than N seconds.",
            show_default=False,
        ),
    ] = 0,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="What to print: header (for curl -H @-), curl (for curl -K -), kubernetes (an "
            "ExecCredential) or process (like credential_process of AWS).",
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Print a fresh access token.

    Nothing else is printed, as curl needs it: curl -H "Authorization: Bearer $(atlassian-auth token acme)"

    With --format, no other user of the computer can see the token among the arguments of curl:
    atlassian-auth token acme --format header | curl -H @- URL

    An expired token is refreshed, and saved, first.
    """
    if form is not None and (as_json or form not in _FORMATS):
        wrong = "it excludes --json" if as_json else f"must be one of: {', '.join(_FORMATS)}"
        raise typer.BadParameter(wrong, param_hint="--format")
    least = timedelta(seconds=min_seconds)
    fresh = anyio.run(_token, profile_of(context, profile), least)
    _warn_of_short_life(fresh, least)
    if as_json:
        show(_as_document(fresh), as_json=True)
    elif form is None:
        print(fresh.access_token)
    else:
        print(_FORMATS[form](fresh))


async def _token(profile: Profile, least: timedelta) -> Token:
    async with open_manager_with_credential(profile) as manager:
        return await manager.token(profile.store_key, margin=least or None)


def _warn_of_short_life(fresh: Token, least: timedelta) -> None:
    left = fresh.expires_at - utc_now(SYSTEM_CLOCK)
    if left < least:
        say(
            f"atlassian-auth: The new token lives for {left.total_seconds():.0f} s only: the server issues "
            f"none that lives for {least.total_seconds():.0f} s."
        )


def _as_document(fresh: Token) -> TokenDocument:
    return {
        "access_token": fresh.access_token,
        "token_type": "bearer",
        "expires_at": fresh.expires_at.isoformat(),
        "scopes": list(fresh.scopes),
    }


def _as_header(fresh: Token) -> str:
    return f"Authorization: Bearer {fresh.access_token}"


def _as_curl_config(fresh: Token) -> str:
    # curl.se/docs/manpage.html, -K: in quotes, a backslash and a quote are escaped. A token has neither
    # (RFC 6750 section 2.1).
    return f'header = "{_as_header(fresh)}"'


def _as_exec_credential(fresh: Token) -> str:
    status = {"expirationTimestamp": _moment(fresh), "token": fresh.access_token}
    return json.dumps(
        {"apiVersion": _kubernetes_version(), "kind": "ExecCredential", "status": status}
    )


def _as_process_credential(fresh: Token) -> str:
    # docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html: Version and Expiration. There
    # the other members are keys of AWS.
    return json.dumps(
        {
            "Version": 1,
            "TokenType": "Bearer",
            "AccessToken": fresh.access_token,
            "Expiration": _moment(fresh),
        }
    )


_FORMATS: Mapping[str, Callable[[Token], str]] = {
    "header": _as_header,
    "curl": _as_curl_config,
    "kubernetes": _as_exec_credential,
    "process": _as_process_credential,
}


def _kubernetes_version() -> str:
    try:
        asked: Any = json.loads(os.environ.get(_KUBERNETES, "{}")).get("apiVersion")
    except (ValueError, AttributeError):
        asked = None
    return asked if asked in _KUBERNETES_VERSIONS else _KUBERNETES_VERSIONS[0]


def _moment(fresh: Token) -> str:
    # RFC 3339, rounded down: better a second too early than too late.
    return fresh.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")
