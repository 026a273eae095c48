"""/readyz fails if requests would fail, or if users would not be kept apart."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from app.services import services_of
from tests.conftest import Caller, NewDatabase
from tests.database.conftest import NewApp
from tests.postgres import Server


def readiness(app: Flask) -> tuple[int, str | None, str | None]:
    answer = Caller(app).get("/readyz")
    return answer.status_code, answer.json.get("code"), answer.headers.get("Retry-After")


READY = (200, None, None)
NOT_READY = (503, "database_unavailable", "2")


def test_a_migrated_database_is_ready(new_app: NewApp, new_database: NewDatabase) -> None:
    """With status 200."""
    assert readiness(new_app(new_database())) == READY


def test_an_empty_database_is_not_ready(new_app: NewApp, new_database: NewDatabase) -> None:
    """Before the first migration, but the process is healthy."""
    app = new_app(new_database(migrated=False))

    assert readiness(app) == NOT_READY
    assert Caller(app).get("/healthz").status_code == 200


@pytest.mark.parametrize("change", ["UPDATE alembic_version SET version_num = '0000'", "DELETE FROM alembic_version"])
def test_an_older_migration_is_not_ready(new_app: NewApp, new_database: NewDatabase, change: str) -> None:
    """Nor an interrupted one."""
    app = new_app(new_database())
    with services_of(app).engine.connect() as connection:
        connection.exec_driver_sql(change)

    assert readiness(app) == NOT_READY


def test_a_newer_migration_is_ready(new_app: NewApp, new_database: NewDatabase) -> None:
    """So that old instances stay behind the load balancer during a rolling upgrade."""
    app = new_app(new_database())
    with services_of(app).engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    assert readiness(app) == READY


@contextmanager
def altered(server: Server, there: str, back: str) -> Iterator[None]:
    server.sql(there)
    try:
        yield
    finally:
        server.sql(back)


def test_a_superuser_is_not_ready(postgresql: Server, postgresql_database: str, new_app: NewApp) -> None:
    """Row-level security does not apply to a superuser."""
    url = postgresql.admin.set(database=postgresql_database).render_as_string(hide_password=False)

    assert readiness(new_app(url)) == NOT_READY


def test_a_role_that_bypasses_row_security_is_not_ready(
    postgresql: Server, postgresql_database: str, new_app: NewApp
) -> None:
    """As soon as it has BYPASSRLS, or a policy lets it see all rows."""
    app = new_app(postgresql.url(postgresql_database))
    role = postgresql.role

    with altered(postgresql, f"ALTER ROLE {role} BYPASSRLS", f"ALTER ROLE {role} NOBYPASSRLS"):
        assert readiness(app) == NOT_READY
    assert readiness(app) == READY


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE tasks DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY own_rows ON tasks",
        "ALTER POLICY own_rows ON tasks USING (true)",
        "ALTER POLICY own_rows ON tasks WITH CHECK (true)",
        "CREATE POLICY everything ON tasks USING (true)",
        "ALTER POLICY expired_select ON tasks USING (true)",
        "ALTER POLICY expired_delete ON idempotency_keys USING (true)",
        "DROP POLICY expired_delete ON tasks",
    ],
)
def test_a_database_without_isolation_is_not_ready(
    postgresql: Server, postgresql_database: str, new_app: NewApp, change: str
) -> None:
    """If row-level security is off, a policy is missing, or another policy is added."""
    app = new_app(postgresql.url(postgresql_database))
    assert readiness(app) == READY

    postgresql.sql(change, postgresql_database)

    assert readiness(app) == NOT_READY
