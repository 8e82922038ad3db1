"""The commands about credentials: status, list, add, refresh, revoke, forget."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import anyio
import typer

from atlassian_auth._cli.documents import (
    CredentialDocument,
    ForgottenDocument,
    ListedDocument,
    LoginDocument,
    RevokedDocument,
)
from atlassian_auth._cli.group import FAILURE
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileName, flags_of, profile_of
from atlassian_auth._cli.output import distance, say, show, show_table
from atlassian_auth._cli.place import Place
from atlassian_auth._cli.profile import Flags, Profile
from atlassian_auth._cli.registration import NEEDS_CONSENT
from atlassian_auth._cli.secret import read_secret
from atlassian_auth._cli.session import (
    grant_without_secret,
    is_stored,
    nothing_stored,
    open_manager,
    open_manager_of_store,
    open_manager_with_credential,
    open_manager_without_secret,
)
from atlassian_auth.exceptions import AuthorizationRequired, ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, utc_now
from atlassian_auth.status import CredentialState, CredentialStatus

__all__ = ["add", "forget", "list_", "refresh", "revoke", "show_credential", "status"]

_MOMENTS = (
    "access_expires_at",
    "inactive_by",
    "consent_expires_at",
    "authorized_at",
    "last_refreshed_at",
)

# For people, `state` and `reason` say the same.
_ONLY_IN_JSON = ("refresh_status", "refresh_status_since")

_COLUMNS = ("profile", "product", "key", "state", "access_expires_at", "store")


def _parse_consent_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = (
            f"{text!a:.100} is not a date or time: write it as 2026-01-31 or 2026-01-31T12:00:00Z."
        )
        raise typer.BadParameter(message) from None
    aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)
    if aware > utc_now(SYSTEM_CLOCK):
        raise typer.BadParameter(
            f"{aware.isoformat()} is in the future: when did the person consent?"
        )
    return aware


def status(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """Show the stored state of a credential.

    No request is sent to a server. The exit status is 3 if a person must consent first, or again.
    """
    chosen = profile_of(context, profile)
    found = _read_status(chosen.place, chosen.store_key)
    if chosen.product not in NEEDS_CONSENT:
        show_credential(_explain_no_token(found), as_json=as_json)
        return
    if found.state is CredentialState.NEW:
        if as_json:
            show_credential(found, as_json=True)
        raise nothing_stored(chosen)
    show_credential(found, as_json=as_json)
    if found.refresh_status_since is None or found.state is CredentialState.REAUTHORIZE:
        message = (
            "A person must consent to this credential. Run: atlassian-auth login "
            f"{chosen.arguments}"
        )
        raise AuthorizationRequired(message, key=found.key)


def list_(context: typer.Context, *, as_json: AsJSON = False) -> None:
    """List the profiles, and the other credentials in their stores."""
    rows = anyio.run(_rows, flags_of(context))
    show_table(rows, columns=_COLUMNS, as_json=as_json)


def add(
    context: typer.Context,
    profile: ProfileName = DEFAULT,
    *,
    refresh_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the refresh token; - is standard input."),
    ] = None,
    authorized_at: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            parser=_parse_consent_time,
            help="When the person consented: 2026-01-31 or 2026-01-31T12:00+01:00; without a zone it is UTC.",
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Store a refresh token that was obtained elsewhere.

    The refresh token is read from a file, the variable ATLASSIAN_AUTH_REFRESH_TOKEN, a pipe or a hidden
    prompt. It is used at the next refresh. No other tool may use it from now on.

    With --authorized-at, the command status can show when the consent ends.
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
    """Refresh now, even if the current token is still valid."""
    show_credential(anyio.run(_refresh, profile_of(context, profile)), as_json=as_json)


def revoke(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """End a credential at Atlassian, then delete it from the store.

    If the server refuses, the credential stays in the store. A person can also remove the app in the
    settings of their account, under Connected apps. The exit status is 1 if nothing is stored.
    """
    chosen = profile_of(context, profile)
    grant_without_secret(chosen)
    revoked = anyio.run(_revoke, chosen)
    document: RevokedDocument = {"key": chosen.store_key, "revoked": revoked}
    show(document, as_json=as_json)
    _check_ended(chosen, "revoked", ended=revoked)


def forget(
    context: typer.Context, profile: ProfileName = DEFAULT, *, as_json: AsJSON = False
) -> None:
    """Delete a credential from the store.

    Its refresh token cannot be recovered. At Atlassian the consent stays valid until it is revoked or ends.
    The exit status is 1 if nothing is stored.
    """
    chosen = profile_of(context, profile)
    forgotten = chosen.place.exists() and anyio.run(_forget, chosen.place, chosen.store_key)
    document: ForgottenDocument = {"key": chosen.store_key, "forgotten": forgotten}
    show(document, as_json=as_json)
    _check_ended(chosen, "forgotten", ended=forgotten)


def show_credential(
    found: CredentialStatus, *, as_json: bool, missing_scopes: list[str] | None = None
) -> None:
    """Print the status of a credential, without secrets.

    Args:
        found: The status.
        as_json: Whether to print JSON.
        missing_scopes: After a login, the scopes that were not granted.
    """
    document: CredentialDocument | LoginDocument = _as_document(found)
    if missing_scopes is not None:
        document = {**_as_document(found), "missing_scopes": missing_scopes}
    show(document if as_json else _for_people(document), as_json=as_json)


def _for_people(document: CredentialDocument | LoginDocument) -> dict[str, object]:
    now = utc_now(SYSTEM_CLOCK)
    return {
        name: f"{value} ({distance(datetime.fromisoformat(str(value)) - now)})"
        if value and name in _MOMENTS
        else value
        for name, value in document.items()
        if name not in _ONLY_IN_JSON
    }


def _as_document(found: CredentialStatus) -> CredentialDocument:
    return {
        "key": found.key,
        "state": found.state,
        "reason": found.reason,
        "refresh_status": found.refresh_status,
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


def _explain_no_token(found: CredentialStatus) -> CredentialStatus:
    if found.state is not CredentialState.NEW:
        return found
    return replace(found, reason="There is no token yet. The first request gets one.")


def _check_ended(profile: Profile, how: str, *, ended: bool) -> None:
    if not ended:
        say(
            f"atlassian-auth: Nothing is stored for key {profile.store_key!r} in {profile.place}, so "
            f"nothing was {how}. "
            f"To see what is stored, run: {shlex.join(['atlassian-auth', 'list', *profile.repeated_store])}"
        )
        raise typer.Exit(FAILURE)


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _read_status(store: Place, key: str) -> CredentialStatus:
    # Reading a status must not create the file.
    if not store.exists():
        return CredentialStatus.without_record(key)
    return anyio.run(_status, store, key)


async def _status(store: Place, key: str) -> CredentialStatus:
    async with open_manager_of_store(store) as manager:
        return await manager.status(key)


async def _add(
    profile: Profile, refresh_token: str, authorized_at: datetime | None
) -> CredentialStatus:
    async with open_manager_without_secret(profile) as manager:
        return await manager.add(
            profile.store_key, refresh_token=refresh_token, authorized_at=authorized_at
        )


async def _refresh(profile: Profile) -> CredentialStatus:
    async with open_manager_with_credential(profile) as manager:
        await manager.refresh(profile.store_key)
        return await manager.status(profile.store_key)


async def _revoke(profile: Profile) -> bool:
    if not await is_stored(profile):
        return False
    async with open_manager(profile) as manager:
        return await manager.revoke(profile.store_key)


async def _forget(store: Place, key: str) -> bool:
    async with open_manager_of_store(store) as manager:
        return await manager.forget(key)


async def _rows(flags: Flags) -> list[ListedDocument]:
    profiles = [flags.profile(name) for name in flags.names()]
    known = {(profile.place, profile.store_key) for profile in profiles}
    stored = await _stored({place for place, _ in known} or {flags.profile(DEFAULT).place})
    rows = [_row(profile.place, profile.store_key, profile, stored) for profile in profiles]
    return rows + [_row(place, key, None, stored) for place, key in sorted(stored.keys() - known)]


async def _stored(places: Iterable[Place]) -> dict[tuple[Place, str], CredentialStatus]:
    found: dict[tuple[Place, str], CredentialStatus] = {}
    for place in filter(Place.exists, places):
        async with open_manager_of_store(place) as manager:
            statuses = [await manager.status(key) for key in await manager.keys()]
        found |= {(place, one.key): one for one in statuses}
    return found


def _row(
    place: Place,
    key: str,
    profile: Profile | None,
    stored: dict[tuple[Place, str], CredentialStatus],
) -> ListedDocument:
    found = stored.get((place, key))
    return {
        "profile": profile.name if profile else None,
        "product": profile.product if profile else None,
        "key": key,
        "state": found.state if found else CredentialState.NEW,
        "access_expires_at": _moment(found.access_expires_at) if found else None,
        "store": str(place),
    }
