"""The ASGI application: the REST interface and the pages. The host application decides who may call."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from atlassian_auth.connections import Connections
from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores import Store
from atlassian_auth.web._bodies import ProblemView
from atlassian_auth.web._clients import ClientPages
from atlassian_auth.web._desk import WebDesk
from atlassian_auth.web._pace import Pace
from atlassian_auth.web._pages import LANDING, ConnectionPages
from atlassian_auth.web._problems import Instead, Problem, problem_of
from atlassian_auth.web._rendering import Renderer
from atlassian_auth.web._rest import PREFIX, Rest
from atlassian_auth.web._shield import Shield
from atlassian_auth.web._visit import Door
from atlassian_auth.web.callers import Authorize
from atlassian_auth.web.owners import Owners

__all__ = ["connections_app"]


def connections_app(
    connections: Connections,
    *,
    store: Store,
    authorize: Authorize | None = None,
    flows_per_minute: int = 30,
    max_body_bytes: int = 65_536,
    clock: Clock = SYSTEM_CLOCK,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> ASGIApp:
    """Return an ASGI application with the pages and the REST interface; mount it at the path of ``base_url``.

    Any number of processes may serve it. Each caller has one token for each client configuration; `Owners`
    finds it for your own code.

    Args:
        connections: What is served. You open and close it.
        store: The store of ``connections``; it also keeps whose token is whose.
        authorize: Decides who may call, for each request; there is no default.
        flows_per_minute: How many flows a caller may start in each process.
        max_body_bytes: The longest body of a request.
        clock: Tells the time, for dates on the pages and the number of flows in a minute.
        random_bytes: Returns so many bytes that cannot be guessed, for cookies.

    Raises:
        ConfigurationError: if ``authorize`` is missing, or an argument is wrong.
    """
    if not isinstance(connections, Connections):
        raise ConfigurationError.wrong_type("connections", "a Connections", connections)
    if not callable(authorize):
        message = (
            "authorize is missing: without it the application would be open to everyone. Give it a function "
            "that takes a request and returns a Caller, or None to refuse."
        )
        raise ConfigurationError(message, argument="authorize")
    for name, number in (
        ("flows_per_minute", flows_per_minute),
        ("max_body_bytes", max_body_bytes),
    ):
        if number < 1:
            raise ConfigurationError(f"{name} must be at least 1, not {number}.", argument=name)
    door = Door(authorize, connections.base_url, random_bytes)
    desk = WebDesk(connections, Owners(store), door, Pace(flows_per_minute, clock))
    renderer = Renderer(connections.base_url)
    routes = [
        *renderer.routes(),
        *Rest(desk, renderer.base + LANDING).routes(),
        *ClientPages(desk, renderer).routes(),
        *ConnectionPages(desk, renderer, clock).routes(),
    ]
    refuse = _Refusals(renderer)
    kinds = (Problem, HTTPException, AtlassianAuthError, Exception)
    handlers = {**dict.fromkeys(kinds, refuse.answer), Instead: refuse.answer_instead}
    return Shield(Starlette(routes=routes, exception_handlers=handlers), max_body_bytes)


class _Refusals:
    """Answers requests that are refused: with JSON on the REST interface, else with a page."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def answer(self, request: Request, error: Exception) -> Response:
        problem = _problem(error)
        response = self._response(request, problem)
        response.headers.update(problem.headers)
        if isinstance(error, HTTPException):
            response.headers.update(error.headers or {})
        return response

    async def answer_instead(self, request: Request, error: Exception) -> Response:
        if not _is_rest(request) and isinstance(error, Instead):
            return error.response
        message = "Log in to the host application first."
        return self._response(request, Problem(401, "unauthorized", message))

    def _response(self, request: Request, problem: Problem) -> Response:
        if _is_rest(request):
            view = ProblemView(
                code=problem.code, error_messages=problem.messages, errors=problem.errors
            )
            return JSONResponse(view.document(), problem.status)
        return self._renderer.page(
            "problem.html",
            getattr(request.state, "visit", None),
            problem.status,
            title=_TITLES.get(problem.status, "This did not work"),
            messages=[*problem.messages, *problem.errors.values()],
        )


_TITLES = {403: "Not allowed", 404: "Not found", 429: "Too many", 503: "Not available now"}

_HTTP_PROBLEMS = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not accept this method."),
    413: ("too_large", None),
}


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, AtlassianAuthError):
        return problem_of(error)
    if isinstance(error, HTTPException):
        code, message = _HTTP_PROBLEMS.get(error.status_code, ("refused", None))
        return Problem(error.status_code, code, message or error.detail)
    message = "The application has failed. Its log says more."
    return Problem(500, "internal", message)


def _is_rest(request: Request) -> bool:
    # Mounted elsewhere, the path begins with the place of the mount.
    return f"{PREFIX}/" in request.scope["path"]
