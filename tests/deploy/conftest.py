"""Shared by the tests of deploy/: real processes, and a server that postgres.sh has prepared."""

import os
import shutil
from collections.abc import Iterator

import pytest

from app.services import services_of
from tests.commands.calling import succeed
from tests.conftest import make_app, migrate
from tests.deploy.database import ACCESS, OWNER_PASSWORD, PASSWORD, initialise, url
from tests.process.conftest import serve, start
from tests.reliability.cluster import Cluster, cluster

__all__ = ["serve", "start"]


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    """A server as its image prepares it for postgres.sh."""
    with cluster() as made:
        if not shutil.which("psql", path=f"{made.programs}:{os.environ['PATH']}"):
            pytest.skip("there is no psql for this PostgreSQL")
        (made.home / "data" / "pg_hba.conf").write_text(ACCESS)
        made.restart()
        yield made


@pytest.fixture(scope="session")
def initialised(server: Cluster) -> Cluster:
    """Such a server with the two roles and the migrated database."""
    done = initialise(server, OWNER_PASSWORD=OWNER_PASSWORD, DATABASE_PASSWORD=PASSWORD)
    assert (done.returncode, done.stderr) == (0, "")
    owner = make_app(migrate(url(server, username="tasks_owner", password=OWNER_PASSWORD)))
    succeed(owner, "db", "grant", "tasks")
    services_of(owner).engine.dispose()
    return server
