"""Shared by the tests of reliability: a server to break, and services that start without their database."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.conftest import engines_used, migrate, settings_for
from tests.process.conftest import BIN, Service, free_port
from tests.reliability.audit import sqlite_query
from tests.reliability.cluster import Cluster, cluster
from tests.reliability.faults import Site
from tests.reliability.kills import Database
from tests.reliability.network import Network

Launch = Callable[..., Service]

# More than PostgreSQL's empty database, and than the 4 MB to which SQLite's write-ahead log grows by itself.
# Otherwise the disk would be full without a fault.
DISK = "32m"


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Start gunicorn with two workers without waiting, and kill what is left of it afterwards."""
    folder, started = tmp_path_factory.mktemp("services"), []

    def run(url: str, *options: str, **changes: str) -> Service:
        port = free_port()
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PORT": str(port), "WEB_CONCURRENCY": "2"}
        command = [str(BIN / "gunicorn"), *options, "wsgi:app"]
        log = folder / f"{len(started)}.log"
        started.append(Service(command, PROJECT, port, log, environment | settings_for(url, **changes)))
        return started[-1]

    yield run
    for service in started:
        service.kill()


@pytest.fixture(scope="module")
def broken_cluster() -> Iterator[Cluster]:
    """A separate server, because these tests break it."""
    with cluster() as made:
        engines_used["postgresql"] = made.server.sql("SHOW server_version")[0][0]
        yield made


@pytest.fixture(scope="module")
def site(broken_cluster: Cluster) -> Iterator[Site]:
    """A migrated database behind a network."""
    database = broken_cluster.server.create_database()
    migrate(broken_cluster.url(database, broken_cluster.port))
    network = Network(broken_cluster.port)
    yield Site(broken_cluster, network, database)
    network.end()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder on its own disk."""
    folder = Path(tempfile.mkdtemp(prefix="tasks-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tasks", str(folder)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(command, check=False).returncode:
        folder.rmdir()
        pytest.skip("a disk that is full is not tested: only root can mount a small one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    """A migrated database for one test."""
    migrate(f"sqlite:///{tmp_path / 'tasks.db'}")
    return tmp_path / "tasks.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A migrated database on either engine, for processes that are killed."""
    if request.param == "sqlite":
        file = tmp_path / "tasks.db"

        def run(statement: str) -> None:
            with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
                connection.execute(statement)

        return Database(migrate(f"sqlite:///{file}"), sqlite_query(file), run)
    broken: Cluster = request.getfixturevalue("broken_cluster")
    name = broken.server.create_database()

    def ask(statement: str) -> list[tuple]:
        return broken.server.sql(statement, name)

    return Database(migrate(broken.url(name, broken.port)), ask, ask, broken)
