"""Tasks as CSV, for spreadsheets."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given

from app.tasks.formats import FIELDS, FORMATS, Unreadable, csv_table
from tests.unit.example_tasks import PLAIN, Task, as_read, file_of, read_all, tasks

CSV = FORMATS["csv"]
FORMULA_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


def rows(*written: Task) -> list[dict[str, str]]:
    """What any other program reads."""
    text = b"".join(CSV.write(written)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def read(text: str) -> list[tuple[int, Task]]:
    return read_all(CSV, file_of(text.encode()))


def test_a_row_is_a_task() -> None:
    """A header with every field, and cells that say what the API says."""
    task = PLAIN | {"completed": True, "completed_at": PLAIN["created_at"], "tags": ["home", "tea, green", 'a "b"']}

    assert rows(task) == [
        {name: value or "" for name, value in task.items()}
        | {"completed": "true", "tags": 'home,"tea, green","a ""b"""'}
    ]
    assert tuple(rows(task)[0]) == FIELDS


def test_a_double_click_opens_it_rightly() -> None:
    """Excel needs the byte order mark. A program that takes the semicolon, too, begins no cell inside of one."""
    pieces = list(CSV.write([PLAIN | {"title": "a;=1+1"}]))

    assert pieces[0] == b"\xef\xbb\xbf" + b",".join(f'"{name}"'.encode() for name in FIELDS) + b"\r\n"
    assert b',"a;=1+1",' in pieces[1]


@pytest.mark.parametrize("field", ["title", "details", "tags", "user_id", "time_zone", "recurrence"])
@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+49 30 123456",
        "-2+3+cmd|' /C calc'!A0",
        '@SUM(1,"a")',
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1dSUM(A1)",
        "\uff0b1",
        "\uff0d1",
        "\uff20a",
        " =1",
        "\xa0=1",
        "\x0b=1",
        "\x01=1",
        "\ufeff=1",
        "'=1",
        "''-1",
    ],
)
def test_no_cell_is_a_formula(field: str, text: str) -> None:
    """One mark more makes it text, and reading takes that one away."""
    value: Any = [text, "b"] if field == "tags" else text
    task = PLAIN | {field: value}
    (row,) = rows(task)

    assert row[field][0] in "'\""
    assert all(not cell.startswith(tuple(FORMULA_STARTS)) for cell in row.values())
    assert [found for _, found in read_all(CSV, file_of(*CSV.write([task])))] == [as_read(task)]


@given(tasks())
def test_no_task_holds_a_formula(task: Task) -> None:
    """Whatever its texts are."""
    (row,) = rows(task)

    assert [cell for cell in row.values() if cell.startswith(tuple(FORMULA_STARTS))] == []


@pytest.mark.parametrize(
    ("text", "cell"),
    [(None, ""), ("", "'"), ("'", "''"), ("''", "'''"), ("'90s", "'90s"), ("a'", "a'"), ("'=", "''="), ("''a", "''a")],
)
def test_null_and_empty_are_told_apart(text: str | None, cell: str) -> None:
    """And a text that merely begins with the mark is left alone, in other programs' files as well."""
    assert rows(PLAIN | {"details": text})[0]["details"] == cell
    assert read(f"title,details\na,{cell}\n") == [(2, {"title": "a", "details": text})]


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("", []),
        ("home", ["home"]),
        ("home, work", ["home", "work"]),
        ('home,"tea, green"', ["home", "tea, green"]),
        ('home, "tea, green"', ["home", "tea, green"]),
        ('"a ""\r\nb",c', ['a "\r\nb', "c"]),
        ("'=1,=1", ["=1", "=1"]),
    ],
)
def test_tags_are_read_as_a_human_writes_them(cell: str, tags: list[str]) -> None:
    """With commas between them, and a space after these if one likes."""
    table = io.StringIO()
    csv.writer(table).writerows([["title", "tags"], ["a", cell]])

    assert read(table.getvalue()) == [(2, {"title": "a", "tags": tags})]


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "marked"])
@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
def test_excel_names_the_separator_in_a_first_line(mark: str, first: str) -> None:
    """The header may hold others then; lines are counted from the file's first."""
    assert read(f'{mark}{first}\r\ntitle;due_on\r\n"a,b,c";2026-12-07\r\n') == [
        (3, {"title": "a,b,c", "due_on": "2026-12-07"})
    ]


def test_a_header_may_be_in_capitals_and_have_spaces() -> None:
    """As people write it."""
    text = "Title , Due_On,COMPLETED\na,2026-12-07,FALSE\n"

    assert read(text) == [(2, {"title": "a", "due_on": "2026-12-07", "completed": False})]


@pytest.mark.parametrize(("value", "cell"), [(7, "7"), (-7, "'-7"), (0, "0"), (None, "")])
def test_a_number_comes_back_as_one(monkeypatch: pytest.MonkeyPatch, value: int | None, cell: str) -> None:
    """A field that is a number says so in one entry."""
    monkeypatch.setattr(csv_table, "CELLS", {**csv_table.CELLS, "details": csv_table.INTEGER})

    assert rows(PLAIN | {"details": value})[0]["details"] == cell
    assert read(f"title,details\na,{cell}\n") == [(2, {"title": "a", "details": value})]
    assert read("title,details\na,1e5\n") == [(2, {"title": "a", "details": "1e5"})]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_write_other_separators(separator: str) -> None:
    """Excel does in much of Europe; it says TRUE, too, and leaves rows of empty cells behind."""
    text = "priority,title,completed\r\nhigh,a,TRUE\r\n,,\r\n\r\nlow,b,false\r\n".replace(",", separator)

    assert read(text) == [
        (2, {"priority": "high", "title": "a", "completed": True}),
        (5, {"priority": "low", "title": "b", "completed": False}),
    ]


def test_an_empty_cell_is_null_or_the_default() -> None:
    """Null where a field may be null; elsewhere the field is left out."""
    empty = "," * (len(FIELDS) - 2)

    assert read(f"{','.join(FIELDS)}\n,a{empty}\n") == [
        (
            2,
            {
                "title": "a",
                "details": None,
                "completed_at": None,
                "tags": [],
                "due_on": None,
                "due_at": None,
                "time_zone": None,
                "recurrence": None,
                "reminders": [],
                "list_id": None,
                "list_name": None,
                "parent_id": None,
                "position": None,
            },
        )
    ]


def test_a_value_that_is_none_is_left_to_its_judge() -> None:
    """The shape is the format's, the values are not."""
    assert read("title,completed\na,yes\n") == [(2, {"title": "a", "completed": "yes"})]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "no header"),
        ("\r\n", 1, "no header"),
        ("title,prio\na,high\n", 1, "no field 'prio'. Take it out"),
        ("prio,title,when,prio\na,b,c,d\n", 1, "no field 'prio', 'when'. Take each out"),
        (",".join(f"x{number}" for number in range(23)), 1, "'x18', 'x19', and 3 more"),
        ("a" * 999, 1, f"'{'a' * 40}'"),
        ("title,title\na,b\n", 1, "twice"),
        ('title,"tags\na,b\n', 1, "quotation"),
        ("title,tags\na,b\nc\n", 3, "1 cells"),
        ("title,tags\na,b,c\n", 2, "3 cells"),
        ('title,details\n"a\nb",c\nd,"e\nf', 4, "quotation"),
        ('title\n"a"b\n', 2, "quotation"),
        ('title,tags\na,"""b"\n', 2, "list of tags"),
        ("title\na\rb\n", 2, "quotation"),
        (f"title\n{'a' * 131_073}\n", 2, "field limit"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    """Where a row spans lines, it has the number of the first."""
    with pytest.raises(Unreadable, match=f"^Line {line}: .*{reason}"):
        read(text)
