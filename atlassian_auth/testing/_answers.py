"""Answers that a test defines for API requests."""

from __future__ import annotations

import re
from dataclasses import dataclass

from atlassian_auth.testing._names import check_name
from atlassian_auth.testing.wire import Reply, Request, json_reply

__all__ = ["Answer", "Answers"]

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# In URLs of Cloud's gateway the site precedes the path. Confluence's paths begin with /wiki, Jira's do not.
_BEHIND_GATEWAY = re.compile(
    r"/ex/(?:jira/(?P<jira>[^/]+)(?!/wiki(?:/|$))|confluence/(?P<confluence>[^/]+)(?=/wiki(?:/|$)))(?P<path>/.*)"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request with a valid bearer.

    Args:
        reply: The answer.
        scopes: The scopes that the token must have; empty if any token is accepted.
    """

    reply: Reply
    scopes: tuple[str, ...]


class Answers:
    """The defined answers, by method and path."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], Answer] = {}

    def add(self, method: str, path: str, document: object, status: int, scope: str) -> None:
        """Answer such requests from now on; see `FakeAtlassian.respond`.

        Raises:
            ValueError: if no request can have this method or path, or no answer this status or body.
        """
        check_name(method, _METHODS, what="HTTP method")
        _check_path(path)
        _check_status(status, empty=document is None)
        reply = Reply(status) if document is None else json_reply(document, status)
        self._answers[method, path] = Answer(reply, tuple(scope.split()))

    def find(self, request: Request) -> tuple[Answer, dict[str, str]] | None:
        """Return the answer to a request, and the cloud id in its path; None if there is no such answer."""
        path, values = _split(request)
        answer = self._answers.get((request.method, path))
        return None if answer is None else (answer, values)


def _check_path(path: str) -> None:
    if not path.startswith("/") or "?" in path or "#" in path:
        message = (
            f"path is {path!r}, but must begin with / and have no query: '/rest/api/3/search/jql'"
        )
        raise ValueError(message)
    if set("{}*") & set(path):
        raise ValueError(
            f"path is {path!r}, but is compared as it is: write '/rest/api/3/issue/A-1'"
        )
    if path.startswith("/ex/"):
        message = f"path is {path!r}, but must be what follows the site: '/rest/api/3/search/jql'"
        raise ValueError(message)


def _check_status(status: int, *, empty: bool) -> None:
    if not 200 <= status <= 599:
        raise ValueError(f"status is {status}, but must be from 200 to 599")
    # RFC 9110 sections 15.3.5 and 15.4.5.
    if status in {204, 304} and not empty:
        raise ValueError(f"an answer with status {status} has no body: leave json out")


def _split(request: Request) -> tuple[str, dict[str, str]]:
    """Return the path as in the product's reference, and the cloud id that preceded it."""
    if request.service == "dc":
        return request.path, {}
    behind = _BEHIND_GATEWAY.fullmatch(request.path)
    if request.service != "api" or behind is None:
        return "", {}
    return behind["path"], {"cloud_id": behind["jira"] or behind["confluence"]}
