"""The emulator's own page and addresses, for people and for programs in other languages."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any, cast

from atlassian_auth.testing.faults import Fault
from atlassian_auth.testing.model import FakeAtlassian
from atlassian_auth.testing.wire import Reply, json_reply

__all__ = ["control"]

_LAST = 50  # requests on the page

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Emulated Atlassian</title>
<meta http-equiv="refresh" content="5"><style>
body { font: 15px/1.4 sans-serif; margin: 2em; color: #172b4d; background: #fff }
table { border-collapse: collapse } th, td { text-align: left; padding: .2em 1em .2em 0; vertical-align: top }
</style></head><body><h1>Emulated Atlassian</h1>
<p>A program sees the same at <a href="/state">/state</a>.</p>
"""


def control(
    atlassian: FakeAtlassian, method: str, path: str, headers: Mapping[str, str], body: Any
) -> Reply | None:
    """Answer a request that is for the emulator itself; None if it is for an emulated service.

    Args:
        atlassian: The emulator.
        method: In upper case.
        path: The whole path.
        headers: Names in lower case.
        body: The body, read as JSON.
    """
    if (method, path) == ("GET", "/"):
        return _page(atlassian.describe())
    if (method, path) == ("GET", "/state"):
        return json_reply(atlassian.describe())
    change = _CHANGES.get(path) if method == "POST" else None
    return None if change is None else _answer_to(change, atlassian, headers, body)


def _answer_to(
    change: Callable[[FakeAtlassian, Any], None],
    atlassian: FakeAtlassian,
    headers: Mapping[str, str],
    body: Any,
) -> Reply:
    # A web page that the person has open cannot send this type without being asked.
    if not headers.get("content-type", "").startswith("application/json"):
        return json_reply({"error": "the content type must be application/json"}, 415)
    if not isinstance(body, dict):
        return json_reply({"error": "the body must be a JSON object"}, 400)
    try:
        change(atlassian, body)
    except (KeyError, TypeError, ValueError) as error:
        return json_reply({"error": f"{type(error).__name__}: {error}"}, 400)
    return Reply(204)


def _add_fault(atlassian: FakeAtlassian, body: dict[str, Any]) -> None:
    fault = Fault.status(body["status"], body.get("body", ""), headers=body.get("headers"))
    atlassian.fault(body.get("where", "token"), fault, times=body.get("times", 1))


def _add_answer(atlassian: FakeAtlassian, body: dict[str, Any]) -> None:
    atlassian.respond(**body)


def _expire(atlassian: FakeAtlassian, _body: object) -> None:
    atlassian.expire_access_tokens()


_CHANGES: Mapping[str, Callable[[FakeAtlassian, Any], None]] = {
    "/faults": _add_fault,
    "/answers": _add_answer,
    "/expire": _expire,
}


def _page(state: dict[str, Any]) -> Reply:
    parts = [_PAGE, f"<p>{html.escape(state.pop('time'))}</p>"]
    for name, rows in state.items():
        title = name.replace("_", " ").capitalize().replace("Api", "API")
        parts.append(f"<h2>{title}</h2>{_table([*rows][-_LAST:])}")
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Reply(200, headers, "".join([*parts, "</body></html>"]).encode())


def _table(rows: list[Any]) -> str:
    if not rows:
        return "<p>None.</p>"
    documents: list[dict[str, object]] = [
        row if isinstance(row, dict) else {"what": row} for row in rows
    ]
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in documents[0])
    lines = ("".join(f"<td>{_cell(value)}</td>" for value in row.values()) for row in documents)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    words = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return html.escape(" ".join(map(str, words)))
