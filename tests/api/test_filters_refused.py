"""Filters reject other spellings, impossible values, and unknown parameters."""

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.api.support.calls import Call, problem_of
from tests.api.support.lists import EITHER_LIST, titles
from tests.conftest import Caller

pytestmark = pytest.mark.one_engine

# Other spellings are in test_lists.py.
NO_BOOLEANS = ["yes", "1", "0", "True", "", "on", " true"]
SINGLE = ["limit=7", "cursor=A", "sort=title", "completed=true", "q=tea", "overdue=true", "deleted=true"]
SINGLE += ["due_before=2026-03-14", "due_after=2026-03-14"]
UNKNOWN = ["tags", "tag[]", "tag[0]", "Tag", "priority[]", "due", "due_on", "due-before", "dueBefore", "is_completed"]
# Internal names are not parameters.
UNKNOWN += ["deleted_at", "live", "pending", "tag_0"]


NO_MOMENTS = [
    ("2026-02-30", "no such day"),
    ("2026-13-01", "no such day"),
    ("0000-01-01", "no such day"),
    ("0999-12-31", "from the year 1000 to 9998"),
    ("9999-01-01", "from the year 1000 to 9998"),
    ("2026-02-30T00:00:00Z", "no such time"),
    ("2026-03-14T25:00:00Z", "no such time"),
    ("2026-03-14T09:00:60Z", "no such time"),
    ("2026-03-14T09:00:00+24:00", "no such time"),
    ("2026-03-14T09:00:00", "with its offset"),
    ("2026-03-14T09:00Z", "with its offset"),
    ("2026-03-14T09:00:00 02:00", "with its offset"),
    *((value, "Must be a ") for value in ("2026-3-4", "20260314", "14.03.2026", "2026-W11", "2026-073", "tomorrow")),
    *(
        (value, "Must be a ")
        for value in ("", "null", "0", "1773446400", "2026-03-14\n", "２０２６-03-14", "+2026-03-14")
    ),
    *(
        (value, "Must be a ")
        for value in ("2026-03-14Z", "2026-03-14T", "2026-03-14T09:00:00.Z", "9999-01-01T00:00:00Z")
    ),
]


@EITHER_LIST
@pytest.mark.parametrize("name", ["due_before", "due_after"])
def test_a_due_filter_must_be_a_day_or_a_time(ann: Caller, call: Call, name: str) -> None:
    """The message says what it must be."""
    answers: dict[str, Any] = {value: call(ann, query_string={name: value}) for value, _ in NO_MOMENTS}

    assert {value: refused_fields(answer) for value, answer in answers.items()} == {value: [name] for value in answers}
    assert [(value, why) for value, why in NO_MOMENTS if why not in " ".join(answers[value].json["errors"][name])] == []


@EITHER_LIST
@pytest.mark.parametrize("name", ["completed", "overdue", "deleted"])
def test_a_boolean_filter_accepts_only_true_and_false(ann: Caller, call: Call, name: str) -> None:
    """Not 1, yes or other spellings."""
    answers = {value: call(ann, query_string={name: value}) for value in NO_BOOLEANS}

    assert {value: refused_fields(answer) for value, answer in answers.items()} == {
        value: [name] for value in NO_BOOLEANS
    }


@EITHER_LIST
def test_a_single_valued_parameter_must_not_be_repeated(ann: Caller, call: Call) -> None:
    """Even with the same value, so that none is dropped silently."""
    answers = {given: call(ann, query_string=f"{given}&{given}") for given in SINGLE}

    named = {given: [given.partition("=")[0]] for given in SINGLE}
    assert {given: refused_fields(answer) for given, answer in answers.items()} == named


@EITHER_LIST
def test_an_unknown_filter_is_rejected(ann: Caller, call: Call) -> None:
    """A typo is never accepted silently, and internal names are not parameters."""
    answers = {name: call(ann, query_string={name: "true"}) for name in UNKNOWN}

    assert {name: refused_fields(answer) for name, answer in answers.items()} == {name: [name] for name in UNKNOWN}


NO_VALUES: list[tuple[str, list[str]]] = [
    *(("priority", [value]) for value in ("", "HIGH", "urgent", "0", "3", "high,low", "high ", "null")),
    ("priority", ["high", "higher"]),
    ("priority", ["low"] * 5),
    *(("tag", [value]) for value in ("", " ", "\n", "x" * 51, "a\x00b")),
    ("tag", ["home", ""]),
    ("tag", ["home"] * 21),
    *(("q", [value]) for value in ("", "x" * 201, "\x00")),
]


@EITHER_LIST
def test_a_value_that_no_task_can_have_is_rejected(ann: Caller, call: Call) -> None:
    """Even next to a valid value of the same parameter. The message names the parameter."""
    answers = [call(ann, query_string={name: values}) for name, values in NO_VALUES]
    told: list[Any] = [refused_fields(answer) for answer in answers]

    found = [
        (given, [str(error).partition(".")[0] for error in errors])
        for given, errors in zip(NO_VALUES, told, strict=True)
    ]
    assert found == [(given, [given[0]]) for given in NO_VALUES]


@pytest.mark.both_engines
@EITHER_LIST
def test_the_longest_values_are_accepted(ann: Caller, call: Call) -> None:
    """Twenty tags of fifty characters, a search of two hundred. Limits count characters, not bytes."""
    tags = [f"{number:02}" + "🍵" * 48 for number in range(20)]
    ann.add(title="x", details="🍵" * 200, tags=tags)

    assert titles(ann, call, tag=tags, q="🍵" * 200, priority=["none", "low", "medium", "high"]) == "x"


def refused_fields(answer: TestResponse) -> Any:
    """Return the names that a validation error lists, otherwise the response."""
    body: Any = answer.json
    told = problem_of(answer)
    return list(body["errors"]) if told == (422, "validation_error") else told
