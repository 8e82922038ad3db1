"""The contract around a store that runs the whole contract itself."""

from __future__ import annotations

from atlassian_auth.testing.store_contract import ThreadSafeStoreContract


class WrappedStoreContract(ThreadSafeStoreContract):
    """Without the data cases: those of names are the inner store's, those of values `TestAroundMemory`'s."""

    test_any_bytes = None
    test_any_key = None
    test_names_are_exact = None
    test_what_is_no_name = None
    test_impossible_times = None
