"""A cluster with Citus: distributing again, forgotten tables, migrations, and any machine in DATABASE_URL."""

import json
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.engine import make_url

from app.database.columns import metadata
from app.services import services_of
from app.tasks.models import tasks
from tests.auth.people import another_app, lives, register
from tests.commands.calling import record, run, run_process, succeed
from tests.conftest import Caller, NewDatabase, make_app, migrate, new_user_id
from tests.postgres import Cluster

RIGHT = "Every table is where it belongs.\n"
# Before the first revision that was tried on a cluster.
OLDEST_REVISION = "0008"
INDEXES_OF_SHARDS = """
SELECT DISTINCT result FROM run_command_on_shards('tasks',
$$SELECT count(*) FROM pg_index WHERE indrelid = '%s'::regclass AND indisvalid$$)
"""


@pytest.fixture
def app(url: str) -> Iterator[Flask]:
    with another_app(url) as app:
        yield app


@pytest.fixture
def owner(postgresql: Cluster, url: str) -> Iterator[Flask]:
    """The commands of the tables' owner."""
    app = make_app(postgresql.owners_url(url))
    yield app
    services_of(app).engine.dispose()


def misplaced(app: Flask) -> str | None:
    """Return what /readyz and `flask doctor` say alike about the tables' places, or None if they are right."""
    answer = Caller(app).get("/readyz")
    checks = json.loads(run(app, "doctor", "--json").stdout)["checks"]
    [(status, message)] = [(one["status"], one["message"]) for one in checks if one["check"] == "cluster"]
    if answer.status_code == 200:
        assert status == "ok"
        return None
    assert (answer.status_code, status) == (503, "failed")
    assert message == answer.json["detail"]
    return str(message)


def test_a_second_distribution_changes_nothing(app: Flask, owner: Flask) -> None:
    """It may be repeated after each upgrade, as a grant may."""
    assert misplaced(app) is None
    succeed(owner, "db", "grant", str(services_of(app).engine.url.username))

    assert succeed(owner, "db", "distribute") == RIGHT
    assert misplaced(app) is None


# What refers to users lies where they lie.
OF_USERS = {"tasks", "lists", "deleted_lists", "users", "sessions", "idempotency_keys"}


@pytest.mark.parametrize(
    "together",
    [{"alembic_version"}, {"revocations"}, {"login_attempts"}, OF_USERS],
    ids=min,
)
def test_a_table_on_one_machine_is_named(postgresql: Cluster, app: Flask, owner: Flask, together: set[str]) -> None:
    """Until it is distributed again, with its rows."""
    ann = register(app)
    task = ann.add()
    local = f"SELECT undistribute_table('{min(together)}', cascade_via_foreign_keys => {len(together) > 1})"
    postgresql.sql(local, services_of(app).engine.url.database)
    said = re.fullmatch(r"Tables that are not distributed: (.+)\. Run `flask db distribute`\.", str(misplaced(app)))
    assert set(said[1].split(", ")) == together

    assert "Distributed" in succeed(owner, "db", "distribute", "--shards", "4")
    assert misplaced(app) is None
    assert ann.get(f"/v1/tasks/{task['id']}").json == task
    assert succeed(owner, "db", "distribute") == RIGHT


def test_an_upgrade_without_a_distribution_is_named(postgresql: Cluster, new_database: NewDatabase) -> None:
    """With all tables, as on a new cluster."""
    url = new_database(migrated=False)
    owner = make_app(migrate(postgresql.owners_url(url)))
    succeed(owner, "db", "grant", postgresql.service_role)
    with another_app(url) as app:
        said = str(misplaced(app))

    assert all(name in said for name in metadata.tables)


def test_distributed_tables_are_migrated(postgresql: Cluster, app: Flask, url: str) -> None:
    """Down and up, with their rows, by several revisions at once; each machine has all indexes."""
    ann = Caller(app, new_user_id())
    task = ann.add()
    for arguments in (["downgrade", OLDEST_REVISION], ["upgrade"]):
        done = run_process(postgresql.owners_url(url), "db", *arguments)
        assert done.returncode == 0, done.stderr

    assert misplaced(app) is None
    assert ann.get(f"/v1/tasks/{task['id']}").json == task
    assert postgresql.sql(INDEXES_OF_SHARDS, make_url(url).database) == [(str(len(tasks.indexes) + 1),)]
    assert record(app, "purge") == {"tasks": 0, "sessions": 0}


def test_any_machine_serves(postgresql: Cluster, app: Flask, url: str) -> None:
    """A worker reads and changes what was written at the coordinator, and the coordinator knows a sign-out there."""
    ann = register(app)
    task = ann.add()
    with another_app(make_url(url).set(port=postgresql.nodes[1].port).render_as_string(hide_password=False)) as worker:
        assert misplaced(worker) is None
        there = ann.at(worker)
        assert there.get(f"/v1/tasks/{task['id']}").json == task
        assert there.post(f"/v1/tasks/{task['id']}/toggle").status_code == 200
        assert ann.sign_in().at(worker).post("/v1/auth/logout").status_code == 204
        assert there.post("/v1/auth/logout").status_code == 204
        assert record(worker, "purge") == {"tasks": 0, "sessions": 0}

    with another_app(url) as later:
        assert not lives(ann.at(later))
