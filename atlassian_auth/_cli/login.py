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
from atlassian_auth._cli.session import grant_without_secret, open_manager
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.flows import AuthorizationFlow, AuthorizationResult, LoopbackLogin
from atlassian_auth.flows._reception import CallbackPlace

__all__ = ["login"]

_DEFAULT, _MAXIMUM = 300.0, 86_400.0
_TIMEOUT_HELP = f"How long to wait for the consent: at most {_MAXIMUM:g}; default {_DEFAULT:g}."


def login(
    context: typer.Context,
    profile: ProfileName = DEFAULT,
    *,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open a browser; you open the URL.")
    ] = False,
    paste: Annotated[
        bool,
        typer.Option(
            "--paste", help="Ask for the URL at which the browser ended, instead of waiting."
        ),
    ] = False,
    seconds: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help=_TIMEOUT_HELP, show_default=False)
    ] = _DEFAULT,
    as_json: AsJSON = False,
) -> None:
    """Authorize a credential: a person consents in a browser, and the tokens are stored.

    The redirect URI must lead to this computer, except with --paste, which also works over SSH: open the
    URL on any computer, consent, and paste the URL at which the browser ends, even if it shows an error.
    """
    if not 0 < seconds <= _MAXIMUM:
        message = f"must be more than 0 and at most {_MAXIMUM:g}"
        raise typer.BadParameter(message, param_hint="--timeout")
    chosen = profile_of(context, profile)
    _check_consent(chosen)
    if paste:
        result = anyio.run(_log_in_by_paste, chosen)
    else:
        _check_waiting(chosen)
        opener = None if no_browser else _open
        result = anyio.run(_log_in_by_browser, chosen, opener, timedelta(seconds=seconds))
    missing = list(result.missing_scopes)
    show_credential(result.status, as_json=as_json, missing_scopes=missing)


async def _log_in_by_browser(
    profile: Profile, opener: Callable[[str], object] | None, patience: timedelta
) -> AuthorizationResult:
    tell = _say_open_url if opener is None else _say_browser_opens
    async with open_manager(profile) as manager:
        flow = AuthorizationFlow(manager)
        login = LoopbackLogin(flow, open_browser=opener, on_url=tell, timeout=patience)
        return await login.login(profile.store_key)


async def _log_in_by_paste(profile: Profile) -> AuthorizationResult:
    async with open_manager(profile) as manager:
        flow = AuthorizationFlow(manager)
        _say_open_url((await flow.start(profile.store_key, started_by=None)).url)
        # The prompt blocks the event loop; no other task runs in it.
        return await flow.complete(ask("The URL at which the browser ended"), started_by=None)


def _check_consent(profile: Profile) -> None:
    if grant_without_secret(profile).redirect_uri is None:
        message = f"Profile {profile.name} is for {profile.product}, which needs no consent."
        raise ConfigurationError(f"{message} Run: atlassian-auth token {profile.arguments}")


def _check_waiting(profile: Profile) -> None:
    try:
        CallbackPlace.of(profile.redirect_uri)
    except ConfigurationError:
        message = (
            f"redirect_uri is {profile.redirect_uri}, which does not lead to this computer. Pass "
            "--paste, or register and use a URI such as http://127.0.0.1:8765/callback."
        )
    else:
        return
    raise ConfigurationError(message, argument="redirect_uri")


def _say_browser_opens(url: str) -> None:
    say(f"A browser opens for your consent. If none opens, go to:\n\n{url}\n")


def _say_open_url(url: str) -> None:
    say(f"Open this URL in a browser, and consent:\n\n{url}\n")


def _open(url: str) -> None:
    # The result is ignored: the person can open the URL, which was printed.
    webbrowser.open(url)
