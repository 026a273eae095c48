"""GET /v1/tasks/export returns all of the caller's tasks as one file, page by page."""

import io
import json
import re
import sqlite3
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import psycopg2
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.database import scope
from app.http.problems import DatabaseUnavailable
from app.services import services_of
from app.tasks import transfer
from app.tasks.bulk_queries import import_tasks
from app.tasks.file_schemas import ImportedTask
from app.tasks.formats import FORMATS
from tests.api.support.calls import TASK_FIELDS, Call, assert_problem
from tests.api.support.lists import add_at_once, remove, walk
from tests.conftest import Caller, new_user_id
from tests.statements import each_statement, messages
from tests.unit.example_tasks import Task, as_read, read_all
from tests.waiting import LONGEST_WAIT_SECONDS, until

EXPORT = Call("GET", "/v1/tasks/export")
EVERY_FORMAT = pytest.mark.parametrize("name", FORMATS)
MEDIA_TYPES = {
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "ics": "text/calendar; charset=utf-8",
}
EMPTY = {
    "jsonl": r"",
    "csv": r'\ufeff"id","title",[^\n]*\r\n',
    "ics": r"BEGIN:VCALENDAR\r\n(?!BEGIN)[^\0]*END:VCALENDAR\r\n",
}

# Something in every field, and characters that could break a format.
OF_ALL_KINDS: list[Task] = [
    {"title": "tea"},
    {"title": '=1+1, "quoted"; and \\n', "details": "", "priority": "high"},
    {
        "title": "🍵 für später",
        "details": " a\r\nb\u2028c,;'",
        "tags": ["home", "tea, green", 'a "b"'],
        "completed": True,
    },
    {"title": "a day", "due_on": "2026-03-14", "time_zone": "Pacific/Auckland", "recurrence": "FREQ=WEEKLY;BYDAY=SA"},
    {"title": "a time", "due_at": "2026-03-14T09:26:53.589793Z", "time_zone": "Europe/Berlin"},
    {"title": "each day", "due_at": "2026-10-25T01:30:00Z", "time_zone": "Europe/Berlin", "recurrence": "FREQ=DAILY"},
]


def export(caller: Caller, name: str = "jsonl", buffered: bool = True) -> TestResponse:
    answer = EXPORT(caller, query_string={"format": name}, buffered=buffered)
    assert (answer.status_code, answer.content_type) == (200, MEDIA_TYPES[name]), answer.text
    return answer


def tasks_in(answer: TestResponse, name: str = "jsonl") -> list[Task]:
    """Return a file's tasks as an import reads them."""
    return [task for _, task in read_all(FORMATS[name], io.BytesIO(answer.data))]


def by_id(tasks: list[Task]) -> list[Task]:
    return sorted(tasks, key=lambda task: str(task["id"]))


def fill(app: Flask, caller: Caller, count: int, **fields: Any) -> None:
    """Create many tasks for a user at once."""
    caller.add()
    made = (ImportedTask().load({"title": f"Task {number}", **fields}) for number in range(count - 1))
    ids = (f"{number:08}-0000-4000-8000-000000000000" for number in range(count))
    new = [{**task, "id": task_id, "position": ""} for task_id, task in zip(ids, made, strict=False)]
    with app.app_context(), scope(caller.user_id):
        assert len(import_tasks(str(caller.user_id), new)) == count - 1


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> int:
    """Set the page size: that many tasks are read at once, and sent as soon as they are encoded."""
    monkeypatch.setattr(transfer, "PAGE", 2)
    monkeypatch.setattr(transfer, "PIECE_BYTES", 1)
    return 2


@EVERY_FORMAT
def test_a_file_has_its_type_and_name(ann: Caller, name: str) -> None:
    """A browser saves it under that name. Its length is unknown when it begins."""
    ann.add()
    answer = export(ann, name)

    assert answer.headers["Content-Disposition"] == f'attachment; filename="tasks.{name}"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "Content-Length" not in answer.headers


def test_the_default_format_is_json_lines(ann: Caller) -> None:
    """With the same headers."""
    ann.add()
    unnamed, named = EXPORT(ann, buffered=True), export(ann)

    assert unnamed.status_code == 200
    assert unnamed.data == named.data
    for header in ("Content-Type", "Content-Disposition"):
        assert unnamed.headers[header] == named.headers[header]


@pytest.mark.parametrize("query", ["format=xml", "format=", "format=CSV", "format=csv&format=csv", "format=text/csv"])
def test_an_unknown_format_is_rejected(ann: Caller, query: str) -> None:
    """The error names the parameter."""
    assert_problem(EXPORT(ann, query_string=query), 422, "validation_error", "format")


@pytest.mark.parametrize("query", ["fromat=csv", "limit=5", "cursor=x", "completed=true"])
def test_export_rejects_an_unknown_parameter(ann: Caller, query: str) -> None:
    """An export has all tasks, so a filter must not seem to work."""
    assert_problem(EXPORT(ann, query_string=query), 422, "validation_error", query.partition("=")[0])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_export_is_read_only(ann: Caller, method: str) -> None:
    """And `export` is not read as a task's id."""
    answer = ann.call(method, EXPORT.path)

    assert answer.status_code in (404, 405)
    assert_problem(answer, answer.status_code, {404: "not_found", 405: "method_not_allowed"}[answer.status_code])


@EVERY_FORMAT
def test_an_export_has_all_of_the_callers_tasks(ann: Caller, name: str) -> None:
    """Each with all fields, as in the API."""
    made = [ann.add(**task) for task in OF_ALL_KINDS]

    assert by_id(tasks_in(export(ann, name), name)) == by_id([as_read(task) for task in made])


def test_a_line_of_json_lines_is_a_task_as_in_the_api(ann: Caller) -> None:
    """With all its fields in order, also those that an import ignores, and at the end the name of its list."""
    made = [ann.get(f"/v1/tasks/{ann.add(**task)['id']}") for task in OF_ALL_KINDS]

    assert {*json.loads(made[0].data)} == TASK_FIELDS
    # Characters that some readers take for a line end are escaped.
    found = [json.loads(line, object_pairs_hook=list) for line in export(ann).text.splitlines()]
    shown = [json.loads(answer.data, object_pairs_hook=list) for answer in made]
    assert found == [[*pairs, ("list_name", None)] for pairs in shown]


@EVERY_FORMAT
def test_an_export_has_no_other_users_tasks(ann: Caller, bob: Caller, name: str) -> None:
    """Nor any of their text."""
    ann.add(title="secret of Ann", tags=["hidden"])
    own = bob.add()
    answer = export(bob, name)

    assert tasks_in(answer, name) == [as_read(own)]
    assert not any(word in answer.text for word in ("secret", "hidden", str(ann.user_id)))


@EVERY_FORMAT
def test_an_export_excludes_the_trash(ann: Caller, name: str) -> None:
    """Until a task is restored."""
    kept, thrown = ann.add(), ann.add(title="thrown away")
    remove(ann, thrown["id"])
    assert tasks_in(export(ann, name), name) == [as_read(kept)]
    assert ann.post(f"/v1/tasks/{thrown['id']}/restore").status_code == 200

    assert tasks_in(export(ann, name), name) == [as_read(kept), as_read(thrown)]


@EVERY_FORMAT
@pytest.mark.parametrize("is_known", [True, False], ids=["known user", "unknown user"])
def test_an_account_without_tasks_exports_an_empty_file(ann: Caller, name: str, is_known: bool) -> None:
    """In its format, so that an import accepts it."""
    if is_known:
        remove(ann, ann.add()["id"])
    answer = export(ann, name)

    assert tasks_in(answer, name) == []
    assert re.fullmatch(EMPTY[name], answer.data.decode())


@pytest.mark.parametrize("count", range(6))
@EVERY_FORMAT
def test_an_export_has_every_task_once(app: Flask, ann: Caller, small_pages: int, name: str, count: int) -> None:
    """Oldest first, whether or not the last page is full."""
    made = [ann.add(title=f"tea {number}") for number in range(count)]
    with messages(app) as sent:
        found = tasks_in(export(ann, name), name)

    assert found == [as_read(task) for task in made]
    # The lists, and each page.
    assert len(sent) == 1 + count // small_pages + 1


@pytest.mark.usefixtures("small_pages")
def test_tasks_with_equal_times_are_exported_once(ann: Caller) -> None:
    """They were created in one transaction, and take several pages."""
    ids = add_at_once(ann, *({"title": f"tea {number}"} for number in range(7)))
    found = [task["id"] for task in tasks_in(export(ann))]

    assert sorted(found) == sorted(ids)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_tasks_with_any_id_are_exported(ann: Caller, at_once: bool) -> None:
    """Also with the lowest and highest client-made ids."""
    ids = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
    ids += ["80000000-0000-4000-8000-000000000000", "00000000-0000-0000-0000-000000000001"]
    if at_once:
        add_at_once(ann, *({"id": task_id} for task_id in ids))
    else:
        assert [ann.add(id=task_id)["id"] for task_id in ids] == ids

    assert sorted(task["id"] for task in tasks_in(export(ann))) == sorted(ids)


@EVERY_FORMAT
def test_head_of_an_export_has_no_body(app: Flask, ann: Caller, name: str) -> None:
    """It has GET's headers, and reads only the lists and the first page."""
    ann.add()
    get = export(ann, name)
    with messages(app) as sent:
        head = ann.call("HEAD", EXPORT.path, query_string={"format": name})

    assert (head.status_code, head.data) == (200, b"")
    own = {"X-Request-ID"}
    assert {item for item in head.headers if item[0] not in own} == {item for item in get.headers if item[0] not in own}
    assert len(sent) == 2


@contextmanager
def streamed(caller: Caller, name: str = "jsonl") -> Iterator[Iterator[bytes]]:
    """Return a response that is read piece by piece."""
    answer = export(caller, name, buffered=False)
    pieces: Any = answer.response
    try:
        yield iter(pieces)
    finally:
        answer.close()


@pytest.mark.usefixtures("small_pages")
def test_a_page_is_read_only_when_it_is_sent(app: Flask, ann: Caller) -> None:
    """So the file is never in memory as a whole."""
    for _ in range(8):
        ann.add()
    counts: list[int] = []
    with messages(app) as sent, streamed(ann) as pieces:
        counts.extend(len(sent) for _ in pieces)

    assert counts == [2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.usefixtures("small_pages")
def test_nothing_more_is_read_after_the_client_has_left(app: Flask, ann: Caller) -> None:
    """Nor is a connection held meanwhile."""
    for _ in range(8):
        ann.add()
    with messages(app) as sent:
        with streamed(ann) as pieces:
            assert next(pieces)
            # Reading revocations also needs a connection now and then.
            until(lambda: services_of(app).database.connections.in_use == 0, "a pool at rest")
        assert len(list(pieces)) == 0

    assert len(sent) == 2
    assert ann.get("/v1/tasks").status_code == 200


def test_memory_does_not_grow_with_the_number_of_tasks(
    app: Flask, ann: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times as many tasks use the same memory."""
    monkeypatch.setattr(transfer, "PAGE", 50)
    for caller, count in ((ann, 200), (bob, 2_000)):
        fill(app, caller, count, details="x" * 2_000)
    peaks = [peak_of_reading(caller) for caller in (ann, ann, bob)]

    assert peaks[2] < peaks[1] * 1.2 < 1_000_000


def peak_of_reading(caller: Caller) -> int:
    """Return the peak of memory while a file is read and thrown away."""
    with streamed(caller) as pieces:
        tracemalloc.start()
        try:
            assert sum(map(len, pieces)) > 200_000
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.usefixtures("small_pages")
def test_each_of_two_readers_gets_their_own_tasks(ann: Caller, bob: Caller) -> None:
    """Even if their pages are read in turns, between other requests of theirs."""
    mine = {caller: [caller.add()["id"] for _ in range(5)] for caller in (ann, bob)}
    in_turns = Barrier(2)

    def read(caller: Caller) -> list[str]:
        data = b""
        with streamed(caller) as pieces:
            for piece in pieces:
                in_turns.wait(LONGEST_WAIT_SECONDS)
                data += piece
                assert len(walk(caller)) == 5
        return [task["id"] for task in lines_of(data)]

    with ThreadPoolExecutor(2) as threads:
        assert dict(zip(mine, threads.map(read, mine), strict=True)) == mine


def lines_of(data: bytes) -> list[Task]:
    return [task for _, task in read_all(FORMATS["jsonl"], io.BytesIO(data))]


@pytest.mark.usefixtures("small_pages")
def test_a_task_changed_during_an_export_is_in_it_once(ann: Caller) -> None:
    """As it was or as it is. A task deleted before its page is read is not in it."""
    made = [ann.add(title=f"tea {number}") for number in range(8)]
    with streamed(ann) as pieces:
        data = next(pieces)
        for number in (0, 5):
            assert ann.patch(f"/v1/tasks/{made[number]['id']}", json={"title": "changed"}).status_code == 200
        for number in (1, 6):
            remove(ann, made[number]["id"])
        added = ann.add(title="new")
        data += b"".join(pieces)

    titles = {task["id"]: task["title"] for task in lines_of(data)}
    assert len(titles) == len(lines_of(data))
    wanted = {task["id"]: task["title"] for number, task in enumerate(made) if number != 6}
    assert titles == wanted | {made[5]["id"]: "changed", added["id"]: "new"}


def driver_error(app: Flask) -> psycopg2.Error | sqlite3.Error:
    """Raise the driver's error for a database that has gone."""
    if services_of(app).engine.dialect.name == "postgresql":
        gone: psycopg2.Error = psycopg2.OperationalError("server closed the connection unexpectedly")
        return gone
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error


@contextmanager
def failing_pages(app: Flask, after: int) -> Iterator[None]:
    """Let the database go away after this number of pages."""
    read = 0

    def note(_cursor: Any, statement: str) -> None:
        nonlocal read
        if "FROM tasks" in statement:
            read += 1
            if read > after:
                raise driver_error(app)

    with each_statement(note):
        yield


@EVERY_FORMAT
def test_an_export_without_a_database_is_503(app: Flask, ann: Caller, name: str) -> None:
    """And has no file."""
    ann.add()
    with failing_pages(app, after=0):
        answer = EXPORT(ann, query_string={"format": name})

    assert_problem(answer, 503, "database_unavailable")
    assert "Content-Disposition" not in answer.headers
    assert int(answer.headers["Retry-After"]) > 0
    assert len(tasks_in(export(ann, name), name)) == 1


def test_a_small_export_is_complete_or_503(app: Flask, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything has been sent, a failure on any page still becomes a 503."""
    monkeypatch.setattr(transfer, "PAGE", 2)
    for _ in range(5):
        ann.add()
    with failing_pages(app, after=2):
        answer = EXPORT(ann)

    assert_problem(answer, 503, "database_unavailable")
    assert len(tasks_in(export(ann))) == 5


@EVERY_FORMAT
@pytest.mark.usefixtures("small_pages")
def test_a_database_failure_later_aborts_the_response(app: Flask, ann: Caller, name: str) -> None:
    """The server closes the connection, and the file does not look complete."""
    for number in range(5):
        ann.add(title=f"tea {number}")
    data = b""
    with failing_pages(app, after=1), streamed(ann, name) as pieces, pytest.raises(DatabaseUnavailable):
        for piece in pieces:
            data += piece

    assert [number for number in range(5) if f"tea {number}".encode() in data] == [0, 1]
    assert b"END:VCALENDAR" not in data
    assert len(tasks_in(export(ann, name), name)) == 5


def test_an_export_does_not_create_its_user(app: Flask) -> None:
    """Only a write creates the user's row."""
    caller = Caller(app, new_user_id())
    assert export(caller).data == b""
    with messages(app) as sent:
        caller.add()

    assert len(sent) == 3
