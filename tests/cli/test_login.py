"""Logins through a browser and over SSH, against an emulated Atlassian."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import webbrowser

import httpx
import pytest

from atlassian_auth.testing import LoopbackServer

pytestmark = pytest.mark.programs

BROWSER = """\
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
opener.open(sys.argv[1])
"""

# A shell that starts tests in the background lets them ignore interrupts; a person's shell does not.
INTERRUPTIBLE = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from atlassian_auth._cli import main
main()
"""


@pytest.fixture
def port():
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def local(acme, world, port):
    """Run a command for an app whose callback URL leads to this computer."""
    redirect_uri = f"http://127.0.0.1:{port}/callback"
    app = world.register_cloud_app("local", redirect_uri=redirect_uri)

    def run(*arguments, stdin=f"{app.client_secret}\n"):
        options = ("--client-id", "local", "--redirect-uri", redirect_uri)
        return acme(*arguments, *options, "--client-secret-file", "-", stdin=stdin)

    return run


class Browser(webbrowser.BaseBrowser):
    """A browser that consents, and follows redirects to this computer."""

    def __init__(self, world):
        super().__init__("test")
        self.world = world
        self.opened = threading.Event()

    def open(self, url, new=0, autoraise=True):
        callback = self.world.browse(url)
        threading.Thread(target=httpx.get, args=(callback,)).start()
        self.opened.set()
        return True


@pytest.fixture
def browser(world, monkeypatch):
    """The browser that ``webbrowser`` opens."""
    monkeypatch.setattr(webbrowser, "_tryorder", [])
    monkeypatch.setattr(webbrowser, "_browsers", {})
    browser = Browser(world)
    webbrowser.register("test", None, browser, preferred=True)
    return browser


def test_a_login_through_the_browser(local, browser):
    """``login`` opens the browser, and stores the credential; the URL goes to standard error."""
    ended = local("login", "acme", "--json")

    assert ended.status == 0
    assert (ended.json["key"], ended.json["refreshable"]) == ("acme", True)
    assert ended.json["missing_scopes"] == []
    assert "\nhttps://auth.atlassian.com/authorize?" in ended.errors
    assert "secret-" not in ended.output + ended.errors
    assert local("token", "acme").status == 0


def test_a_person_declines(local, browser, world):
    """A declined consent exits with 3."""
    world.deny_next_consent()

    ended = local("login", "acme")

    assert (ended.status, ended.output) == (3, "")
    assert "declined" in ended.errors


def test_no_browser_comes_back(local, browser):
    """``login`` ends after its timeout, and opens no browser with --no-browser."""
    ended = local("login", "acme", "--no-browser", "--timeout", "0.01")

    assert ended.status == 3
    assert "within 0.01 seconds" in ended.errors
    assert "run atlassian-auth login acme --config " in ended.errors
    assert "tokens.db --paste, and paste the URL of that page" in ended.errors
    assert not browser.opened.is_set()


@pytest.mark.parametrize("seconds", ["0", "nan", "inf", "86400.1"])
def test_a_time_of_no_use_is_refused(local, seconds):
    """A timeout that is zero, negative or endless is refused."""
    ended = local("login", "acme", "--timeout", seconds)

    assert ended.status == 2
    assert "--timeout: must be more than 0" in ended.errors


def test_no_secret_is_asked_for_in_vain(acme, home):
    """``login`` reports a wrong profile before it reads the client secret."""
    (home / "acme.secret").unlink()

    scopes = acme("login", "acme", "--scopes", "READ")
    callback = acme("login", "acme", "--redirect-uri", "https://app.example.com/callback")

    assert "--product data-center" in scopes.errors
    assert "Pass --paste" in callback.errors


def test_no_consent_is_needed(acme):
    """For a product without consent, login names the command to use."""
    for options in ((), ("--paste",)):
        ended = acme("login", "robot", *options)

        assert ended.status == 2
        assert "Run: atlassian-auth token robot" in ended.errors


def test_a_callback_to_another_computer(acme):
    """A callback to another computer is refused, and accepted with --paste."""
    ended = acme("login", "acme", "--redirect-uri", "https://app.example.com/callback")

    assert ended.status == 2
    assert "Pass --paste" in ended.errors


def test_a_callback_of_another_login(acme):
    """A callback with another state changes nothing, and is not printed."""
    stdin = "http://127.0.0.1:8765/callback?code=hush&state=hush\n"

    ended = acme("login", "acme", "--paste", stdin=stdin)

    assert ended.status == 2
    assert "hush" not in ended.errors
    assert acme("status", "acme").status == 3


# -- as it is started ------------------------------------------------------------------------------


@pytest.fixture
def process(home, port):
    """Start a login process at a server on this computer; return the process and the emulator."""
    with LoopbackServer() as server:
        redirect_uri = f"http://127.0.0.1:{port}/callback"

        def start(product, *arguments, browser=""):
            emulator, urls = server.atlassian, server.urls
            cloud = product == "cloud"
            register = emulator.register_cloud_app if cloud else emulator.register_data_center_app
            app = register("local", redirect_uri=redirect_uri)
            addresses = (
                f"authorize_url = '{urls.authorize_url}'\ntoken_url = '{urls.token_url}'"
                if cloud
                else f"base_url = '{urls.dc_base_url}'"
            )
            file = home / "settings.toml"
            file.write_text(
                f"[profiles.acme]\nproduct = '{product}'\nclient_id = 'local'\n{addresses}\n"
                f"scopes = '{'read:me' if cloud else 'READ'}'\nredirect_uri = '{redirect_uri}'\n",
                "utf-8",
            )
            secret = {"ATLASSIAN_AUTH_CLIENT_SECRET": app.client_secret}
            places = ("--config", file, "--store", home / "tokens.db")
            return subprocess.Popen(
                [sys.executable, "-m", "atlassian_auth", "login", "acme", *arguments, *places],
                env={**os.environ, **secret, "BROWSER": browser},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

        yield start


@pytest.mark.parametrize("product", ["cloud", "data-center"])
def test_the_persons_own_browser(process, home, product):
    """``login`` starts the configured browser, which brings the callback."""
    script = home / "browser.py"
    script.write_text(BROWSER, "utf-8")

    command = shlex.join([sys.executable, str(script)])
    with process(product, browser=f"{command} %s") as login:
        output, errors = login.communicate(timeout=300)

    assert login.returncode == 0, errors
    assert "refreshable: True" in output


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process")
def test_an_interrupt_ends_it(home, port):
    """Ctrl-C ends a waiting login at once, with status 130 and no traceback."""
    arguments = ["login", "--no-browser", "--client-id", "x", "--scopes", "a:b"]
    places = ["--redirect-uri", f"http://127.0.0.1:{port}/", "--store", str(home / "tokens.db")]
    login = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *arguments, *places],
        env={**os.environ, "ATLASSIAN_AUTH_CLIENT_SECRET": "x"},
        stderr=subprocess.PIPE,
        text=True,
    )
    with login:
        while "https://" not in login.stderr.readline():
            assert login.poll() is None

        login.send_signal(signal.SIGINT)
        _, errors = login.communicate(timeout=300)

    assert (login.returncode, errors.strip()) == (130, "")


@pytest.mark.parametrize("product", ["cloud", "data-center"])
def test_over_ssh(process, product):
    """With --paste the URL is opened elsewhere, and the callback URL is pasted."""
    with process(product, "--paste") as login:
        lines = iter(login.stderr.readline, "")
        url = next(line.strip() for line in lines if line.startswith("http"))
        answer = httpx.get(url, trust_env=False, timeout=300)
        output, errors = login.communicate(f"{answer.headers['location']}\n", timeout=300)

    assert login.returncode == 0, errors
    assert "refreshable: True" in output
    assert "secret-" not in output + errors
