"""A real Celery worker with forked processes: tasks of several tenants, and one refresh of each token."""

from __future__ import annotations

import sys

import anyio.to_thread
import pytest

from tests.examples.conftest import EXAMPLES, load
from tests.servers import served

pytestmark = pytest.mark.campaign

TENANTS = ("acme", "other", "third")
OPTIONS = ["--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]


def use_files(app, folder):
    """Let files be broker and backend: a test's messages need no server."""
    queue = {name: str(folder / "queue") for name in ("data_folder_in", "data_folder_out")}
    app.conf.update(
        broker_url="filesystem://",
        broker_transport_options=queue
        | {"control_folder": str(folder / "control"), "polling_interval": 0.05},
        result_backend=f"file://{folder / 'results'}",
    )
    return app


@pytest.fixture
def tasks(atlassian, atlassian_server, environment, monkeypatch, tmp_path):
    """The example's module, in front of the emulator."""
    atlassian.register_cloud_app("your-app", client_secret="your-secret")
    monkeypatch.setenv("JIRA_ORIGIN", atlassian_server.origin)
    for name in ("queue", "results"):
        (tmp_path / name).mkdir()
    module = load("celery_tasks")
    use_files(module.app, tmp_path)
    return module


@pytest.fixture
def worker(tasks, monkeypatch, tmp_path):
    """A worker with two forked processes."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{EXAMPLES}:{EXAMPLES.parent}")
    (tmp_path / "worker.py").write_text(
        "from pathlib import Path\n"
        "from celery_tasks import app\n"
        "from tests.examples.test_celery_tasks import use_files\n"
        "use_files(app, Path(__file__).parent)\n",
        "utf-8",
    )
    command = [sys.executable, "-m", "celery", "--workdir", tmp_path, "-A", "worker", "worker"]
    with served([*command, "--loglevel", "INFO", *OPTIONS], ready=" ready."):
        yield


@pytest.mark.programs
async def test_a_worker(tasks, worker, atlassian, atlassian_clock):
    """Two processes do tasks of three tenants over two lifetimes; each refresh token is presented once."""
    app = atlassian.register_cloud_app("your-app", client_secret="your-secret")
    for tenant in TENANTS:
        await tasks.manager.add(tenant, refresh_token=atlassian.issue_grant(app).refresh_token)

    def names():
        arguments = [(tenant, atlassian.cloud_id) for tenant in TENANTS * 4]
        sent = [tasks.app.send_task("celery_tasks.display_name", args) for args in arguments]
        return [result.get(timeout=300, interval=0.05) for result in sent]

    first = await anyio.to_thread.run_sync(names)
    atlassian_clock.advance(3600)
    second = await anyio.to_thread.run_sync(names)

    assert first + second == ["Ada Admin"] * 24
    assert atlassian.count("token", grant_type="refresh_token") == 2 * len(TENANTS)
    await tasks.manager.aclose()
