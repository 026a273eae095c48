"""The audit finds every kind of damage."""

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

from tests.reliability.audit import audit, sqlite_query
from tests.reliability.conftest import Launch
from tests.reliability.load import Load

A_LIVE_TASK = "rowid = (SELECT max(rowid) FROM tasks WHERE deleted_at IS NULL)"
COLUMNS = "title, details, created_at, updated_at, version"
WRONGS = {
    f"DELETE FROM tasks WHERE {A_LIVE_TASK}": "acknowledged and gone",
    f"UPDATE tasks SET version = version - 1 WHERE {A_LIVE_TASK}": "was acknowledged, 0 is there",
    f"UPDATE tasks SET version = version + 1 WHERE {A_LIVE_TASK}": "1 more writes than were asked for",
    f"UPDATE tasks SET title = 'milk' WHERE {A_LIVE_TASK}": "no attempt wrote milk",
    f"UPDATE tasks SET completed_at = created_at WHERE {A_LIVE_TASK}": "is not what was acknowledged",
    f"UPDATE tasks SET deleted_at = created_at WHERE {A_LIVE_TASK}": "deleted by no attempt",
    f"INSERT INTO tasks (user_id, id, {COLUMNS}) SELECT user_id, 'b', {COLUMNS} FROM tasks "
    f"WHERE {A_LIVE_TASK}": "2 tasks",
    "DELETE FROM idempotency_keys WHERE rowid = 1": "half of it is there",
}


def test_the_audit_finds_each_kind_of_damage(launch: Launch, sqlite_file: Path, tmp_path: Path) -> None:
    """And nothing in the undamaged data."""
    load = Load(launch(f"sqlite:///{sqlite_file}").wait_until_ready().port, users=1)
    with load.running():
        time.sleep(1)
        # The last task was created and not touched again.
        load.only_create()
        time.sleep(0.5)
    assert not (findings := audit(load, sqlite_query(sqlite_file))), findings
    with contextlib.closing(sqlite3.connect(sqlite_file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    for statement, expected in WRONGS.items():
        changed = Path(shutil.copy(sqlite_file, tmp_path / "changed.db"))
        with contextlib.closing(sqlite3.connect(changed)) as connection, connection:
            connection.execute(statement)
        findings = audit(load, sqlite_query(changed))
        assert expected in str(findings), (statement, findings)
