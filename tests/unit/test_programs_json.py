"""Tasks from the JSON of other programs."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.file_schemas import ImportedTask
from app.tasks.formats import READERS, Record, Unreadable, json_read
from app.tasks.formats.programs import DOCUMENTS
from tests.unit.example_tasks import Task, file_of
from tests.unit.programs_json import SAMPLES, TASKWARRIOR_LINES

NONE: Task = {"details": None, "tags": []}


def read(text: str) -> list[Record]:
    """Return the tasks of a document, each of which the service takes; raise the first fault."""
    records = []
    for record in READERS["json"](file_of(text.encode())):
        assert isinstance(record, Record), record
        assert ImportedTask().load(record.task)
        records.append(record)
    return records


def test_each_program_has_a_sample() -> None:
    """So that none is added without one."""
    assert [document.name for document in DOCUMENTS] == list(dict.fromkeys(name.split(",")[0] for name in SAMPLES))


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "marked"])
@pytest.mark.parametrize("name", SAMPLES)
def test_other_programs_json_is_read(name: str, mark: str) -> None:
    """Dates and priorities are what they mean there, and what no task here can keep is counted by kind."""
    text, expected = SAMPLES[name]
    found = read(mark + text)

    for record, (task, kinds) in zip(found, expected, strict=True):
        own_id = {} if "id" in task else {"id": record.task["id"]}
        assert (record.task, list(record.left_out)) == ({**NONE, **own_id, **task}, kinds)
    assert [record.line for record in found] == list(range(1, len(expected) + 1))


def test_a_programs_own_id_gives_the_same_id_for_ever() -> None:
    """So that a later export adds only what is new; two programs' ids are two."""
    ids = {name: [record.task["id"] for record in read(text)] for name, (text, _) in SAMPLES.items()}

    assert ids["Wunderlist"] == ids["Wunderlist, later"]
    assert ids["Google Tasks"][0] == "e0a984a5-f31e-5567-a948-d076b8f5f6a3"
    assert ids["Trello"][0] == "ed5c803f-6cc3-5909-b65d-1db728adcb80"
    assert len({each for found in ids.values() for each in found}) == 3 + 7 + 4 + 2 + 2


def test_what_is_to_be_checked_off_is_a_subtask() -> None:
    """Of the task before it."""
    nested = {name: [record.task["title"] for record in read(text) if record.is_nested]
              for name, (text, _) in SAMPLES.items()}  # fmt: skip

    assert {name: titles for name, titles in nested.items() if titles} == {
        "Trello": ["Kitchen", "Bath", "Peat-free"],
        "Wunderlist": ["Kitchen", "Bath"],
        "Wunderlist, later": ["Kitchen", "Bath"],
    }


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "not JSON"),
        ("{", 1, "not JSON"),
        ('{\n"kind": "tasks#taskLists",\n"items": [\n}', 4, "not JSON"),
        (f"{TASKWARRIOR_LINES[0]}\n\n{{", 3, "not JSON"),
        ("\udcff", 1, "not JSON"),
        ("[" * 2_000, 1, "not JSON"),
        ("[]", 1, "no JSON of Google Tasks, Trello, Wunderlist, Taskwarrior, Remember The Milk"),
        ('{"title": "a"}', 1, "no JSON of .*jsonl"),
        ("[1, 2]", 1, "no JSON of"),
        ("[" + "[]," * json_read.MAX_BRACKETS + "[]]", 1, "too many"),
    ],
    ids=range(10),
)
def test_what_is_no_such_document_is_refused(text: str, line: int, reason: str) -> None:
    """With its line, where that is known."""
    with pytest.raises(Unreadable, match=f"^Line {line}: .*{reason}"):
        list(READERS["json"](file_of(text.encode(errors="surrogateescape"))))


def test_a_document_cannot_fill_the_memory() -> None:
    """No more of it is read than the limit."""
    file = io.BytesIO(b" " * (json_read.MAX_DOCUMENT_BYTES + 10))

    with pytest.raises(Unreadable, match="longer than 32 MiB"):
        list(READERS["json"](file))
    assert file.tell() == json_read.MAX_DOCUMENT_BYTES + 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "2026-02-30", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "week", "H", "zzzzzzzz"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["title", "name", "entry"]), inner),
    max_leaves=3,
)  # fmt: skip


@given(data=st.data(), name=st.sampled_from(list(SAMPLES)))
def test_any_values_are_read(data: st.DataObject, name: str) -> None:
    """A task of another program is never faulty: what cannot be read is left out."""

    def changed(value: Any) -> Any:
        if data.draw(st.integers(0, 7)) == 0:
            return data.draw(VALUES)
        if isinstance(value, dict):
            return {key: changed(inner) for key, inner in value.items()}
        return [changed(inner) for inner in value] if isinstance(value, list) else value

    text = SAMPLES[name][0]
    document = json.loads(text if "by line" not in name else f"[{text.replace(chr(10), ',')}]")
    other = changed(document)

    if any(program.recognizes(other) for program in DOCUMENTS):
        read(json.dumps(other))
