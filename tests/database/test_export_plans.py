"""PostgreSQL reads a page of an export from its position and no further, whatever its statistics say."""

import hashlib
from collections.abc import Iterator

import pytest
from flask import Flask

from app.services import services_of
from app.tasks import transfer
from tests.conftest import Caller, make_app
from tests.database.plans import plans_of
from tests.postgres import Server

TASKS = 20_000
USER = hashlib.md5(b"whose export is planned").hexdigest()
LIST = "0199b1f0-5e2a-7c93-a1d4-6b8f3c7e2d19"
# As after an import: the user's tasks have their own ids and times, and every tenth is in the trash. Every second is in
# a list, and every third of the others a subtask.
FILL = f"""
ALTER TABLE tasks SET (autovacuum_enabled = off);
INSERT INTO users (id, created_at) VALUES ('{USER}', now());
INSERT INTO lists (user_id, id, name, position, created_at, updated_at, version)
VALUES ('{USER}', '{LIST}', 'Home', '0', now(), now(), 1);
INSERT INTO tasks (user_id, id, title, created_at, updated_at, deleted_at, version, position, list_id, parent_id)
SELECT '{USER}', md5(n::text)::uuid, 'Task ' || n, timestamptz '2020-01-01Z' + n % 400 * interval '1 h', now(),
    CASE WHEN n % 10 = 0 THEN now() END, 1, md5('position ' || n),
    CASE WHEN n % 4 > 1 THEN uuid '{LIST}' END, CASE WHEN n % 4 = 1 AND n > 100 THEN md5((n % 100)::text)::uuid END
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


@pytest.mark.parametrize("query", ["", f"?list={LIST}", "?list=none"])
def test_a_page_of_an_export_reads_only_its_rows(filled: Flask, query: str) -> None:
    """Without sorting or other tasks, so an export's time grows only with its size."""
    _lists, page, *_ = plans_of(Caller(filled, USER), ("GET", f"/v1/tasks/export{query}", None, 200))

    assert page.rows == page.most_rows_looked_at == transfer.PAGE
    assert page.of_type("Sort") == page.of_type("Seq Scan") == []


@pytest.mark.parametrize("filled", ["ANALYZE"], indirect=True)
def test_a_page_of_the_inboxs_subtasks_is_not_sorted(filled: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes over the subtasks of other lists, each of them once."""
    monkeypatch.setattr(transfer, "_OF_INBOX", transfer._OF_INBOX[1:])
    _lists, page, *_ = plans_of(Caller(filled, USER), ("GET", "/v1/tasks/export?list=none", None, 200))

    assert page.rows == transfer.PAGE
    assert page.of_type("Sort") == page.of_type("Seq Scan") == []
