"""What a library has to offer to be tried: one module with these names, one object with two methods."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Client", "ConsentWanted", "Library", "Scene", "Seed", "load", "save"]


class ConsentWanted(Exception):
    """The library gave up its consent: a program without a person in front of it would end here."""


@dataclass(frozen=True, slots=True)
class Seed:
    """The pair that a consent has just brought.

    Args:
        expires_in: Seconds that the access token has left; negative if it has ended.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class Scene:
    """What one process of a client has to know.

    Args:
        origin: Of the emulated server, with its metadata of RFC 8414.
        authorize_url: Its authorization endpoint.
        token_url: Its token endpoint. It takes the client's id and secret in the body.
        client_id: As registered there.
        client_secret: As registered there.
        redirect_uri: As registered there.
        path: Where the client keeps its tokens: a file that does not exist at first.
        timeout_seconds: For each request.
        seed: What to begin with; None if an earlier process has stored something.
    """

    origin: str
    authorize_url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    path: Path
    timeout_seconds: float
    seed: Seed | None


class Client(Protocol):
    """A library at work in one process.

    `shown` is what a program works with, and may print.
    """

    shown: tuple[object, ...]

    async def get(self, url: str) -> int:
        """Send one request with the bearer, refreshed if necessary, and return the status.

        Raises:
            ConsentWanted: if the library wants a person to consent again.
        """
        ...


class Library(Protocol):
    """A module that puts one library to work, as its own documentation says.

    Args:
        NAME: As the score sheet shows it.
        PACKAGES: The distributions whose versions the score sheet shows.
        MANUAL: The page that the module follows.
        NOT_OFFERED: Trials that the library cannot take part in, and why.
    """

    NAME: str
    PACKAGES: tuple[str, ...]
    MANUAL: str
    NOT_OFFERED: Mapping[str, str]

    async def connect(self, scene: Scene) -> Client:
        """Return a client that goes on with what is stored, or else begins with the seed."""
        ...


def save(path: Path, document: object) -> None:
    """Replace the file at once, when all of it is on disk. For libraries that want a function that saves."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 -- it is a descriptor
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    Path(draft).replace(path)


def load(path: Path) -> Any:
    """Return what was saved last, or None."""
    return json.loads(path.read_text("utf-8")) if path.exists() else None
