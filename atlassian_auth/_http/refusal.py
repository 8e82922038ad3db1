"""Read the beginning of an API's refusal, which says the reason, and leave the whole body for the caller.

The rule of this file: the server decides neither how much is read or decoded, nor how long that takes. The
caller who gets the response can still read the body from its first byte.
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

# Longer than the time between two packets, and no longer than a caller waits for an answer anyway. It is
# checked between two reads; the read timeout of the caller's own client limits each read.
_LONGEST_SECONDS = 5

_DECODED = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def beginning(response: httpx.Response, *, clock: Clock = SYSTEM_CLOCK) -> bytes:
    """Return the beginning of a refusal's body, decoded: at most 64 KiB, read for at most five seconds.

    The caller can still read the body of the response from its first byte.

    Args:
        response: The response that an auth flow gets: not read yet, or read by a hook of the client.
        clock: The clock for the time limit.
    """
    if response.is_closed or response.is_stream_consumed:
        return _read_content(response)
    stream = cast("httpx.AsyncByteStream", response.stream)
    response.stream = peeked = _AsyncPeeked(stream, _ReadLimit(response.headers, clock))
    return _decode(await peeked.peek(), response.headers)


def beginning_sync(response: httpx.Response, *, clock: Clock = SYSTEM_CLOCK) -> bytes:
    """Return the same as `beginning` in a sync client."""
    if response.is_closed or response.is_stream_consumed:
        return _read_content(response)
    stream = cast("httpx.SyncByteStream", response.stream)
    response.stream = peeked = _Peeked(stream, _ReadLimit(response.headers, clock))
    return _decode(peeked.peek(), response.headers)


async def cut(response: httpx.Response) -> None:
    """Drop the unread rest of a response: httpx would read it before it sends the request again."""
    if isinstance(response.stream, _AsyncPeeked):
        await response.stream.aclose()
        response.stream = _decodable_stream(bytes(response.stream.raw), response.headers)


def cut_sync(response: httpx.Response) -> None:
    """Do the same as `cut` in a sync client."""
    if isinstance(response.stream, _Peeked):
        response.stream.close()
        response.stream = _decodable_stream(bytes(response.stream.raw), response.headers)


def _read_content(response: httpx.Response) -> bytes:
    try:
        return response.content[:_LONGEST]
    except httpx.ResponseNotRead:  # a hook has streamed or closed it
        return b""


def _decodable_stream(raw: bytes, headers: Mapping[str, str]) -> httpx.ByteStream:
    # httpx decodes this stream when it reads it. The body is left out if it would decode to more than the
    # limit, or cannot be decoded here.
    whole = _decode(raw, headers, longest=_LONGEST + 1)
    return httpx.ByteStream(raw[:_LONGEST] if 0 < len(whole) <= _LONGEST else b"")


def _decode(raw: bytes, headers: Mapping[str, str], *, longest: int = _LONGEST) -> bytes:
    coding = content_coding(headers)
    if not coding:
        return raw[:_LONGEST]
    if coding not in _DECODED:
        return b""
    try:
        return zlib.decompressobj(_DECODED[coding]).decompress(raw[:_LONGEST], longest)
    except zlib.error:
        return b""


class _ReadLimit:
    """Limits how much is read, and for how long; a body that is announced as too long is not read."""

    def __init__(self, headers: Mapping[str, str], clock: Clock) -> None:
        self._clock = clock
        self._ends = clock.time() + _LONGEST_SECONDS
        self._longest = 0 if announced_length(headers) > _LONGEST else _LONGEST

    def allows(self, raw: bytearray) -> bool:
        return len(raw) < self._longest and self._clock.time() < self._ends


class _AsyncPeeked(httpx.AsyncByteStream):
    """A stream whose beginning was read; iterating it yields the whole body."""

    def __init__(self, stream: httpx.AsyncByteStream, limit: _ReadLimit) -> None:
        self._stream = stream
        self._rest = aiter(stream)
        self._limit = limit
        self._failure: httpx.TransportError | None = None
        self.raw = bytearray()

    async def peek(self) -> bytes:
        try:
            # An empty chunk is not the end. A stream left before its end would not be closed in time.
            while (
                self._limit.allows(self.raw)
                and (chunk := await anext(self._rest, None)) is not None
            ):
                self.raw += chunk
        except httpx.TransportError as error:
            self._failure = error  # raised when the caller reads the rest
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
    """`_AsyncPeeked` for a sync client."""

    def __init__(self, stream: httpx.SyncByteStream, limit: _ReadLimit) -> None:
        self._stream = stream
        self._rest = iter(stream)
        self._limit = limit
        self._failure: httpx.TransportError | None = None
        self.raw = bytearray()

    def peek(self) -> bytes:
        try:
            while self._limit.allows(self.raw) and (chunk := next(self._rest, None)) is not None:
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
