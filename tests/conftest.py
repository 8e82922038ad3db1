"""What the tests share: every event loop the library promises to work on, and other processes."""

from __future__ import annotations

import gc
import inspect
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, settings

import atlassian_auth
import atlassian_auth.httpx2
from tests.model.acceptor import CHECKED

ROOT = Path(atlassian_auth.__path__[0]).parent
TESTS = Path(__file__).parent

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

CAMPAIGNS = {
    "benchmarks",
    "cancellations",
    "faults",
    "fleet",
    "model",
    "soak",
    "trials",
    "world",
}

# Processes that count together: each takes seconds.
CROWDS = {"count_together"}

# Tests that use one of these wait for another program: seconds, where others need milliseconds.
PROGRAMS = {"cluster_url", "postgres_url", "redis_url", "run", "start"}

BACKENDS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(
        ("asyncio", {"use_uvloop": True}),
        id="asyncio+uvloop",
        marks=pytest.mark.skipif(sys.platform == "win32", reason="uvloop has no Windows build"),
    ),
    pytest.param(("trio", {}), id="trio"),
]


@pytest.fixture
def anyio_backend(request):
    """The event loop: asyncio, or each of the three where a module, class or test is marked `every_loop`."""
    return getattr(request, "param", ("asyncio", {"use_uvloop": False}))


@pytest.fixture
def library(request, monkeypatch):
    """The client's library: httpx, or httpx2. Then httpx and the auths mean httpx2's in the test's module."""
    name = getattr(request, "param", "httpx")
    if name == "httpx2":
        monkeypatch.setattr(request.module, "httpx", httpx2)
        for auth in {*atlassian_auth.httpx2.__all__} & {*vars(request.module)}:
            monkeypatch.setattr(request.module, auth, getattr(atlassian_auth.httpx2, auth))
    return name


def pytest_generate_tests(metafunc):
    named = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    fixtures = {*metafunc.fixturenames} - {*named}
    every = "anyio_backend" in fixtures and metafunc.definition.get_closest_marker("every_loop")
    if "library" not in fixtures:
        if every:
            metafunc.parametrize("anyio_backend", BACKENDS, indirect=True)
    elif every:  # httpx2 on one loop: the logic is that of httpx
        with_httpx = [
            pytest.param(*one.values, "httpx", id=one.id, marks=one.marks) for one in BACKENDS
        ]
        with_httpx2 = pytest.param(*BACKENDS[0].values, "httpx2", id="httpx2")
        names = ("anyio_backend", "library")
        metafunc.parametrize(names, [*with_httpx, with_httpx2], indirect=True)
    else:
        metafunc.parametrize("library", ["httpx", "httpx2"], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector, name, obj):
    # anyio's own `anyio_mode = "auto"` is younger than the oldest anyio we support.
    if collector.istestfunction(obj, name) and inspect.iscoroutinefunction(obj):
        pytest.mark.usefixtures("anyio_backend")(obj)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    # All that is collected stays: to look for garbage in it would take a third of this time, and more later.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    for item in items:
        folders = item.path.relative_to(TESTS.parent).parts[1:-1]
        campaign = CAMPAIGNS.intersection(folders) or CROWDS.intersection(item.fixturenames)
        if campaign and not item.get_closest_marker("every_python"):
            item.add_marker(pytest.mark.campaign)
        if PROGRAMS.intersection(item.fixturenames):
            item.add_marker(pytest.mark.programs)
    # The workers take whole files, in this order: a long one that began last would keep one worker alone.
    long = {item.path for item in items if {"campaign", "programs"} & {*item.keywords}}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture
def young_heap():
    """Let a garbage collection look only at what the test itself makes: the modules take a second."""
    gc.freeze()


@pytest.fixture
def start():
    """Start interpreters that run a script, and see that none outlives the test."""
    with ExitStack() as processes:

        def start(script, *arguments):
            process = subprocess.Popen(
                [sys.executable, "-c", script, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            processes.enter_context(process)
            processes.callback(process.kill)
            return process

        yield start


@pytest.fixture
def run(start):
    """Run a script in an interpreter of its own, and return what it printed."""

    def run(script, *arguments):
        process = start(script, *arguments)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        return output.split()

    return run


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of several processes, by pytest-xdist
        session.config.workeroutput["traces"] = dict(CHECKED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    CHECKED.update(getattr(node, "workeroutput", {}).get("traces", {}))


def pytest_terminal_summary(terminalreporter):
    if CHECKED:
        counts = "{traces:,} traces of {events:,} events".format(**CHECKED)
        terminalreporter.write_line(f"The model accepted {counts}.")
