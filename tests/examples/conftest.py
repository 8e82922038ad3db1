"""The examples are loaded from their files, as they are for a user who copies them."""

from __future__ import annotations

import importlib.util
import socket
import sys
import webbrowser
from pathlib import Path

import httpx
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def quickstart():
    return load("quickstart")


@pytest.fixture(scope="session")
def collector():
    return load("audit_log_collector")


@pytest.fixture(scope="session")
def sender():
    return load("send_build_info")


@pytest.fixture(scope="session")
def own_store():
    return load("own_store")


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """The variables that each program with an app of its own reads."""
    monkeypatch.setenv("ATLASSIAN_CLIENT_ID", "your-app")
    monkeypatch.setenv("ATLASSIAN_CLIENT_SECRET", "your-secret")
    monkeypatch.setenv("SESSION_SECRET", "not-in-production")
    monkeypatch.setenv("TOKEN_STORE", str(tmp_path / "tokens.db"))


@pytest.fixture
def person(atlassian, environment, monkeypatch, tmp_path):
    """A person at this computer: Python finds their browser, in which they consent. Counts the logins."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        redirect_uri = f"http://127.0.0.1:{server.getsockname()[1]}/callback"
    atlassian.register_cloud_app("your-app", client_secret="your-secret", redirect_uri=redirect_uri)
    monkeypatch.setenv("ATLASSIAN_REDIRECT_URI", redirect_uri)
    monkeypatch.chdir(tmp_path)
    logins = []

    class Browser(webbrowser.BaseBrowser):
        def open(self, url, new=0, autoraise=True):
            logins.append(url)
            httpx.get(atlassian.browse(url), trust_env=False)
            return True

    monkeypatch.setattr(webbrowser, "_tryorder", [])
    monkeypatch.setattr(webbrowser, "_browsers", {})
    webbrowser.register("test", None, Browser(), preferred=True)
    return logins
