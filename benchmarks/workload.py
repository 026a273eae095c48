"""The larger operations: the request of each, and the statements that it cannot do without."""

import json
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any, NamedTuple

from benchmarks.bare import Database
from benchmarks.servers import token

# Each user has tasks of their own, so that no operation changes what another reads.
READER, READERS_TASKS = "reader", 10_000
MOVER, MOVERS_TASKS = "mover", 1_000
WRITER, BARE_WRITER = "writer", "bare-writer"
FOUND, CHANGED, BATCH = 50, 100, 100
IMPORTED_BY_REQUEST, IMPORTED_BY_COMMAND = 10_000, 100_000
LONG_AGO = "2026-01-01T00:00:00Z"
LOWEST_ID, HIGHEST_ID = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
# Runs a command of the service.
Flask = Callable[..., str]

SELECT_FOUND = """
SELECT * FROM tasks WHERE user_id = %s AND deleted_at IS NULL AND completed_at IS NULL
ORDER BY created_at DESC, id DESC LIMIT %s"""
SELECT_CHANGED = """
SELECT * FROM tasks WHERE user_id = %s AND (updated_at, id) > (%s, %s) ORDER BY updated_at, id LIMIT %s"""
SELECT_COUNTS = """
SELECT completed_at IS NULL, list_id, priority, tags, count(*), count(*) FILTER (WHERE due < created_at)
FROM tasks WHERE user_id = %s AND deleted_at IS NULL GROUP BY 1, 2, 3, 4"""
UPDATE_POSITION = "UPDATE tasks SET position = %s, version = version + 1 WHERE user_id = %s AND id = %s RETURNING *"
SELECT_ALL = "SELECT * FROM tasks WHERE user_id = %s AND deleted_at IS NULL ORDER BY created_at, id"


class Request(NamedTuple):
    """A request, and a part of its right response."""

    method: str
    path: str
    user: str
    proof: str
    body: bytes = b""
    media_type: str = "application/json"


class Operation(NamedTuple):
    """What the service does, and the bare statements, which return milliseconds; both get the number of the call."""

    name: str
    # In each round.
    calls: int
    run: Callable[[HTTPConnection, int], object]
    run_bare: Callable[[int], float]


def send(connection: HTTPConnection, request: Request) -> bytes:
    """Send a request, and return the body of its response, which must be right."""
    headers = {"Authorization": f"Bearer {token(request.user)}", "Content-Type": request.media_type}
    connection.request(request.method, request.path, request.body or None, headers)
    response = connection.getresponse()
    body = response.read()
    if response.status >= 300 or request.proof.encode() not in body:
        raise SystemExit(f"benchmarks: {request.path} was answered with {response.status}: {body[:1000]!r}")
    return body


def small_operations(connection: HTTPConnection, database: Database) -> list[Operation]:
    """Give the users of these operations their tasks, and return the operations."""
    send(connection, importing(READER, lines(READERS_TASKS, created_at=LONG_AGO), READERS_TASKS))
    database.run("UPDATE tasks SET updated_at = created_at WHERE user_id = %s", READER)
    operations = [
        reading("`find_tasks` of 50 over MCP", finding(), database, SELECT_FOUND, FOUND + 1),
        *changes(connection, database),
        reading(
            f"`GET /v1/tasks/summary` of {READERS_TASKS:,} tasks",
            Request("GET", "/v1/tasks/summary", READER, f'"open":{READERS_TASKS},'),
            database,
            SELECT_COUNTS,
        ),
        creating(connection, database),
        moving(connection, database),
    ]
    database.settle()
    return operations


def large_operations(connection: HTTPConnection, database: Database, rounds: int, flask: Flask) -> list[Operation]:
    """Return the operations on files; each round has other users."""
    for number in range(rounds):
        send(connection, importing(f"bare-{number}", lines(1), 1))
        send(connection, importing(f"bare-many-{number}", lines(1), 1))
    file, many = lines(IMPORTED_BY_REQUEST), lines(IMPORTED_BY_COMMAND)
    return [
        Operation(
            f"`POST /v1/tasks/import` of {IMPORTED_BY_REQUEST:,} tasks",
            1,
            lambda connection, call: send(connection, importing(f"importer-{call}", file, IMPORTED_BY_REQUEST)),
            lambda call: database.time_copy(IMPORTED_BY_REQUEST, f"importer-{call}", f"bare-{call}"),
        ),
        Operation(
            f"`flask tasks import` of {IMPORTED_BY_COMMAND:,}",
            1,
            lambda _, call: flask("tasks", "import", "--format", "jsonl", "--user", f"many-{call}", "-", say=many),
            lambda call: database.time_copy(IMPORTED_BY_COMMAND, f"many-{call}", f"bare-many-{call}"),
        ),
        Operation(
            f"`GET /v1/tasks/export` of {IMPORTED_BY_COMMAND:,}",
            1,
            lambda connection, call: send(connection, exporting(f"many-{call}", IMPORTED_BY_COMMAND)),
            lambda call: database.time(SELECT_ALL, f"many-{call}"),
        ),
    ]


def reading(name: str, request: Request, database: Database, statement: str, *parameters: Any) -> Operation:
    return Operation(
        name,
        20,
        lambda connection, _: send(connection, request),
        lambda _: database.time(statement, READER, *parameters),
    )


def finding() -> Request:
    call = {"name": "find_tasks", "arguments": {"limit": FOUND}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    return Request("POST", "/mcp", READER, "next_cursor", json.dumps(message).encode())


def changes(connection: HTTPConnection, database: Database) -> list[Operation]:
    """Return what a client asks that has everything, and what one asks that has nothing."""
    path = "/v1/tasks/changes"
    found = {"has_more": True}
    since = ""
    while found["has_more"]:
        found = json.loads(send(connection, Request("GET", f"{path}{since}", READER, "has_more")))
        since = f"?since={found['next']}"
    [(earliest, latest)] = database.run("SELECT min(updated_at), max(updated_at) FROM tasks WHERE user_id = %s", READER)
    nothing = Request("GET", f"{path}{since}", READER, '"changed":[]')
    page = Request("GET", f"{path}?limit={CHANGED}", READER, '"has_more":true')
    return [
        reading(f"`GET {path}`, nothing new", nothing, database, SELECT_CHANGED, latest, HIGHEST_ID, 1001),
        reading(f"`GET {path}`, a page of {CHANGED}", page, database, SELECT_CHANGED, earliest, LOWEST_ID, CHANGED + 1),
    ]


def creating(connection: HTTPConnection, database: Database) -> Operation:
    send(connection, importing(BARE_WRITER, lines(1), 1))
    operations = [{"op": "create", "task": task(number)} for number in range(BATCH)]
    body = json.dumps({"operations": operations}).encode()
    request = Request("POST", "/v1/tasks/batch", WRITER, '"etag"', body)
    return Operation(
        f"`POST /v1/tasks/batch` of {BATCH} creates",
        10,
        lambda connection, _: send(connection, request),
        lambda _: database.time_copy(BATCH, READER, BARE_WRITER),
    )


def moving(connection: HTTPConnection, database: Database) -> Operation:
    """Return the move of one task between two places, to and fro."""
    send(connection, importing(MOVER, lines(MOVERS_TASKS, list_name="Home"), MOVERS_TASKS))
    rows = database.run("SELECT id, position FROM tasks WHERE user_id = %s ORDER BY position", MOVER)
    moved, places = rows[0][0], (rows[MOVERS_TASKS // 4], rows[MOVERS_TASKS * 3 // 4])

    def run(connection: HTTPConnection, call: int) -> bytes:
        body = json.dumps({"after": places[call % 2][0]}).encode()
        return send(connection, Request("POST", f"/v1/tasks/{moved}/move", MOVER, '"position"', body))

    def run_bare(call: int) -> float:
        return database.time(UPDATE_POSITION, f"{places[call % 2][1]}8", MOVER, moved)

    return Operation(f"a move within a list of {MOVERS_TASKS:,}", 20, run, run_bare)


def importing(user: str, file: str, count: int) -> Request:
    return Request("POST", "/v1/tasks/import", user, f'"added":{count},', file.encode(), "application/jsonl")


def exporting(user: str, count: int) -> Request:
    return Request("GET", "/v1/tasks/export", user, f'"Buy tea {count - 1}"')


def lines(count: int, **also: Any) -> str:
    """Return a file of tasks."""
    return "\n".join(json.dumps({**task(number), **also}, separators=(",", ":")) for number in range(count))


def task(number: int) -> dict[str, Any]:
    return {"title": f"Buy tea {number}", "priority": "high", "tags": ["home", "errands"], "due_on": "2050-03-14"}
