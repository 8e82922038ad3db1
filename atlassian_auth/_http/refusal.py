"""The refusal of an API: as much of its body as tells the reason, and the whole of it left for the caller.

The rule of this file: an answer decides neither how much is read, nor how much is unpacked, nor how long that
takes. The caller who gets the response reads again what was read here.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import cast

import httpx

from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.protocol.messages import announced_length, content_coding

__all__ = ["beginning", "beginning_sync", "cut", "cut_sync"]

# The gateway's refusals have some forty bytes, the pages of Data Center and of proxies some kilobytes.
_LONGEST = 64 * 1024

# Longer than the wait between two packets, and no longer than a caller waits for an answer as it is. It is
# looked at between two reads, each of which has the read timeout of the caller's own client.
_LONGEST_SECONDS = 5

_UNPACKED = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def beginning(response: httpx.Response, *, clock: Clock = SYSTEM_CLOCK) -> bytes:
    """Return what the body of a refusal begins with, unpacked: at most 64 KiB, read for at most five seconds.

    The response stays as it was: the caller who gets it reads the body from its first byte.

    Args:
        response: As an auth flow gets it: not read yet, or read by a hook of the client.
        clock: Who measures the time.
    """
    if response.is_closed or response.is_stream_consumed:
        return _content(response)
    stream = cast("httpx.AsyncByteStream", response.stream)
    response.stream = peeked = _AsyncPeeked(stream, _Budget(response.headers, clock))
    return _unpacked(await peeked.look(), response.headers)


def beginning_sync(response: httpx.Response, *, clock: Clock = SYSTEM_CLOCK) -> bytes:
    """Return the same as `beginning` in a sync client."""
    if response.is_closed or response.is_stream_consumed:
        return _content(response)
    stream = cast("httpx.SyncByteStream", response.stream)
    response.stream = peeked = _Peeked(stream, _Budget(response.headers, clock))
    return _unpacked(peeked.look(), response.headers)


async def cut(response: httpx.Response) -> None:
    """End a response here: httpx reads all that is left of it before it sends the request again."""
    if isinstance(response.stream, _AsyncPeeked):
        await response.stream.aclose()
        response.stream = _ended(bytes(response.stream.raw), response.headers)


def cut_sync(response: httpx.Response) -> None:
    """Do the same as `cut` in a sync client."""
    if isinstance(response.stream, _Peeked):
        response.stream.close()
        response.stream = _ended(bytes(response.stream.raw), response.headers)


def _content(response: httpx.Response) -> bytes:
    try:
        return response.content[:_LONGEST]
    except httpx.ResponseNotRead:  # a hook has read it as a stream, or closed it
        return b""


def _ended(raw: bytes, headers: Mapping[str, str]) -> httpx.ByteStream:
    # httpx unpacks what it reads. What would become too long, or is packed in a way that only unpacking
    # tells, is left out.
    whole = _unpacked(raw, headers, longest=_LONGEST + 1)
    return httpx.ByteStream(raw[:_LONGEST] if 0 < len(whole) <= _LONGEST else b"")


def _unpacked(raw: bytes, headers: Mapping[str, str], *, longest: int = _LONGEST) -> bytes:
    coding = content_coding(headers)
    if not coding:
        return raw[:_LONGEST]
    if coding not in _UNPACKED:
        return b""
    try:
        return zlib.decompressobj(_UNPACKED[coding]).decompress(raw[:_LONGEST], longest)
    except zlib.error:
        return b""


class _Budget:
    """How much more may be read; nothing of a body that says itself that it is too long."""

    def __init__(self, headers: Mapping[str, str], clock: Clock) -> None:
        self._clock = clock
        self._ends = clock.time() + _LONGEST_SECONDS
        self._longest = 0 if announced_length(headers) > _LONGEST else _LONGEST

    def allows(self, raw: bytearray) -> bool:
        return len(raw) < self._longest and self._clock.time() < self._ends


class _AsyncPeeked(httpx.AsyncByteStream):
    """A stream whose beginning has been looked at."""

    def __init__(self, stream: httpx.AsyncByteStream, budget: _Budget) -> None:
        self._stream = stream
        self._rest = aiter(stream)
        self._budget = budget
        self._failure: httpx.TransportError | None = None
        self.raw = bytearray()

    async def look(self) -> bytes:
        try:
            # An empty chunk is not the end: a stream left before its end is left to the garbage collector.
            while (
                self._budget.allows(self.raw)
                and (chunk := await anext(self._rest, None)) is not None
            ):
                self.raw += chunk
        except httpx.TransportError as error:
            self._failure = error  # for the caller, when it reads on
        return bytes(self.raw)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield bytes(self.raw)
        if self._failure:
            raise self._failure
        async for chunk in self._rest:
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Peeked(httpx.SyncByteStream):
    """The same in a sync client."""

    def __init__(self, stream: httpx.SyncByteStream, budget: _Budget) -> None:
        self._stream = stream
        self._rest = iter(stream)
        self._budget = budget
        self._failure: httpx.TransportError | None = None
        self.raw = bytearray()

    def look(self) -> bytes:
        try:
            while self._budget.allows(self.raw) and (chunk := next(self._rest, None)) is not None:
                self.raw += chunk
        except httpx.TransportError as error:
            self._failure = error
        return bytes(self.raw)

    def __iter__(self) -> Iterator[bytes]:
        yield bytes(self.raw)
        if self._failure:
            raise self._failure
        yield from self._rest

    def close(self) -> None:
        self._stream.close()
