"""A 401 is looked at, not read: within bounds, and so that the caller misses nothing."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
import zlib

import httpx
import pytest

from atlassian_auth._tokens.http.refusal import beginning, beginning_sync, cut, cut_sync
from atlassian_auth.testing import ManualClock
from tests.raw_server import RawServer, answer

LONGEST = 64 * 1024
MESSAGE = b'{"code":401,"message":"Unauthorized"}'

# Trio closes what is left half-way, and says so.
pytestmark = [
    pytest.mark.every_loop,
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]


class Body(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A body that counts what was taken of it, and knows whether it was closed."""

    def __init__(self, chunks):
        self._chunks = chunks
        self.taken = 0
        self.closed = False

    def __iter__(self):
        for chunk in self._chunks:
            self.taken += len(chunk)
            yield chunk

    async def __aiter__(self):
        for chunk in self:
            yield chunk

    def close(self):
        self.closed = True

    async def aclose(self):
        self.closed = True


class Reader:
    """The four things that are done with a refusal, in an async or in a sync client."""

    def __init__(self, kind):
        self._sync = kind == "sync"

    async def look(self, response, clock=None):
        options = {"clock": clock or ManualClock()}
        if self._sync:
            return beginning_sync(response, **options)
        return await beginning(response, **options)

    async def cut(self, response):
        if self._sync:
            cut_sync(response)
        else:
            await cut(response)

    async def read(self, response):
        return response.read() if self._sync else await response.aread()

    async def close(self, response):
        if self._sync:
            response.close()
        else:
            await response.aclose()


@pytest.fixture(params=["async", "sync"])
def reader(request):
    return Reader(request.param)


def refusal(chunks, **headers):
    body = Body(chunks)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(401, headers=names, stream=body), body


# -- what is looked at ----------------------------------------------------------------------------


async def test_a_refusal_is_read_twice(reader):
    """The library and the caller can both read a refusal, which is unchanged."""
    response, body = refusal([MESSAGE[:9], MESSAGE[9:]])

    assert await reader.look(response) == MESSAGE
    assert (response.is_closed, response.is_stream_consumed) == (False, False)
    assert await reader.read(response) == MESSAGE
    assert body.closed


@pytest.mark.parametrize("size", [LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST])
async def test_no_more_than_the_beginning_is_read(reader, size):
    """The library reads the first 64 KiB of a long body; the caller can read the rest."""
    whole = bytes(number % 251 for number in range(size))
    response, body = refusal([whole[at : at + 1024] for at in range(0, size, 1024)])

    assert await reader.look(response) == whole[:LONGEST]
    assert body.taken == min(size, LONGEST)
    assert await reader.read(response) == whole


async def test_an_empty_chunk_is_not_the_end(reader):
    """The reader also looks at what follows an empty chunk."""
    response, _body = refusal([b"", MESSAGE[:9], b"", MESSAGE[9:]])

    assert await reader.look(response) == MESSAGE
    assert await reader.read(response) == MESSAGE


async def test_a_large_chunk_is_kept_whole(reader):
    """A chunk beyond the limit is not lost: the caller gets all of it."""
    response, _body = refusal([b"x" * 200_000])

    assert await reader.look(response) == b"x" * LONGEST
    assert await reader.read(response) == b"x" * 200_000


@pytest.mark.parametrize(("length", "taken"), [(LONGEST, 100), (LONGEST + 1, 0)])
async def test_what_announces_to_be_longer_is_not_begun(reader, length, taken):
    """A body whose Content-Length exceeds the limit is not read."""
    response, body = refusal([b"x" * 100], content_length=str(length))

    assert len(await reader.look(response)) == taken == body.taken
    assert await reader.read(response) == b"x" * 100


@pytest.mark.parametrize(("seconds", "chunks"), [(4.9, 2), (5, 1), (6, 1)])
async def test_no_longer_than_five_seconds_are_waited(reader, seconds, chunks):
    """A body that drips is left after five seconds; the caller may wait for it."""
    clock = ManualClock()

    def drip():
        for _ in range(2):
            clock.advance(seconds)
            yield b"x"

    response, body = refusal(drip())

    assert await reader.look(response, clock) == b"x" * chunks
    assert body.taken == chunks
    assert await reader.read(response) == b"xx"


async def test_an_error_of_the_network_is_the_readers(reader):
    """The bytes before an error of the network count; the caller gets the error when reading on."""

    def broken():
        yield b"some"
        raise httpx.ReadError("broken")

    response, _body = refusal(broken())

    assert await reader.look(response) == b"some"
    with pytest.raises(httpx.ReadError, match="broken"):
        await reader.read(response)


async def test_closing_reaches_the_network(reader):
    """A caller that closes the response without reading it frees the connection."""
    response, body = refusal([MESSAGE])
    await reader.look(response)

    await reader.close(response)

    assert body.closed


# -- what a hook of the client has read ---------------------------------------------------------------


@pytest.mark.parametrize("taken_as", ["a whole", "a stream", "nothing"])
async def test_a_hook_was_first(reader, taken_as):
    """A body that a hook has read is looked at; a body that a hook has spent is not."""
    response, _body = refusal([MESSAGE])
    if taken_as == "a whole":
        await reader.read(response)
    elif taken_as == "a stream":
        assert b"".join(response.iter_raw()) == MESSAGE
    else:
        await reader.close(response)

    assert await reader.look(response) == (MESSAGE if taken_as == "a whole" else b"")
    await reader.cut(response)
    assert response.is_closed


# -- what is packed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
    ],
)
async def test_one_coding_is_undone(reader, coding, pack):
    """Atlassian's gateway compresses when it is asked to."""
    response, _body = refusal([pack(MESSAGE)], content_encoding=coding)

    assert await reader.look(response) == MESSAGE


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "unheard-of"])
async def test_other_codings_are_left_alone(reader, coding):
    """A body in another coding is not looked at, and reaches the caller unchanged."""
    response, body = refusal([b"any", b"thing"], content_encoding=coding)

    assert await reader.look(response) == b""
    await reader.cut(response)
    assert (await reader.read(response), body.closed) == (b"", True)


async def test_damaged_gzip_is_nothing(reader):
    """Damaged gzip counts as an empty message, and raises nothing."""
    response, _body = refusal([b"no gzip"], content_encoding="gzip")

    assert await reader.look(response) == b""
    await reader.cut(response)
    assert await reader.read(response) == b""


@pytest.mark.parametrize("layers", [1, 2, 3])
async def test_a_bomb_is_not_set_off(reader, layers):
    """No more than 64 KiB are unpacked, neither by us nor by httpx when the request is sent again."""
    packed = bytes(16 << 20)
    for _ in range(layers):
        packed = gzip.compress(packed)
    response, _body = refusal([packed], content_encoding=", ".join(["gzip"] * layers))

    tracemalloc.start()
    seen = await reader.look(response)
    await reader.cut(response)
    read = await reader.read(response)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (len(seen), read) == (LONGEST if layers == 1 else 0, b"")
    assert peak < 4 << 20


# -- what httpx reads before it sends the request again -------------------------------------------


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_cut_refusal_is_whole_if_it_is_short(reader, coding):
    """A short refusal is complete in the history of the caller's response."""
    body = gzip.compress(MESSAGE) if coding == "gzip" else MESSAGE
    response, network = refusal([body], content_encoding=coding)
    await reader.look(response)

    await reader.cut(response)

    assert network.closed
    assert await reader.read(response) == MESSAGE


@pytest.mark.parametrize(("size", "kept"), [(LONGEST, LONGEST), (LONGEST + 1, 0)])
async def test_packed_refusals_are_kept_up_to_the_bound(reader, size, kept):
    """A gzip body that unpacks to more than 64 KiB is not kept."""
    response, _body = refusal([gzip.compress(bytes(size))], content_encoding="gzip")
    await reader.look(response)

    await reader.cut(response)

    assert len(await reader.read(response)) == kept


async def test_an_endless_refusal_ends(reader):
    """Of an endless refusal the beginning is kept, and the connection is closed."""
    response, body = refusal(itertools.repeat(b"x" * 1000))
    await reader.look(response)

    await reader.cut(response)

    assert len(await reader.read(response)) == LONGEST
    assert body.closed


# -- over a network -------------------------------------------------------------------------------


async def test_a_real_connection_goes_on_after_the_look():
    """The caller of a stream reads the whole body of a refusal from its first byte."""

    class Look(httpx.Auth):
        async def async_auth_flow(self, request):
            response = yield request
            assert await beginning(response) == b"x" * LONGEST

    with RawServer(answer(401, body=b"x" * 200_000)) as server:
        async with (
            httpx.AsyncClient(auth=Look(), trust_env=False) as client,
            client.stream("GET", server.url) as response,
        ):
            chunks = [chunk async for chunk in response.aiter_raw()]

    assert sum(map(len, chunks)) == 200_000
    assert response.num_bytes_downloaded == 200_000
