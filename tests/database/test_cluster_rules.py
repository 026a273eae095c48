"""The schema can be spread over a cluster by user: every row has its user, and no key or index spans users."""

import ast
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, Text, UniqueConstraint, inspect

from app.database.cluster import distributing
from app.database.columns import OWNED, metadata
from app.services import services_of
from app.settings import PROJECT
from tests.conftest import NewDatabase, migrate
from tests.postgres import Server
from tests.statements import each_statement

# `users` is the user. An address must be unique, and a personal token found, before the user is known.
NOT_OF_ONE_USER = {"users", "user_emails", "personal_tokens", "login_attempts"}

SHARED = [table for name, table in metadata.tables.items() if name in NOT_OF_ONE_USER]
OF_ONE_USER = [table for name, table in metadata.tables.items() if name not in NOT_OF_ONE_USER]
ALL = [*SHARED, *OF_ONE_USER]

# SQL that differs between a cluster's machines, or outlives a pooler's loan of a connection.
FORBIDDEN_SQL = re.compile(
    r"clock_timestamp|gen_random_uuid|uuid_generate|create\s+(or\s+replace\s+)?(constraint\s+)?trigger"
    r"|create\s+sequence|nextval|\b(big|small)?serial\b|generated\s+\w+\s+as\s+identity|set_config"
    r"|create\s+policy[^;]*=>|create\s+temp|\blisten\s+\w|\bnotify\s+\w|pg_(try_)?advisory_lock|^\s*(?-i:set|SET)\s+(?!local\b)\w+\s*(=|to)",
    re.IGNORECASE,
)


def of_tables(tables: list[Table]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("table", tables, ids=lambda table: table.name)


def constraints(table: Table, *kinds: type) -> Iterator[tuple[object, list[str]]]:
    for constraint in table.constraints:
        if isinstance(constraint, kinds):
            yield constraint, [column.name for column in constraint.columns]


def test_the_exceptions_exist() -> None:
    """A table without a user is known by name, and still exists."""
    assert {table.name for table in SHARED} == NOT_OF_ONE_USER


def test_a_user_is_text() -> None:
    """User ids are opaque strings, not UUIDs or integers."""
    assert type(metadata.tables["users"].c.id.type) is Text


@of_tables([table for table in ALL if table.name not in ("users", "login_attempts")])
def test_each_row_names_its_user(table: Table) -> None:
    """`user_id` is text and never NULL."""
    assert type(table.c.user_id.type) is Text
    assert not table.c.user_id.nullable


@of_tables(OF_ONE_USER)
def test_every_key_begins_with_the_user(table: Table) -> None:
    """Only the user's machine can enforce primary keys and unique constraints."""
    keys = [columns for _, columns in constraints(table, PrimaryKeyConstraint, UniqueConstraint)]

    assert keys
    assert {columns[0] for columns in keys} == {"user_id"}


@of_tables(OF_ONE_USER)
def test_every_foreign_key_stays_with_the_user(table: Table) -> None:
    """A row refers only to rows of its own user: `user_id` is part of each foreign key."""
    for constraint, columns in constraints(table, ForeignKeyConstraint):
        target = constraint.elements[columns.index("user_id")].column
        assert (target.table.name, target.name) == ("users", "id") or target.name == "user_id"


# What is read of all users, by its time: what is to be purged or sent, and new revocations.
BY_TIME = {
    "reminders": {"fire_at"},
    "tasks": {"deleted_at"},
    "deleted_lists": {"deleted_at"},
    "idempotency_keys": {"created_at"},
    "sessions": {"expires_at"},
    "revocations": {"expires_at", "changed_at"},
    "outbox": {"due_at", "finished_at"},
    "links": {"expires_at"},
}


@of_tables(OF_ONE_USER)
def test_every_index_begins_with_the_user(table: Table) -> None:
    """A query for one user reads only that user's part. The exceptions serve no query for one user."""
    by_others = {index.columns[0].name for index in table.indexes} - {"user_id"}

    assert by_others == BY_TIME.get(table.name, set())


@of_tables(ALL)
def test_foreign_keys_cascade_or_do_nothing(table: Table) -> None:
    """SET NULL and SET DEFAULT would write the distribution column."""
    for constraint, _ in constraints(table, ForeignKeyConstraint):
        assert constraint.ondelete in ("CASCADE", "NO ACTION", None)
        assert constraint.onupdate in ("NO ACTION", None)


@pytest.mark.parametrize("name", ["user_emails", "personal_tokens"])
def test_what_finds_a_user_has_no_foreign_key(name: str) -> None:
    """An address or a personal token may be on another machine than its user."""
    assert not metadata.tables[name].foreign_keys


def is_made(default: object) -> bool:
    """Return whether a default is more than a number or a text."""
    return default is not None and not re.fullmatch(r"\w*", str(getattr(default, "arg", default)))


@of_tables(ALL)
def test_the_database_generates_no_values(table: Table) -> None:
    """Ids, times and numbers come from the statement: no sequences, no computed columns, only constant defaults.

    With these the previous version can still add rows during an upgrade.
    """
    made = [c.name for c in table.c if is_made(c.server_default) or c.server_onupdate or c.identity or c.computed]

    assert made == []


@of_tables(ALL)
def test_names_follow_the_convention(app: Flask, table: Table) -> None:
    """The migrated database has the names of the convention, on both engines."""
    found = inspect(services_of(app).engine)
    names = {
        *(found.get_pk_constraint(table.name)["name"],),
        *(key["name"] for key in found.get_foreign_keys(table.name)),
        *(key["name"] for key in found.get_unique_constraints(table.name)),
        *(check["name"] for check in found.get_check_constraints(table.name)),
        *(index["name"] for index in found.get_indexes(table.name)),
    }

    assert names == {str(part.name) for part in (*table.constraints, *table.indexes)}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT sequencename FROM pg_sequences",
        (
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND column_default LIKE '%(%'"
        ),
    ],
    ids=["triggers", "sequences", "defaults"],
)
def test_the_migrated_database_has_no_triggers_or_generated_values(
    postgresql: Server, postgresql_template: str, query: str
) -> None:
    """On the real server, not only in the metadata."""
    assert postgresql.sql(query, postgresql_template) == []


@of_tables([table for table in ALL if table.info == OWNED])
def test_row_security_is_enabled_and_forced(postgresql: Server, postgresql_template: str, table: Table) -> None:
    """It also applies to the table's owner, which is the service."""
    flags = f"SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = '{table.name}'::regclass"

    assert postgresql.sql(flags, postgresql_template) == [(True, True)]


def test_migrations_send_nothing_that_a_cluster_lacks(new_database: NewDatabase) -> None:
    """In any statement of a full upgrade."""
    statements: list[str] = []

    with each_statement(lambda _, statement: statements.append(statement)):
        migrate(new_database(migrated=False))

    assert any("CREATE TABLE tasks" in statement for statement in statements)
    assert [statement for statement in statements if FORBIDDEN_SQL.search(statement)] == []


def test_the_service_sends_nothing_that_a_cluster_lacks() -> None:
    """No string in the program has such SQL. Comments and docstrings may name it."""
    files = sorted((PROJECT / "app").rglob("*.py"))
    found = {path.relative_to(PROJECT): forbidden_in(ast.parse(path.read_text())) for path in files}

    assert found
    assert {path: texts for path, texts in found.items() if texts} == {}


def forbidden_in(tree: ast.Module) -> list[str]:
    """Return the strings of a file with forbidden SQL, except its docstrings."""
    spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in spoken]
    return [text for text in texts if isinstance(text, str) and FORBIDDEN_SQL.search(text)]


PLACE = re.compile(
    r"SELECT create_(?:reference_table\('\w+'\)"
    r"|distributed_table\('\w+', '(\w+)', colocate_with => '(\w+)'(?:, shard_count => \d+)?\))"
)


def test_every_table_has_a_place_in_a_cluster() -> None:
    """Copied to all machines, or spread: by the user next to the user's rows, or by the column of its look-ups."""
    places = {name: PLACE.fullmatch(statement).groups() for name, statement in distributing()}

    assert places.keys() == {"alembic_version", *metadata.tables}
    assert [name for name, (column, _) in places.items() if column is None] == ["alembic_version", "revocations"]
    for name, (column, together) in places.items():
        if column:
            assert column == next(iter(metadata.tables[name].primary_key.columns)).name
            assert together == ("users" if column == "user_id" else "none")


def test_users_are_distributed_before_their_rows() -> None:
    """The other tables are placed next to them."""
    names = [name for name, _ in distributing()]

    assert all(names.index("users") < names.index(table.name) for table in OF_ONE_USER if table.name != "revocations")
