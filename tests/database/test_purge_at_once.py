"""A task can be restored during a purge."""

from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from sqlalchemy import update

from app.database import execute, scope
from app.tasks.models import TRASH_SECONDS, tasks
from app.tasks.trash import purge
from tests.api.support.past import age_task
from tests.conftest import Caller, new_user_id
from tests.database.conftest import held_open, wait_until_waiting
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

    def empty_trash() -> int:
        with postgresql_app.app_context(), scope(caller.user_id):
            return purge(str(caller.user_id))

    with held_open(postgresql_app, str(caller.user_id), come_back) as end, ThreadPoolExecutor(1) as pool:
        purged = pool.submit(empty_trash)
        wait_until_waiting(postgresql, 1)
        end()
        assert purged.result() == 0

    assert caller.get(f"/v1/tasks/{task['id']}").status_code == 200
