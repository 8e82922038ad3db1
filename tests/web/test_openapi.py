"""The REST interface does what its OpenAPI document says, also for requests that no person would write."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import one_of

from tests.web.house import REST

schemathesis = pytest.importorskip("schemathesis")

# Few, and the same each time; `campaign` draws more.
FEW = settings(
    max_examples=2,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
MANY = settings(FEW, max_examples=50)

METHODS = [
    *("GET /config", "POST /config", "GET /config/get-redirect-uri", "GET /config/{id}"),
    *("PUT /config/{id}", "DELETE /config/{id}", "GET /tokens", "GET /tokens/{id}"),
    *("DELETE /tokens/{id}", "POST /tokens/{id}/refresh", "POST /flows", "GET /flows/{id}"),
]


@pytest.fixture
def operations(house_of):
    """The operations of the document, of an application that holds a client."""
    house = house_of(flows_per_minute=10_000)
    anyio.run(house.add)
    headers = {"X-Person": "boss"}
    schema = schemathesis.openapi.from_asgi(f"{REST}/openapi.json", house.host, headers=headers)
    return {operation.ok().label: operation.ok() for operation in schema.get_all_operations()}


def test_the_list_is_whole(operations):
    """Each operation of the document is tried below."""
    assert list(operations) == METHODS


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("amount", [FEW, pytest.param(MANY, marks=pytest.mark.campaign)])
def test_each_operation(operations, method, amount):
    """Whatever is sent, right or wrong, the answer is one of the document's, and never a server error."""
    operation = operations[method]
    # Any text may be an id; only bodies can be wrong.
    modes = (
        schemathesis.GenerationMode if operation.body else [schemathesis.GenerationMode.POSITIVE]
    )
    strategies = [operation.as_strategy(generation_mode=mode) for mode in modes]

    @amount
    @given(case=one_of(strategies))
    def answers_as_documented(case):
        response = case.call(headers={"X-Person": "boss"})
        # The document cannot say everything that a configuration must fulfil.
        excluded = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")]
        case.validate_response(response, excluded_checks=excluded)

    answers_as_documented()
