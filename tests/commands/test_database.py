"""`flask db grant` and `flask db distribute`: a role that only reads and writes rows, and a cluster."""

from collections.abc import Iterator

import psycopg2
import pytest
from flask import Flask

from app.database import db, scope
from app.services import services_of
from tests.commands.calling import fail, run, succeed
from tests.conftest import Caller, make_app, migrate, new_user_id
from tests.postgres import PASSWORD, Cluster, Server, not_on_a_cluster

INSUFFICIENT_PRIVILEGE = "42501"


@pytest.fixture
def owner(postgresql: Server) -> Iterator[Flask]:
    """A service that connects as the owner of its tables."""
    app = make_app(migrate(postgresql.owners_url(postgresql.url(postgresql.create_database()))))
    yield app
    services_of(app).engine.dispose()


@pytest.fixture
def service(postgresql: Server, owner: Flask) -> Iterator[Flask]:
    """A service whose role may only read and write rows."""
    url = services_of(owner).engine.url
    role = f"{url.database}_service"
    # In this database, because there Citus creates it on each machine.
    postgresql.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'", url.database)
    succeed(owner, "db", "grant", role)
    if isinstance(postgresql, Cluster):
        succeed(owner, "db", "distribute", "--shards", "4")
    app = make_app(url.set(username=role).render_as_string(hide_password=False))
    yield app
    services_of(app).engine.dispose()
    postgresql.sql(f"DROP OWNED BY {role}", url.database)
    postgresql.sql(f"DROP ROLE {role}", url.database)


def send(app: Flask, statement: str) -> str:
    """Send a statement as this app's role, and return the server's code for its error, or an empty string."""
    with app.app_context(), scope("anyone"), db.engine.connect() as connection:
        cursor = connection.connection.driver_connection.cursor()
        try:
            cursor.execute(statement)
        except psycopg2.Error as error:
            return str(error.pgcode)
    return ""


def test_the_service_role_serves(service: Flask) -> None:
    """It is ready, and does all that requests need."""
    ann = Caller(service, new_user_id())
    task = ann.add()

    assert Caller(service).get("/readyz").status_code == 200
    assert ann.patch(f"/v1/tasks/{task['id']}", json={"completed": True}).status_code == 200
    assert Caller(service, new_user_id()).get("/v1/tasks").json["items"] == []
    assert ann.delete("/v1/auth/me").status_code == 204


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE tasks DISABLE ROW LEVEL SECURITY",
        "DROP TABLE tasks",
        "TRUNCATE tasks",
        "CREATE TABLE more (id integer)",
        "DROP POLICY own_rows ON tasks",
        "UPDATE alembic_version SET version_num = '0'",
    ],
)
def test_the_service_role_changes_no_table(service: Flask, statement: str) -> None:
    """Whoever takes over the service cannot switch the isolation off."""
    code = send(service, statement)

    assert code == INSUFFICIENT_PRIVILEGE


def test_later_tables_need_no_new_grant(owner: Flask, service: Flask) -> None:
    """A migration may come after the grant."""
    assert send(owner, "CREATE TABLE later (id integer)") == ""

    assert send(service, "INSERT INTO later VALUES (1)") == ""


def test_the_owner_no_longer_serves(owner: Flask, service: Flask) -> None:
    """Row-level security does not hold it any more."""
    answer = Caller(owner).get("/readyz")

    assert answer.status_code == 503
    assert "flask db grant" in answer.json["detail"]


def test_a_second_grant_changes_nothing(owner: Flask, service: Flask) -> None:
    """It may be repeated after each upgrade."""
    succeed(owner, "db", "grant", str(services_of(service).engine.url.username))

    assert Caller(service).get("/readyz").status_code == 200


def test_a_grant_to_an_unknown_role_fails_in_one_line(owner: Flask) -> None:
    """The database's message names the role."""
    assert 'role "nobody else" does not exist' in fail(owner, "db", "grant", "nobody else")


@not_on_a_cluster("its owner does not serve, with or without a grant")
def test_a_grant_to_the_owner_is_refused(owner: Flask) -> None:
    """It has all rights already, and would no longer be held."""
    result = run(owner, "db", "grant", str(services_of(owner).engine.url.username))

    assert result.exit_code == 2
    assert "owns the tables" in result.stderr
    assert Caller(owner).get("/readyz").status_code == 200


@not_on_a_cluster("its databases have Citus")
def test_a_database_without_citus_is_not_distributed(owner: Flask) -> None:
    """The message says what is missing, and nothing changes."""
    assert "CREATE EXTENSION citus" in fail(owner, "db", "distribute")
    assert Caller(owner).get("/readyz").status_code == 200


@pytest.mark.parametrize("command", [["grant", "tasks"], ["distribute"]], ids=["grant", "distribute"])
def test_sqlite_has_neither_roles_nor_machines(sqlite_url: str, command: list[str]) -> None:
    """The message asks for PostgreSQL."""
    assert "PostgreSQL" in fail(make_app(sqlite_url), "db", *command)
