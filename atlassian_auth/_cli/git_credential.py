"""The command git-credential: the helper that git asks for the credential of a host.

Source: https://git-scm.com/docs/git-credential and https://git-scm.com/docs/gitcredentials.
"""

from __future__ import annotations

import hmac
import sys
from typing import Annotated

import anyio
import typer

from atlassian_auth._cli.options import DEFAULT, ProfileOption, profile_of
from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.session import grant_without_secret, open_manager_with_credential
from atlassian_auth.endpoints import origin_of
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.protocol.tokens import Token

__all__ = ["git_credential"]

# support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud: git sends the token as the password
# of this user. Before 2.46 git can send nothing but a user and a password.
_USER = "x-token-auth"


def git_credential(
    context: typer.Context,
    action: Annotated[str, typer.Argument(metavar="ACTION", hidden=True)],
    *,
    profile: ProfileOption = DEFAULT,
) -> None:
    """Answer git as a credential helper.

    \b
    git config --global credential.https://bitbucket.example.com.helper \\
        '!atlassian-auth git-credential --profile bitbucket'

    git adds the ACTION: get, store or erase. Other hosts than the profile's get no answer. If the server
    refused the token, it is refreshed.
    """  # noqa: D301 -- Typer reads the control character
    question = _read()
    chosen = profile_of(context, profile)
    if action not in {"get", "erase"} or not _is_ours(chosen, question):
        return  # git ignores a helper that does not answer
    if action == "erase":
        anyio.run(_replace, chosen, question.get("credential") or question.get("password", ""))
        return
    for name, value in _answer(anyio.run(_token, chosen), question):
        print(f"{name}={value}")


def _read() -> dict[str, str]:
    """Return the attributes that git writes, one in a line, until an empty line."""
    question: dict[str, str] = {}
    for line in sys.stdin:
        name, _, value = line.rstrip("\n").partition("=")
        if not name:
            break
        # An attribute that ends with [] is a list.
        question[name] = f"{question[name]} {value}" if name in question else value
    return question


def _is_ours(profile: Profile, question: dict[str, str]) -> bool:
    try:
        origin = origin_of(f"{question.get('protocol')}://{question.get('host')}")
    except ConfigurationError:
        return False
    return origin in grant_without_secret(profile).endpoints.origins


def _answer(fresh: Token, question: dict[str, str]) -> list[tuple[str, object]]:
    expiry = ("password_expiry_utc", int(fresh.expires_at.timestamp()))
    if "authtype" not in question.get("capability[]", "").split():
        return [("username", _USER), ("password", fresh.access_token), expiry]
    return [
        ("capability[]", "authtype"),
        ("authtype", "Bearer"),
        ("credential", fresh.access_token),
        ("ephemeral", "true"),
        expiry,
    ]


async def _token(profile: Profile) -> Token:
    async with open_manager_with_credential(profile) as manager:
        return await manager.token(profile.store_key)


async def _replace(profile: Profile, refused: str) -> None:
    async with open_manager_with_credential(profile) as manager:
        current = await manager.token(profile.store_key)
        if hmac.compare_digest(current.access_token.encode(), refused.encode()):
            await manager.token(profile.store_key, rejected=current)
