"""How each product pages through the audit log, and what moves under a reader's feet."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

# Jira Cloud


def ids(response):
    return [record["id"] for record in response.json()["records"]]


def test_jira_shows_the_newest_first(caller):
    """A page tells its place and how many there are in all."""
    caller.fake.generate_events(3, interval=timedelta(seconds=1))

    page = caller.jira_audit().json()

    assert [record["id"] for record in page["records"]] == [3, 2, 1]
    assert (page["offset"], page["limit"], page["total"]) == (0, 1000, 3)


def test_jira_spells_time_without_a_colon(caller):
    """`created` has milliseconds and an offset of the older ISO 8601 form."""
    caller.clock.advance(0.967)
    caller.fake.add_event("Group created", category="group management")

    record = caller.jira_audit().json()["records"][0]

    assert record["created"] == "2026-01-01T12:00:00.967+0000"
    assert (record["summary"], record["category"]) == ("Group created", "group management")


def test_jira_pages_by_offset_and_limit(caller):
    """The second page follows the first."""
    caller.fake.generate_events(5)

    assert ids(caller.jira_audit(offset=0, limit=2)) == [5, 4]
    assert ids(caller.jira_audit(offset=2, limit=2)) == [3, 2]
    assert ids(caller.jira_audit(offset=5, limit=2)) == []


def test_jira_ignores_the_paging_keys_of_other_apis(caller):
    """`startAt` silently gives page one."""
    caller.fake.generate_events(3)

    assert ids(caller.jira_audit(startAt=2, maxResults=1)) == [3, 2, 1]


def test_new_events_shift_jiras_pages(caller):
    """A client that pages by offset sees an event twice if another arrives meanwhile."""
    caller.fake.generate_events(4)

    first = ids(caller.jira_audit(offset=0, limit=2))
    caller.fake.add_event()
    second = ids(caller.jira_audit(offset=2, limit=2))

    assert (first, second) == ([4, 3], [3, 2])


@pytest.mark.parametrize(
    ("limit", "effective"), [(999, 999), (1000, 1000), (1001, 1000), (0, 1000), (-1, 1000)]
)
def test_jira_caps_a_page_at_a_thousand(caller, limit, effective):
    """Asking for more, or for nothing, gives a thousand."""
    caller.fake.generate_events(1001)

    page = caller.jira_audit(limit=limit).json()

    assert (len(page["records"]), page["limit"], page["total"]) == (effective, effective, 1001)


def test_jiras_window_includes_both_ends(caller):
    """Events exactly at `from` and at `to` are in."""
    caller.fake.generate_events(5, interval=timedelta(seconds=1))

    page = caller.jira_audit(
        **{"from": "2026-01-01T11:59:57.000+0000", "to": "2026-01-01T11:59:59Z"}
    )

    assert ids(page) == [4, 3, 2]


def test_jiras_window_is_as_fine_as_a_millisecond(caller):
    """An event a millisecond later is out."""
    caller.fake.add_event()
    caller.clock.advance(0.001)
    caller.fake.add_event()

    assert ids(caller.jira_audit(to="2026-01-01T12:00:00.000Z")) == [1]


def test_jira_filters_by_words(caller):
    """Every word must occur, in any case."""
    caller.fake.add_event("User added to group", category="groups")
    caller.fake.add_event("User created", category="users")

    assert ids(caller.jira_audit(filter="USER group")) == [1]


@pytest.mark.parametrize(
    "query", [{"offset": "x"}, {"limit": "x"}, {"from": "x"}, {"to": "2026-13-01"}], ids=str
)
def test_jira_refuses_what_it_cannot_read(caller, query):
    """The error has Jira's shape."""
    response = caller.jira_audit(**query)

    assert response.status_code == 400
    assert set(response.json()) == {"errorMessages", "errors"}


# Confluence Cloud


def test_confluence_shows_milliseconds_and_no_ids(caller):
    """Times are numbers, and nothing identifies an entry."""
    event = caller.fake.add_event("Space created", category="spaces")

    page = caller.confluence_audit().json()

    entry = page["results"][0]
    assert (entry["creationDate"], entry["summary"]) == (event.created_ms, "Space created")
    assert "id" not in entry
    assert (page["start"], page["limit"], page["size"]) == (0, 1000, 1)
    assert page["_links"]["base"] == f"{caller.urls.site('acme')}/wiki"


def test_confluence_pages_by_start_and_limit(caller):
    """The second page follows the first; a page has at most a thousand."""
    caller.fake.generate_events(5)

    page = caller.confluence_audit(start=2, limit=2).json()

    assert [entry["summary"] for entry in page["results"]] == ["Event 3", "Event 2"]
    assert (page["start"], page["limit"], page["size"]) == (2, 2, 2)
    assert caller.confluence_audit(limit=5000).json()["limit"] == 1000


def test_confluences_window_includes_both_ends(caller):
    """Dates are epoch milliseconds."""
    events = caller.fake.generate_events(4, interval=timedelta(seconds=1))

    page = caller.confluence_audit(
        startDate=events[1].created_ms, endDate=events[2].created_ms, searchString="event"
    ).json()

    assert [entry["summary"] for entry in page["results"]] == ["Event 3", "Event 2"]


@pytest.mark.parametrize("name", ["start", "limit", "startDate", "endDate"])
def test_confluence_refuses_what_it_cannot_read(caller, name):
    """Every parameter is a number."""
    assert caller.confluence_audit(**{name: "2026-01-01"}).status_code == 400


# Data Center


def names(response):
    return [entity["type"]["action"] for entity in response.json()["entities"]]


def test_data_center_shows_the_newest_first(caller):
    """A short log is one page, and the page says that it is the last."""
    caller.fake.generate_events(2, interval=timedelta(seconds=1))

    page = caller.dc_audit()

    assert names(page) == ["Event 2", "Event 1"]
    assert [e["timestamp"] for e in page.json()["entities"]] == [
        "2026-01-01T12:00:00.000Z",
        "2026-01-01T11:59:59.000Z",
    ]
    assert page.json()["pagingInfo"] == {"lastPage": True, "size": 2}


def test_an_empty_log_is_one_page(caller):
    """Nothing happened, nothing follows."""
    page = caller.dc_audit().json()

    assert page == {"entities": [], "pagingInfo": {"lastPage": True, "size": 0}}


def test_data_center_pages_by_cursor(caller):
    """The cursor is the last entry's time and id; new events do not shift what follows."""
    caller.fake.generate_events(5)

    first = caller.dc_audit(limit=2)
    cursor = first.json()["pagingInfo"]["nextPageCursor"]
    caller.fake.add_event("Late")
    second = caller.dc_audit(limit=2, pageCursor=cursor)
    third = caller.dc_audit(limit=2, pageCursor=second.json()["pagingInfo"]["nextPageCursor"])

    assert names(first) == ["Event 5", "Event 4"]
    assert cursor == "1767268800000,4"
    assert names(second) == ["Event 3", "Event 2"]
    assert names(third) == ["Event 1"]
    assert third.json()["pagingInfo"] == {"lastPage": True, "size": 1}


def test_the_link_to_the_next_page_leads_there(caller):
    """Following it keeps the window and the limit, wherever the server is."""
    caller.fake.generate_events(3, interval=timedelta(seconds=1))
    token = caller.fake.issue_grant(caller.fake.data_center_app).access_token

    first = caller.dc_audit(token, limit=1, to="2026-01-01T11:59:59Z")
    link = first.json()["pagingInfo"]["nextPageLink"]
    second = caller.get(link, token)

    assert link.startswith(f"{caller.urls.dc_base_url}/rest/auditing/1.0/events?")
    assert parse_qs(urlsplit(link).query)["limit"] == ["1"]
    assert (names(first), names(second)) == (["Event 2"], ["Event 1"])


def test_the_link_of_a_page_by_offset_does_not_skip_twice(caller):
    """An offset counts from the first page only."""
    caller.fake.generate_events(4)
    token = caller.fake.issue_grant(caller.fake.data_center_app).access_token

    first = caller.dc_audit(token, limit=1, offset=1)
    second = caller.get(first.json()["pagingInfo"]["nextPageLink"], token)

    assert (names(first), names(second)) == (["Event 3"], ["Event 2"])


def test_new_events_shift_data_centers_offsets(caller):
    """A client that pages by offset sees an event twice if another arrives meanwhile."""
    caller.fake.generate_events(3)

    first = names(caller.dc_audit(limit=2))
    caller.fake.add_event("Late")
    second = names(caller.dc_audit(limit=2, offset=2))

    assert (first, second) == (["Event 3", "Event 2"], ["Event 2", "Event 1"])


def test_data_center_searches(caller):
    """Words narrow the log down."""
    caller.fake.generate_events(2)

    assert names(caller.dc_audit(search="event 2")) == ["Event 2"]


@pytest.mark.parametrize("limit", [None, 10_000, 10_001], ids=["default", "most", "more"])
def test_data_center_limits_a_page(caller, limit):
    """200 unless asked otherwise, ten thousand at most."""
    caller.fake.generate_events(10_001)
    query = {} if limit is None else {"limit": limit}

    page = caller.dc_audit(**query).json()["pagingInfo"]

    assert page["size"] == (200 if limit is None else 10_000)
    assert not page["lastPage"]


@pytest.mark.parametrize(
    "query",
    [{"offset": "x"}, {"limit": "x"}, {"from": "x"}, {"to": "x"}, {"pageCursor": "x"}],
    ids=str,
)
def test_data_center_refuses_what_it_cannot_read(caller, query):
    """The error has Jira's shape."""
    response = caller.dc_audit(**query)

    assert response.status_code == 400
    assert set(response.json()) == {"errorMessages", "errors"}
