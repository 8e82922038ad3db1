"""Answers that a test defines for API requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast, get_args

from atlassian_auth.testing._names import check_name, check_status
from atlassian_auth.testing.apps import Product
from atlassian_auth.testing.wire import Reply, Request, json_reply

__all__ = ["Answer", "Answers"]

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

# In URLs of Cloud's gateway the site precedes the path. Confluence's paths begin with /wiki, Jira's do not.
_BEHIND_GATEWAY = re.compile(
    r"/ex/(?:jira/(?P<jira>[^/]+)(?!/wiki(?:/|$))|confluence/(?P<confluence>[^/]+)(?=/wiki(?:/|$)))(?P<path>/.*)"
)
# The reference has /rest/builds/0.1/bulk: "Integrate Jira Software Cloud with on-premises tools".
_PROVIDER = re.compile(
    r"/jira/(?P<entity>builds|deployments|devinfo|featureflags)/(?P<version>[^/]+)/cloud/(?P<cloud_id>[^/]+)"
    r"(?P<path>/.*)"
)
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """An answer that a test defined with `FakeAtlassian.respond`, and the requests that got it.

    Args:
        give: Returns the answer to a request.
        scopes: The scopes that the token must have; empty if any token is accepted.
        product: The kind of app whose tokens are accepted; None for each that may use the API.
        requests: The requests that passed the checks, oldest first.
    """

    give: Callable[[Request], Reply] = field(repr=False)
    scopes: tuple[str, ...] = ()
    product: Product | None = None
    requests: list[Request] = field(default_factory=list[Request])

    def reply(self, request: Request) -> Reply:
        """Return the answer to a request that passed the checks, and keep the request."""
        self.requests.append(request)
        return self.give(request)


@dataclass(frozen=True, slots=True)
class _Place:
    services: tuple[str, ...]
    method: str
    path: re.Pattern[str]
    answer: Answer


class Answers:
    """The defined answers, by method and path."""

    def __init__(self) -> None:
        self._places: list[_Place] = []

    def add(
        self,
        method: str,
        path: str,
        *,
        json: object,
        status: int,
        scopes: str | Iterable[str],
        product: Product | None,
    ) -> Answer:
        """Answer such requests from now on; see `FakeAtlassian.respond`.

        Raises:
            ValueError: if no request can have this method, path or product, or no answer this status or body.
            TypeError: if the scopes are no texts, or ``json`` cannot be converted to JSON.
        """
        check_name(method, _METHODS, what="HTTP method")
        if product is not None:
            check_name(product, get_args(Product), what="product")
        _check_path(path)
        answer = Answer(
            give=_giver(json, check_status(status)), scopes=_parse(scopes), product=product
        )
        place = _Place(_services_of(product), method, _pattern_of(path), answer)
        self._places.insert(0, place)  # the last one replaces those before it
        return answer

    def find(self, request: Request) -> tuple[Answer, dict[str, str]] | None:
        """Return the answer to a request, and the values in its path; None if there is no such answer."""
        path, values = _split(request)
        for place in self._places:
            fits = request.service in place.services and request.method == place.method
            if fits and (match := place.path.fullmatch(path)):
                return place.answer, values | match.groupdict()
        return None


def _giver(json: object, status: int) -> Callable[[Request], Reply]:
    if not callable(json):
        reply = _reply(json, status)
        return lambda _request: reply
    # Any callable: what it returns is converted to JSON.
    answer = cast("Callable[[Request], object]", json)
    return lambda request: _reply(answer(request), status)


def _reply(document: object, status: int) -> Reply:
    if isinstance(document, Reply):
        return document
    if document is None:
        return Reply(status)
    # RFC 9110 sections 15.3.5 and 15.4.5.
    if status in {204, 304}:
        raise ValueError(f"an answer with status {status} has no body: leave json out")
    return json_reply(document, status)


def _parse(scopes: object) -> tuple[str, ...]:
    names: object = scopes.split() if isinstance(scopes, str) else scopes
    found = [*cast("Iterable[object]", names)] if isinstance(names, Iterable) else [names]
    texts = tuple(name for name in found if isinstance(name, str))
    if len(texts) < len(found):
        raise TypeError(f"scopes is {scopes!r:.100}, but must be text such as 'read:jira-work'")
    return texts


def _services_of(product: Product | None) -> tuple[str, ...]:
    if product is None:
        return ("api", "dc")
    return ("dc",) if product.startswith("data_center") else ("api",)


def _check_path(path: object) -> None:
    if not isinstance(path, str) or not path.startswith("/") or "?" in path or "#" in path:
        message = f"path is {path!r:.200}, but must begin with / and have no query: '/rest/api/3/search/jql'"
        raise ValueError(message)
    if set("{}*") & set(_PLACEHOLDER.sub("", path)):
        raise ValueError(
            f"path is {path!r}, but a part that varies is written as {{name}}: '/rest/api/3/issue/{{key}}'"
        )
    if path.startswith("/ex/"):
        message = f"path is {path!r}, but must be what follows the site: '/rest/api/3/search/jql'"
        raise ValueError(message)


def _pattern_of(path: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(path)  # texts, and between them the names
    names = parts[1::2]
    if len({*names}) < len(names):
        raise ValueError(f"path is {path!r}, but each name may be there once")
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [f"(?P<{name}>[^/]+)" for name in names]
    return re.compile("".join(parts))


def _split(request: Request) -> tuple[str, dict[str, str]]:
    """Return the path as in the product's reference, and the cloud id that the URL had beside it."""
    if request.service == "dc":
        return request.path, {}
    if behind := _BEHIND_GATEWAY.fullmatch(request.path):
        return behind["path"], {"cloud_id": behind["jira"] or behind["confluence"]}
    if provider := _PROVIDER.fullmatch(request.path):
        path = f"/rest/{provider['entity']}/{provider['version']}{provider['path']}"
        return path, {"cloud_id": provider["cloud_id"]}
    # The gateway itself has no products' paths: there the request lacks its site.
    return "" if request.path.startswith(("/rest/", "/wiki/")) else request.path, {}
