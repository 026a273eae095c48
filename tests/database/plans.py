"""PostgreSQL's plans for a request's statements, and the pages they read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2.extensions
import pytest

from app.database import scope
from app.database.postgresql import _ScopedCursor
from app.database.scopes import current_user
from tests.conftest import Caller

Send = Callable[..., None]
Node = dict[str, Any]
# Method, path, body, status.
Call = tuple[str, str, dict[str, str] | None, int]

# The cheapest counts: one may find a page full and split it, so that the next hundred need not.
RUNS = 3
# EXPLAIN leaves out the read of `users` that checks a foreign key.
FOREIGN_KEY_BUFFERS = """
SELECT sum(pg_stat_get_xact_blocks_fetched(oid)) FROM pg_class WHERE relname IN ('users', 'users_pkey')
"""


@dataclass(frozen=True)
class Plan:
    """A statement as it really ran."""

    root: Node
    # Reads of 8 KiB pages, from memory or from the disk.
    buffers: int

    @property
    def rows(self) -> int:
        return int(self.root["Actual Rows"])

    @property
    def most_rows_looked_at(self) -> int:
        """Return the rows of each scan of a table, also those that were filtered out."""
        scans = [node for node in self.of_type("Scan") if "Relation Name" in node]
        return max((node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in scans), default=0)

    @property
    def rows_sorted(self) -> list[int]:
        """Return the number of rows in each sort."""
        return [node["Plans"][0]["Actual Rows"] for node in self.of_type("Sort")]

    def of_type(self, word: str) -> list[Node]:
        return [node for node in _walk(self.root) if word in node["Node Type"]]


def plan_of(caller: Caller, call: Call, **names: str) -> Plan:
    """Return the plan of the one statement that a request sends."""
    (plan,) = plans_of(caller, call, **names)
    return plan


def plans_of(caller: Caller, call: Call, **names: str) -> list[Plan]:
    """Return the plans of all statements that a request sends."""
    method, path, body, status = call
    with plans_for(str(caller.user_id)) as plans:
        answer = caller.call(method, path.format(**names), json=body)
    assert answer.status_code == status, answer.text
    return plans


@contextmanager
def plans_for(user_id: str) -> Iterator[list[Plan]]:
    """Record the plans of the service's statements for this user. It responds as usual, but nothing is stored."""
    plans: list[Plan] = []
    send = _ScopedCursor.execute

    def explain_and_send(cursor: _ScopedCursor, text: str, parameters: Any = None) -> None:
        if current_user.get() != user_id:
            return send(cursor, text, parameters)
        prepare, has_prepared, execute = text.rpartition("; EXECUTE ")
        if has_prepared:
            send(cursor, prepare)
            text = f"EXECUTE {execute}"
        runs = [_explain(send, cursor.connection, text, parameters) for _ in range(RUNS)]
        plans.append(min(runs, key=lambda plan: plan.buffers))
        with _undone(send, cursor.connection):
            return send(cursor, text, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ScopedCursor, "execute", explain_and_send)
        yield plans


def _explain(send: Send, connection: psycopg2.extensions.connection, text: str, parameters: Any) -> Plan:
    """Run a statement as the service's own role, in the current scope."""
    cursor = connection.cursor()
    with _undone(send, connection):
        before = _foreign_key_buffers(send, cursor)
        send(cursor, f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", parameters)
        (((explained,),),) = cursor.fetchall()
        for_the_key = _foreign_key_buffers(send, cursor) - before
    root = explained["Plan"]
    return Plan(root, root["Shared Hit Blocks"] + root["Shared Read Blocks"] + for_the_key)


@contextmanager
def _undone(send: Send, connection: psycopg2.extensions.connection) -> Iterator[None]:
    """Send in a transaction that is rolled back, so that each call finds the same tables.

    Prepared statements use the generic plan, which may be the worse one for this user.
    """
    with scope(None):
        send(connection.cursor(), "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan")
    try:
        yield
    finally:
        with scope(None):
            send(connection.cursor(), "ROLLBACK")


def _foreign_key_buffers(send: Send, cursor: psycopg2.extensions.cursor) -> int:
    with scope(None):
        send(cursor, FOREIGN_KEY_BUFFERS)
    return int(cursor.fetchone()[0])


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for below in node.get("Plans", []):
        yield from _walk(below)
