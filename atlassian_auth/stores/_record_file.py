"""The format of a record's file: a digest of the rest, one line of JSON with the names, then the value.

A file that was truncated, altered or written by another program does not match its digest, and is refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from atlassian_auth.stores.base import ABSENT, Stored

__all__ = [
    "ANY_FILE",
    "FiledRecord",
    "decode",
    "decode_named",
    "encode",
    "file_name",
    "file_pattern",
    "stored",
    "unexpired",
    "version_of",
]

_MARK = b"atlassian-auth record "
_FORMAT = _MARK + b"1 "
_ANY_DIGEST = "[0-9a-f]" * 64

ANY_FILE = f"{_ANY_DIGEST}-{_ANY_DIGEST}"
"""A shell pattern that matches the file name of every record."""


@dataclass(frozen=True, slots=True)
class FiledRecord:
    """The content of one file."""

    namespace: str
    key: str
    version: int
    expires_at: float | None = None
    value: bytes = field(default=b"", repr=False)

    def is_expired(self, now: float) -> bool:
        """Return whether the record has expired."""
        return self.expires_at is not None and self.expires_at <= now


def unexpired(record: FiledRecord | None, now: float) -> FiledRecord | None:
    """Return the record, or None if there is none or it has expired."""
    return None if record is None or record.is_expired(now) else record


def stored(record: FiledRecord | None) -> Stored | None:
    """Return the record in the form that a store returns."""
    return None if record is None else Stored(record.value, record.version)


def version_of(record: FiledRecord | None) -> int:
    """Return the record's version, `ABSENT` if there is none."""
    return ABSENT if record is None else record.version


def file_name(namespace: str, key: str) -> str:
    """Return the record's file name: unique, and valid on every file system, whatever the key is."""
    return f"{_digest(namespace.encode())}-{_digest(key.encode())}"


def file_pattern(namespace: str) -> str:
    """Return a shell pattern that matches the namespace's file names only."""
    return f"{_digest(namespace.encode())}-{_ANY_DIGEST}"


def encode(record: FiledRecord) -> bytes:
    """Return the file's content."""
    names = {
        "namespace": record.namespace,
        "key": record.key,
        "version": record.version,
        "expires_at": record.expires_at,
    }
    rest = json.dumps(names).encode() + b"\n" + record.value
    return _first_line(rest) + rest


def decode(content: bytes) -> FiledRecord:
    """Return the record that the file holds.

    Raises:
        ValueError: if the file is damaged or another program's. The text says what to do.
    """
    first, end, rest = content.partition(b"\n")
    if first + end == _first_line(rest):
        names, _, value = rest.partition(b"\n")
        return FiledRecord(**json.loads(names), value=value)
    if first.startswith(_MARK) and not first.startswith(_FORMAT):
        raise ValueError("was written by another release of atlassian_auth: upgrade")
    raise ValueError(
        "is damaged, or another program's: restore a backup, or move it away and authorize again"
    )


def decode_named(namespace: str, key: str, content: bytes) -> FiledRecord:
    """Return the record that the file holds, and check its name.

    Raises:
        ValueError: as `decode`, or if the file holds the record of another key.
    """
    record = decode(content)
    if (record.namespace, record.key) != (namespace, key):
        raise ValueError("holds the record of another key: move it back to its own name, or away")
    return record


def _first_line(rest: bytes) -> bytes:
    return _FORMAT + _digest(rest).encode() + b"\n"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
