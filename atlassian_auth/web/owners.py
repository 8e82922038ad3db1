"""Whose token is whose: one for each caller and client configuration."""

from __future__ import annotations

import functools
import hashlib

from pydantic import BaseModel

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.stores import Store
from atlassian_auth.stores.records import Records, perform

__all__ = ["Owners"]


class _Owned(BaseModel):
    token_id: str


class Owners:
    """Knows the token of each caller, for the pages and for your own code.

    Args:
        store: The store of the `Connections`. It keeps a digest of each caller's id.

    Raises:
        ConfigurationError: if ``store`` is no store; a path or a URL would be a second one.
    """

    def __init__(self, store: Store) -> None:
        if not all(hasattr(store, name) for name in ("get", "put", "delete")):
            raise ConfigurationError.wrong_type("store", "the store of the Connections", store)
        self._records = Records(store, "connection_owners", _Owned)

    async def token_id(self, caller_id: str, config_id: str) -> str | None:
        """Return the id of a caller's token for a client configuration, for ``connections.handler``.

        Args:
            caller_id: The ``id`` of the `Caller`.
            config_id: The id of the client configuration.

        Returns:
            None if the caller has not connected.

        Raises:
            StoreError: if the store cannot be read.
        """
        found = await perform(functools.partial(self._records.get, _name(caller_id, config_id)))
        return found.value.token_id if found else None

    async def assign(self, caller_id: str, config_id: str, token_id: str) -> None:
        """Note the token of a caller, in place of the previous one.

        Raises:
            StoreError: if the store cannot be written.
        """
        owned = _Owned(token_id=token_id)
        await perform(functools.partial(self._records.put, _name(caller_id, config_id), owned))


def _name(caller_id: str, config_id: str) -> str:
    digest = hashlib.sha256(caller_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{digest}.{config_id}"
