"""PostgreSQL reads a page of an export from its position and no further, whatever its statistics say."""

import hashlib
from collections.abc import Iterator

import pytest
from flask import Flask

from app.services import services_of
from app.tasks import transfer
from tests.conftest import Caller, make_app
from tests.database.plans import plan_of
from tests.postgres import Server

TASKS = 20_000
USER = hashlib.md5(b"whose export is planned").hexdigest()
# As after an import: the user's tasks have their own ids and times, and every tenth is in the trash.
FILL = f"""
ALTER TABLE tasks SET (autovacuum_enabled = off);
INSERT INTO users (id, created_at) VALUES ('{USER}', now());
INSERT INTO tasks (user_id, id, title, created_at, updated_at, deleted_at, version)
SELECT '{USER}', md5(n::text)::uuid, 'Task ' || n, timestamptz '2020-01-01Z' + n % 400 * interval '1 h', now(),
    CASE WHEN n % 10 = 0 THEN now() END, 1
FROM generate_series(1, {TASKS}) AS n
"""


@pytest.fixture(scope="module", params=["ANALYZE", "no statistics"])
def filled(request: pytest.FixtureRequest, postgresql: Server, postgresql_template: str) -> Iterator[Flask]:
    """An app on a table that one user has just filled."""
    name = postgresql.create_database(template=postgresql_template)
    postgresql.sql(FILL, name)
    if request.param == "ANALYZE":
        postgresql.sql("ANALYZE", name)
    app = make_app(postgresql.url(name))
    yield app
    services_of(app).engine.dispose()


def test_a_page_of_an_export_reads_only_its_rows(filled: Flask) -> None:
    """Without sorting or other tasks, so an export's time grows only with its size."""
    plan = plan_of(Caller(filled, USER), ("GET", "/v1/tasks/export", None, 200))

    assert plan.rows == plan.most_rows_looked_at == transfer.PAGE
    assert plan.of_type("Sort") == plan.of_type("Seq Scan") == []
