"""The command request: one HTTP request with a credential, as curl would send it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import anyio
import httpx
import typer

from atlassian_auth._cli.group import FAILURE, TRANSIENT
from atlassian_auth._cli.options import DEFAULT, AsJSON, profile_of
from atlassian_auth._cli.output import say, show
from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.session import obtaining
from atlassian_auth._cli.site import target_of
from atlassian_auth.exceptions import ConfigurationError, TransientError

__all__ = ["request"]

# Each wait for the network; a large answer may take longer as long as it comes.
_TIMEOUT_SECONDS = 60

# RFC 9110 sections 5.1 and 5.5: a token, and a value without line breaks.
_HEADER = re.compile(r"(?P<name>[\w!#$%&'*+.^`|~-]+):[ \t]*(?P<value>[\x20-\x7e\t]*)", re.ASCII)
_METHOD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    profile: Profile
    method: str
    url: str
    confluence: bool
    headers: list[tuple[str, str]]
    body: bytes | None


def request(
    context: typer.Context,
    method: Annotated[str, typer.Argument(metavar="METHOD", hidden=True)],
    url: Annotated[str, typer.Argument(metavar="URL", hidden=True)],
    *,
    profile: Annotated[
        str,
        typer.Option(
            metavar="PROFILE",
            help="Whose credential, if not that of 'default'.",
            envvar="ATLASSIAN_AUTH_PROFILE",
            show_envvar=False,
            show_default=False,
        ),
    ] = DEFAULT,
    confluence: Annotated[
        bool, typer.Option("--confluence", help="Confluence instead of Jira, on Cloud.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="The body; @FILE is a file's content, @- standard input."
        ),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="May be repeated.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the body.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Send one request with a credential; its body goes to standard output.

    A URL such as /rest/api/3/myself is taken below the API of the credential's site. Whole URLs work
    too; the credential goes to no other host than its own API. No redirect is followed. With --data the
    content type is application/json, unless a header says another.

    The exit status is 0 below HTTP 400, 4 for 429 and from 500 on, and else 1.
    """
    call = _Call(
        profile=profile_of(context, profile),
        method=_checked_method(method),
        url=url,
        confluence=confluence,
        headers=[_parsed(line) for line in header or []],
        body=None if data is None else _content(data),
    )
    status = anyio.run(_print_json, call) if as_json else anyio.run(_print, call, output)
    raise typer.Exit(_exit_status(status))


async def _print(call: _Call, output: Path | None) -> int:
    async with _answered(call) as response:
        with _sink(output) as sink:
            async for chunk in response.aiter_bytes():
                sink.write(chunk)
            sink.flush()
        return response.status_code


async def _print_json(call: _Call) -> int:
    async with _answered(call) as response:
        await response.aread()
    document = {
        "status": response.status_code,
        "headers": dict(response.headers),
        "body": _document(response),
    }
    show(document, as_json=True)
    return response.status_code


@asynccontextmanager
async def _answered(call: _Call) -> AsyncGenerator[httpx.Response]:
    # httpx's errors hold the request with its bearer: ours is raised outside the except block.
    try:
        async with obtaining(call.profile) as manager:
            url = await target_of(call.url, call.profile, manager, confluence=call.confluence)
            auth = manager.auth(call.profile.store_key)
            async with (
                httpx.AsyncClient(auth=auth, timeout=_TIMEOUT_SECONDS) as client,
                client.stream(
                    call.method, url, headers=_headers(call), content=call.body
                ) as response,
            ):
                _say_status(response)
                yield response
                return
    except httpx.InvalidURL:
        wrong: Exception = ConfigurationError("URL is malformed.", argument="url")
    except httpx.HTTPError as error:
        wrong = TransientError(f"The request failed ({type(error).__name__}): try later.")
    raise wrong


def _headers(call: _Call) -> httpx.Headers:
    headers = httpx.Headers(call.headers)
    if call.body is not None:
        headers.setdefault("content-type", "application/json")
    headers.setdefault("accept", "application/json, */*;q=0.5")
    return headers


def _say_status(response: httpx.Response) -> None:
    say(f"{response.http_version} {response.status_code} {response.reason_phrase}")
    if "location" in response.headers:
        say(f"location: {response.headers['location']}")


def _sink(output: Path | None) -> AbstractContextManager[BinaryIO]:
    if output is None:
        return nullcontext(sys.stdout.buffer)
    try:
        return output.expanduser().open("wb")
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    raise ConfigurationError(f"{output} cannot be written: {wrong}.", argument="output")


def _document(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return response.text


def _content(data: str) -> bytes:
    if data == "@-":
        return sys.stdin.buffer.read()
    if not data.startswith("@"):
        return data.encode()
    try:
        return Path(data[1:]).expanduser().read_bytes()
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    raise ConfigurationError(f"{data[1:]} cannot be read: {wrong}.", argument="data")


def _parsed(line: str) -> tuple[str, str]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise typer.BadParameter("must look like 'Name: value'", param_hint="--header")
    return match["name"], match["value"].strip()


def _checked_method(method: str) -> str:
    if _METHOD.fullmatch(method) is None:
        raise typer.BadParameter("must be one such as GET", param_hint="METHOD")
    return method.upper()


def _exit_status(status: int) -> int:
    if status == 429 or status >= 500:
        return TRANSIENT
    return FAILURE if status >= 400 else 0
