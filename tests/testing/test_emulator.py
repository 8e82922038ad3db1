"""One request in, one reply out: dated by the clock, written down without secrets, safe for threads."""

from __future__ import annotations

import threading
from email.utils import parsedate_to_datetime
from pathlib import Path

import anyio
import pytest

from atlassian_auth.testing import FakeAtlassian, Fault, ManualClock, Rules


def form(**fields):
    body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    return {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": body}


def refresh(fake, refresh_token):
    app = fake.cloud_app
    fields = {"client_id": app.client_id, "client_secret": app.client_secret}
    body = form(grant_type="refresh_token", refresh_token=refresh_token, **fields)
    return fake.handle("POST", fake.urls.token_url, **body)


def test_answers_are_dated_by_the_clock(caller):
    """A client that reads Retry-After as a date can tell how far it is."""
    caller.clock.advance(61)

    response = caller.me("unknown")

    assert parsedate_to_datetime(response.headers["date"]) == caller.clock.now()


def test_a_reply_may_bring_its_own_date(fake):
    """A fault may send a wrong Date header."""
    fake.fault("api", Fault.status(503, headers={"date": "never"}))

    assert fake.handle("GET", fake.urls.identity_url).headers["date"] == "never"


def test_an_address_that_is_not_emulated_is_not_found(fake):
    """Nothing is written down about it."""
    reply = fake.handle("GET", "https://example.com/oauth/token")

    assert reply.status == 404
    assert fake.api_requests == ()


def test_header_names_are_read_in_any_case(fake):
    """Header names are read in any case."""
    token = fake.issue_grant().access_token

    reply = fake.handle("GET", fake.urls.identity_url, {"AUTHORIZATION": f"Bearer {token}"})

    assert reply.status == 200


# The journal


def test_token_requests_are_written_down(fake):
    """The journal says which client sent which generation of which family, and the outcome."""
    grant = fake.issue_grant()
    refreshed = refresh(fake, grant.refresh_token).json()
    fake.clock.advance(5)
    refresh(fake, refreshed["refresh_token"])

    first, second = fake.token_requests

    assert (first.service, first.grant_type, first.client_id) == (
        "auth",
        "refresh_token",
        fake.cloud_app.client_id,
    )
    assert (first.outcome, first.fault) == ("ok", "")
    assert (first.family, first.generation) == (fake.families[0].id, 1)
    assert (second.family, second.generation) == (fake.families[0].id, 2)
    assert second.at == first.at + 5


def test_a_refused_token_request_is_written_down_with_its_error(fake):
    """The journal has the error of a refused request, and no family for an unknown token."""
    refresh(fake, "unknown")

    entry = fake.token_requests[0]

    assert (entry.outcome, entry.family, entry.generation) == ("invalid_grant", None, None)


def test_the_exchange_of_a_code_is_written_down_with_its_family(caller):
    """The journal has the family of a code exchange, and no generation."""
    caller.cloud_redeem(caller.cloud_authorize()[1]["code"])

    entry = caller.fake.token_requests[0]

    assert (entry.grant_type, entry.outcome) == ("authorization_code", "ok")
    assert (entry.family, entry.generation) == (caller.fake.families[0].id, None)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault.status(503), ""),
        (Fault.hang(), ""),
        (Fault.refused_connection(), ""),
        (Fault.lost_answer(), "ok"),
        (Fault.truncated(), "ok"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_faults_are_written_down(fake, fault, outcome):
    """The journal has what the server did, even if a fault changed the answer."""
    grant = fake.issue_grant()
    fake.fault("token", fault)

    try:
        refresh(fake, grant.refresh_token)
    except Exception as error:  # noqa: BLE001  (the skins' business, see test_faults)
        assert type(error).__module__ == "atlassian_auth.testing.faults"  # noqa: PT017

    entry = fake.token_requests[0]
    assert (entry.fault, entry.outcome) == (fault.name, outcome)
    assert (entry.family, entry.generation) == (fake.families[0].id, 1)


def test_api_requests_are_written_down(caller):
    """Which call, with which access token of which family, and the status."""
    issued = caller.fake.issue_grant()

    caller.me(issued.access_token)
    entry = caller.fake.api_requests[0]

    assert (entry.service, entry.method, entry.path) == ("api", "GET", "/me")
    assert (entry.status, entry.fault) == (200, "")
    assert (entry.family, entry.generation) == (caller.fake.families[0].id, 1)


def test_calls_without_a_known_token_are_written_down_too(caller):
    """An anonymous call has no family; an unserved one has no status."""
    caller.fake.fault("api", Fault.status(503))
    caller.me("unknown")
    caller.http.get(f"{caller.urls.site('acme')}/_edge/tenant_info")

    unserved, anonymous = caller.fake.api_requests

    assert (unserved.status, unserved.fault, unserved.family) == (None, "status 503", None)
    assert (anonymous.service, anonymous.status) == ("site", 200)
    assert anonymous.path == "/acme/_edge/tenant_info"


def test_tokens_of_client_credentials_have_no_family(caller):
    """Tokens of client credentials have no family, because there is no consent."""
    app = caller.fake.service_account_app
    body = {"client_id": app.client_id, "client_secret": app.client_secret}
    token = caller.cloud_token("client_credentials", **body).json()["access_token"]

    caller.jira_audit(token)

    assert caller.fake.token_requests[0].family is None
    assert caller.fake.api_requests[0].family is None


def test_consent_and_revocation_are_not_token_requests(caller):
    """The journal counts exchanges and calls."""
    caller.cloud_authorize()
    caller.http.post(caller.urls.revoke_url)

    assert caller.fake.token_requests == ()
    assert caller.fake.api_requests == ()


def test_requests_are_counted_by_what_they_were(fake):
    """Any field of an entry narrows the count."""
    grant = fake.issue_grant()
    refresh(fake, grant.refresh_token)
    refresh(fake, "unknown")
    fake.handle("GET", fake.urls.identity_url)

    assert fake.count("token") == 2
    assert fake.count("token", outcome="ok", generation=1) == 1
    assert fake.count("token", outcome="ok", generation=2) == 0
    assert fake.count("api", status=401) == 1


def test_the_journal_holds_no_secret(caller):
    """The repr of the journal has no token, code or client secret."""
    caller.cloud_redeem(caller.cloud_authorize()[1]["code"])
    grant = caller.fake.issue_grant()
    caller.cloud_refresh(grant.refresh_token)
    caller.me(grant.access_token)

    watched = (caller.fake.token_requests, caller.fake.api_requests, caller.fake.families)

    assert "secret-" not in repr(watched)
    assert "secret-" not in repr(caller.fake.cloud_app)


# Gates and threads


async def test_a_held_answer_waits_for_the_test():
    """The server has done its work; the client learns of it when the gate opens."""
    fake = FakeAtlassian(ManualClock(autojump=False))
    grant = fake.issue_grant()
    gate = fake.hold("token")
    order = []

    async def carry():
        reply = refresh(fake, grant.refresh_token)
        await reply.gate.pass_through()
        order.append("answered")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(carry)
        await gate.arrived()
        order.append("held")
        assert fake.families[0].generation == 2
        gate.open()

    assert order == ["held", "answered"]


def test_a_gate_can_be_watched_from_a_thread(caller):
    """A sync client waits in its thread until the test opens the gate."""
    grant = caller.fake.issue_grant()
    gate = caller.fake.hold("token")
    responses = []
    asking = threading.Thread(
        target=lambda: responses.append(caller.cloud_refresh(grant.refresh_token))
    )
    asking.start()

    gate.arrived_sync()
    before = list(responses)
    gate.open()
    asking.join()

    assert before == []
    assert responses[0].status_code == 200


def test_threads_are_served_one_at_a_time(fake):
    """The emulator serves one request at a time, also from many threads."""
    seen = []

    def careless(work):
        number = len(seen)
        Path.cwd().stat()  # gives up the interpreter's lock
        seen.append(number)
        return work()

    fake.fault("token", Fault("careless", careless), times=200)
    grant = fake.issue_grant()

    threads = [
        threading.Thread(target=lambda: [refresh(fake, grant.refresh_token) for _ in range(25)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == list(range(200))
    assert fake.leeway_reuses == 199
    assert fake.families[0].generation == 201


# -- names that do not exist ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "order", [FakeAtlassian.hold, lambda fake, where: fake.fault(where, Fault.hang())]
)
def test_an_unknown_kind_of_request(fake, order):
    """A misspelled kind would meet no request: it is refused, and the likely one named."""
    with pytest.raises(
        ValueError, match=r"'tokens' is not a known kind of request: .*did you mean 'token'\?"
    ):
        order(fake, "tokens")

    assert fake.unused_faults == ()


@pytest.mark.parametrize(
    "arrange",
    [
        lambda fake: fake.add_site("other", products=["jira", "conflunce"]),
        lambda fake: fake.add_site("other", products="jira"),
        lambda fake: fake.register_2lo("data_center", "some-app"),
    ],
    ids=["misspelled", "text", "credential"],
)
def test_an_unknown_product(fake, arrange):
    """A site or a credential of a product that does not exist is refused, and not registered."""
    before = (dict(fake._world.sites), dict(fake._world.apps))

    with pytest.raises(ValueError, match="is not a known product"):
        arrange(fake)

    assert (fake._world.sites, fake._world.apps) == before


@pytest.mark.parametrize("times", [0, -1])
def test_a_fault_for_no_request(fake, times):
    """A fault that can meet nothing is a mistake."""
    with pytest.raises(ValueError, match="from 1 on"):
        fake.fault("token", Fault.hang(), times=times)


@pytest.mark.parametrize(
    ("kind", "expected", "said"),
    [
        (
            "tokne",
            {},
            "'tokne' is not a known kind of request that is counted: .*did you mean 'token'",
        ),
        ("site", {}, "expected one of token, api$"),
        (
            "token",
            {"grant": "refresh_token"},
            "not a known field of TokenRequest: .*did you mean 'grant_type'",
        ),
        (
            "api",
            {"grant_type": "x"},
            "not a known field of APIRequest: expected one of at, service, method",
        ),
    ],
)
def test_counting_what_does_not_exist(fake, kind, expected, said):
    """A count that could only be 0 is an error, before there is any request."""
    with pytest.raises(ValueError, match=said):
        fake.count(kind, **expected)


def test_a_fault_for_all_requests(fake):
    """With ``times=None`` it meets each request until it is cancelled."""
    fake.fault("site", Fault.status(503), times=None)
    statuses = [fake.handle("GET", f"{fake.urls.site('acme')}/x").status for _ in range(5)]
    fake.clear_faults()

    assert statuses == [503] * 5
    assert fake.handle("GET", f"{fake.urls.site('acme')}/x").status == 401


def test_unused_faults(fake):
    """`unused_faults` lists the faults that met fewer requests than ordered, with their numbers."""
    fake.fault("site", Fault.status(503), times=2)
    fake.fault("token", Fault.hang(), times=None)
    fake.fault(lambda request: request.method == "GET", Fault.html(), times=None)
    for _ in range(2):
        fake.handle("GET", f"{fake.urls.site('acme')}/x")

    assert fake.unused_faults == ("hang (met 0)", "html 200 (met 0)")
    fake.handle("GET", f"{fake.urls.site('acme')}/x")
    fake.fault("api", Fault.truncated(), times=3)
    assert fake.unused_faults == ("hang (met 0)", "truncated (met 0 of 3)")
    fake.clear_faults()
    assert fake.unused_faults == ()


# -- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Rules(access_token_lifetime_seconds={"cloud": 5}),
            "has no data_center, jira_software, .*: expected one for each product",
        ),
        (
            lambda: Rules(access_token_lifetime_seconds={"cluod": 5}),
            "'cluod' is not a known product: .*did you mean 'cloud'",
        ),
        (lambda: Rules(dead_grant_error="invalid grant"), "did you mean 'invalid_grant'"),
        (lambda: Rules(anonymous_answer="login"), "expected one of 401, redirect, page"),
        (
            lambda: setattr(Rules(), "access_token_lifetime_seconds", {}),
            "has no cloud, data_center",
        ),
        (
            lambda: Rules().access_token_lifetime_seconds.__setitem__("cluod", 5),
            "did you mean 'cloud'",
        ),
    ],
    ids=["partial", "unknown", "error", "answer", "set-later", "changed-later"],
)
def test_rules_that_are_none(make, said):
    """A wrong rule is refused when it is set, not in the middle of a test."""
    with pytest.raises(ValueError, match=said):
        make()


def test_one_lifetime_is_changed():
    """The others stay as they are."""
    rules = Rules()
    rules.access_token_lifetime_seconds["cloud"] = 5

    changed = Rules(access_token_lifetime_seconds=rules.access_token_lifetime_seconds)

    assert changed == rules
    assert Rules().access_token_lifetime_seconds["cloud"] == 3600
    assert changed.access_token_lifetime_seconds["data_center"] == 3600
