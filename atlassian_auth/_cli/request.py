"""The command request: sends one HTTP request with a credential, as curl would send it."""

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
import typer

from atlassian_auth._cli.documents import ResponseDocument
from atlassian_auth._cli.group import FAILURE, TRANSIENT
from atlassian_auth._cli.options import DEFAULT, AsJSON, ProfileOption, profile_of
from atlassian_auth._cli.output import say, show
from atlassian_auth._cli.profile import Profile
from atlassian_auth._cli.session import open_manager_with_credential
from atlassian_auth._cli.site import target_of
from atlassian_auth._tokens.http.library import httpx
from atlassian_auth.exceptions import ConfigurationError, TransientError

__all__ = ["request"]

# The limit of each wait for the network. A large answer may take longer in total.
_TIMEOUT_SECONDS = 60

# RFC 9110 sections 5.1 and 5.5: the name is a token, and the value has no line breaks.
_HEADER = re.compile(r"(?P<name>[\w!#$%&'*+.^`|~-]+):[ \t]*(?P<value>[\x20-\x7e\t]*)", re.ASCII)
_METHOD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _ApiCall:
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
    profile: ProfileOption = DEFAULT,
    confluence: Annotated[
        bool, typer.Option("--confluence", help="On Cloud, use Confluence instead of Jira.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The body; @FILE reads a file, @- standard input."),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="A header; may be repeated.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write the body to.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Send one request with a credential, and print the body of the answer.

    A path such as /rest/api/3/myself is appended to the base URL of the credential's site. A whole URL also
    works, but the credential is sent to its own API only. Redirects are not followed. With --data the content
    type is application/json, unless a header sets another.

    The exit status is 0 below HTTP 400, 4 for 429 and from 500 on, and otherwise 1.
    """
    call = _ApiCall(
        profile=profile_of(context, profile),
        method=_check_method(method),
        url=url,
        confluence=confluence,
        headers=[_parse_header(line) for line in header or []],
        body=None if data is None else _read_data(data),
    )
    status = anyio.run(_print_json, call) if as_json else anyio.run(_print, call, output)
    raise typer.Exit(_exit_status(status))


async def _print(call: _ApiCall, output: Path | None) -> int:
    async with _send(call) as response:
        with _open_output(output) as sink:
            async for chunk in response.aiter_bytes():
                sink.write(chunk)
            sink.flush()
        return response.status_code


async def _print_json(call: _ApiCall) -> int:
    async with _send(call) as response:
        await response.aread()
    document: ResponseDocument = {
        "status": response.status_code,
        "headers": dict(response.headers),
        "body": _parse_body(response),
    }
    show(document, as_json=True)
    return response.status_code


@asynccontextmanager
async def _send(call: _ApiCall) -> AsyncGenerator[httpx.Response]:
    # An error of httpx holds the request with its bearer. It must not become the context of ours, so ours is
    # raised outside the except block.
    try:
        async with open_manager_with_credential(call.profile) as manager:
            url = await target_of(call.url, call.profile, manager, confluence=call.confluence)
            auth = manager.auth(call.profile.store_key)
            async with (
                httpx.AsyncClient(auth=auth, timeout=_TIMEOUT_SECONDS) as client,
                client.stream(
                    call.method, url, headers=_headers(call), content=call.body
                ) as response,
            ):
                _print_status(response)
                yield response
                return
    except httpx.InvalidURL:
        wrong: Exception = ConfigurationError("URL is malformed.", argument="url")
    except httpx.HTTPError as error:
        wrong = TransientError(f"The request failed ({type(error).__name__}): try later.")
    raise wrong


def _headers(call: _ApiCall) -> httpx.Headers:
    headers = httpx.Headers(call.headers)
    if call.body is not None:
        headers.setdefault("content-type", "application/json")
    headers.setdefault("accept", "application/json, */*;q=0.5")
    return headers


def _print_status(response: httpx.Response) -> None:
    say(f"{response.http_version} {response.status_code} {response.reason_phrase}")
    if "location" in response.headers:
        say(f"location: {response.headers['location']}")


def _open_output(output: Path | None) -> AbstractContextManager[BinaryIO]:
    if output is None:
        return nullcontext(sys.stdout.buffer)
    try:
        return output.expanduser().open("wb")
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    raise ConfigurationError(f"{output} cannot be written: {wrong}.", argument="output")


def _parse_body(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return response.text


def _read_data(data: str) -> bytes:
    if data == "@-":
        return sys.stdin.buffer.read()
    if not data.startswith("@"):
        return data.encode()
    try:
        return Path(data[1:]).expanduser().read_bytes()
    except OSError as error:
        wrong = error.strerror or type(error).__name__
    raise ConfigurationError(f"{data[1:]} cannot be read: {wrong}.", argument="data")


def _parse_header(line: str) -> tuple[str, str]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise typer.BadParameter("must look like 'Name: value'", param_hint="--header")
    return match["name"], match["value"].strip()


def _check_method(method: str) -> str:
    if _METHOD.fullmatch(method) is None:
        raise typer.BadParameter("must be a method such as GET", param_hint="METHOD")
    return method.upper()


def _exit_status(status: int) -> int:
    if status == 429 or status >= 500:
        return TRANSIENT
    return FAILURE if status >= 400 else 0
