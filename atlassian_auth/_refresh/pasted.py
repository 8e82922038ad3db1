"""Under which key each refresh token was added: one refresh token has one holder.

Two keys with one refresh token would take it from each other: the first refresh of either spends it for both.
The notes are kept by the token's digest, so that one is found without reading the credentials of all tenants.
They are no lock. Two processes that add one token under two keys in the same moment may both succeed.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from atlassian_auth._records.records import Loaded, Records, TokenRecord
from atlassian_auth._refresh.repository import CredentialRepository
from atlassian_auth.exceptions import ConfigurationError, StoreError, VersionConflict
from atlassian_auth.protocol.confidential import same_secret
from atlassian_auth.stores.base import ABSENT, Store

__all__ = ["PASTED_NAMESPACE", "PastedTokens"]

PASTED_NAMESPACE = "pasted"
"""Where the notes are in a store, each under the digest of its refresh token."""

# By then the token itself has ended: after 90 days without use, or a year after the consent on Cloud.
_REMEMBERED = timedelta(days=365)


logger: logging.Logger = logging.getLogger("atlassian_auth")


class _Note(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, hide_input_in_errors=True, defer_build=True
    )

    key: str


class PastedTokens:
    """Remembers which key a refresh token was added under. Used in the runner only.

    Args:
        store: Where the notes are kept.
        repository: Tells whether that key still has it.
    """

    def __init__(self, store: Store, repository: CredentialRepository) -> None:
        self._notes = Records(store, PASTED_NAMESPACE, _Note)
        self._repository = repository

    async def claim(self, key: str, record: TokenRecord) -> None:
        """Note that the key has the refresh token that the record begins with.

        A note that cannot be read or written hinders nothing: it only guards against a mistake.

        Raises:
            ConfigurationError: if another key has it.
        """
        try:
            await self._claim(key, record.pasted_sha256 or "")
        except StoreError as error:
            logger.warning("Under which key a refresh token was added was not noted: %s", error)

    async def _claim(self, key: str, digest: str) -> None:
        noted = await self._notes.get(digest)
        await self._check_free(key, digest, noted)
        try:
            await self._notes.put(
                digest,
                _Note(key=key),
                expected=noted.version if noted else ABSENT,
                ttl_seconds=_REMEMBERED.total_seconds(),
            )
        except VersionConflict:
            await self._check_free(key, digest, await self._notes.get(digest))

    async def _check_free(self, key: str, digest: str, noted: Loaded[_Note] | None) -> None:
        if noted is None or noted.value.key == key:
            return
        holder = noted.value.key
        record = await self._repository.peek(holder)
        if record is not None and same_secret(record.pasted_sha256, digest):
            message = (
                f"This refresh token was added under key {holder!r}, so it cannot be added under {key!r}: it "
                f"works once, and two holders take it from each other. Use key {holder!r}, or let the person "
                f"consent for {key!r} too."
            )
            raise ConfigurationError(message, argument="refresh_token")
