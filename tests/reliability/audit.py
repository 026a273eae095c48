"""Compare acknowledged writes with the data."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.reliability.load import Client, Load, User, Write

# Without row-level security and the service.
ROWS = """
SELECT user_id, details, CAST(id AS text), title, completed_at IS NOT NULL, deleted_at IS NOT NULL, version
FROM tasks
"""
KEYS = "SELECT user_id, key FROM idempotency_keys WHERE answer IS NOT NULL"
REPEATED = 20

Query = Callable[[str], Iterable[tuple]]


class Row(NamedTuple):
    user_id: str
    key: str
    id: str
    title: str
    completed: bool
    deleted: bool
    version: int


@dataclass
class Findings:
    """Empty if all promises were kept. `late` counts writes without a success response that are there."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    late: int = 0

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled)


def sqlite_query(path: Path) -> Query:
    """Read the file directly, as another program would."""

    def run(statement: str) -> list[tuple]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(statement).fetchall()

    return run


def audit(load: Load, query: Query) -> Findings:
    """Compare a finished load with the database, and both with the service."""
    findings = Findings()
    rows: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for values in query(ROWS):
        row = Row(*values)
        rows[row.user_id][row.key].append(row)
    keys = defaultdict(set)
    for user_id, key in query(KEYS):
        keys[user_id].add(key)
    for user in load.users:
        _compare(load.writes[user.id], rows[user.id], findings)
        for key in keys[user.id] ^ set(rows[user.id]):
            findings.lost.append(f"{key}: half of it is there")
        _ask_service(load, user, rows[user.id], findings)
    return findings


def _compare(writes: list[Write], rows: dict[str, list[Row]], findings: Findings) -> None:
    """Compare one user's log with the user's rows."""
    of_key: dict[str, list[Write]] = defaultdict(list)
    for write in writes:
        of_key[write.key].append(write)
    findings.doubled += [f"{key}: no attempt created it" for key in rows if key not in of_key]
    for key, attempts in of_key.items():
        found = rows.get(key, [])
        if len(found) > 1:
            findings.doubled.append(f"{key}: {len(found)} tasks")
        elif found:
            findings.lost += _contradictions(attempts, found[0])
            unasked, late = _count_unacknowledged(attempts, found[0])
            findings.late += late
            if unasked > 0:
                findings.doubled.append(f"{key}: {unasked} more writes than were asked for")
        elif any(write.is_acknowledged for write in attempts):
            findings.lost.append(f"{key}: acknowledged and gone")


def _count_unacknowledged(attempts: list[Write], row: Row) -> tuple[int, int]:
    """Return how many versions no attempt explains, and how many an attempt without a success response made."""
    unacknowledged = row.version - sum(write.is_acknowledged for write in attempts)
    changes = sum(write.is_unknown and write.kind != "create" for write in attempts)
    created = any(write.kind == "create" and write.is_acknowledged for write in attempts)
    return unacknowledged - changes - (not created), unacknowledged


def _contradictions(attempts: list[Write], row: Row) -> Iterator[str]:
    """Check that one write made each version, the row has the last one, and each follows from the one before."""
    made: dict[int, Write] = {}
    for write in attempts:
        if write.is_acknowledged:
            if write.version in made:
                yield f"{row.key}: version {write.version} was acknowledged twice, so one of both is lost"
            made[write.version or 0] = write
    if made and max(made) > row.version:
        yield f"{row.key}: version {max(made)} was acknowledged, {row.version} is there"
    deleting = [write for write in attempts if write.kind == "delete" and (write.is_acknowledged or write.is_unknown)]
    if row.deleted and not deleting:
        yield f"{row.key}: deleted by no attempt"
    if any(write.is_acknowledged for write in deleting) and not (row.deleted and made[max(made)].kind == "delete"):
        yield f"{row.key}: deleted, and there"
    last = made.get(row.version)
    if last and last.kind != "delete" and (last.title, last.completed) != (row.title, bool(row.completed)):
        yield f"{row.key}: version {row.version} is not what was acknowledged"
    if row.title not in {write.title for write in attempts}:
        yield f"{row.key}: no attempt wrote {row.title}"
    for version, write in made.items():
        before = made.get(version - 1)
        if write.kind == "toggle" and before and (before.title, not before.completed) != (write.title, write.completed):
            yield f"{row.key}: version {version} does not follow from {version - 1}"


def _ask_service(load: Load, user: User, rows: dict[str, list[Row]], findings: Findings) -> None:
    """Check that the user sees these rows, and that a repeated creation gets its first response."""
    client = Client(load.port, user.token, kept=True)
    live = {(row.id, row.title, bool(row.completed)) for found in rows.values() for row in found if not row.deleted}
    seen, cursor = set(), ""
    while cursor is not None:
        page = client.call("GET", f"/v1/tasks?limit=200{cursor and f'&cursor={cursor}'}")
        assert page.status == 200, page
        seen |= {(task["id"], task["title"], task["completed"]) for task in page.body["items"]}
        cursor = page.body["next_cursor"]
    if seen != live:
        findings.lost.append(f"{user.id}: the service shows {len(seen)} tasks, {len(live)} are there")
    created = [write for write in load.writes[user.id] if write.kind == "create" and write.status == 201]
    for write in created[-REPEATED:]:
        body = {"title": write.title, "details": write.key}
        again = client.call("POST", "/v1/tasks", body, Idempotency_Key=write.key)
        if again.status != 201 or "Idempotent-Replay" not in again.headers:
            findings.doubled.append(f"{write.key}: done again when repeated")
        elif [again.body["id"]] != [row.id for row in rows[write.key]]:
            findings.lost.append(f"{write.key}: repeated, it answers with another task")
    client.close()
