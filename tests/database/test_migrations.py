"""Migrations are complete, reversible and atomic, and keep existing rows."""

import ast
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import Column, Engine, MetaData, inspect, select

from app.database import fetch_all, postgresql, scope, sqlite
from app.services import services_of
from app.settings import PROJECT
from app.tasks.models import tasks
from app.times import rfc3339
from tests.conftest import Caller, NewDatabase, new_user_id
from tests.database.conftest import NewApp, finish, held_open, start_flask
from tests.postgres import Server
from tests.statements import each_statement
from tests.waiting import LONGEST_WAIT_SECONDS, until

MIGRATIONS = PROJECT / "migrations"
FILES = sorted((MIGRATIONS / "versions").glob("*.py"))
REVISIONS = [path.name[:4] for path in FILES]
USERS = ("user-0", "user-1", "user-2")

FAILING = """
    op.create_table("half_done", sa.Column("id", sa.Text))
    op.execute("UPDATE users SET name = 'half done'")
    raise RuntimeError("as far as here")
"""
REBUILDING = """
    with op.batch_alter_table("users") as users:
        users.alter_column("name", type_=sa.String(200))
"""
SLOW = {
    "postgresql": """
    op.execute("SELECT pg_sleep(1.5)")
""",
    "sqlite": """
    op.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT sum(i) FROM n")
""",
}
# As a revision on a large table should: what takes long, outside of its transaction.
LOCKING = """
    op.add_column("tasks", sa.Column("colour", sa.Text))
    with op.get_context().autocommit_block():
        op.create_index("tasks_colour_idx", "tasks", ["colour"], postgresql_concurrently=True)
"""
DEADLOCKED_ONCE = """
    op.add_column("tasks", sa.Column("colour", sa.Text))
    op.execute("DO $$ BEGIN IF nextval('tries') = 1 THEN RAISE deadlock_detected; END IF; END $$")
"""
ORPHANING = """
    op.execute("DELETE FROM users WHERE id = 'user-0'")
"""


@pytest.fixture
def empty_app(new_app: NewApp, new_database: NewDatabase) -> Flask:
    """An app whose database has no tables yet."""
    return new_app(new_database(migrated=False))


@pytest.fixture
def next_migration(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that adds a revision after the newest, and returns the folder to migrate with."""

    def write(upgrade: str) -> str:
        folder = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
        header = (
            f'import sqlalchemy as sa\nfrom alembic import op\n\nrevision, down_revision = "next", "{REVISIONS[-1]}"\n'
        )
        (folder / "versions" / "next.py").write_text(f"{header}\ndef upgrade():{upgrade}")
        return str(folder)

    return write


def engine_of(app: Flask) -> Engine:
    return services_of(app).engine


def value_for(column: Column[Any], user_id: str) -> Any:
    """Return a valid value for a column, whatever later revisions call it."""
    if column.nullable and column.foreign_keys:
        return None
    if column.name in ("id", "user_id") and column.type.python_type is str and not getattr(column.type, "length", None):
        return user_id
    if isinstance(getattr(column.type, "length", None), int):
        # SQLite stores times and ids as texts of these lengths.
        return {27: rfc3339(datetime.now(UTC)), 36: str(uuid.uuid4())}.get(column.type.length, "x")
    kinds = {
        uuid.UUID: uuid.uuid4,
        datetime: lambda: datetime.now(UTC),
        date: date.today,
        int: lambda: 1,
        bool: lambda: True,
    }
    return kinds.get(column.type.python_type, lambda: user_id)()


def fill(engine: Engine, users: Sequence[str] = USERS) -> None:
    """Add one row for each user to each table, at any revision."""
    tables = MetaData()
    tables.reflect(engine)
    for user_id in users:
        rows: dict[str, dict[str, Any]] = {}
        with scope(user_id), engine.connect() as connection:
            for table in tables.sorted_tables:
                if table.name != "alembic_version":
                    rows[table.name] = {c.name: value_for(c, user_id) for c in table.c}
                    for key in (key for c in table.c if not c.nullable for key in c.foreign_keys):
                        rows[table.name][key.parent.name] = rows[key.column.table.name][key.column.name]
                    connection.execute(table.insert().values(rows[table.name]))


def count(engine: Engine, users: Sequence[str] = USERS) -> dict[str, int]:
    """Return the number of rows in each table, as its users see them."""
    rows = dict.fromkeys(inspect(engine).get_table_names(), 0)
    counting = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in rows)
    for user_id in users:
        with scope(user_id), engine.connect() as connection:
            for name, seen in connection.exec_driver_sql(counting):
                rows[name] += seen
    return rows


def outline(engine: Engine) -> dict[str, Any]:
    """Return the tables with their columns, keys and indexes."""
    found = inspect(engine)
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
            sorted(outline_of_index(index) for index in found.get_indexes(name)),
            sorted(str(key) for key in found.get_foreign_keys(name)),
        )
        for name in found.get_table_names()
    }


def outline_of_index(index: Any) -> str:
    """Return an index with its condition as text."""
    conditions = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['column_names']} {index['unique']} {conditions}"


def test_the_models_and_the_migrations_agree(new_database: NewDatabase, new_app: NewApp) -> None:
    """`flask db check` finds nothing to migrate."""
    result = new_app(new_database()).test_cli_runner().invoke(args=["db", "check"])

    assert result.exit_code == 0, result.output


def test_downgrading_and_upgrading_restores_the_schema(empty_app: Flask) -> None:
    """Every revision can be undone, down to an empty database."""
    with empty_app.app_context():
        flask_migrate.upgrade()
        at_first = outline(engine_of(empty_app))
        flask_migrate.downgrade(revision="base")
        assert list(outline(engine_of(empty_app))) == ["alembic_version"]
        flask_migrate.upgrade()

    assert outline(engine_of(empty_app)) == at_first


def test_downgrading_removes_all_functions(postgresql: Server, new_app: NewApp) -> None:
    """Not only tables."""
    database = postgresql.create_database()
    app = new_app(postgresql.url(database))
    with app.app_context():
        flask_migrate.upgrade()
        flask_migrate.downgrade(revision="base")

    assert postgresql.sql("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace", database) == []


def test_every_revision_keeps_every_row(empty_app: Flask) -> None:
    """What users added at each revision remains, in steps up to the newest and down again, and then all the way up."""
    engine, users, kept = engine_of(empty_app), list[str](), dict[str, int]()
    with empty_app.app_context():
        for revision in REVISIONS:
            flask_migrate.upgrade(revision=revision)
            after = count(engine, users)
            assert {name: after.get(name) for name in kept} == kept
            users.append(f"user-of-{revision}")
            fill(engine, users[-1:])
            kept = count(engine, users)
            assert min(kept.values()) >= 1
        for revision in REVISIONS[-2::-1]:
            flask_migrate.downgrade(revision=revision)
            after = count(engine, users)
            assert after == {name: kept[name] for name in after}
        flask_migrate.upgrade()
        assert {name: rows for name, rows in count(engine, users).items() if name in after} == after


def test_upgrading_gives_tasks_positions_in_the_order_of_their_creation(empty_app: Flask, tmp_path: Path) -> None:
    """Of every user, in parts, and also of tasks from before 1970; new ones come after them."""
    engine, folder = engine_of(empty_app), Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    revision = next(folder.glob("versions/0015_*.py"))
    revision.write_text(re.sub("^USERS, ROWS = .*", "USERS, ROWS = 2, 3", revision.read_text(), flags=re.M))
    years = (1950, 1990, 2005, 2020)
    with empty_app.app_context():
        flask_migrate.upgrade(revision="0012")
        tables = MetaData()
        tables.reflect(engine)
        users, table = tables.tables["users"], tables.tables["tasks"]
        for user_id in USERS:
            with scope(user_id), engine.connect() as connection:
                connection.execute(users.insert().values({c.name: value_for(c, user_id) for c in users.c}))
                for year in (2005, 1990, 2020, 1950):
                    moment = moment_of(engine.dialect.name, datetime(year, 1, 2, 3, 4, 5, 678_901, UTC).timestamp())
                    ids = {"user_id": user_id, "id": str(uuid.uuid4()), "title": str(year), "version": 1}
                    connection.execute(table.insert().values(**ids, created_at=moment, updated_at=moment))
        flask_migrate.upgrade(directory=str(folder))

    for user_id in USERS:
        caller = Caller(empty_app, user_id)
        caller.add(title="new")
        items = caller.get("/v1/tasks?sort=position&limit=200").json["items"]
        assert [item["title"] for item in items] == [*map(str, years), "new"]
        assert items[3]["position"] == f"{int(datetime(2020, 1, 2, 3, 4, 5, 678_901, UTC).timestamp() * 1e6):014x}"


ADDRESSES = {
    "usr_a": ("Straße@Example.com", "strasse@example.com", "straße@example.com"),
    "usr_b": ("ann@MÜNCHEN.example", "ann@münchen.example", "ann@xn--mnchen-3ya.example"),
    "usr_c": ("Ann@example.com", "ann@example.com", "ann@example.com"),
    # The same mailbox, here first: the other's claim stays unchanged.
    "usr_d": ("bob@xn--mnchen-3ya.example", "bob@xn--mnchen-3ya.example", "bob@xn--mnchen-3ya.example"),
    "usr_e": ("bob@münchen.example", "bob@münchen.example", "bob@münchen.example"),
}


def test_upgrading_changes_the_comparison_of_addresses(empty_app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """Each account is found by its address, and by the old form after a downgrade."""

    def claims() -> dict[str, str]:
        with engine_of(empty_app).connect() as connection:
            return dict(connection.exec_driver_sql("SELECT user_id, email FROM user_emails").all())

    with empty_app.app_context():
        flask_migrate.upgrade(revision="0007")
        tables = MetaData()
        tables.reflect(engine_of(empty_app))
        with engine_of(empty_app).connect() as connection:
            for user_id, (written, before, _) in ADDRESSES.items():
                row = {c.name: value_for(c, user_id) for c in tables.tables["users"].c} | {"email": written}
                connection.execute(tables.tables["users"].insert().values(row))
                connection.execute(tables.tables["user_emails"].insert().values(email=before, user_id=user_id))
        flask_migrate.upgrade(revision="0008")
        assert claims() == {user_id: after for user_id, (_, _, after) in ADDRESSES.items()}
        assert "users usr_e and usr_d have the same address" in caplog.text
        flask_migrate.downgrade(revision="0007")
        assert claims() == {user_id: before for user_id, (_, before, _) in ADDRESSES.items()}


@pytest.mark.parametrize("kept", [1, 200])
def test_upgrading_keeps_an_accounts_newest_200_sessions(empty_app: Flask, kept: int) -> None:
    """Others are ended, and revocations without an expiry get one."""
    with empty_app.app_context():
        flask_migrate.upgrade(revision="0006")
        fill(engine_of(empty_app))
        tables = MetaData()
        tables.reflect(engine_of(empty_app))
        table, ids = tables.tables["sessions"], [str(uuid.uuid4()) for _ in range(kept + 5)]
        with engine_of(empty_app).connect() as connection:
            connection.execute(table.delete())
            for number, session_id in enumerate(ids):
                row = {c.name: value_for(c, USERS[0]) for c in table.c} | {"id": session_id}
                row["rotated_at"] = row["created_at"] = moment_of(connection.dialect.name, number)
                connection.execute(table.insert().values(row))
            subjects = ("every token", "disabled")
            revocations = tables.tables["revocations"]
            for subject in subjects:
                row = {c.name: value_for(c, USERS[0]) for c in revocations.c} | {"subject": subject}
                row["issued_until"] = row["expires_at"] = moment_of(connection.dialect.name, 9e9)
                connection.execute(revocations.insert().values(row))
        flask_migrate.upgrade(revision="0007")
        with engine_of(empty_app).connect() as connection:
            left = {str(value) for value in connection.exec_driver_sql("SELECT id FROM sessions").scalars()}
            ends = dict(connection.exec_driver_sql("SELECT subject, expires_at FROM revocations").all())

    assert left == set(ids[-200:])
    assert str(ends["every token"]) < "2100" < str(ends["disabled"])


def moment_of(dialect: str, seconds: float) -> Any:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment if dialect == "postgresql" else rfc3339(moment)


def test_rebuilding_a_table_keeps_rows_that_refer_to_it(empty_app: Flask, next_migration: Callable[[str], str]) -> None:
    """SQLite changes a table by copying it, and cascades must not run."""
    with empty_app.app_context():
        flask_migrate.upgrade()
        fill(engine_of(empty_app))
        before = count(engine_of(empty_app))
        flask_migrate.upgrade(directory=next_migration(REBUILDING))

    assert count(engine_of(empty_app)) == before
    assert "VARCHAR(200)" in str(outline(engine_of(empty_app))["users"])


def test_a_migration_has_no_time_limits(
    empty_app: Flask, next_migration: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """These are for statements of requests."""
    with monkeypatch.context() as limits, empty_app.app_context():
        limits.setattr(sqlite, "STATEMENT_SECONDS", -1)
        limits.setattr(postgresql, "SILENCE_SECONDS", 0)
        flask_migrate.upgrade(directory=next_migration(SLOW[engine_of(empty_app).dialect.name]))

    assert "tasks" in outline(engine_of(empty_app))


@pytest.mark.parametrize("filled", [True, False], ids=["filled", "new"])
def test_a_failed_migration_leaves_no_changes(
    empty_app: Flask, next_migration: Callable[[str], str], caplog: pytest.LogCaptureFixture, filled: bool
) -> None:
    """Not its own. Of the revisions before it in the same run, PostgreSQL keeps all and SQLite none."""
    engine = engine_of(empty_app)
    with empty_app.app_context():
        if filled:
            flask_migrate.upgrade()
            fill(engine)
        # The file does not exist yet.
        before = outline(engine) if filled else {}
        with pytest.raises(SystemExit):
            flask_migrate.upgrade(directory=next_migration(FAILING))
        after = outline(engine)
        if not filled and engine.dialect.name == "postgresql":
            # They need not run again.
            flask_migrate.upgrade()
            before = outline(engine)

    assert "as far as here" in caplog.text
    assert after == before
    with engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT name FROM users").scalars().all() if filled else []
    assert "half done" not in names


def test_sqlite_rejects_a_migration_that_orphans_rows(
    tmp_path: Path, new_app: NewApp, next_migration: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """Foreign keys are off during a migration, so they are checked before its end."""
    app = new_app(f"sqlite:///{tmp_path / 'tasks.db'}")
    with app.app_context():
        flask_migrate.upgrade()
        fill(engine_of(app))
        before = count(engine_of(app))
        with pytest.raises(SystemExit):
            flask_migrate.upgrade(directory=next_migration(ORPHANING))

    assert "refer to nothing" in caplog.text
    assert count(engine_of(app)) == before


def keep_writing(caller: Caller, has_ended: threading.Event) -> list[int]:
    """Write until the end, and return the statuses."""
    statuses = []
    while not has_ended.is_set():
        statuses.append(caller.post("/v1/tasks", json={"title": "tea"}).status_code)
    return statuses


def test_an_upgrade_lets_writes_go_on(
    postgresql: Server, postgresql_database: str, new_app: NewApp, next_migration: Callable[[str], str]
) -> None:
    """While it waits for a lock behind a long transaction, no write behind it waits too long."""
    app, migrating = (new_app(postgresql.url(postgresql_database)) for _ in range(2))
    callers, reader, has_ended = [Caller(app, new_user_id()) for _ in range(8)], new_user_id(), threading.Event()
    attempts: list[str] = []

    def note(_cursor: Any, statement: str) -> None:
        attempts.extend([statement] if statement.startswith("ALTER TABLE tasks ADD") else [])

    def upgrade() -> None:
        with migrating.app_context():
            flask_migrate.upgrade(directory=next_migration(LOCKING))

    with (
        ThreadPoolExecutor(9) as pool,
        held_open(app, reader, lambda: fetch_all(select(tasks.c.id))) as end,
        each_statement(note),
    ):
        writing = [pool.submit(keep_writing, caller, has_ended) for caller in callers]
        try:
            upgraded = pool.submit(upgrade)
            until(lambda: len(attempts) > 2, "several attempts")
            end()
            upgraded.result(LONGEST_WAIT_SECONDS)
        finally:
            has_ended.set()
        statuses = [written.result() for written in writing]

    assert [set(each) for each in statuses] == [{201}] * len(callers)
    assert "tasks_colour_idx" in str(outline(engine_of(migrating))["tasks"])


def test_an_upgrade_is_repeated_after_a_deadlock(
    postgresql: Server, postgresql_database: str, new_app: NewApp, next_migration: Callable[[str], str]
) -> None:
    """PostgreSQL has rolled it back. A sequence counts on."""
    app = new_app(postgresql.url(postgresql_database))
    with engine_of(app).connect() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE tries")
    with app.app_context():
        flask_migrate.upgrade(directory=next_migration(DEADLOCKED_ONCE))

    assert "colour" in str(outline(engine_of(app))["tasks"])
    assert postgresql.sql("SELECT last_value FROM tries", postgresql_database) == [(2,)]


def test_an_upgrade_that_gets_no_lock_says_so(
    postgresql: Server,
    postgresql_database: str,
    new_app: NewApp,
    next_migration: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And changes nothing."""
    app = new_app(postgresql.url(postgresql_database))
    folder = next_migration(LOCKING)
    environment = Path(folder, "env.py")
    environment.write_text(re.sub("^ATTEMPTS = .*", "ATTEMPTS = 2", environment.read_text(), flags=re.M))
    before = outline(engine_of(app))
    with (
        held_open(app, new_user_id(), lambda: fetch_all(select(tasks.c.id))) as end,
        new_app(postgresql.url(postgresql_database)).app_context(),
    ):
        with pytest.raises(SystemExit):
            flask_migrate.upgrade(directory=folder)
        end()

    assert "locked the tables for too long" in caplog.text
    assert outline(engine_of(app)) == before


def test_an_interrupted_index_is_built_again(postgresql: Server, postgresql_database: str, new_app: NewApp) -> None:
    """PostgreSQL keeps an incomplete index, and does not use it."""
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'tasks_user_id_position_id_idx'::regclass"
    spoil = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tasks_user_id_position_id_idx'::regclass"
    with new_app(postgresql.url(postgresql_database)).app_context():
        flask_migrate.downgrade(revision="0015")
    for statement in (spoil, "UPDATE alembic_version SET version_num = '0014'"):
        postgresql.sql(statement, postgresql_database)
    assert postgresql.sql(valid, postgresql_database) == [(False,)]
    with new_app(postgresql.url(postgresql_database)).app_context():
        flask_migrate.upgrade()

    assert postgresql.sql(valid, postgresql_database) == [(True,)]


def test_four_concurrent_upgrades_all_succeed(new_database: NewDatabase, new_app: NewApp) -> None:
    """Several machines may start on one new database."""
    url = new_database(migrated=False)

    ends = [finish(process) for process in [start_flask(url, "db", "upgrade") for _ in range(4)]]

    assert [status for status, _ in ends] == [0, 0, 0, 0], ends
    with engine_of(new_app(url)).connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == REVISIONS[-1:]


def test_upgrading_twice_changes_nothing(new_database: NewDatabase, new_app: NewApp) -> None:
    """`flask db upgrade` is safe to repeat."""
    app = new_app(new_database())
    fill(engine_of(app))
    before = outline(engine_of(app)), count(engine_of(app))
    with app.app_context():
        flask_migrate.upgrade()

    assert (outline(engine_of(app)), count(engine_of(app))) == before


def test_revisions_are_numbered_in_order() -> None:
    """0001_, 0002_ and so on, each after the one before it."""
    chain = [(r.revision, r.down_revision) for r in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]

    assert [f"{number:04}" for number in range(1, len(FILES) + 1)] == REVISIONS
    assert chain == list(zip(REVISIONS, [None, *REVISIONS], strict=False))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_revision_does_not_depend_on_the_code(path: Path) -> None:
    """It has a readable name, and imports none of the service's code, which will change."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]

    assert re.fullmatch(r"\d{4}_[a-z0-9]+(_[a-z0-9]+)+", path.stem)
    assert [module for module in modules if module.split(".")[0] in ("app", "wsgi", "tests", "")] == []
