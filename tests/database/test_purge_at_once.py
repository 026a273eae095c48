"""A task can be restored during a purge, and the purge reads nothing that stays."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import update

from app.database import PURGE, execute, scope
from app.tasks import trash
from app.tasks.models import TRASH_SECONDS, tasks
from tests.api.support.past import age_task
from tests.conftest import Caller, new_user_id
from tests.database.conftest import NewApp, held_open, wait_until_waiting
from tests.database.plans import plans_for
from tests.postgres import Server


def test_a_task_restored_during_a_purge_stays(postgresql_app: Flask, postgresql: Server) -> None:
    """The purge has selected it, waits for its lock, and checks its age again."""
    caller = Caller(postgresql_app, new_user_id())
    task = caller.add()
    age_task(postgresql_app, caller, task["id"], TRASH_SECONDS + 60, is_deleted=True)
    mine = tasks.c.user_id == caller.user_id

    def come_back() -> None:
        # As an import does, which restores a task of any age.
        assert execute(update(tasks).where(mine).values(deleted_at=None)) == 1

    def empty_trash() -> None:
        with postgresql_app.app_context(), scope(PURGE):
            list(trash.purge_tasks())

    with held_open(postgresql_app, str(caller.user_id), come_back) as end, ThreadPoolExecutor(1) as pool:
        purged = pool.submit(empty_trash)
        wait_until_waiting(postgresql, 1)
        end()
        purged.result()

    assert caller.get(f"/v1/tasks/{task['id']}").status_code == 200


# Two users' tasks, of which one in a hundred is to go; the rest live, or have been in the trash for a day.
FILL = f"""
SET session_replication_role = replica;
INSERT INTO users (id, created_at) VALUES ('0', now()), ('1', now());
INSERT INTO tasks (user_id, id, title, created_at, updated_at, deleted_at, version)
SELECT n % 2, md5(n::text)::uuid, 'tea', now(), now(),
CASE WHEN n % 100 = 0 THEN now() - interval '{TRASH_SECONDS + 1} s' * n
WHEN n % 10 = 0 THEN now() - interval '1 day' END, 1 FROM generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize("at_once", [50, 1_000], ids=["a part", "the rest"])
def test_a_purge_looks_at_nothing_that_stays(
    postgresql: Server, postgresql_database: str, new_app: NewApp, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """The number of living tasks and the younger trash do not matter."""
    app = new_app(postgresql.url(postgresql_database))
    for statement in (FILL, "VACUUM ANALYZE tasks"):
        postgresql.sql(statement, postgresql_database)
    monkeypatch.setattr(trash, "MAX_AT_ONCE", at_once)
    with app.app_context(), scope(PURGE), plans_for(PURGE) as plans:
        deleted = next(trash.purge_tasks())

    assert deleted == min(at_once, 200)
    assert len(plans) == 2
    assert [plan.of_type("Seq Scan") for plan in plans] == [[], []]
    # It is read in groups that are sorted by the rest of the key.
    assert max(plan.most_rows_looked_at for plan in plans) <= min(2 * at_once, 200)
