"""The command login: a person consents in a browser, on this computer or on another one."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import anyio
import typer

from atlassian_auth._cli.credentials import show_credential
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileName, profile_of
from atlassian_auth._cli.output import say
from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.secret import ask
from atlassian_auth._cli.session import authorizing, grant_without_secret
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.flows import AuthorizationFlow, AuthorizationResult, LoopbackLogin
from atlassian_auth.flows._reception import Place

__all__ = ["login"]

_USUAL, _LONGEST = 300.0, 86_400.0
_TIMEOUT_HELP = f"How long to wait for you: up to {_LONGEST:g}, if not {_USUAL:g}."


def login(
    context: typer.Context,
    profile: ProfileName = DEFAULT,
    *,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Open none: you open the URL yourself.")
    ] = False,
    paste: Annotated[
        bool,
        typer.Option("--paste", help="Ask for the URL it ended at, in place of waiting for it."),
    ] = False,
    seconds: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help=_TIMEOUT_HELP, show_default=False)
    ] = _USUAL,
    as_json: AsJSON = False,
) -> None:
    """Authorize a credential: consent in a browser, and the tokens are stored.

    The redirect URI must lead to this computer. With --paste it need not: open the URL anywhere, consent,
    and paste the URL that the browser ends at, even if it shows an error there. That is the way over SSH.
    """
    if not 0 < seconds <= _LONGEST:
        message = f"must be more than 0 and at most {_LONGEST:g}"
        raise typer.BadParameter(message, param_hint="--timeout")
    chosen = profile_of(context, profile)
    _check_consent(chosen)
    if paste:
        result = anyio.run(_by_paste, chosen)
    else:
        _check_waiting(chosen)
        opener = None if no_browser else _open
        result = anyio.run(_by_browser, chosen, opener, timedelta(seconds=seconds))
    missing = list(result.missing_scopes)
    show_credential(result.status, as_json=as_json, missing_scopes=missing)


async def _by_browser(
    profile: Profile, opener: Callable[[str], object] | None, patience: timedelta
) -> AuthorizationResult:
    tell = _tell_to_open if opener is None else _tell_of_opening
    async with authorizing(profile) as manager:
        flow = AuthorizationFlow(manager)
        login = LoopbackLogin(flow, open_browser=opener, on_url=tell, timeout=patience)
        return await login.login(profile.store_key)


async def _by_paste(profile: Profile) -> AuthorizationResult:
    async with authorizing(profile) as manager:
        flow = AuthorizationFlow(manager)
        _tell_to_open((await flow.start(profile.store_key, started_by=None)).url)
        # Nothing else runs in this event loop meanwhile.
        return await flow.complete(ask("The URL that the browser ended at"), started_by=None)


def _check_consent(profile: Profile) -> None:
    if grant_without_secret(profile).redirect_uri is None:
        message = f"Profile {profile.name} is for {profile.product}, which needs no consent."
        raise ConfigurationError(f"{message} Run: atlassian-auth token {profile.arguments}")


def _check_waiting(profile: Profile) -> None:
    try:
        Place.of(profile.redirect_uri)
    except ConfigurationError:
        message = (
            f"redirect_uri is {profile.redirect_uri}, where this computer cannot wait for a browser: pass "
            "--paste, or register and use one such as http://127.0.0.1:8765/callback."
        )
    else:
        return
    raise ConfigurationError(message, argument="redirect_uri")


def _tell_of_opening(url: str) -> None:
    say(f"A browser opens, for your consent. If none does, go to:\n\n{url}\n")


def _tell_to_open(url: str) -> None:
    say(f"Open this URL in a browser, and consent:\n\n{url}\n")


def _open(url: str) -> None:
    # Whether it could be opened makes no difference: the person has the URL.
    webbrowser.open(url)
