"""Cursors of every sort: each belongs to one list, and has only values that a task can have."""

import base64
from itertools import product
from typing import Any

import pytest

from app.tasks import cursors
from tests.api.support.calls import LIST, Call, assert_problem, page, problem_of
from tests.api.support.lists import EITHER_LIST, EVERY_SORT, NAMES, SORTS, Task, add_at_once, remove, titles
from tests.conftest import Caller

AN_ID = "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"
A_TIME = "2026-03-14T09:26:53.589793Z"
FILTERS: list[dict[str, Any]] = [
    {"completed": "false"},
    {"priority": "none"},
    {"tag": "a"},
    {"tag": ["a", "b"]},
    {"q": "t"},
    *({"due_before": moment} for moment in ("9998-01-01", "9998-01-01T00:00:00Z")),
    *({"due_after": moment} for moment in ("1999-01-01", "1999-01-01T00:00:00Z")),
    {"overdue": "false"},
    {"overdue": "true"},
    {"deleted": "true"},
]
WRONG_TIMES = [
    *(7, True, 1.5, [A_TIME], {}, "", "2026-03-14", "today", "now", "infinity", "0000-01-01T00:00:00.000000Z"),
    *("2026-03-14T09:26:53Z", "2026-02-30T09:26:53.589793Z", "2026-03-14T09:26:60.589793Z"),
    *("2026-03-14T09:26:53.589793+00:00", "2026-03-14 09:26:53.589793Z", "２０２６-03-14T09:26:53.589793Z"),
    *(f"{A_TIME}\n", f"{A_TIME}'"),
]
WRONG_VALUES: dict[str, list[Any]] = {
    "created_at": [None, *WRONG_TIMES],
    "updated_at": [None, *WRONG_TIMES],
    "due": WRONG_TIMES,
    "priority": [None, True, False, "1", "high", 1.0, -1, 4, 2**15, 2**31, 2**63, 2**64 - 1, -(2**63), [1], {"1": 1}],
    "title": [None, True, 7, 1.5, ["a"], {"a": 1}, "a\x00b", "\x00"],
}


def cursor_of(caller: Caller, **query: Any) -> str:
    _, cursor = page(caller, limit=1, **query)
    assert cursor
    return cursor


@pytest.mark.one_engine
@EITHER_LIST
def test_a_cursor_with_another_sort_is_rejected(ann: Caller, call: Call) -> None:
    """Also with the same sort in the other direction."""
    add_at_once(ann, {}, {}, {})
    made = {sort: cursor_of(ann, sort=sort) for sort in SORTS}

    for sort, other in product(SORTS, SORTS):
        answer = call(ann, query_string={"sort": other, "cursor": made[sort], "limit": 1})
        if other == sort:
            assert answer.status_code == 200
        else:
            assert_problem(answer, 422, "invalid_cursor")


@pytest.mark.one_engine
@EITHER_LIST
def test_a_cursor_with_other_filters_is_rejected(ann: Caller, call: Call) -> None:
    """With one more, one less, or another value."""
    days = ("2001-01-01", "2001-01-02", "9997-01-01", "9997-01-02", None, None)
    for task_id in add_at_once(ann, *({"tags": ["a", "b", "t"], "due_on": day} for day in days))[4:]:
        remove(ann, task_id)
    queries = [{}, *FILTERS, {"overdue": "false", "q": "t"}]
    made = [cursor_of(ann, sort="title", **query) for query in queries]

    for query in queries:
        for cursor, belongs_to in zip(made, queries, strict=True):
            answer = call(ann, query_string={"sort": "title", "cursor": cursor, "limit": 1, **query})
            if query == belongs_to:
                assert answer.status_code == 200
            else:
                assert_problem(answer, 422, "invalid_cursor")


@EITHER_LIST
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"deleted": "false"}),
        ({"completed": "false"}, {"completed": "false", "deleted": "false"}),
        ({"priority": ["low", "none"]}, {"priority": ["none", "low", "none"]}),
        ({"due_after": "2020-01-01T00:00:00Z"}, {"due_after": "2020-01-01T01:00:00.000+01:00"}),
    ],
    ids=str,
)
def test_the_same_list_spelled_differently_has_the_same_cursors(
    ann: Caller, call: Call, one: Task, other: Task
) -> None:
    """A cursor depends on the meaning of the query, not its spelling."""
    for title in "abc":
        ann.add(title=title, due_on="2026-03-14")
    cursor = cursor_of(ann, sort="created_at", **one)

    assert titles(ann, call, cursor=cursor, **other) == titles(ann, call, cursor=cursor, **one) == "b c"


@pytest.mark.one_engine
@EITHER_LIST
@pytest.mark.parametrize("sort", WRONG_VALUES)
def test_a_cursor_with_a_value_of_another_type_is_rejected(ann: Caller, call: Call, sort: str) -> None:
    """Anybody can compute its checksum, so its content is checked like any input."""
    add_at_once(ann, {}, {})
    for sign in ("", "-"):
        for value in WRONG_VALUES[sort]:
            cursor = cursors.encode([value, AN_ID], ann.user_id, f"{sign}{sort}", {"live": True})
            answer = call(ann, query_string={"sort": f"{sign}{sort}", "cursor": cursor})
            assert_problem(answer, 422, "invalid_cursor")


NO_IDS: list[list[Any]] = [[], [AN_ID, AN_ID], [None], [7], [""], [A_TIME], [[AN_ID]], [AN_ID.upper()], [f"{AN_ID}\n"]]
NO_IDS += [[f"{{{AN_ID}}}"]]


@pytest.mark.one_engine
@EVERY_SORT
def test_a_cursor_without_a_task_id_is_rejected(ann: Caller, sort: str) -> None:
    """For every sort, even with a valid value."""
    value = {"priority": 1, "title": "tea"}.get(sort.removeprefix("-"), A_TIME)
    made = {str(rest): cursors.encode([value, *rest], ann.user_id, sort, {"live": True}) for rest in NO_IDS}
    answers = {rest: LIST(ann, query_string={"sort": sort, "cursor": cursor}) for rest, cursor in made.items()}

    refused = (422, "invalid_cursor")
    assert {rest: problem_of(answer) for rest, answer in answers.items()} == dict.fromkeys(made, refused)


NO_POSITIONS = [
    b"[9999999999999999999999999, 1]",
    b"[-9223372036854775809, 1]",
    b"[1e999, 1]",
    b"[-0.0, 1]",
    b"[NaN, 1]",
    b'["\\ud800", 1]',
    b'["\xff", 1]',
    b"[" * 200 + b"]" * 200,
    b"[" * 300 + b"]" * 300,
    b"[" * 700 + b"]" * 700,
    b"[" * 1400,
    b'[{"a": 1, "a": 2}, 1]',
    b"{}",
    b"7",
    b"",
]


@pytest.mark.one_engine
@EITHER_LIST
def test_a_cursor_with_other_json_is_rejected(ann: Caller, call: Call) -> None:
    """Also with huge numbers and deep nesting, which can be parsed but not encoded."""
    for text, sort in product(NO_POSITIONS, NAMES):
        cursor = base64.urlsafe_b64encode(bytes(cursors.CHECKSUM_BYTES) + text).rstrip(b"=").decode()
        assert_problem(call(ann, query_string={"sort": sort, "cursor": cursor}), 422, "invalid_cursor")


POSITIONS: list[tuple[str, Any, bool]] = [
    *(("created_at", f"{year}-01-01T00:00:00.000000Z", year < "1") for year in ("0001", "0999", "9999")),
    ("updated_at", "9999-12-31T23:59:59.999999Z", False),
    ("due", "0001-01-01T00:00:00.000000Z", True),
    ("due", "9999-12-31T23:59:59.999999Z", True),
    ("due", None, True),
    ("priority", 0, True),
    ("priority", 3, False),
    *(("title", title, True) for title in ("", "%", "%s", "%(q)s", "'", "\\", "\x01" * 200, "te")),
    *(("title", title, False) for title in ("te\uffff", "🍵" * 200, "tea\n", "x" * 1000)),
]


@EITHER_LIST
def test_a_cursor_may_have_any_position(ann: Caller, call: Call) -> None:
    """Even if no task was ever there: from before all tasks it lists all, from behind all none."""
    add_at_once(ann, {"priority": "low"}, {"priority": "low"})
    for sort, value, shown in POSITIONS:
        cursor = cursors.encode([value, "00000000-0000-0000-0000-000000000000"], ann.user_id, sort, {"live": True})
        assert titles(ann, call, sort=sort, cursor=cursor) == ("tea tea" if shown else ""), (sort, value)
