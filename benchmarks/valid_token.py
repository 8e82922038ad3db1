"""What each request pays while the token is valid: next to nothing, beside a constant header."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO
from typing import Any

import httpx

from atlassian_auth import TokenManager
from benchmarks.clients import async_client, constant_header, of_async, of_sync, sync_client
from benchmarks.rounds import paired
from benchmarks.row import Row
from benchmarks.scene import ACCESS_TOKEN, TokenEndpoint, authorized

BUDGET = 1.03

Pair = tuple[str, Callable[[], float], Callable[[], float]]


def measure(*, quick: bool) -> list[Row]:
    count, rounds = (10, 3) if quick else (100, 300)
    with asyncio.Runner() as runner:
        manager = runner.run(authorized(TokenEndpoint())).manager
        return [
            *_rows("httpx", lambda: _httpx(runner, manager.auth(), httpx, count), rounds),
            *_rows("httpx2", lambda: _httpx2(runner, manager, count), rounds),
            *_rows("requests", lambda: _requests(manager, count), rounds),
        ]


def _rows(library: str, pairs: Callable[[], Iterator[Pair]], rounds: int) -> list[Row]:
    try:
        found = [*pairs()]
    except ImportError:
        what = f"valid token, {library}"
        return [Row(what=what, values=(), note=f"{library} is not installed")]
    return [
        Row(what=f"valid token, {what}", values=paired(*both, rounds=rounds), budget=BUDGET)
        for what, *both in found
    ]


def _httpx(runner: asyncio.Runner, auth: Any, library: Any, count: int) -> Iterator[Pair]:
    prefix = "httpx2." if library.__name__ == "httpx2" else ""
    one, other = (
        of_async(runner, async_client(by, library), count)
        for by in (constant_header(library), auth)
    )
    yield f"{prefix}AsyncClient", one, other
    one, other = (
        of_sync(sync_client(by, library), count) for by in (constant_header(library), auth)
    )
    yield f"{prefix}Client", one, other


def _httpx2(runner: asyncio.Runner, manager: TokenManager, count: int) -> Iterator[Pair]:
    auth = import_module("atlassian_auth.httpx2").AtlassianAuth(manager)
    return _httpx(runner, auth, import_module("httpx2"), count)


def _requests(manager: TokenManager, count: int) -> Iterator[Pair]:
    auth = import_module("atlassian_auth.requests").AtlassianAuth(manager)
    one, other = (of_sync(_session(by), count) for by in (_set_constant_header, auth))
    yield "requests.Session", one, other


def _set_constant_header(request: Any) -> Any:
    request.headers["Authorization"] = f"Bearer {ACCESS_TOKEN}"
    return request


def _session(auth: Any) -> Any:
    library = import_module("requests")

    def send(_adapter: object, request: Any, **_options: object) -> Any:
        response = library.Response()
        response.status_code, response.request, response.url = 200, request, request.url
        response.raw = BytesIO()
        return response

    session = library.Session()
    session.mount("https://", type("API", (library.adapters.HTTPAdapter,), {"send": send})())
    session.auth = auth
    return session
