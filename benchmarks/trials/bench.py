"""What one trial works with: the emulated server, a stranger's server, and the client's processes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.testing import FakeAtlassian, Fault, Gate, LoopbackServer, Reply, Request, Urls
from atlassian_auth.testing.apps import CLOUD_SCOPES
from atlassian_auth.testing.journal import TokenRequest
from atlassian_auth.testing.wire import json_reply
from benchmarks.trials.client import Scene, Seed
from benchmarks.trials.processes import Process, Silent, Starter
from benchmarks.trials.worker import Outcome

__all__ = ["Bench", "Effort", "Failed", "check", "check_outcome", "prepared", "secrets_in"]

ENDED = -60
"""Seconds that an access token has left which ended a minute ago."""

_TIMEOUT_SECONDS = 30.0
_PAUSE_SECONDS = 0.25


_KINDS = {"rt": "a refresh token", "at": "an access token", "cs": "the client secret"}


class Failed(Exception):
    """The client did not pass; the text says what was seen."""


def check(condition: object, otherwise: str) -> None:
    """Go on if the condition is met.

    Raises:
        Failed: if it is not.
    """
    if not condition:
        raise Failed(otherwise)


def secrets_in(text: str) -> str:
    """Return which kinds of secrets a text shows: those of the emulated server name their kind."""
    return " and ".join(name for kind, name in _KINDS.items() if f"secret-{kind}-" in text)


class Server(FakeAtlassian):
    """The emulated Cloud, with the metadata of RFC 8414 that some clients look for."""

    def handle(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        urls: Urls | None = None,
    ) -> Reply:
        urls = urls or self.urls
        path = urlsplit(url).path
        if path == "/.well-known/oauth-authorization-server":
            return json_reply(_metadata(urls))
        # Where a client looks that has not kept the metadata.
        wanted = urls.token_url if path == "/token" else url
        return super().handle(method, wanted, headers, body, urls=urls)


def _metadata(urls: Urls) -> dict[str, object]:
    return {
        "issuer": urls.auth_url.removesuffix("/auth"),
        "authorization_endpoint": urls.authorize_url,
        "token_endpoint": urls.token_url,
        "scopes_supported": [*CLOUD_SCOPES, "offline_access"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }


class Stranger(FakeAtlassian):
    """A server that has no part in this, and writes down all that it gets."""

    def __init__(self) -> None:
        super().__init__(SYSTEM_CLOCK)
        self.got = ""

    def handle(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        urls: Urls | None = None,  # noqa: ARG002
    ) -> Reply:
        self.got += f"{method} {url} {dict(headers or {})} {body.decode('latin-1')}\n"
        return Reply(404)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is asked of a client.

    Args:
        crowd: How many requests make a crowd.
        patience_seconds: How long requests may fail before they have to succeed.
        rounds: How often each trial is run; it has to be passed each time.
    """

    crowd: int = 200
    patience_seconds: float = 5.0
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Held:
    """An answer that is held back; the server has done its work."""

    gate: Gate
    event: threading.Event

    def arrived(self) -> None:
        """Wait for the request."""
        check(self.event.wait(_TIMEOUT_SECONDS), "the request did not come")

    def open(self) -> None:
        """Let the answer go."""
        self.gate.open()


class Bench:
    """What a trial works with.

    Args:
        starter: Starts the client's processes.
        server: Serves the emulated Cloud.
        stranger: Serves another origin.
        folder: For the client's tokens.
        effort: How much of it.
    """

    def __init__(
        self,
        starter: Starter,
        server: LoopbackServer,
        stranger: LoopbackServer,
        folder: Path,
        effort: Effort,
    ) -> None:
        self._starter = starter
        self._server = server
        self._folder = folder
        self._consents = count(1)
        self._scene: Scene | None = None
        self.atlassian = server.atlassian
        self.stranger = stranger
        self.effort = effort
        self.url = f"{server.urls.jira(self.atlassian.cloud_id)}rest/api/3/myself"

    # -- the client --------------------------------------------------------------------------------

    def first(
        self, *, expires_in: int = ENDED, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> Process:
        """Start a client that has just got its consent, with so many seconds left."""
        issued = self.atlassian.issue_grant()
        # For a client that redeems a code of its own.
        self.atlassian.fault(
            _redeems_a_code, Fault.edited(lambda document: document | {"expires_in": expires_in})
        )
        scene = self._new_scene(Seed(*issued, expires_in), timeout_seconds)
        try:
            process = self._starter.start(scene)
        except Silent as silence:  # this says nothing about the trial
            raise RuntimeError("the client does not start at all") from silence
        self._scene = replace(scene, seed=None)
        if expires_in < 0:
            self.atlassian.expire_access_tokens()
        return process

    def another(self) -> Process:
        """Start a further process of the same client: all it has is what was stored."""
        assert self._scene is not None
        return self._starter.start(self._scene)

    def works(self, process: Process) -> None:
        """Ask until a request succeeds.

        Raises:
            Failed: if none does in time, or a person is asked for.
        """
        deadline = time.monotonic() + self.effort.patience_seconds
        while not (outcome := process.get(self.url)).ok:
            check(self.alive, "the server ended the consent: a spent refresh token came back")
            check_outcome(outcome)
            check(time.monotonic() < deadline, f"requests end with {outcome}")
            time.sleep(_PAUSE_SECONDS)

    def crowd(self, process: Process) -> Counter[Outcome]:
        """Let the process send a crowd of requests at once."""
        return process.crowd(self.url, self.effort.crowd)

    def wait_for_refreshes(self, number: int, *, within_seconds: float) -> None:
        """Wait for so many token requests, or until the time is over."""
        deadline = time.monotonic() + within_seconds
        while len(self.refreshes) < number and time.monotonic() < deadline:
            time.sleep(0.01)

    # -- the server --------------------------------------------------------------------------------

    def hold(self, kind: str) -> Held:
        """Hold back the next answer of this kind."""
        gate, event = Gate(), threading.Event()

        def run(work: Callable[[], Reply]) -> Reply:
            reply = replace(work(), gate=gate)
            event.set()
            return reply

        self._fault(kind, Fault("held", run))
        return Held(gate, event)

    def fail(self, fault: Fault, *, times: int = 1) -> None:
        """Let the next token requests meet a fault."""
        self._fault("token", fault, times)

    @property
    def alive(self) -> bool:
        """Whether the server still accepts the consent."""
        return self.atlassian.families[-1].alive

    @property
    def refreshes(self) -> list[TokenRequest]:
        """The token requests so far, the redemption of a code left out."""
        requests = self.atlassian.token_requests
        return [entry for entry in requests if entry.grant_type == "refresh_token"]

    def _fault(self, kind: str, fault: Fault, times: int = 1) -> None:
        self.atlassian.fault(_ROUTES[kind], fault, times=times)

    @property
    def given_away(self) -> str:
        """What kinds of secrets the stranger has got."""
        stranger = self.stranger.atlassian
        assert isinstance(stranger, Stranger)
        return secrets_in(stranger.got)

    def _new_scene(self, seed: Seed, timeout_seconds: float) -> Scene:
        urls, app = self._server.urls, self.atlassian.cloud_app
        return Scene(
            origin=self._server.origin,
            authorize_url=urls.authorize_url,
            token_url=urls.token_url,
            client_id=app.client_id,
            client_secret=app.client_secret,
            redirect_uri=app.redirect_uri or "",
            path=self._folder / f"tokens-{next(self._consents)}",
            timeout_seconds=timeout_seconds,
            seed=seed,
        )


def check_outcome(outcome: Outcome) -> None:
    check(not outcome.consent_wanted, "a person is asked to consent again")


def _redeems_a_code(request: Request) -> bool:
    return request.fields.get("grant_type") == "authorization_code"


_ROUTES: dict[str, Callable[[Request], bool]] = {
    "token": lambda request: request.fields.get("grant_type") == "refresh_token",
    "api": lambda request: request.path.endswith("/myself"),
}


@contextmanager
def prepared(starter: Starter, effort: Effort) -> Iterator[Bench]:
    """Yield a new bench: a server that takes each refresh token once, and nothing stored."""
    atlassian = Server(SYSTEM_CLOCK)
    atlassian.rules.reuse_leeway_seconds = 0
    with (
        TemporaryDirectory() as folder,
        LoopbackServer(atlassian) as server,
        LoopbackServer(Stranger()) as stranger,
    ):
        yield Bench(starter, server, stranger, Path(folder), effort)
