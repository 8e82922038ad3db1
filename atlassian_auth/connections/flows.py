"""Flow requests: a person's login at a provider, from the first click to its result."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, Field

from atlassian_auth.connections._credentials import TokenCredentials, config_id_of
from atlassian_auth.connections._desk import Desk, digest_of
from atlassian_auth.connections.config import CALLBACK_PATH, ClientConfig, ClientType
from atlassian_auth.connections.configs import ClientConfigs
from atlassian_auth.connections.errors import (
    FlowNotFound,
    FlowOutOfOrder,
    FlowPending,
    TokenNotFound,
)
from atlassian_auth.endpoints import check_secure, origin_of
from atlassian_auth.exceptions import (
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    VersionConflict,
)
from atlassian_auth.flows import AuthorizationFlow, UncheckedCallback
from atlassian_auth.protocol.confidential import same_secret
from atlassian_auth.stores.base import ABSENT
from atlassian_auth.stores.records import Loaded, Records

__all__ = ["FlowError", "FlowRequest", "FlowRequests", "FlowSuccess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRequest:
    """A flow that was created.

    Args:
        id: Of the flow.
        start_url: Send the browser here to start: it is below your base URL.
        landing_url: Where the browser ends, with a result or an error.
        expires_at: The flow must be started before.
    """

    id: str
    start_url: str
    landing_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSuccess:
    """The person consented; the token is saved.

    Args:
        token_id: The id of the token, for `ClientTokens` and `TokenHandler`.
        config_id: The configuration that it was issued for.
        missing_scopes: The scopes that were requested and not granted.
    """

    token_id: str
    config_id: str
    missing_scopes: tuple[str, ...] = ()
    ok: ClassVar[Literal[True]] = True

    def to_success(self) -> FlowSuccess:
        """Return itself."""
        return self

    def to_error(self) -> FlowError:
        """Raise ``ValueError``: the flow has succeeded."""
        raise ValueError("the flow has succeeded: ask for to_success()")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowError:
    """The flow brought no token.

    Args:
        config_id: The configuration that it was for.
        error: The ``code`` of the error, such as ``"authorization_required"``.
        reason: The ``reason`` of an `AuthorizationRequired`, such as ``"declined"``; else None.
        message: What was wrong, and what to do; holds no secret.
    """

    config_id: str
    error: str
    reason: str | None
    message: str
    ok: ClassVar[Literal[False]] = False

    def to_success(self) -> FlowSuccess:
        """Raise ``ValueError``: the flow has failed."""
        raise ValueError(f"the flow has failed: ask for to_error(). {self.message}")

    def to_error(self) -> FlowError:
        """Return itself."""
        return self


_Step = Literal["created", "started", "returned", "finished"]


class _Flow(BaseModel):
    """A flow as it is stored."""

    session_sha256: str = Field(repr=False)
    config_id: str
    token_id: str
    landing_url: str
    step: _Step = "created"
    expires_at: AwareDatetime
    result: FlowSuccess | FlowError | None = None


class _Started(BaseModel):
    """Which flow waits for the callback with a state, whose digest is the name of the record."""

    flow_id: str


class FlowRequests:
    """Runs flows, each bound to the session that created it; the ``flows`` of a `Connections`.

    The steps are `create`, `start` and `callback`, each once and in this order. Then `get` returns the
    result.
    """

    def __init__(self, desk: Desk, configs: ClientConfigs, credentials: TokenCredentials) -> None:
        self._desk = desk
        self._configs = configs
        self._credentials = credentials
        self._flows = Records(desk.store, "flow_requests", _Flow)
        self._started = Records(desk.store, "started_flow_requests", _Started)
        settings = desk.settings
        skew = settings.max_clock_skew_seconds
        self._client_window = timedelta(seconds=settings.max_client_delay_seconds + skew)
        self._server_window = timedelta(seconds=settings.max_server_delay_seconds + skew)

    async def create(
        self,
        session: str,
        config: ClientConfig,
        *,
        landing: Callable[[str], str],
        token_id: str | None = None,
    ) -> FlowRequest:
        """Store a new flow. The person has ``max_client_delay_seconds`` to start it.

        Args:
            session: The id of the person's session, which an attacker cannot choose. Its digest is stored.
            config: A stored configuration.
            landing: Returns the page to show at the end, from the flow's id: a path, or a URL of the base
                URL's origin.
            token_id: A token to replace, when a person connects again; None for a new one.

        Raises:
            ConfigurationNotFound: if the configuration is not stored.
            TokenNotFound: if ``token_id`` is no token of the configuration.
            ConfigurationError: if the landing page is on another origin, the session is empty, or the
                configuration needs no person.
        """
        _check_session(session)
        stored = await self._configs.get(config.id or "")
        if stored.type is ClientType.CLIENT_CREDENTIALS:
            message = (
                "config has the type CLIENT_CREDENTIALS, which needs no person: use tokens.obtain"
            )
            raise ConfigurationError(message, argument="config")
        await self._check_token(token_id, stored)
        flow_id = self._desk.new_id()
        flow = _Flow(
            session_sha256=digest_of(session),
            config_id=stored.id or "",
            token_id=token_id or self._credentials.new_id(stored),
            landing_url=self._check_landing(landing(flow_id)),
            expires_at=self._desk.now() + self._client_window,
        )
        await self._desk.perform(functools.partial(self._put, flow_id, flow, ABSENT))
        return FlowRequest(
            id=flow_id,
            start_url=f"{self._desk.base_url}{CALLBACK_PATH}?startFlow={flow_id}",
            landing_url=flow.landing_url,
            expires_at=flow.expires_at,
        )

    async def start(self, session: str, flow_id: str) -> str:
        """Return the URL of the provider, to which to send the browser.

        The person has ``max_server_delay_seconds`` to come back.

        Raises:
            FlowNotFound: if the session has no such flow.
            FlowOutOfOrder: if it was started already; it has ended.
        """
        _check_session(session)
        return await self._desk.perform(functools.partial(self._start, session, flow_id))

    async def callback(self, session: str, suffix: str, callback_url: str) -> str:
        """Exchange the code, save the token, and return the landing URL; `get` has the result.

        Args:
            session: The id of the session in which the browser comes back.
            suffix: The last part of the path of the callback.
            callback_url: The whole URL, or its query.

        Raises:
            FlowNotFound: if the session has no flow that waits for this callback. Nothing has changed.
            ConfigurationError: if this is no callback.
        """
        _check_session(session)
        callback = UncheckedCallback.parse(callback_url)
        return await self._desk.perform(functools.partial(self._receive, session, suffix, callback))

    async def get(self, session: str, flow_id: str) -> FlowSuccess | FlowError:
        """Return the result; for ``max_client_delay_seconds`` after the callback.

        Raises:
            FlowNotFound: if the session has no such flow, or its time is over.
            FlowPending: if there is no result yet.
        """
        _check_session(session)
        flow = (await self._desk.perform(functools.partial(self._load, session, flow_id))).value
        if flow.result is None:
            message = "The flow has no result yet: the person has not come back from the provider."
            raise FlowPending(message)
        return flow.result

    async def _check_token(self, token_id: str | None, config: ClientConfig) -> None:
        if token_id is None:
            return
        if config_id_of(token_id) != config.id:
            message = (
                "No token of this configuration has this id: create the flow without token_id."
            )
            raise TokenNotFound(message, reason="missing")
        await self._credentials.manager_of(token_id)

    def _check_landing(self, landing: str) -> str:
        origin = origin_of(self._desk.base_url)
        url = f"{origin}{landing}" if str(landing).startswith("/") else landing
        check_secure(url, argument="landing", allow_http=True)
        if origin_of(url) != origin:
            message = f"landing must return a path, or a URL at {origin}: the browser is sent nowhere else"
            raise ConfigurationError(message, argument="landing")
        return url

    # -- in the runner -------------------------------------------------------------------------

    async def _start(self, session: str, flow_id: str) -> str:
        stored = await self._load(session, flow_id)
        flow = stored.value
        if flow.step != "created":
            await self._flows.delete(flow_id)
            raise _out_of_order()
        login = await self._login(await self._configs.get(flow.config_id))
        request = await login.start(flow.token_id, started_by=session)
        started = self._after(flow, "started", self._server_window)
        try:
            await self._put(flow_id, started, stored.version)
        except VersionConflict:
            await self._flows.delete(flow_id)
            raise _out_of_order() from None
        await self._started.put(
            digest_of(request.state),
            _Started(flow_id=flow_id),
            ttl_seconds=self._server_window.total_seconds(),
        )
        return request.url

    async def _receive(self, session: str, suffix: str, callback: UncheckedCallback) -> str:
        name = digest_of(callback.state or "")
        started = await self._started.get(name)
        if started is None:
            raise _not_found()
        flow_id = started.value.flow_id
        stored = await self._load(session, flow_id)
        # From now on no other callback is accepted, and the flow waits for the exchange.
        patience = timedelta(seconds=self._desk.settings.wait_timeout_seconds)
        returned = self._after(stored.value, "returned", patience + self._client_window)
        version = await self._put_once(flow_id, returned, stored.version)
        await self._started.delete(name)
        result = await self._finish(returned, session, suffix, callback)
        finished = self._after(returned, "finished", self._client_window, result)
        await self._put_once(flow_id, finished, version)
        return finished.landing_url

    def _after(
        self,
        flow: _Flow,
        step: _Step,
        window: timedelta,
        result: FlowSuccess | FlowError | None = None,
    ) -> _Flow:
        expires_at = self._desk.now() + window
        return flow.model_copy(update={"step": step, "expires_at": expires_at, "result": result})

    async def _put_once(self, flow_id: str, flow: _Flow, expected: int) -> int:
        """Store the flow, unless another step came at the same moment."""
        try:
            return await self._put(flow_id, flow, expected)
        except VersionConflict:
            raise _not_found() from None

    async def _finish(
        self, flow: _Flow, session: str, suffix: str, callback: UncheckedCallback
    ) -> FlowSuccess | FlowError:
        try:
            config = await self._configs.get(flow.config_id)
            _check_suffix(suffix, config)
            login = await self._login(config)
            result = await login.complete(callback, started_by=session)
            if not result.status.refreshable:
                await self._check_lifetime(config, login, flow, result.status.access_expires_at)
        except AtlassianAuthError as error:
            reason = error.reason if isinstance(error, AuthorizationRequired) else None
            return FlowError(
                config_id=flow.config_id, error=error.code, reason=reason, message=str(error)
            )
        return FlowSuccess(
            token_id=flow.token_id,
            config_id=flow.config_id,
            missing_scopes=result.missing_scopes,
        )

    async def _check_lifetime(
        self,
        config: ClientConfig,
        login: AuthorizationFlow,
        flow: _Flow,
        expires_at: datetime | None,
    ) -> None:
        try:
            self._credentials.check_lifetime(config, expires_at)
        except ConfigurationError:
            await login.manager.forget(flow.token_id)
            raise

    async def _login(self, config: ClientConfig) -> AuthorizationFlow:
        return AuthorizationFlow(
            await self._desk.managers.of(config),
            lifetime=self._server_window,
            random_bytes=self._desk.random_bytes,
        )

    async def _load(self, session: str, flow_id: str) -> Loaded[_Flow]:
        stored = await self._flows.get(flow_id) if flow_id else None
        if (
            stored is None
            or not same_secret(stored.value.session_sha256, digest_of(session))
            or stored.value.expires_at <= self._desk.now()
        ):
            raise _not_found()
        return stored

    async def _put(self, flow_id: str, flow: _Flow, expected: int) -> int:
        left_seconds = max((flow.expires_at - self._desk.now()).total_seconds(), 0)
        return await self._flows.put(flow_id, flow, expected=expected, ttl_seconds=left_seconds)


def _check_session(session: object) -> None:
    if not isinstance(session, str) or not session:
        message = "session must be the id of the person's session: text that is not empty"
        raise ConfigurationError(message, argument="session")


def _check_suffix(suffix: str, config: ClientConfig) -> None:
    if suffix != config.redirect_uri_suffix:
        message = (
            "The callback came to the redirect URI of another provider than the one that was asked: its code "
            "is not used. If it happens again, check the redirect URI that is registered there."
        )
        raise ConfigurationError(message, argument="suffix")


def _not_found() -> FlowNotFound:
    message = (
        "This session has no such flow: it has ended, took too long, or belongs to another session. Nothing "
        "was changed; create a new flow."
    )
    return FlowNotFound(message)


def _out_of_order() -> FlowOutOfOrder:
    message = "The flow was started twice, so it has ended: create a new flow."
    return FlowOutOfOrder(message)
