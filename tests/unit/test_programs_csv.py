"""Tasks from the tables of other programs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.file_schemas import ImportedTask
from app.tasks.formats import READERS, Record, Unreadable
from app.tasks.formats.programs import TABLES
from tests.unit.example_tasks import Task, file_of
from tests.unit.programs_csv import ASANA, OUTLOOK_HEADER, SAMPLES, TICKTICK

# What each program leaves open; `id` and `created_at` are there only where the file has them.
NONE: Task = {"details": None, "tags": []}


def read(text: str) -> list[Record]:
    """Return the tasks of a table, each of which the service takes; raise the first fault."""
    records = []
    for record in READERS["csv"](file_of(text.encode())):
        assert isinstance(record, Record), record
        assert ImportedTask().load(record.task)
        records.append(record)
    return records


def test_each_program_has_a_sample() -> None:
    """So that none is added without one."""
    assert [table.name for table in TABLES] == list(SAMPLES)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", SAMPLES)
def test_other_programs_tables_are_read(name: str, end: str) -> None:
    """Dates and priorities are what they mean there, and what no task here can keep is counted by kind."""
    text, expected = SAMPLES[name]
    found = read(text.replace("\n", end))

    assert [{**record.task, "details": plain(record.task["details"])} for record in found] == [
        {**NONE, **task} for task, _ in expected
    ]
    assert [list(record.left_out) for record in found] == [kinds for _, kinds in expected]


def test_what_todoist_indents_is_a_subtask() -> None:
    """Of the last task that is not indented, at any depth."""
    rows = "".join(f"task,{number},4,{indent}\n" for number, indent in enumerate((2, 1, 2, 3, 1, "")))
    found = read(f"TYPE,CONTENT,PRIORITY,INDENT\n{rows}")

    assert [record.is_nested for record in found] == [True, False, True, True, False, False]
    assert [record.left_out for record in found] == [(), (), (), ("INDENT",), (), ()]


def plain(details: Any) -> Any:
    return details.replace("\r\n", "\n") if details else details


def test_a_task_has_the_line_where_it_begins() -> None:
    """Also below the rows that stand before a header."""
    assert [record.line for record in read(TICKTICK)] == [8, 9, 11]
    assert [record.line for record in read(ASANA)] == [2, 4]


@pytest.mark.parametrize(
    ("dates", "days"),
    [
        (["3/4/2026", "3/14/2026"], ["2026-03-04", "2026-03-14"]),
        (["3/4/2026", "14/3/2026"], ["2026-04-03", "2026-03-14"]),
        (["3.4.2026", "14.03.2026"], ["2026-04-03", "2026-03-14"]),
        (["2026-04-03", "2026/3/14"], ["2026-04-03", "2026-03-14"]),
    ],
)
def test_outlooks_dates_are_in_one_order(dates: list[str], days: list[str]) -> None:
    """A day after the twelfth tells which of the two it is, for the dates before it, too."""
    rows = (f'"a",,"{date}","False",,,,"0%"' + "," * 14 + "\n" for date in dates)

    assert [record.task["due_on"] for record in read(OUTLOOK_HEADER + "".join(rows))] == days


def test_outlooks_order_is_never_guessed_twice() -> None:
    """A date that contradicts those before it ends the file, since they may have been read wrongly."""
    row = '"a",,"{}","False",,,,"0%"' + "," * 14 + "\n"
    text = OUTLOOK_HEADER + row.format("3/4/2026") * 200 + row.format("14/3/2026")

    with pytest.raises(Unreadable, match=r"^Line 202: .*Write 2026-03-14"):
        read(text)


@pytest.mark.parametrize("text", ["Betreff,Fällig am,Status\na,,\n", "title,prio\na,high\n"])
def test_an_unknown_header_names_the_programs(text: str) -> None:
    """And our own fields."""
    with pytest.raises(Unreadable, match=rf"^Line 1: .*recurrence.*{', '.join(SAMPLES)}"):
        read(text)


CELLS = st.sampled_from(
    ["", "task", "note", "1", "-1", "2026-03-14", "2026-02-30", "13/13/2026", "9999-12-31T23:59:59+0000", "0001-01-01",
     "9:99", "2026-03-14 9:99", "Feb 30 2026", "Europe/Berlin", "Europe", "../x", "true", "FREQ=DAILY", "@a", "* "]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # fmt: skip


@given(data=st.data(), name=st.sampled_from(list(SAMPLES)))
def test_any_cells_are_read(data: st.DataObject, name: str) -> None:
    """A task of another program is never faulty: what cannot be read is left out or kept as text."""
    lines = SAMPLES[name][0].removeprefix("\ufeff").splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.count(",") > 5)
    columns = lines[start].count(",") + 1
    rows = data.draw(st.lists(st.lists(CELLS, max_size=columns + 1), max_size=4))
    quoted = ("".join(f'"{cell.replace(chr(34), chr(34) * 2)}",' for cell in row) + "\n" for row in rows)

    read("".join([*lines[: start + 1], *quoted]))


@pytest.mark.parametrize(
    ("name", "column", "cell"),
    [
        ("Todoist", "DEADLINE", "0001-01-01"),
        ("Todoist", "DATE", "9999-12-31"),
        ("Microsoft To Do or Outlook", "Due Date", "1/1/999"),
    ],
)
def test_a_day_outside_the_years_is_no_due(name: str, column: str, cell: str) -> None:
    """The text of the file is not lost without a word."""
    lines = SAMPLES[name][0].removeprefix("\ufeff").splitlines()
    start = next(number for number, line in enumerate(lines) if line.count(",") > 5)
    header = [word.strip('"') for word in lines[start].split(",")]
    row = {**dict.fromkeys(header, ""), "TYPE": "task", column: cell}
    (record,) = read("\n".join([*lines[: start + 1], ",".join(row[word] for word in header), ""]))

    assert not record.task.get("due_on")
    assert column in record.left_out
