"""Read the beginning of an API's refusal, which says the reason, and leave the whole body for the caller.

Two rules of this file: the server decides neither how much is read or decoded, nor how long that takes; the
caller who gets the response can still read the body from its first byte. And the response may be httpx's or
httpx2's, so no class of either is named here.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, TypeVar, cast

from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.protocol.messages import announced_length, content_coding

__all__ = ["LONGEST", "beginning", "beginning_sync", "cut", "cut_sync"]

# The gateway's refusals have some forty bytes, the pages of Data Center and of proxies some kilobytes.
LONGEST = 64 * 1024

# Longer than the time between two packets, and no longer than a caller waits for an answer anyway. It is
# checked between two reads; the read timeout of the caller's own client limits each read.
_LONGEST_SECONDS = 5

_DECODED = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}

P = TypeVar("P", "_AsyncPeeked", "_Peeked")


async def beginning(response: Any, *, clock: Clock = SYSTEM_CLOCK) -> bytes:
    """Return the beginning of a refusal's body, decoded: at most 64 KiB, read for at most five seconds.

    The caller can still read the body of the response from its first byte.

    Args:
        response: The response that an auth flow gets: not read yet, or read by a hook of the client.
        clock: The clock for the time limit.
    """
    if response.is_closed or response.is_stream_consumed:
        return _read_content(response)
    peeked = _replace_stream(_AsyncPeeked, response, clock)
    return _decode(await peeked.peek(), response.headers)


def beginning_sync(response: Any, *, clock: Clock = SYSTEM_CLOCK) -> bytes:
    """Return the same as `beginning` in a sync client."""
    if response.is_closed or response.is_stream_consumed:
        return _read_content(response)
    if not hasattr(response.stream, "__iter__"):
        return b""  # an async client, through an auth of the application that calls ``auth_flow``
    peeked = _replace_stream(_Peeked, response, clock)
    return _decode(peeked.peek(), response.headers)


async def cut(response: Any) -> None:
    """Drop the unread rest of a response: httpx would read it before it sends the request again."""
    if isinstance(response.stream, _AsyncPeeked):
        await response.stream.aclose()
        response.stream.cut(response.headers)


def cut_sync(response: Any) -> None:
    """Do the same as `cut` in a sync client."""
    if isinstance(response.stream, _Peeked):
        response.stream.close()
        response.stream.cut(response.headers)


def _read_content(response: Any) -> bytes:
    try:
        content: bytes = response.content
    except RuntimeError:  # ResponseNotRead: a hook has streamed or closed it
        return b""
    return content[:LONGEST]


def _decode(raw: bytes, headers: Mapping[str, str], *, longest: int = LONGEST) -> bytes:
    coding = content_coding(headers)
    if not coding:
        return raw[:LONGEST]
    if coding not in _DECODED:
        return b""
    try:
        return zlib.decompressobj(_DECODED[coding]).decompress(raw[:LONGEST], longest)
    except zlib.error:
        return b""


class _ReadLimit:
    """Limits how much is read, and for how long; a body that is announced as too long is not read."""

    def __init__(self, headers: Mapping[str, str], clock: Clock) -> None:
        self._clock = clock
        self._ends = clock.time() + _LONGEST_SECONDS
        self._longest = 0 if announced_length(headers) > LONGEST else LONGEST

    def allows(self, raw: bytearray) -> bool:
        return len(raw) < self._longest and self._clock.time() < self._ends


class _Beginning:
    """What was read of a stream, and the error that ended it, which is raised when the caller reads on."""

    def __init__(self, stream: Any, limit: _ReadLimit) -> None:
        self._stream = stream
        self._limit = limit
        self._failure: Exception | None = None
        self._is_cut = False
        self._raw: bytearray = bytearray()

    def cut(self, headers: Mapping[str, str]) -> None:
        # The stream is closed, and httpx decodes what is left when it reads it. Nothing is left if that would
        # decode to more than the limit, or cannot be decoded here.
        whole = _decode(bytes(self._raw), headers, longest=LONGEST + 1)
        self._raw = self._raw[:LONGEST] if 0 < len(whole) <= LONGEST else bytearray()
        self._is_cut = True


class _AsyncPeeked(_Beginning):
    """A stream whose beginning was read; iterating it yields the whole body, or what `cut` has left."""

    def __init__(self, stream: Any, limit: _ReadLimit) -> None:
        super().__init__(stream, limit)
        self._rest: AsyncIterator[bytes] = aiter(stream)

    async def peek(self) -> bytes:
        try:
            # An empty chunk is not the end. A stream left before its end would not be closed in time.
            while (
                self._limit.allows(self._raw)
                and (chunk := await anext(self._rest, None)) is not None
            ):
                self._raw += chunk
        except Exception as error:  # noqa: BLE001 -- raised when the caller reads on
            self._failure = error
        return bytes(self._raw)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield bytes(self._raw)
        if self._is_cut:
            return
        if self._failure:
            raise self._failure
        async for chunk in self._rest:
            yield chunk

    async def aclose(self) -> None:
        if not self._is_cut:
            await self._stream.aclose()


class _Peeked(_Beginning):
    """`_AsyncPeeked` for a sync client."""

    def __init__(self, stream: Any, limit: _ReadLimit) -> None:
        super().__init__(stream, limit)
        self._rest: Iterator[bytes] = iter(stream)

    def peek(self) -> bytes:
        try:
            while self._limit.allows(self._raw) and (chunk := next(self._rest, None)) is not None:
                self._raw += chunk
        except Exception as error:  # noqa: BLE001 -- raised when the caller reads on
            self._failure = error
        return bytes(self._raw)

    def __iter__(self) -> Iterator[bytes]:
        yield bytes(self._raw)
        if self._is_cut:
            return
        if self._failure:
            raise self._failure
        yield from self._rest

    def close(self) -> None:
        if not self._is_cut:
            self._stream.close()


def _replace_stream(peeked: type[P], response: Any, clock: Clock) -> P:
    stream: object = response.stream
    kind = cast("type[P]", _of_its_library((peeked, type(stream))))
    response.stream = wrapped = kind(stream, _ReadLimit(response.headers, clock))
    return wrapped


@functools.cache
def _of_its_library(bases: tuple[type, type]) -> type:
    # A client reads streams of its own library's classes only, so the new stream is made one of them.
    return type("Peeked", bases, {})
