"""What has to hold before a change is merged: ``nox`` proves it, ``nox -l`` lists the parts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import nox

SUPPORTED = ["3.11", "3.12", "3.13"]
# By file: the blocks of a page of documentation build on each other. The long files come first, as
# tests/conftest.py sorts them. One worker more than there are cores: many tests wait for another program.
WORKERS = str(1 + (os.cpu_count() or 1))
PARALLEL = ("-n", WORKERS, "--dist", "loadfile", "--no-loadscope-reorder")
EXTRAS = "[cli,connections,demo,encryption,httpx2,keyring,login,otel,postgres,redis,requests,testing,web]"
EVERYTHING = f".{EXTRAS}"
PROJECT = nox.project.load_toml("pyproject.toml")
BUILD = PROJECT["build-system"]["requires"]
# A release is built by one version: it stands in the wheel, and another might write other bytes.
BUILDER = "hatchling==1.33.0"


def group(name: str) -> list[str]:
    """Return the requirements of one of pyproject.toml's dependency groups."""
    return list(nox.project.dependency_groups(PROJECT, name))


def select_pyenv_versions() -> None:
    """Let pyenv's shims run every installed Python; they refuse those that are not selected."""
    shims = [Path(folder) for folder in os.get_exec_path() if Path(folder).name == "shims"]
    installed = [path.name for shim in shims for path in shim.parent.glob("versions/3.*")]
    usable = [name for name in installed if re.sub(r"\.\d+$", "", name) in SUPPORTED]
    if usable:
        usable.sort(key=lambda name: [int(part) for part in name.split(".")])
        os.environ.setdefault("PYENV_VERSION", ":".join(usable))


def runs(version: str) -> bool:
    """Return whether this Python is installed, and say so if it is not."""
    command = shutil.which(f"python{version}")
    found = bool(command) and not subprocess.run([str(command), "-c", ""], check=False).returncode
    if not found:
        print(f"nox > Python {version} is not installed: its tests are left out.", file=sys.stderr)
    return found


select_pyenv_versions()
# Hundreds of tests start an interpreter: without bytecode files, each would compile the package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# The Python that runs nox is there in any case, so something always runs.
PYTHONS = [version for version in SUPPORTED if runs(version)] or ["{}.{}".format(*sys.version_info)]

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_external_run = True
nox.options.reuse_venv = "yes"
# Every Python runs the tests once: the oldest for `coverage` (3.12 crashes where tests trace each instruction
# under coverage), the newest for `wheel`, one between them for `lowest`, and any other for `tests`. The
# campaigns are half of the time. They try the order of events, which no version changes: `wheel` runs them.
# uvloop is used in `wheel`, and in its oldest version in `lowest`.
BETWEEN = PYTHONS[len(PYTHONS) // 2]
others = [f"tests-{version}" for version in PYTHONS[1:-1] if version != BETWEEN]
nox.options.sessions = ["lint", "types", "docs", "wheel", "lowest", *others, "coverage"]
ORDINARY = ("-m", "not campaign")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting by ruff; the workflows by zizmor, which finds what an attacker could use."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("zizmor", "--offline", "--quiet", "--persona=auditor", ".github")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers agree, and every public name is fully typed for users."""
    session.install("-e", EVERYTHING, *group("typing"))
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "atlassian_auth", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation builds without a warning. Its code blocks run with the tests."""
    session.install("-e", EVERYTHING, *group("docs"))
    session.run("sphinx-build", "-nqW", "--keep-going", "-b", "html", "docs", "docs/_build")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests, on every installed Python."""
    session.install("-e", EVERYTHING, *group("tests"))
    session.run("pytest", *PARALLEL, *ORDINARY, *session.posargs)


@nox.session(python=PYTHONS, default=False)
def portable(session: nox.Session) -> None:
    """The tests without those that stop, fork and signal processes: for Windows, not yet run there."""
    session.install("-e", EVERYTHING, *group("tests"))
    folders = [f"--ignore=tests/{folder}" for folder in ("cancellations", "fleet", "world")]
    session.run("pytest", *folders, "-m", "not campaign and not programs", *session.posargs)


@nox.session(default=False)
def quick(session: nox.Session) -> None:
    """The tests of the core, in a minute: one event loop, no other programs, nothing that uses the core."""
    session.install("-e", EVERYTHING, *group("tests"))
    only = ("-m", "not campaign and not programs", "-k", "not uvloop and not trio")
    users = ("cli", "connections", "demo", "docs", "examples", "testing", "web")
    files = ("test_distribution.py", "test_telemetry.py")
    left_out = [f"--ignore=tests/{name}" for name in (*users, *files)]
    session.run("pytest", *PARALLEL, *only, "--ignore=docs", *left_out, *session.posargs)


@nox.session(python=BETWEEN, venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The tests with the oldest versions that pyproject.toml promises to work with; no campaigns."""
    # OpenTelemetry's SDK works with the API of its own version only.
    session.install("--resolution=lowest-direct", "-e", EVERYTHING, "opentelemetry-sdk>=1.30")
    session.install(*group("oldest"))
    newer = (
        "docs/frameworks.md",
        "docs/telemetry.md",
        "tests/examples/test_frameworks.py",
        "tests/examples/test_mcp_server.py",
        "tests/test_mcp.py",
    )
    ignored = [f"--ignore={path}" for path in newer]
    session.run("pytest", *PARALLEL, *ORDINARY, *ignored, *session.posargs)


@nox.session(python=PYTHONS[-1], reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """The tests of the sdist against the wheel built from it, the checkout out of reach."""
    session.install(*BUILD)
    with TemporaryDirectory() as folder:
        source = unpack(session, Path(folder))
        built = build(session, source)
        session.install(str(built))
        session.run("python", "-c", "import atlassian_auth, atlassian_auth.stores")
        session.install(f"{built}{EXTRAS}", *group("tests"))
        session.run("python", "-c", "import pytest_atlassian_auth, atlassian_auth._cli")
        with session.chdir(source):
            session.run("pytest", *PARALLEL, *session.posargs)


def unpack(session: nox.Session, folder: Path) -> Path:
    """Build the source distribution and return the folder it unpacks to."""
    session.run("hatchling", "build", "-t", "sdist", "-d", str(folder), silent=True)
    [archive] = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)
    return folder / archive.name.removesuffix(".tar.gz")


def build(session: nox.Session, source: Path) -> Path:
    """Build the wheel, check its contents, take the package out of reach, return the wheel."""
    with session.chdir(source):
        session.run("hatchling", "build", "-t", "wheel", "-d", str(source.parent), silent=True)
    [built] = source.parent.glob("*.whl")
    names = zipfile.ZipFile(built).namelist()
    ours = re.compile(r"atlassian_auth(/|-[\d.]+\.dist-info/)|pytest_atlassian_auth\.py$")
    strangers = [name for name in names if not ours.match(name)]
    if strangers or "atlassian_auth/py.typed" not in names:
        session.error(f"the wheel holds {strangers or names}")
    shutil.rmtree(source / "atlassian_auth")
    (source / "pytest_atlassian_auth.py").unlink()
    return built


@nox.session(python=PYTHONS[0])
def coverage(session: nox.Session) -> None:
    """Every line and every branch is run by the ordinary tests; no campaign, no uvloop is needed for it."""
    session.install("-e", EVERYTHING, *group("tests"))
    session.run("coverage", "erase")
    chosen = (*PARALLEL, *ORDINARY, "-k", "not uvloop")
    session.run("coverage", "run", "-m", "pytest", *chosen, *session.posargs)
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report")


@nox.session(default=False)
def dist(session: nox.Session) -> None:
    """The files of a release, in ``dist/``; the same commit gives the same bytes everywhere."""
    session.install(*BUILD, BUILDER, "twine")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("hatchling", "build", "-d", "dist")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))


@nox.session(default=False)
def sbom(session: nox.Session) -> None:
    """What an installation with all extras consists of, as ``dist/sbom.cdx.json`` (CycloneDX)."""
    session.install("cyclonedx-bom", "uv")
    folder = session.create_tmp()
    Path("dist").mkdir(exist_ok=True)
    session.run("uv", "venv", "--quiet", "--clear", folder)
    session.run("uv", "pip", "install", "--quiet", "--python", folder, EVERYTHING)
    described = ("--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible")
    session.run("cyclonedx-py", "environment", *described, "-o", "dist/sbom.cdx.json", folder)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """No dependency has a vulnerability that the index knows of; this asks the network."""
    session.install("pip-audit", "uv")
    pins = f"{session.create_tmp()}/requirements.txt"
    session.run("uv", "pip", "compile", "-q", "--all-extras", "pyproject.toml", "-o", pins)
    session.run("pip-audit", "--strict", "--disable-pip", "--no-deps", "-r", pins)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """The demonstration, as a newcomer runs it."""
    session.install(".[demo]")
    session.run("atlassian-auth", "demo", *session.posargs)


@nox.session(default=False)
def fleet(session: nox.Session) -> None:
    """Fleets of processes, and thousands of them killed: the full numbers, printed as tables."""
    session.install("-e", EVERYTHING, *group("tests"))
    patience = ("-o", "faulthandler_timeout=1200")
    environment = {"ATLASSIAN_AUTH_TEST_FLEET": "full"}
    session.run("pytest", "tests/fleet", *patience, *session.posargs, env=environment)


@nox.session(default=False)
def cancellations(session: nox.Session) -> None:
    """Every way of leaving at every checkpoint, and ten thousand crowds of callers."""
    session.install("-e", EVERYTHING, *group("tests"))
    environment = {"ATLASSIAN_AUTH_TEST_CANCELLATIONS": "full"}
    session.run("pytest", "tests/cancellations", *session.posargs, env=environment)


@nox.session(default=False)
def model(session: nox.Session) -> None:
    """Every state of the model with two troubles and three processes; writes docs/model.md."""
    session.install("-e", EVERYTHING, *group("tests"))
    session.run("python", "-m", "tests.model.page", "--full")


@nox.session(default=False)
def world(session: nox.Session) -> None:
    """The hostile world: some 1,500 runs on real processes and stores, written to docs/world.md."""
    session.install("-e", EVERYTHING, *group("tests"), "gevent")
    session.run("python", "-m", "tests.world", *session.posargs)


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Small changes to the token path that a test has to notice; of all modules, or of those named."""
    session.install("-e", EVERYTHING, *group("tests"), *group("deep"))
    modules = (path.removesuffix(".py").rstrip("/").replace("/", ".") for path in session.posargs)
    again = "from tests.quality.mutation import forget_uncertain; forget_uncertain()"
    session.run("python", "-c", again)
    session.run("mutmut", "run", *(f"{module}.*" for module in modules))
    session.run("python", "-m", "tests.quality")


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Inputs of strangers, guided by coverage, for ten minutes each; ``-- --minutes 1`` is shorter."""
    session.install("-e", EVERYTHING, *group("tests"), *group("deep"))
    session.run("python", "-m", "tests.fuzz", *session.posargs)
    session.run("python", "-m", "tests.quality")


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Six simulated months on each store, with outages, restarts and wrong clocks."""
    session.install("-e", EVERYTHING, *group("tests"), *group("deep"))
    environment = {"ATLASSIAN_AUTH_TEST_SOAK": "full"}
    session.run("pytest", "tests/soak", "-v", "-n", "2", *session.posargs, env=environment)
    session.run("python", "-m", "tests.quality")


@nox.session(default=False)
def deep(session: nox.Session) -> None:
    """All that takes long, one after the other, as docs/quality.md describes it; some hours."""
    for name in ("mutation", "fuzz", "soak", "world", "model", "fleet", "cancellations"):
        session.notify(name)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """The budgets, measured as ratios and printed as a table."""
    session.install("-e", EVERYTHING, *group("tests"), *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(default=False)
def trials(session: nox.Session) -> None:
    """This library and others in trials of rotating refresh tokens; writes docs/comparison.md."""
    session.install("-e", ".[testing]", *group("trials"))
    session.run("python", "-m", "benchmarks.trials", *session.posargs)
