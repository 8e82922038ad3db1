"""Bytes in a store, where a record of a credential or of a login should be."""

from __future__ import annotations

from datetime import UTC, datetime

from atlassian_auth._tokens.credentials.inspection import describe
from atlassian_auth._tokens.records.pending import PendingFlow
from atlassian_auth._tokens.records.records import Records, TokenRecord
from atlassian_auth._tokens.refresh.repository import CredentialRepository
from atlassian_auth.exceptions import StoreError
from atlassian_auth.settings import Settings
from atlassian_auth.stores import MemoryStore
from atlassian_auth.testing import ManualClock

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SETTINGS = Settings()


def finish(coroutine):
    """Return the result of a coroutine that never waits, without the price of an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        return result.value
    raise AssertionError("it waits")


def stored(data, namespace, model):
    store = MemoryStore(clock=ManualClock())
    finish(store.put(namespace, "acme", data))
    return Records(store, namespace, model)


def fuzz(data):
    """Bytes are a record, which is written as it was read and has a status, or a StoreError."""
    tokens = stored(data, "tokens", TokenRecord)
    repository = CredentialRepository(tokens, settings=SETTINGS, clock=ManualClock())
    try:
        record = finish(repository.peek("acme"))
    except StoreError as error:
        assert "acme" in str(error)
    else:
        describe("acme", record, now=NOW, settings=SETTINGS)
        finish(tokens.put("acme", record))
        assert finish(tokens.get("acme")).value == record

    flows = stored(data, "flows", PendingFlow)
    try:
        flow = finish(flows.get("acme")).value
    except StoreError as error:
        assert "acme" in str(error)
    else:
        finish(flows.put("acme", flow))
        assert finish(flows.get("acme")).value == flow
