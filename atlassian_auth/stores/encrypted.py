"""A wrapper that encrypts what another store keeps: AES-256-GCM, bound to the record's name.

A sealed value is a mark, the id of the encryption key, a nonce, and a ciphertext. The ciphertext contains the
record's expiry time and the value. The expiry time is inside because a store does not return it, and
encrypting with another key must not change it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import secrets
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from atlassian_auth.exceptions import ConfigurationError, StoreError, VersionConflict
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.stores._wrapped import WrappedStore
from atlassian_auth.stores.base import Stored
from atlassian_auth.stores.opening import AnyStore, checked_store
from atlassian_auth.stores.rules import check_names, expiry

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["EncryptedStore"]

_MARK = b"AtlassianAuthSeal"
_FORMAT = _MARK + b"\x01"
_KEY_SIZE = 32
_ID_SIZE = 8
# NIST SP 800-38D sections 8.2.2 and 8.3: random nonces of 96 bits are safe for 2**32 values under one key.
_NONCE_SIZE = 12
_EXPIRY = struct.Struct(">d")


@dataclass(frozen=True, slots=True)
class _Sealed:
    key_id: bytes
    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class _Opened:
    value: bytes = field(repr=False)
    expires_at: float | None


class EncryptedStore(WrappedStore):
    """Encrypts the values of another store, and refuses values that were altered, moved or not encrypted.

    Each value is bound to its namespace and key. A person with access to the inner store can still see
    namespaces, keys, sizes and times, can delete a record, and can put back an older value of the same
    record. That person can also copy a value from another store with the same encryption key and the same
    names, so use each encryption key for one store only. Versions, lifetimes and locks are those of the inner
    store. ``delete`` also removes a record that cannot be decrypted.

    To replace a key: give every process ``[old, new]``; then give every process ``[new, old]``; then call
    `reencrypt`; then remove the old key.

    Args:
        store: The inner store, which keeps the ciphertext; or its URL or path, as for `open_store`.
        keys: One key, or several. The first key encrypts; the others only decrypt. A key is 32 bytes as
            URL-safe base64 text, as `generate_key` returns. Do not keep it in the same place as the store.
            Without the key the records cannot be read.
        clock: The same clock as in the inner store. `reencrypt` uses it to keep the lifetimes.
        random_bytes: Makes nonces.

    Raises:
        ConfigurationError: if ``store`` is not a store, if ``keys`` is empty or contains an invalid key, or
            if the package ``cryptography`` is missing.
    """

    def __init__(
        self,
        store: AnyStore,
        keys: str | Sequence[str],
        *,
        clock: Clock = SYSTEM_CLOCK,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        super().__init__(checked_store(store, clock=clock))
        self._clock = clock
        self._random_bytes = random_bytes
        self._ciphers = _ciphers([keys] if isinstance(keys, str) else keys)
        self._first = next(iter(self._ciphers))

    @staticmethod
    def generate_key(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
        """Return a new key. It is a secret."""
        return base64.urlsafe_b64encode(random_bytes(_KEY_SIZE)).decode()

    async def get(self, namespace: str, key: str) -> Stored | None:
        """Return the decrypted record of this key, or None.

        Raises:
            StoreError: if the value was encrypted with another key, was altered, belongs to another name, or
                is not encrypted. It is left as it is.
        """
        stored = await self._store.get(namespace, key)
        if stored is None:
            return None
        return Stored(self._open(namespace, key, stored.value).value, stored.version)

    async def put(
        self,
        namespace: str,
        key: str,
        value: bytes,
        *,
        expected: int | None = None,
        ttl_seconds: float | None = None,
    ) -> int:
        """Store the value encrypted with the first key; see `Store.put`."""
        check_names(namespace=namespace, key=key)
        opened = _Opened(value, expiry(self._clock.time(), ttl_seconds))
        sealed = self._seal(namespace, key, opened)
        return await super().put(namespace, key, sealed, expected=expected, ttl_seconds=ttl_seconds)

    async def reencrypt(self, *namespaces: str) -> int:
        """Encrypt with the first key all records that another key has encrypted, and return their number.

        Other processes may use the store meanwhile: a record that changes is read again. Lifetimes stay.

        Args:
            namespaces: The groups of records; those of this library are ``"tokens"``, ``"flows"`` and
                ``"pasted"``.

        Raises:
            StoreError: as `get`. The records before that one are already encrypted with the first key.
        """
        count = 0
        for namespace in namespaces:
            for key in await self._store.keys(namespace):
                count += await self._reencrypt_record(namespace, key)
        return count

    async def _reencrypt_record(self, namespace: str, key: str) -> bool:
        while True:
            stored = await self._store.get(namespace, key)
            if stored is None or _parse(namespace, key, stored.value).key_id == self._first:
                return False
            opened = self._open(namespace, key, stored.value)
            try:
                await self._put_reencrypted(namespace, key, opened, stored.version)
            except VersionConflict:
                continue
            return True

    async def _put_reencrypted(
        self, namespace: str, key: str, opened: _Opened, version: int
    ) -> None:
        ttl_seconds = None
        if opened.expires_at is not None:
            ttl_seconds = max(0.0, opened.expires_at - self._clock.time())
        sealed = self._seal(namespace, key, opened)
        await self._store.put(namespace, key, sealed, expected=version, ttl_seconds=ttl_seconds)

    def _seal(self, namespace: str, key: str, opened: _Opened) -> bytes:
        nonce = self._random_bytes(_NONCE_SIZE)
        end = math.inf if opened.expires_at is None else opened.expires_at
        plain = _EXPIRY.pack(end) + opened.value
        ciphertext = self._ciphers[self._first].encrypt(
            nonce, plain, _associated_data(namespace, key)
        )
        return _FORMAT + self._first + nonce + ciphertext

    def _open(self, namespace: str, key: str, content: bytes) -> _Opened:
        sealed = _parse(namespace, key, content)
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            # Not a ConfigurationError: the id itself may have been altered, and only its key can prove that.
            raise _refusal(
                namespace,
                key,
                f"was encrypted with the key of id {sealed.key_id.hex()}, which is none of those given "
                f"({', '.join(key_id.hex() for key_id in self._ciphers)}). Add that key to `keys`",
            )
        plain = _decrypt(cipher, sealed, _associated_data(namespace, key))
        if plain is None:
            raise _refusal(
                namespace,
                key,
                "was altered, or belongs to another name. Restore a backup, or delete it and authorize "
                "again",
            )
        (end,) = _EXPIRY.unpack_from(plain)
        return _Opened(plain[_EXPIRY.size :], None if end == math.inf else end)


def _parse(namespace: str, key: str, content: bytes) -> _Sealed:
    if not content.startswith(_MARK):
        problem = (
            "is not encrypted. If you are sure that it is yours, read it from the inner store and put it "
            "into this one with its version as `expected`; otherwise delete it"
        )
        raise _refusal(namespace, key, problem)
    if not content.startswith(_FORMAT):
        raise _refusal(
            namespace, key, "was encrypted by another release: upgrade. Or it was altered"
        )
    rest = content[len(_FORMAT) :]
    nonce_at, ciphertext_at = _ID_SIZE, _ID_SIZE + _NONCE_SIZE
    return _Sealed(rest[:nonce_at], rest[nonce_at:ciphertext_at], rest[ciphertext_at:])


def _refusal(namespace: str, key: str, problem: str) -> StoreError:
    return StoreError(
        f"The record of key {key!r} in {namespace!r} {problem}. It was left as it is."
    )


def _associated_data(namespace: str, key: str) -> bytes:
    family = namespace.encode()
    return b"%s%d:%s%s" % (_FORMAT, len(family), family, key.encode())


def _decrypt(cipher: AESGCM, sealed: _Sealed, associated_data: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- was imported with the cipher

    try:
        return cipher.decrypt(sealed.nonce, sealed.ciphertext, associated_data)
    except (InvalidTag, ValueError):
        # ValueError: the value was truncated, so the nonce is too short.
        return None


def _ciphers(keys: Sequence[str]) -> dict[bytes, AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- an extra
    except ImportError:
        message = "EncryptedStore needs cryptography: pip install 'atlassian-auth[encryption]'"
        raise ConfigurationError(message) from None
    if not keys:
        message = (
            "keys is empty. Expected at least one key, as EncryptedStore.generate_key() returns."
        )
        raise ConfigurationError(message, argument="keys")
    raw = [_raw_key(key, place) for place, key in enumerate(keys, 1)]
    return {_key_id(key): AESGCM(key) for key in raw}


def _raw_key(key: str, place: int) -> bytes:
    """Return the key's bytes. Neither the error nor its cause shows the text."""
    raw = b""
    if isinstance(key, str):
        try:
            raw = base64.b64decode(key.strip(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
    # Equal bytes are not random: they are a placeholder, or come from a broken source of randomness.
    if len(raw) == _KEY_SIZE and len(set(raw)) > 1:
        return raw
    message = (
        f"keys: number {place} is not a valid key. Expected {_KEY_SIZE} random bytes as URL-safe base64 text "
        "(44 characters), as EncryptedStore.generate_key() returns."
    )
    raise ConfigurationError(message, argument="keys")


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"atlassian_auth.stores.encrypted key id\0" + key).digest()[:_ID_SIZE]
