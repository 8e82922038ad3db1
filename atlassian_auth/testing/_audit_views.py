"""How each product shows the audit log: parameters, paging and the shape of a page.

Sources: the reference pages of Jira Cloud ("Audit records") and Confluence Cloud ("Audit"),
"Audit log improvements for developers" for Data Center. Unknown parameters are ignored, as there:
`startAt` silently gives page one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from atlassian_auth.testing._browser import with_query
from atlassian_auth.testing._world import USER
from atlassian_auth.testing.audit import AuditEvent, AuditLog, milliseconds_of, moment_of
from atlassian_auth.testing.wire import Reply, json_reply

__all__ = ["confluence_cloud_page", "data_center_page", "jira_cloud_page"]

_CLOUD_LIMIT = 1000
_DC_DEFAULT_LIMIT = 200
_DC_LIMIT = 10_000  # Bitbucket's knowledge base: "limit <= 10,000"


def jira_cloud_page(log: AuditLog, query: Mapping[str, str]) -> Reply:
    """Return ``{offset, limit, total, records}``, newest first."""
    try:
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", _CLOUD_LIMIT))
        events = log.between(
            _moment(query.get("from")), _moment(query.get("to")), query.get("filter", "")
        )
    except ValueError:
        return json_reply({"errorMessages": ["A parameter is invalid."], "errors": {}}, 400)
    # "limit <= 0 or > 1000 becomes 1000": Jira's older reference; the cap is seen on Cloud too.
    limit = limit if 0 < limit <= _CLOUD_LIMIT else _CLOUD_LIMIT
    page = events[offset : offset + limit]
    records = [_jira_record(event) for event in page]
    return json_reply({"offset": offset, "limit": limit, "total": len(events), "records": records})


def confluence_cloud_page(log: AuditLog, query: Mapping[str, str], site_url: str) -> Reply:
    """Return ``{results, start, limit, size, _links}``, newest first; entries have no id."""
    try:
        start, limit = int(query.get("start", 0)), int(query.get("limit", _CLOUD_LIMIT))
        low, high = (int(query[n]) if n in query else None for n in ("startDate", "endDate"))
    except ValueError:
        return json_reply({"statusCode": 400, "message": "A parameter is invalid."}, 400)
    limit = min(limit, _CLOUD_LIMIT)
    events = log.between(low, high, query.get("searchString", ""))
    results = [_confluence_record(event) for event in events[start : start + limit]]
    numbers = {"start": start, "limit": limit, "size": len(results)}
    links = {"base": f"{site_url}/wiki", "context": "/wiki"}
    return json_reply({"results": results, **numbers, "_links": links})


def data_center_page(log: AuditLog, query: Mapping[str, str], url: str) -> Reply:
    """Return ``{entities, pagingInfo}``, newest first; a cursor is the last entry's time and id.

    Only `entities`, their `timestamp`, `nextPageCursor` and `nextPageLink` are documented; other
    names are unconfirmed.
    """
    try:
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", _DC_DEFAULT_LIMIT))
        after = _position(query.get("pageCursor"))
        events = log.between(
            _moment(query.get("from")), _moment(query.get("to")), query.get("search", "")
        )
    except ValueError:
        return json_reply({"errorMessages": ["A parameter is invalid."], "errors": {}}, 400)
    rest = [event for event in events if after is None or _key(event) < after][offset:]
    page = rest[: min(limit, _DC_LIMIT)]
    entities = [_dc_entity(event) for event in page]
    paging = _paging_info(page, query, url, is_last=len(rest) == len(page))
    return json_reply({"entities": entities, "pagingInfo": paging})


def _paging_info(
    page: list[AuditEvent], query: Mapping[str, str], url: str, *, is_last: bool
) -> dict[str, object]:
    info: dict[str, object] = {"lastPage": is_last, "size": len(page)}
    if page and not is_last:
        cursor = f"{page[-1].created_ms},{page[-1].id}"
        kept = {name: value for name, value in query.items() if name != "offset"}
        info["nextPageCursor"] = cursor
        info["nextPageLink"] = with_query(url, {**kept, "pageCursor": cursor})
    return info


def _jira_record(event: AuditEvent) -> dict[str, object]:
    when = moment_of(event.created_ms)
    return {
        "id": event.id,
        "summary": event.summary,
        "remoteAddress": "192.0.2.1",
        "authorAccountId": USER["account_id"],
        "created": f"{_to_milliseconds(when)}+0000",
        "category": event.category,
        "eventSource": "",
    }


def _confluence_record(event: AuditEvent) -> dict[str, object]:
    author = {"type": "user", "displayName": USER["name"], "accountId": USER["account_id"]}
    return {
        "author": author,
        "remoteAddress": "192.0.2.1",
        "creationDate": event.created_ms,
        "summary": event.summary,
        "description": "",
        "category": event.category,
        "sysAdmin": False,
        "superAdmin": False,
    }


def _dc_entity(event: AuditEvent) -> dict[str, object]:
    when = moment_of(event.created_ms)
    return {
        "timestamp": f"{_to_milliseconds(when)}Z",
        "author": {"name": "ada", "type": "user", "id": "10000"},
        "type": {"category": event.category, "action": event.summary},
        "affectedObjects": [],
        "changedValues": [],
        "source": "192.0.2.1",
    }


def _to_milliseconds(when: datetime) -> str:
    return when.replace(tzinfo=None).isoformat(timespec="milliseconds")


def _moment(text: str | None) -> int | None:
    return None if text is None else milliseconds_of(text)


def _position(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    milliseconds, _, number = cursor.partition(",")
    return int(milliseconds), int(number)


def _key(event: AuditEvent) -> tuple[int, int]:
    return event.created_ms, event.id
