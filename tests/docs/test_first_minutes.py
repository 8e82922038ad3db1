"""The first five minutes: a reader pastes README and tutorial, top to bottom, and all of it runs."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from atlassian_auth.testing import LoopbackServer

pytestmark = pytest.mark.programs

ROOT = Path(__file__).parents[2]
EXPECTED = {
    "README.md": r"Ada Admin\n",
    "docs/tutorial.md": r"(?s)Hello, Ada Admin\n.*audit log: 1\n.*ready None 20.*acme is ready\.\n",
}
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
START = re.compile(r"^asyncio\.run\((.*)\)$", re.MULTILINE)
VARIABLE = re.compile(r"^export .*", re.MULTILINE)
# What a reader does elsewhere: in a clone, and in a terminal that serves until Ctrl-C. And installing.
ELSEWHERE = re.compile(
    r"^## Two commands.*^## Read on|^pip install .*?$|^atlassian-auth (demo|emulator)$|<!--.*?-->",
    re.DOTALL | re.MULTILINE,
)
BROWSER = """\
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1])
"""


@dataclass(frozen=True)
class Reader:
    """A person in an empty folder, with a page, a browser that consents, and the emulator's address."""

    page: str
    text: str
    folder: Path
    environment: dict[str, str]

    def blocks(self, language):
        return "\n\n".join(code for kind, code in BLOCK.findall(self.text) if kind == language)

    def run(self, commands, stdin=""):
        """Return what the commands of a shell print; no error may be among it."""
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            input=stdin,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Error" not in ended.stderr, ended.stderr
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def environment_for(folder, origin, redirect_uri):
    (folder / "browser.py").write_text(BROWSER, "utf-8")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ATLASSIAN_AUTH_", "XDG_"))}
    return {
        **clean,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
        "BROWSER": f"{sys.executable} {folder / 'browser.py'} %s",
        "ATLASSIAN_AUTH_EMULATOR": origin,
        "ATLASSIAN_AUTH_REDIRECT_URI": redirect_uri,
    }


@pytest.fixture(scope="module", params=EXPECTED)
def reader(request, tmp_path_factory):
    """The reader of one page, in whose text the two ports are free ones."""
    folder = tmp_path_factory.mktemp("reader")
    with socket.create_server(("127.0.0.1", 0)) as free:
        redirect_uri = f"http://127.0.0.1:{free.getsockname()[1]}/callback"
    with LoopbackServer() as server:
        for app in (("your-client-id", "your-secret"), ("cloud-app", "secret-cs-cloud-app")):
            server.atlassian.register_cloud_app(
                app[0], client_secret=app[1], redirect_uri=redirect_uri
            )
        server.atlassian.add_event("User created")
        text = ELSEWHERE.sub("", (ROOT / request.param).read_text("utf-8"))
        text = text.replace("http://127.0.0.1:8900", server.origin)
        text = text.replace("http://127.0.0.1:8765/callback", redirect_uri)
        environment = environment_for(folder, server.origin, redirect_uri)
        yield Reader(request.param, text, folder, environment)


@pytest.fixture(scope="module")
def terminal(reader):
    """What the commands print, the program among them: the python blocks in one file."""
    (reader.folder / "audit.py").write_text(reader.blocks("python"), "utf-8")
    commands = reader.blocks("sh")
    if "python audit.py" not in commands:
        commands += "python audit.py\n"
    return reader.run(commands)


def test_a_script_runs_as_pasted(reader, terminal):
    """The shell blocks and the python blocks, saved as a file, do what the page says."""
    assert "state: ready\nscopes: manage:jira-configuration read:jira-user offline" in terminal
    assert re.search(EXPECTED[reader.page], terminal)
    assert "failed" not in terminal


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="without a terminal it compiles each line by itself"
)
def test_the_same_lines_run_in_a_repl(reader, terminal):
    """In ``python -m asyncio`` the page says to write `await` for `asyncio.run`; all other lines stay."""
    lines = START.sub(r"await \1", reader.blocks("python"))
    variables = "\n".join(VARIABLE.findall(reader.blocks("sh")))

    printed = reader.run(f"{variables}\npython -m asyncio", stdin=lines)

    assert re.search(EXPECTED[reader.page], printed)
    assert f"`await {START.search(reader.text)[1]}`" in reader.text
