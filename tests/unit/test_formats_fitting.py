"""Tasks of other programs are fitted into the limits of this service; what fits stays as it is."""

import pytest
from hypothesis import given

from app.tasks.file_schemas import ImportedTask
from app.tasks.formats.fitting import fit
from tests.unit.example_tasks import Task, tasks

LONG = "word " * 50 + "end"


@given(tasks())
def test_what_fits_stays_as_it_is(task: Task) -> None:
    """Empty details too."""
    assert fit(task) == (task, ())


@pytest.mark.parametrize(
    ("task", "expected", "left_out"),
    [
        ({"title": ""}, {"title": "(untitled)"}, ()),
        ({"title": None, "details": "d"}, {"title": "(untitled)", "details": "d"}, ()),
        ({"title": " \t\n\0"}, {"title": "(untitled)"}, ()),
        ({"title": "a\0b", "details": "\0c"}, {"title": "ab", "details": "c"}, ()),
        ({"title": LONG}, {"title": LONG[:199] + "…", "details": LONG}, ()),
        ({"title": LONG, "details": "d"}, {"title": LONG[:199] + "…", "details": f"{LONG}\n\nd"}, ()),
        ({"title": "a" * 200 + " "}, {"title": "a" * 200}, ()),
        ({"details": "d" * 10_001}, {"details": "d" * 10_000}, ("the end of long details",)),
        ({"tags": ["a", " ", "a", "b\0"]}, {"tags": ["a", "b"]}, ()),
        ({"tags": ["t" * 51, "b"]}, {"tags": ["b"], "details": f"Tags: {'t' * 51}"}, ()),
        ({"list_name": " Home\0 "}, {"list_name": "Home"}, ()),
        ({"list_name": " "}, {"list_name": None}, ()),
        ({"list_name": "h" * 101}, {"list_name": "h" * 99 + "…"}, ()),
        ({"recurrence": "FREQ=DAILY"}, {"recurrence": None}, ("recurrence",)),
        ({"recurrence": "FREQ=HOURLY", "due_on": "2026-03-14"}, {"recurrence": None}, ("recurrence",)),
        ({"recurrence": "FREQ=DAILY", "due_on": "2026-03-14"}, {"recurrence": "FREQ=DAILY"}, ()),
    ],
)
def test_what_does_not_fit_is_kept_elsewhere_or_named(task: Task, expected: Task, left_out: tuple[str, ...]) -> None:
    """Text moves to the details; only what has no place there is left out."""
    given_ = {"title": "a"} | task
    fitted, found = fit(given_)

    assert (fitted, found) == ({"details": None, "tags": []} | given_ | expected, left_out)


def test_tags_that_are_too_many_are_in_the_details() -> None:
    """The first twenty stay tags."""
    fitted, left_out = fit({"title": "a", "details": "d", "tags": [f"c{number}" for number in range(22)] + ["c0"]})

    assert fitted["tags"] == [f"c{number}" for number in range(20)]
    assert (fitted["details"], left_out) == ("d\n\nTags: c20, c21", ())


def test_what_was_fitted_can_be_imported() -> None:
    """However far beyond the limits it was."""
    huge = "🍵" * 11_000
    fitted, _ = fit({"title": huge, "details": huge, "tags": [huge, *map(str, range(99))], "recurrence": huge})

    assert len(ImportedTask().load(fitted)["title"]) == 200
