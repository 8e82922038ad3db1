"""Under which key each refresh token was added: one refresh token belongs to one key.

A refresh token works once: if two keys had the same one, the first refresh would spend it for both. Each note
has the token's digest as its name, so it is found without reading the credentials of all tenants. The notes
are no lock: two processes that add one token under two keys at the same moment may both succeed.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from atlassian_auth._tokens.records.records import Loaded, Records, TokenRecord
from atlassian_auth._tokens.refresh.repository import CredentialRepository
from atlassian_auth.exceptions import ConfigurationError, StoreError, VersionConflict
from atlassian_auth.protocol.confidential import same_secret
from atlassian_auth.stores.base import ABSENT, Store

__all__ = ["PASTED_NAMESPACE", "PastedTokens"]

PASTED_NAMESPACE = "pasted"
"""The namespace of the notes in a store; each has the digest of its refresh token as its name."""

# By then the token has ended: after 90 days without use, on Cloud also a year after the consent.
_REMEMBERED = timedelta(days=365)


logger: logging.Logger = logging.getLogger("atlassian_auth")


class _Note(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, hide_input_in_errors=True, defer_build=True
    )

    key: str


class PastedTokens:
    """Remembers under which key a refresh token was added. Used in the runner only.

    Args:
        store: Keeps the notes.
        repository: Reads whether that key still has the refresh token.
    """

    def __init__(self, store: Store, repository: CredentialRepository) -> None:
        self._notes = Records(store, PASTED_NAMESPACE, _Note)
        self._repository = repository

    async def note(self, key: str, record: TokenRecord) -> None:
        """Note that the key has the refresh token that the record begins with.

        If the note cannot be read or written, the refresh token is added all the same: the note only protects
        against a mistake of the user.

        Raises:
            ConfigurationError: if another key has it.
        """
        try:
            await self._put_note(key, record.pasted_sha256 or "")
        except StoreError as error:
            logger.warning(
                "It was not noted that a refresh token was added under key %r: %s",
                key,
                error,
                extra={"key": key},
            )

    async def _put_note(self, key: str, digest: str) -> None:
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
                f"works once, and the first refresh would spend it for both keys. Use key {holder!r}, or let "
                f"the person consent for {key!r} too."
            )
            raise ConfigurationError(message, argument="refresh_token")
