"""The commands about credentials and their tokens: token, status, list, add, refresh, revoke, forget."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from atlassian_auth._cli.group import FAILURE
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileName, flags_of, profile_of
from atlassian_auth._cli.output import distance, say, show, show_table
from atlassian_auth._cli.place import Place
from atlassian_auth._cli.profile import Flags, Profile
from atlassian_auth._cli.registration import CONSENTED
from atlassian_auth._cli.secret import read_secret
from atlassian_auth._cli.session import (
    authorizing,
    enrolling,
    grant_without_secret,
    is_stored,
    looking,
    nothing_stored,
    obtaining,
)
from atlassian_auth.exceptions import AuthorizationRequired, ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, utc_now
from atlassian_auth.protocol.tokens import Token
from atlassian_auth.status import CredentialState, CredentialStatus

__all__ = ["add", "forget", "list_", "refresh", "revoke", "show_credential", "status", "token"]

_MOMENTS = (
    "access_expires_at",
    "inactive_by",
    "consent_expires_at",
    "authorized_at",
    "last_refreshed_at",
)

# State and reason say it.
_IN_OTHER_WORDS = ("refresh_status", "refresh_status_since")

_COLUMNS = ("profile", "product", "key", "state", "access_expires_at", "store")


def _consented_at(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = (
            f"{text!a:.100} is no date or time: write it as 2026-01-31 or 2026-01-31T12:00:00Z."
        )
        raise typer.BadParameter(message) from None
    aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)
    if aware > utc_now(SYSTEM_CLOCK):
        raise typer.BadParameter(
            f"{aware.isoformat()} is in the future: when did the person consent?"
        )
    return aware


def token(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """Print a fresh access token.

    Nothing else is printed, for: curl -H "Authorization: Bearer $(atlassian-auth token acme)"

    It is refreshed and saved first if need be.
    """
    fresh = anyio.run(_token, profile_of(context, profile))
    if not as_json:
        print(fresh.access_token)
        return
    document = {
        "access_token": fresh.access_token,
        "token_type": "bearer",
        "expires_at": fresh.expires_at.isoformat(),
        "scopes": list(fresh.scopes),
    }
    show(document, as_json=True)


def status(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """Show how a credential is doing, as the store has it.

    No server is asked. The exit status is 3 if a person must consent first, or again.
    """
    chosen = profile_of(context, profile)
    found = _looked_up(chosen.place, chosen.store_key)
    if chosen.product not in CONSENTED:
        show_credential(_without_consent(found), as_json=as_json)
        return
    if found.state is CredentialState.NEW:
        raise nothing_stored(chosen)
    show_credential(found, as_json=as_json)
    if found.refresh_status_since is None or found.state is CredentialState.REAUTHORIZE:
        message = (
            "A person must consent to this credential. Run: atlassian-auth login "
            f"{chosen.arguments}"
        )
        raise AuthorizationRequired(message, key=found.key)


def list_(context: typer.Context, *, as_json: AsJSON = False) -> None:
    """List the profiles, and what else is in their stores."""
    rows = anyio.run(_rows, flags_of(context))
    show_table(rows, columns=_COLUMNS, as_json=as_json)


def add(
    context: typer.Context,
    profile: ProfileName = DEFAULT,
    *,
    refresh_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the refresh token is; - is standard input."),
    ] = None,
    authorized_at: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            parser=_consented_at,
            help="When the person consented: 2026-01-31 or 2026-01-31T12:00+01:00; without a zone it is UTC.",
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Store a refresh token that was obtained elsewhere.

    It is asked for, or read from a pipe, a file, or the variable ATLASSIAN_AUTH_REFRESH_TOKEN. From then
    on nobody else may use it: the next token that is needed refreshes it.

    With --authorized-at, status tells when the consent ends.
    """
    chosen = profile_of(context, profile)
    if not grant_without_secret(chosen).rotates:
        message = f"Profile {chosen.name} is for {chosen.product}, which has no refresh tokens."
        raise ConfigurationError(f"{message} Run: atlassian-auth token {chosen.arguments}")
    pasted = read_secret(
        "refresh_token", file=refresh_token_file, given=chosen.refresh_token, piped=True
    )
    show_credential(anyio.run(_add, chosen, pasted, authorized_at), as_json=as_json)


def refresh(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """Refresh a token now, whatever the present one is worth."""
    show_credential(anyio.run(_refresh, profile_of(context, profile)), as_json=as_json)


def revoke(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """End a credential at Atlassian, then delete it from the store.

    If the server does not revoke it, it is kept. A person can also remove the app in the settings of
    their account, under Connected apps. The exit status is 1 if nothing is stored.
    """
    chosen = profile_of(context, profile)
    grant_without_secret(chosen)
    revoked = anyio.run(_revoke, chosen)
    _show_ended(chosen, "revoked", ended=revoked, as_json=as_json)


def forget(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """Delete a credential from the store.

    Its refresh token is gone for good. At Atlassian the consent lives on until it is revoked or runs out.
    The exit status is 1 if nothing is stored.
    """
    chosen = profile_of(context, profile)
    forgotten = chosen.place.exists() and anyio.run(_forget, chosen.place, chosen.store_key)
    _show_ended(chosen, "forgotten", ended=forgotten, as_json=as_json)


def show_credential(found: CredentialStatus, *, as_json: bool, **more: object) -> None:
    """Print how a credential is doing; no secret is in that.

    Args:
        found: How it is doing.
        as_json: For programs.
        more: What else is known.
    """
    document = {**_described(found), **more}
    if not as_json:
        document = _for_people(document)
    show(document, as_json=as_json)


def _for_people(document: dict[str, object]) -> dict[str, object]:
    now = utc_now(SYSTEM_CLOCK)
    return {
        name: f"{value} ({distance(datetime.fromisoformat(str(value)) - now)})"
        if value and name in _MOMENTS
        else value
        for name, value in document.items()
        if name not in _IN_OTHER_WORDS
    }


def _described(found: CredentialStatus) -> dict[str, object]:
    return {
        "key": found.key,
        "state": found.state.value,
        "reason": found.reason,
        "refresh_status": found.refresh_status.value,
        "refresh_status_since": _moment(found.refresh_status_since),
        "scopes": list(found.scopes),
        "access_expires_at": _moment(found.access_expires_at),
        "inactive_by": _moment(found.inactive_by),
        "consent_expires_at": _moment(found.consent_expires_at),
        "authorized_at": _moment(found.authorized_at),
        "last_refreshed_at": _moment(found.last_refreshed_at),
        "refresh_count": found.refresh_count,
        "refreshable": found.refreshable,
    }


def _without_consent(found: CredentialStatus) -> CredentialStatus:
    if found.state is not CredentialState.NEW:
        return found
    return replace(found, reason="There is no token yet: the first request gets one.")


def _show_ended(profile: Profile, how: str, *, ended: bool, as_json: bool) -> None:
    key = profile.store_key
    show({"key": key, how: ended}, as_json=as_json)
    if not ended:
        say(
            f"atlassian-auth: Nothing is stored for key {key!r} in {profile.place}, so nothing was {how}. "
            f"To see what is stored, run: {shlex.join(['atlassian-auth', 'list', *profile.repeated_place])}"
        )
        raise typer.Exit(FAILURE)


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _looked_up(store: Place, key: str) -> CredentialStatus:
    # Looking must not make the file.
    if not store.exists():
        return CredentialStatus.without_record(key)
    return anyio.run(_status, store, key)


async def _token(profile: Profile) -> Token:
    async with obtaining(profile) as manager:
        return await manager.token(profile.store_key)


async def _status(store: Place, key: str) -> CredentialStatus:
    async with looking(store) as manager:
        return await manager.status(key)


async def _add(
    profile: Profile, refresh_token: str, authorized_at: datetime | None
) -> CredentialStatus:
    async with enrolling(profile) as manager:
        return await manager.add(
            profile.store_key, refresh_token=refresh_token, authorized_at=authorized_at
        )


async def _refresh(profile: Profile) -> CredentialStatus:
    async with obtaining(profile) as manager:
        await manager.refresh(profile.store_key)
        return await manager.status(profile.store_key)


async def _revoke(profile: Profile) -> bool:
    if not await is_stored(profile):
        return False
    async with authorizing(profile) as manager:
        return await manager.revoke(profile.store_key)


async def _forget(store: Place, key: str) -> bool:
    async with looking(store) as manager:
        return await manager.forget(key)


async def _rows(flags: Flags) -> list[dict[str, Any]]:
    profiles = [flags.profile(name) for name in flags.names()]
    known = {(profile.place, profile.store_key) for profile in profiles}
    stored = await _stored({place for place, _ in known} or {flags.profile(DEFAULT).place})
    rows = [_row(profile.place, profile.store_key, profile, stored) for profile in profiles]
    return rows + [_row(place, key, None, stored) for place, key in sorted(stored.keys() - known)]


async def _stored(places: Iterable[Place]) -> dict[tuple[Place, str], CredentialStatus]:
    found: dict[tuple[Place, str], CredentialStatus] = {}
    for place in filter(Place.exists, places):
        async with looking(place) as manager:
            statuses = [await manager.status(key) for key in await manager.keys()]
        found |= {(place, one.key): one for one in statuses}
    return found


def _row(
    place: Place,
    key: str,
    profile: Profile | None,
    stored: dict[tuple[Place, str], CredentialStatus],
) -> dict[str, Any]:
    found = stored.get((place, key))
    return {
        "profile": profile.name if profile else None,
        "product": profile.product if profile else None,
        "key": key,
        "state": (found.state if found else CredentialState.NEW).value,
        "access_expires_at": _moment(found.access_expires_at) if found else None,
        "store": str(place),
    }
