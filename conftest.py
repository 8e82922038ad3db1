"""What all tests share, those in the documentation included: its Python blocks are run as tests."""

from __future__ import annotations

import ast
import inspect
import os
from contextlib import ExitStack, chdir
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import anyio
from sybil import Sybil
from sybil.evaluators.python import pad
from sybil.parsers.myst import CodeBlockParser, SkipParser

from atlassian_auth import AtlassianAuth, CloudGrant, Grant
from atlassian_auth.ports import SYSTEM_CLOCK
from atlassian_auth.scopes import JIRA_READ
from atlassian_auth.testing import FakeAtlassian, data_center_grant, mock_router

if TYPE_CHECKING:
    from sybil import Example

    from atlassian_auth.testing import App

CLOUD_ID = "11223344-a1b2-3b33-c444-def123456789"  # as in the examples
# With a buffer, a line that is flushed is one write, so the lines of a process and its child stay whole.
os.environ.pop("PYTHONUNBUFFERED", None)

# Tests talk to this computer only. All authorities would take each client 15 ms, a sixth of the tests' time.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "tests" / "authority.pem")

# The name `page` may be replaced by the code of a page, and this one not.
RESOURCES = "what a page has opened"

pytest_plugins = ["pytest_atlassian_auth", "tests.servers"]


def authorize(
    atlassian: FakeAtlassian,
    registered: App,
    key: str,
    *,
    app: App | None = None,
    store: str = "tokens.db",
    scopes: str | None = None,
) -> None:
    """Store a consent, for examples that begin after a login."""
    app = app or registered
    if app.product == "data_center":
        grant: Grant = data_center_grant(atlassian, app=app)
    else:
        grant = CloudGrant(
            client_id=app.client_id,
            client_secret=app.client_secret,
            redirect_uri=app.redirect_uri or "",
            scopes=JIRA_READ,
        )
    with AtlassianAuth(grant, store=store, key=key) as auth:
        auth.add_sync(refresh_token=atlassian.issue_grant(app, scopes).refresh_token)
        auth.token_sync()


def open_page(names: dict[str, Any]) -> None:
    """Give a page a folder of its own, and an emulated Atlassian that knows the app it speaks of."""
    names["page"] = names[RESOURCES] = page = ExitStack()
    page.enter_context(chdir(page.enter_context(TemporaryDirectory())))
    names["atlassian"] = atlassian = FakeAtlassian(SYSTEM_CLOCK)
    names["app"] = atlassian.register_cloud_app("your-client-id", client_secret="your-secret")
    atlassian.cloud_id = atlassian.add_site("acme", cloud_id=CLOUD_ID).cloud_id
    names["cloud_id"] = CLOUD_ID
    names["authorize"] = partial(authorize, atlassian, names["app"])
    page.enter_context(mock_router(atlassian))


def close_page(names: dict[str, Any]) -> None:
    """Take them away again."""
    names[RESOURCES].close()


def run(example: Example) -> None:
    """Run one block; ``await`` works at its top level, as in ``python -m asyncio``."""
    source = pad(example.parsed, example.line + example.parsed.line_offset)
    code = compile(source, example.path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if inspect.iscoroutine(rest := eval(code, example.namespace)):
        anyio.run(lambda: rest)


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("python", run), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    setup=open_page,
    teardown=close_page,
    # A reader runs these two top to bottom, and so does tests/docs/test_first_minutes.py.
    excludes=["README.md", "docs/tutorial.md"],
).pytest()
