"""POST /v1/tasks/import: the tasks of a file, as the body or in a form, all of them or none."""

import io
import itertools
import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.tasks.formats import FORMATS
from app.tasks.uploads import FILE_BYTES
from tests.api.support.calls import Call, assert_problem
from tests.api.support.lists import walk
from tests.conftest import Caller

IMPORT = Call("POST", "/v1/tasks/import")
JSONL = "application/jsonl"
MEDIA_TYPES = {"jsonl": JSONL, "csv": "text/csv; charset=utf-8", "ics": "text/calendar"}
TASKWARRIOR = (
    b'[{"description":"%s","status":"pending","uuid":"0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17","wait":"20260314T090000Z"}]'
)
TEA, MILK, FAULTY = b'{"title": "tea"}\n', b'{"title": "milk"}\n', b'{"title": ""}\n'


def send(caller: Caller, data: bytes, content_type: str = JSONL, **options: Any) -> TestResponse:
    return IMPORT(caller, data=data, content_type=content_type, **options)


def send_form(caller: Caller, *files: tuple[bytes, str, str], **options: Any) -> TestResponse:
    """Send a form as a browser does: each file with its name and media type."""
    form = {"file": [(io.BytesIO(data), name, content_type) for data, name, content_type in files]}
    return IMPORT(caller, data=form, content_type="multipart/form-data", **options)


def titles(caller: Caller) -> list[str]:
    return sorted(task["title"] for task in walk(caller))


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_can_be_imported(ann: Caller, bob: Caller, name: str) -> None:
    """By its media type, by a file's name in a form, or by the parameter; a repeat adds nothing."""
    for title in ("tea", "milk"):
        ann.add(title=title, tags=["home"])
    file = ann.get("/v1/tasks/export", query_string={"format": name}).data
    first = send(bob, file, MEDIA_TYPES[name])
    by_name = send_form(bob, (file, f"tasks.{name.upper()}", "application/octet-stream"))
    by_type = send_form(bob, (file, "tasks", MEDIA_TYPES[name]))
    by_parameter = send(bob, file, "application/octet-stream", query_string={"format": name})

    none = {"skipped": 0, "faults": [], "left_out": []}
    assert (first.status_code, first.json) == (200, {"found": 2, "added": 2, "kept": 0, **none})
    for again in (by_name, by_type, by_parameter):
        assert (again.status_code, again.json) == (200, {"found": 2, "added": 0, "kept": 2, **none})
    assert titles(bob) == ["milk", "tea"]


def test_a_faulty_task_stops_the_import(ann: Caller) -> None:
    """Each faulty task is named by its line, and nothing is imported."""
    answer = send(ann, TEA + FAULTY + MILK + b"nonsense\n")

    assert_problem(answer, 422, "validation_error")
    assert answer.json["errors"].keys() == {"line 2", "line 4"}
    assert answer.json["errors"]["line 2"][0].startswith("title: ")
    assert "skip_faulty=true" in answer.json["detail"]
    assert titles(ann) == []


def test_faulty_tasks_are_skipped_on_request(ann: Caller) -> None:
    """The others are imported, and the response lists what was not."""
    answer = send(ann, TEA + FAULTY + MILK + b"nonsense\n", query_string={"skip_faulty": "true"})

    counts = {name: answer.json[name] for name in ("found", "added", "kept", "skipped")}
    assert (answer.status_code, counts) == (200, {"found": 4, "added": 2, "kept": 0, "skipped": 2})
    assert [fault["line"] for fault in answer.json["faults"]] == [2, 4]
    assert titles(ann) == ["milk", "tea"]


def test_a_file_that_ends_early_is_refused_in_any_case(ann: Caller) -> None:
    """No task can be told apart from what is missing."""
    answer = send(ann, b"BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nSUMMARY:tea\r\nEND:VTODO\r\n", "text/calendar",
                  query_string={"skip_faulty": "true"})  # fmt: skip

    assert_problem(answer, 422, "validation_error")
    assert "END:VCALENDAR" in answer.json["errors"]["line 4"][0]
    assert titles(ann) == []


def test_another_programs_file_is_imported_once(ann: Caller) -> None:
    """By its name alone; a later export of the same program adds what is new, and leaves the rest as it is."""
    first, later = (TASKWARRIOR % title for title in (b"tea", b"coffee"))
    answers = [
        send_form(ann, (first, "tasks.json", "application/json")),
        send(ann, first[:-1] + b"," + later[1:].replace(b"4b17", b"4b18"), "application/json",
             query_string={"format": "json"}),
    ]  # fmt: skip

    counts = [(answer.status_code, answer.json["added"], answer.json["kept"]) for answer in answers]
    assert counts == [(200, 1, 0), (200, 1, 1)]
    assert answers[0].json["left_out"] == [{"kind": "wait", "count": 1}]
    assert titles(ann) == ["coffee", "tea"]


@pytest.mark.one_engine
@pytest.mark.parametrize("content_type", ["application/octet-stream", "image/png", ""])
def test_an_unclear_format_is_refused(ann: Caller, content_type: str) -> None:
    """The message lists the formats. A form itself is a known media type, so its file is at fault."""
    as_body, in_form = send(ann, TEA, content_type), send_form(ann, (TEA, "tasks.txt", content_type))

    assert_problem(as_body, 415, "unsupported_media_type")
    assert_problem(in_form, 422, "validation_error")
    for text in (as_body.json["detail"], in_form.json["errors"]["file"][0]):
        assert "jsonl, csv, ics" in text


@pytest.mark.one_engine
def test_a_compressed_file_is_415(ann: Caller) -> None:
    """It could be of any size."""
    assert_problem(send(ann, TEA, headers={"Content-Encoding": "gzip"}), 415, "unsupported_media_type")


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("form", "boundary"),
    [
        (b"nonsense", "x"),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n{"title": "tea"}\r\n--x--\r\n', "x"),
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{"title": "tea"}', "x"),
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\r\n--x--\r\n', None),
    ],
    ids=["no form", "a field", "cut short", "no boundary"],
)
def test_a_form_without_a_file_is_422(ann: Caller, form: bytes, boundary: str | None) -> None:
    """Or with one that is cut short."""
    kind = "multipart/form-data" + (f"; boundary={boundary}" if boundary else "")
    answer = send(ann, form, kind)

    assert_problem(answer, 422, "validation_error")
    assert "exactly one file" in answer.json["errors"]["file"][0]


@pytest.mark.one_engine
@pytest.mark.parametrize("options", [{"data": b""}, {}], ids=["of 0 bytes", "absent"])
def test_an_empty_body_is_422(ann: Caller, options: dict[str, Any]) -> None:
    """A forgotten file never passes for success."""
    assert_problem(IMPORT(ann, content_type=JSONL, **options), 422, "validation_error")


@pytest.mark.one_engine
def test_two_files_or_another_field_are_422(ann: Caller) -> None:
    """Which file counts would be a guess, and an unknown field could be a typo."""
    two = send_form(ann, (TEA, "a.jsonl", JSONL), (MILK, "b.jsonl", JSONL))
    file = (io.BytesIO(TEA), "a.jsonl", JSONL)
    other = IMPORT(ann, data={"file": file, "skip_faulty": "true"}, content_type="multipart/form-data")

    for answer in (two, other):
        assert_problem(answer, 422, "validation_error")
        assert "exactly one file" in answer.json["errors"]["file"][0]


@pytest.mark.one_engine
def test_a_form_of_many_fields_is_413(ann: Caller) -> None:
    """A form with a file needs no more than a few."""
    field = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'

    assert_problem(send(ann, field * 11 + b"--x--\r\n", "multipart/form-data; boundary=x"), 413, "payload_too_large")


@pytest.mark.one_engine
def test_a_file_may_have_10_mib(ann: Caller) -> None:
    """One byte more is 413."""
    empty = b" " * 1_023 + b"\n"
    largest = (TEA + empty * 10 * 1_024)[: 10 * 1_024 * 1_024]

    assert send(ann, largest).status_code == 200
    assert_problem(send(ann, largest + b"\n"), 413, "payload_too_large")


def test_memory_does_not_grow_with_the_file(ann: Caller) -> None:
    """10 MiB of tasks take no more memory than a page of them."""
    lines = (json.dumps({"title": f"Task {number}", "details": "x" * 5_000}).encode() for number in itertools.count())
    file = io.BytesIO(b"\n".join(itertools.islice(lines, 2_000)))
    assert 0.9 < file.getbuffer().nbytes / FILE_BYTES < 1
    tracemalloc.start()
    try:
        answer = IMPORT(
            ann, input_stream=file, content_type=JSONL, headers={"Content-Length": str(len(file.getvalue()))}
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert answer.json["added"] == 2_000
    assert peak < 10_000_000


def test_a_repeat_with_a_key_gets_the_first_response(ann: Caller) -> None:
    """The same key with another file is refused."""
    key = {"Idempotency-Key": "import-1"}
    first, again, other = send(ann, TEA, headers=key), send(ann, TEA, headers=key), send(ann, MILK, headers=key)

    assert (again.json, again.headers["Idempotent-Replay"]) == (first.json, "true")
    assert first.json["added"] == 1
    assert_problem(other, 422, "idempotency_key_reused")


def test_simultaneous_imports_add_each_task_once(app: Flask, ann: Caller) -> None:
    """However often a file is sent at once."""
    file = b"".join(json.dumps({"title": f"Task {number}"}).encode() + b"\n" for number in range(500))
    callers = [Caller(app, ann.user_id) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda caller: send(caller, file), callers))

    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json["added"] for answer in answers) == 500
    assert len(walk(ann)) == 500
