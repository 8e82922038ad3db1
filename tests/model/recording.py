"""Writes down what a manager does with its store and the token endpoint: the trace of a run.

A store and a sender around the real ones write a line for each thing they do. The lines hold fingerprints of
tokens, never a token, and they are made from the stored bytes and from what goes over the wire: what a trace
says about the library is not said by the library. `acceptor` tells whether the model allows a trace.

A line that ends something is written after it was done, and "unlock" before: so the order of the lines is
one in which it can have happened. What another process may see halfway has a line for its beginning, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple
from urllib.parse import parse_qs

from atlassian_auth.exceptions import VersionConflict
from atlassian_auth.ports import NothingSent

_LETTERS = 12
_FAILURES = (Exception, asyncio.CancelledError)  # a store's client may cancel itself


class Stored(NamedTuple):
    """A stored record: the fingerprints of its tokens, and whether its refresh token was refused."""

    refresh: str
    access: str
    refused: bool


class Event(NamedTuple):
    """One line of a trace.

    Args:
        process: The manager, by a name of its own.
        key: The credential's.
        what: What it did, or what was done to it.
        data: A fingerprint, a `Stored`, the status of an answer, or nothing.
        locked: Whether it was done by the task that holds the lock.
    """

    process: str
    key: str
    what: str
    data: object = None
    locked: bool = False


def read(path):
    """Return the events in a file, oldest first."""
    events = [Event(*json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    return [
        event._replace(data=Stored(*event.data)) if isinstance(event.data, list) else event
        for event in events
    ]


def append_to(path):
    """Return a function that appends an event to a file which several processes write to."""

    def write(event):
        with path.open("ab", buffering=0) as file:  # one call, so that lines are whole
            file.write(f"{json.dumps(event)}\n".encode())

    return write


def watch(manager, write, process):
    """Write down from now on what a manager does, and return its `Recorder`.

    Args:
        manager: A new one.
        write: Takes each `Event`: a list's ``append``, or what `append_to` returns.
        process: The manager's name in the trace.
    """
    recorder = Recorder(write, str(process))
    records, service = manager._parts.repository._records, manager._parts.exchange
    records._store = _Store(records._store, recorder)
    service._sender = _Sender(service._sender, recorder)
    service._clock = _Clock(service._clock, recorder)
    return recorder


class Recorder:
    """Writes the lines of one manager."""

    def __init__(self, write, process):
        self._write = write
        self._process = process
        self._holders = {}
        self._keys = {}
        self._unheard = {}

    def note(self, key, what, data=None):
        """Write a line."""
        locked = key in self._holders and self._holders[key] is asyncio.current_task()
        self._write(Event(self._process, key, what, data, locked))

    def handed_out(self, key, token):
        """Write that a caller has got a token."""
        self._write(Event(self._process, key, "handed out", fingerprint(token.access_token)))

    def was(self, key, what, data=None):
        """Write what was done to the process, or to its credential."""
        self._write(Event(self._process, key, what, data))

    @contextmanager
    def holding(self, key):
        """Mark what this task does until the end as done under the lock."""
        self._holders[key] = asyncio.current_task()
        self.note(key, "lock")
        try:
            yield
        finally:
            self.note(key, "unlock")
            del self._holders[key]

    def stored(self, key, value):
        """Return what the bytes of a record say; the key belongs to its refresh token from now on."""
        found = None if value is None else describe(value)
        if found is not None:
            self._keys[found.refresh] = key
        return found

    def unheard(self, key):
        """Remember the task whose request is cancelled; its timeout says why."""
        self._unheard[asyncio.current_task()] = key

    def explain(self, what):
        """Write why this task's request was cancelled."""
        key = self._unheard.pop(asyncio.current_task(), None)
        if key is not None:
            self.note(key, what)

    def key_of(self, refresh_token):
        """Return the key whose record held a refresh token when it was seen last."""
        return self._keys.get(fingerprint(refresh_token), "")


class _Store:
    """A store that writes down what is done with credentials; it passes on everything else."""

    def __init__(self, store, recorder):
        self._store = store
        self._recorder = recorder

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def get(self, namespace, key):
        note = self._recorder.note
        note(key, "reads")
        try:
            stored = await self._store.get(namespace, key)
        except _FAILURES:
            note(key, "get error")
            raise
        note(key, "get", self._recorder.stored(key, stored and stored.value))
        return stored

    async def put(self, namespace, key, value, **options):
        self._recorder.note(key, "saves", self._recorder.stored(key, value))
        with self._ending(key, "put"):
            return await self._store.put(namespace, key, value, **options)

    async def delete(self, namespace, key, **options):
        self._recorder.note(key, "deletes")
        with self._ending(key, "delete"):
            return await self._store.delete(namespace, key, **options)

    @contextmanager
    def _ending(self, key, action):
        try:
            yield
        except VersionConflict:
            self._recorder.note(key, f"{action} conflict")
            raise
        except _FAILURES:
            self._recorder.note(key, f"{action} error")
            raise
        self._recorder.note(key, f"{action} ok")

    @asynccontextmanager
    async def lock(self, namespace, key, *, timeout_seconds):
        async with self._store.lock(namespace, key, timeout_seconds=timeout_seconds) as hold:
            with self._recorder.holding(key):
                yield _Hold(hold, key, self._recorder)


class _Hold:
    """A lock whose confirmations are written down; one that cannot be lost is held whenever it is asked."""

    def __init__(self, hold, key, recorder):
        self._hold = hold
        self._key = key
        self._recorder = recorder

    async def confirm(self, seconds=0):
        try:
            held = self._hold is None or await self._hold.confirm(seconds)
        except _FAILURES:
            self._recorder.note(self._key, "confirm error")
            raise
        self._recorder.note(self._key, "confirm true" if held else "confirm false")
        return held


class _Sender:
    """A sender that writes down refreshes, and what is heard of them."""

    def __init__(self, sender, recorder):
        self._sender = sender
        self._recorder = recorder

    def __getattr__(self, name):
        return getattr(self._sender, name)

    async def send(self, request):
        presented = _presented(request)
        if presented is None:
            return await self._sender.send(request)
        key, note = self._recorder.key_of(presented), self._recorder.note
        note(key, "send", fingerprint(presented))
        try:
            response = await self._sender.send(request)
        except NothingSent:
            note(key, "hear nothing sent")
            raise
        except asyncio.CancelledError:
            self._recorder.unheard(key)
            raise
        except BaseException:
            note(key, "hear unanswered")
            raise
        note(key, *_heard(response, presented))
        return response


class _Clock:
    """A clock whose timeouts tell a request whose time is over from one that is cut off before."""

    def __init__(self, clock, recorder):
        self._clock = clock
        self._recorder = recorder

    def __getattr__(self, name):
        return getattr(self._clock, name)

    @asynccontextmanager
    async def timeout(self, seconds):
        try:
            async with self._clock.timeout(seconds):
                yield
        except TimeoutError:
            self._recorder.explain("hear unanswered")
            raise
        except asyncio.CancelledError:
            # If no task has cancelled this one, the sender itself raised the error.
            cut = asyncio.current_task().cancelling()
            self._recorder.explain("is cut off" if cut else "hear unanswered")
            raise


def fingerprint(token):
    """Return what tells tokens apart and is none; the library makes its own in the same way."""
    return hashlib.sha256(token.encode()).hexdigest()[:_LETTERS] if token else ""


def describe(value):
    """Return what the bytes of a record say, without asking the library."""
    record = json.loads(value)["record"]
    token = record["token"] or {"refresh_token": record["pasted_refresh_token"]}
    refused = record["status"] == "unrecoverable" and record["ended"] != "failing"
    return Stored(
        fingerprint(token["refresh_token"]), fingerprint(token.get("access_token")), refused
    )


def _presented(request):
    """Return the refresh token in a request for a new pair, or None."""
    fields = _document(request.body)
    if fields is None:
        fields = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    return fields.get("refresh_token") if fields.get("grant_type") == "refresh_token" else None


def _heard(response, presented):
    document = _document(response.body) or {}
    if response.status == 200 and document.get("access_token") and not response.truncated:
        return "hear pair", fingerprint(document.get("refresh_token") or presented)
    error, reason = document.get("error"), str(document.get("error_description"))
    about_it = error == "unauthorized_client" and "refresh_token" in reason
    if response.status < 500 and (error == "invalid_grant" or about_it):
        return ("hear refused",)
    return "hear unavailable", response.status


def _document(body):
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
