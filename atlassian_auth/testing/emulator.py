"""Answers one request: finds the endpoint, applies a fault, and records the request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from atlassian_auth.testing import _routes as routes
from atlassian_auth.testing._names import check_name
from atlassian_auth.testing._state import describe
from atlassian_auth.testing._world import World
from atlassian_auth.testing.answers import Answer
from atlassian_auth.testing.apps import App, Product
from atlassian_auth.testing.faults import Fault, Faults, Kind
from atlassian_auth.testing.gate import Gate
from atlassian_auth.testing.journal import APIRequest, Journal, TokenRequest
from atlassian_auth.testing.urls import Urls
from atlassian_auth.testing.wire import Refused, Reply, Request

__all__ = ["Emulator"]

_ENTRIES = {"token": TokenRequest, "api": APIRequest}


class Emulator:
    """Serves one request at a time, from any thread.

    Args:
        world: The state of the emulated servers.
        urls: The URLs of the services, unless `handle` gets others.
    """

    def __init__(self, world: World, urls: Urls) -> None:
        self._world = world
        self._lock = threading.RLock()
        self._faults = Faults()
        self._journal = Journal(world.ledger)
        self.urls = urls

    def handle(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        urls: Urls | None = None,
    ) -> Reply:
        """Answer one request.

        Args:
            method: In upper case.
            url: Absolute; the answer to an address that is not emulated is 404.
            headers: In any case.
            body: Encoded as ``content-type`` says.
            urls: The URLs of the services for the sender. Default: Atlassian's own addresses.

        Raises:
            AnswerLost, ConnectionRefused, NeverAnswered: if a fault ends the connection so.
        """
        request = _read(method, url, headers or {}, body, urls or self.urls)
        if request is None:
            return Reply(404)
        with self._lock:
            return self._serve(request)

    def respond(
        self,
        method: str,
        path: str,
        *,
        json: object | Callable[[Request], object] = None,
        status: int = 200,
        scopes: str | Iterable[str] = (),
        product: Product | None = None,
    ) -> Answer:
        """Define the answer to an API request, which is given after the checks of the emulated API.

        A bearer that is missing, expired, of the wrong kind or without the scope is refused as by Atlassian,
        and so is an unknown site. A later answer to the same request replaces this one. This one replaces the
        emulator's own answer. The answers of token endpoints cannot be replaced.

        Args:
            method: In upper case.
            path: As in the API's reference, without a query: ``/rest/api/3/search/jql``. A part that varies
                is written as ``{key}``, and is then in the request's ``values``. The path applies to each
                site of Cloud and to Data Center. One that begins with ``/wiki/`` belongs to Confluence
                Cloud; one that begins with neither ``/rest/`` nor ``/wiki/`` also applies to the gateway.
            json: The body; None for an empty one. Or a function that gets the request and returns the body,
                or a `Reply`.
            status: The HTTP status.
            scopes: The scopes that the token must have. Default: a token with any scopes is accepted.
            product: Accept only tokens of this kind of app, at its server. Default: of each that may use the
                API.

        Returns:
            The answer; its ``requests`` are those that passed the checks.

        Raises:
            ValueError: if no request can have this method, path or product, or no answer this status or body.
            TypeError: if the scopes are no texts, or ``json`` cannot be converted to JSON.
        """
        with self._lock:
            return self._world.answers.add(
                method, path, json=json, status=status, scopes=scopes, product=product
            )

    def fault(
        self, where: Kind | Callable[[Request], bool], fault: Fault, *, times: int | None = 1
    ) -> None:
        """Apply ``fault`` to the next ``times`` requests of a kind, or to those that a predicate accepts.

        Args:
            where: ``"authorize"``, ``"token"``, ``"revoke"``, ``"api"`` or ``"site"``; or a predicate.
            fault: What happens to them.
            times: How many requests; None for all until `clear_faults`.

        Raises:
            ValueError: if there is no such kind, or ``times`` is below 1.
            TypeError: if ``fault`` is not a `Fault`.
        """
        with self._lock:
            self._faults.add(where, fault, times)

    def hold(self, where: Kind | Callable[[Request], bool]) -> Gate:
        """Serve the next such request, and hold its answer until the gate is opened."""
        gate = Gate()
        self.fault(where, Fault.held(gate))
        return gate

    def clear_faults(self) -> None:
        """Cancel all faults that are not used up."""
        with self._lock:
            self._faults.clear()

    @property
    def unused_faults(self) -> tuple[str, ...]:
        """The faults that have met fewer requests than ``times``; the pytest fixture fails for them."""
        with self._lock:
            return self._faults.unused

    @property
    def apps(self) -> tuple[App, ...]:
        """The registered apps and client credentials."""
        with self._lock:
            return tuple(self._world.apps.values())

    @property
    def token_requests(self) -> tuple[TokenRequest, ...]:
        """Every request to a token endpoint so far."""
        return tuple(self._journal.token_requests)

    @property
    def api_requests(self) -> tuple[APIRequest, ...]:
        """Every request to an API so far."""
        return tuple(self._journal.api_requests)

    def describe(self) -> dict[str, Any]:
        """Return the state as values of JSON, without secrets: apps, sites, consents, faults and requests."""
        with self._lock:
            return describe(self._world, self._journal, self._faults)

    @property
    def refreshes(self) -> int:
        """The number of refresh tokens that were exchanged for the next ones."""
        return self.count("token", grant_type="refresh_token", outcome="ok")

    def count(self, kind: Literal["token", "api"], **expected: object) -> int:
        """Return how many requests of a kind have these values, e.g. ``outcome="ok"``.

        Args:
            kind: ``"token"`` counts `token_requests`, ``"api"`` counts `api_requests`.
            expected: Fields of `TokenRequest`, or of `APIRequest`, and their values.

        Raises:
            ValueError: if there is no such kind, or no such field.
        """
        check_name(kind, _ENTRIES, what="kind of request that is counted")
        for name in expected:
            known = [field.name for field in fields(_ENTRIES[kind])]
            check_name(name, known, what=f"field of {_ENTRIES[kind].__name__}")
        entries = self.token_requests if kind == "token" else self.api_requests
        return sum(
            all(getattr(entry, name) == value for name, value in expected.items())
            for entry in entries
        )

    def _serve(self, unrouted: Request) -> Reply:
        route, values = routes.find(unrouted, self._world.answers)
        request = replace(unrouted, values=values)
        fault = self._faults.take(route.kind, request)
        done: list[Reply] = []

        def work() -> Reply:
            done.append(self._answer(route, request))
            return done[0]

        now = self._world.now
        try:
            return _dated(fault.run(work), now)
        finally:
            answer = done[0] if done else None
            self._journal.note(route.kind, request, answer, at=now, fault=fault.name)

    def _answer(self, route: routes.Route, request: Request) -> Reply:
        try:
            return route.endpoint(self._world, request)
        except Refused as refusal:
            return refusal.reply


def _read(
    method: str, url: str, headers: Mapping[str, str], body: bytes, urls: Urls
) -> Request | None:
    place = urls.locate(url)
    if place is None:
        return None
    service, path = place
    return Request(
        method=method,
        service=service,
        path=path,
        urls=urls,
        query=dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
    )


def _dated(reply: Reply, now: float) -> Reply:
    date = format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True)
    return replace(reply, headers={"date": date, **reply.headers})
