"""What a look and a lease cost does not depend on how many messages wait."""

from collections.abc import Iterator

import pytest
from flask import Flask

from app.database import WORK, scope
from app.outbox.delivery import BEFORE_ALL, claim, count_messages, list_due, seconds_late
from app.services import services_of
from tests.conftest import make_app
from tests.database.plans import Plan, plans_for
from tests.postgres import Server

# Nearly all wait for one receiver, all are due, and some are finished.
FILL = """
INSERT INTO outbox (user_id, id, kind, key, created_at, due_at, attempts, status, finished_at)
SELECT 'user ' || n % 10, md5(n::text)::uuid, 'test', CASE WHEN n % 100 = 0 THEN n::text ELSE 'dead' END, now(),
now() - interval '1 s' * (20000 - n), 0, 'waiting', CASE WHEN n % 10 = 9 THEN now() END
FROM generate_series(1, 20000) AS n
"""
PAGE = 50


@pytest.fixture(scope="module")
def filled(postgresql: Server, postgresql_template: str) -> Iterator[Flask]:
    name = postgresql.create_database(template=postgresql_template)
    for statement in (FILL, "VACUUM ANALYZE outbox"):
        postgresql.sql(statement, name)
    app = make_app(postgresql.url(name))
    with app.app_context():
        yield app
    services_of(app).engine.dispose()


def assert_reads_few(plans: list[Plan], most: int = PAGE) -> None:
    assert plans
    for plan in plans:
        assert plan.of_type("Seq Scan") == []
        assert plan.of_type("Sort") == []
        assert plan.most_rows_looked_at <= most


@pytest.mark.parametrize("after", [BEFORE_ALL, ("2026-01-01T00:00:00.000000Z", "user 3", BEFORE_ALL[2])])
def test_a_look_reads_a_page_in_its_order(filled: Flask, after: tuple[str, str, str]) -> None:
    """Of all users."""
    with plans_for(WORK) as plans:
        assert len(list_due(after, PAGE)) == PAGE

    assert_reads_few(plans)


def test_a_lease_reads_one_message(filled: Flask) -> None:
    """The first of its key."""
    with scope("user 1"), plans_for("user 1") as plans:
        assert claim("user 1", "test", "dead") is not None

    assert_reads_few(plans, most=1)


def test_counts_stop_early(filled: Flask) -> None:
    """So that nothing is slow when it is looked at most."""
    with plans_for(WORK) as plans:
        assert seconds_late() > 0
        assert count_messages()["waiting"] == 10_000

    # With the tenth that is finished.
    assert max(plan.most_rows_looked_at for plan in plans) <= 12_000
