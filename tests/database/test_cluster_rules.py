"""The schema can be spread over a cluster by its users: every row is found by its user, and nothing needs all."""

import ast
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, Text, UniqueConstraint, inspect

from app.database.columns import OWNED, metadata
from app.services import services_of
from app.settings import PROJECT
from tests.conftest import NewDatabase, migrate
from tests.postgres import Server
from tests.statements import each_statement

# `users` is the user, and an address must be unique before anybody knows whose it is.
NOT_OF_ONE_USER = {"users", "user_emails", "login_attempts"}

SHARED = [table for name, table in metadata.tables.items() if name in NOT_OF_ONE_USER]
OF_ONE_USER = [table for name, table in metadata.tables.items() if name not in NOT_OF_ONE_USER]
ALL = [*SHARED, *OF_ONE_USER]

# What differs between the machines of a cluster, or lives longer than a pooler lends a connection.
FORBIDDEN_SQL = re.compile(
    r"clock_timestamp|gen_random_uuid|uuid_generate|create\s+(or\s+replace\s+)?(constraint\s+)?trigger"
    r"|create\s+sequence|nextval|\b(big|small)?serial\b|generated\s+\w+\s+as\s+identity|set_config"
    r"|create\s+temp|\blisten\s+\w|\bnotify\s+\w|pg_(try_)?advisory_lock|^\s*(?-i:set|SET)\s+(?!local\b)\w+\s*(=|to)",
    re.IGNORECASE,
)


def of_tables(tables: list[Table]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("table", tables, ids=lambda table: table.name)


def constraints(table: Table, *kinds: type) -> Iterator[tuple[object, list[str]]]:
    for constraint in table.constraints:
        if isinstance(constraint, kinds):
            yield constraint, [column.name for column in constraint.columns]


def test_the_exceptions_exist() -> None:
    """A table that belongs to nobody is known by name, and is no relic."""
    assert {table.name for table in SHARED} == NOT_OF_ONE_USER


def test_a_user_is_text() -> None:
    """User ids are opaque strings: no UUID, no integer."""
    assert type(metadata.tables["users"].c.id.type) is Text


@of_tables([table for table in ALL if table.name not in ("users", "login_attempts")])
def test_each_row_names_its_user(table: Table) -> None:
    """`user_id` is text and never NULL."""
    assert type(table.c.user_id.type) is Text
    assert not table.c.user_id.nullable


@of_tables(OF_ONE_USER)
def test_every_key_begins_with_the_user(table: Table) -> None:
    """Primary keys and unique constraints can only be kept by the machine that has the user."""
    keys = [columns for _, columns in constraints(table, PrimaryKeyConstraint, UniqueConstraint)]

    assert keys
    assert {columns[0] for columns in keys} == {"user_id"}


@of_tables(OF_ONE_USER)
def test_every_foreign_key_stays_with_the_user(table: Table) -> None:
    """A row refers to rows of its own user: `user_id` points at the user's id on the other side."""
    for constraint, columns in constraints(table, ForeignKeyConstraint):
        target = constraint.elements[columns.index("user_id")].column
        assert (target.table.name, target.name) == ("users", "id") or target.name == "user_id"


# What is read of all users, by its time: what is to be purged, and new revocations.
BY_TIME = {
    "tasks": {"deleted_at"},
    "idempotency_keys": {"created_at"},
    "sessions": {"expires_at"},
    "revocations": {"expires_at", "changed_at"},
}


@of_tables(OF_ONE_USER)
def test_every_index_begins_with_the_user(table: Table) -> None:
    """A query for one user reads that user's part of the index. The exceptions serve no query for one user."""
    by_others = {index.columns[0].name for index in table.indexes} - {"user_id"}

    assert by_others == BY_TIME.get(table.name, set())


@of_tables(ALL)
def test_foreign_keys_cascade_or_do_nothing(table: Table) -> None:
    """SET NULL and SET DEFAULT would write the distribution column."""
    for constraint, _ in constraints(table, ForeignKeyConstraint):
        assert constraint.ondelete in ("CASCADE", "NO ACTION", None)
        assert constraint.onupdate in ("NO ACTION", None)


def test_an_address_refers_to_no_user() -> None:
    """An address lies on another machine than its user."""
    assert not metadata.tables["user_emails"].foreign_keys


def is_made(default: object) -> bool:
    """Whether a default is more than a number or a text."""
    return default is not None and not re.fullmatch(r"\w*", str(getattr(default, "arg", default)))


@of_tables(ALL)
def test_the_database_makes_no_values(table: Table) -> None:
    """Ids, times and numbers come from the statement: no sequences, computed columns or defaults but constant ones,
    with which the version before can still add rows while an upgrade is under way.
    """
    made = [c.name for c in table.c if is_made(c.server_default) or c.server_onupdate or c.identity or c.computed]

    assert made == []


@of_tables(ALL)
def test_names_follow_the_convention(app: Flask, table: Table) -> None:
    """What the migrations made is called what the convention calls it, on both engines."""
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
def test_the_migrated_database_does_nothing_by_itself(postgresql: Server, postgresql_template: str, query: str) -> None:
    """What the server really holds, not only what the metadata says."""
    assert postgresql.sql(query, postgresql_template) == []


@of_tables([table for table in ALL if table.info == OWNED])
def test_row_security_is_enabled_and_forced(postgresql: Server, postgresql_template: str, table: Table) -> None:
    """The table's owner, who is the service, is held to its policy as well."""
    flags = f"SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = '{table.name}'::regclass"

    assert postgresql.sql(flags, postgresql_template) == [(True, True)]


def test_migrations_send_nothing_that_a_cluster_lacks(new_database: NewDatabase) -> None:
    """Every statement of a whole upgrade, as it is sent."""
    statements: list[str] = []

    with each_statement(lambda _, statement: statements.append(statement)):
        migrate(new_database(migrated=False))

    assert any("CREATE TABLE tasks" in statement for statement in statements)
    assert [statement for statement in statements if FORBIDDEN_SQL.search(statement)] == []


def test_the_service_sends_nothing_that_a_cluster_lacks() -> None:
    """No text in the program is such SQL; comments and docstrings may speak of it."""
    files = sorted((PROJECT / "app").rglob("*.py"))
    found = {path.relative_to(PROJECT): forbidden_in(ast.parse(path.read_text())) for path in files}

    assert found
    assert {path: texts for path, texts in found.items() if texts} == {}


def forbidden_in(tree: ast.Module) -> list[str]:
    """The texts of a file that are forbidden SQL, but for its docstrings."""
    spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in spoken]
    return [text for text in texts if isinstance(text, str) and FORBIDDEN_SQL.search(text)]
