"""A login on the person's own computer: open the browser, and wait on a port for the callback.

The port is open from before the login starts until it ends. A request that does not answer this login gets an
error page and changes nothing.
"""

from __future__ import annotations

import logging
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import anyio
import anyio.to_thread
from anyio.abc import Listener, SocketStream

from atlassian_auth._tokens.credentials.checks import checked_period
from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
)
from atlassian_auth.flows._page import page
from atlassian_auth.flows._reception import CallbackPlace, CallbackReply, Reception, listen
from atlassian_auth.flows.authorization import (
    AuthorizationFlow,
    AuthorizationRequest,
    AuthorizationResult,
)
from atlassian_auth.ports._runtime.future import SharedFuture, explained
from atlassian_auth.protocol.callback import UncheckedCallback, check_state

__all__ = ["LoopbackLogin"]

logger: logging.Logger = logging.getLogger("atlassian_auth")


class LoopbackLogin:
    """Lets the person at this computer authorize a credential, one at a time.

    The grant's redirect URI should be ``http://127.0.0.1:PORT/PATH``. ``[::1]`` and ``localhost`` are
    accepted too. For ``localhost`` the port must be free at both addresses, because browsers may use either.
    Nothing is printed.

    Args:
        flow: The flow that starts and completes the login.
        open_browser: Opens a URL, in its own thread; None for computers without a browser.
        on_url: Called with the URL, for a person who has to open it themselves.
        timeout: How long to wait for the person, as a ``timedelta``. Default: five minutes.

    Raises:
        ConfigurationError: if ``flow`` is not an `AuthorizationFlow`, ``timeout`` is not positive, or the
            grant's redirect URI is not on this computer.
    """

    def __init__(
        self,
        flow: AuthorizationFlow,
        *,
        open_browser: Callable[[str], object] | None = webbrowser.open,
        on_url: Callable[[str], object] | None = None,
        timeout: timedelta = timedelta(minutes=5),
    ) -> None:
        if not isinstance(flow, AuthorizationFlow):
            raise ConfigurationError.wrong_type("flow", "an AuthorizationFlow(manager)", flow)
        _check_functions(open_browser=open_browser, on_url=on_url)
        self._flow = flow
        self._place = CallbackPlace.of(flow.manager.grant.redirect_uri)
        self._open_browser = open_browser
        self._on_url = on_url
        self._timeout = checked_period("timeout", timeout)
        self._login: _Login | None = None

    async def login(self, key: str) -> AuthorizationResult:
        """Send the person to the consent page, store the token, and return what was granted.

        Cancelling frees the port, but does not stop an exchange that is under way.

        Raises:
            AuthorizationRequired: if the person declined (``reason="declined"``), or did not come back in
                time (``reason="unanswered"``).
            ConfigurationError: if the port is in use, at either address of ``localhost``: then no login was
                started. Also if the app's registration is wrong.
            AtlassianAuthError: as `AuthorizationFlow.complete` does.
        """
        async with listen(self._place) as listener:
            request = await self._flow.start(key, started_by=None)
            login = self._login = _Login(self._flow, request, self._timeout)
            try:
                await self._serve(login, listener)
            finally:
                self._login = None
        return await login.result.wait()

    async def paste(self, callback: str) -> AuthorizationResult:
        """Complete the login that is under way with the callback URL from a browser on another computer.

        If the URL does not answer this login, the login goes on waiting.

        Raises:
            ConfigurationError: if no login is under way, or the URL does not answer it.
            AtlassianAuthError: the same error that `login` raises.
        """
        if self._login is None:
            message = "No login is waiting for a callback: call login() first."
            raise ConfigurationError(message, argument="callback")
        return await self._login.paste(UncheckedCallback.parse(callback))

    async def _serve(self, login: _Login, listener: Listener[SocketStream]) -> None:
        if self._on_url is not None:
            self._on_url(login.request.url)
        reception = Reception(self._place, login.reply, clock=self._flow.manager.clock)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reception.serve, listener, login.note_shown)
            tasks.start_soon(self._open, login.request.url)
            await login.end()
            tasks.cancel_scope.cancel()

    async def _open(self, url: str) -> None:
        if self._open_browser is None:
            return
        try:
            opened = await anyio.to_thread.run_sync(self._open_browser, url, abandon_on_cancel=True)
        except Exception as error:  # noqa: BLE001 -- the person may open the URL themselves
            logger.warning(
                "The browser could not be opened (%s): pass on_url to show the URL instead.",
                type(error).__name__,
            )
            return
        if opened is False:
            logger.warning("No browser could be opened: pass on_url to show the URL instead.")


def _check_functions(**functions: object) -> None:
    for argument, function in functions.items():
        if function is not None and not callable(function):
            expected = "a function that gets the URL, or None"
            raise ConfigurationError.wrong_type(argument, expected, function)


class _Login:
    """One login under way. The first callback with its state completes it; others are refused.

    Attributes:
        result: The result of the login, or its error.
    """

    def __init__(
        self, flow: AuthorizationFlow, request: AuthorizationRequest, timeout: timedelta
    ) -> None:
        self.request = request
        self.result = SharedFuture[AuthorizationResult]()
        self._flow = flow
        self._timeout = timeout
        self._answer: UncheckedCallback | None = None
        self._answered = anyio.Event()
        self._page: CallbackReply | None = None
        self._shown = anyio.Event()

    async def end(self) -> None:
        """Complete the login, and return once the browser has shown the result."""
        try:
            self.result.set_result(await self._wait())
        except Exception as error:  # noqa: BLE001 -- the browser must show something
            self.result.set_exception(explained(error))
        finally:
            if not self.result.done():
                self.result.set_exception(_INTERRUPTED)
        if self._answer is not None:
            await self._shown.wait()

    async def paste(self, callback: UncheckedCallback) -> AuthorizationResult:
        """Complete the login with a callback that the person pasted, and return the result."""
        self._take(callback)
        self._shown.set()
        return await self.result.wait()

    async def reply(self, query: str) -> CallbackReply:
        """Return the page for a browser's request with this query."""
        try:
            self._take(UncheckedCallback.parse(query))
        except ConfigurationError as error:
            return _error_page("This is not the login that is waiting", error, _KEEP_WAITING)
        self._page = await self._result_page()
        return self._page

    def note_shown(self, reply: CallbackReply | None) -> None:
        """Record that a browser got this reply."""
        if reply is not None and reply is self._page:
            self._shown.set()

    def _take(self, callback: UncheckedCallback) -> None:
        check_state(callback, self.request.state)
        if self._answer is not None:
            message = "This login was answered already: see its result where it was started."
            raise ConfigurationError(message, argument="callback")
        self._answer = callback
        self._answered.set()

    async def _wait(self) -> AuthorizationResult:
        # The timeout is for the person only: the exchange has its own limits.
        with suppress(TimeoutError):
            async with self._flow.manager.clock.timeout(self._timeout.total_seconds()):
                await self._answered.wait()
        if self._answer is None:
            raise _unanswered_error(self.request.key, self._timeout)
        return await self._flow.complete(self._answer, started_by=None)

    async def _result_page(self) -> CallbackReply:
        try:
            result = await self.result.wait()
        except AtlassianAuthError as error:
            return _error_page("The login failed", error, _CLOSE)
        missing = ", ".join(result.missing_scopes)
        text = f"The credential {result.key!r} is authorized."
        text += f" Not granted, although requested: {missing}." if missing else ""
        return CallbackReply(200, page("The login succeeded", text, after=_CLOSE))


_CLOSE = "You may close this window."
_KEEP_WAITING = "The login goes on waiting. You may close this window."

_INTERRUPTED = AuthorizationRequired(
    "The login was interrupted before it ended: start again.", reason="unanswered"
)


def _unanswered_error(key: str, timeout: timedelta) -> AuthorizationRequired:
    message = (
        f"No browser came back from the consent page within {timeout.total_seconds():g} seconds. Start "
        "again. If the page showed an error, its URL says more, and may be pasted."
    )
    return AuthorizationRequired(message, key=key, reason="unanswered")


def _error_page(title: str, error: AtlassianAuthError, after: str) -> CallbackReply:
    return CallbackReply(400, page(title, str(error), after=after))
