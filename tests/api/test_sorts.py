"""The sorts of both lists: their order, ties, and tasks without a value."""

from collections.abc import Callable
from itertools import product
from operator import itemgetter
from typing import Any

import pytest

from tests.api.support.calls import LIST, LIST_BY_USER, Call, assert_problem
from tests.api.support.lists import (
    EITHER_LIST,
    RANKS,
    SORTS,
    Task,
    add_at_once,
    by_title,
    pages,
    remove,
    titles,
    walk,
)
from tests.conftest import Caller

KEYS: dict[str, Callable[[Task], Any]] = {
    **{name: itemgetter(name) for name in ("created_at", "updated_at")},
    "title": by_title,
    "priority": lambda task: RANKS.index(task["priority"]),
    # Without a zone, a day ends in UTC.
    "due": lambda task: task["due_at"] or (task["due_on"] and f"{task['due_on']}T23:59:59.999999Z"),
}

# In this order: accents alone, signs, then letters by alphabet. Some letters have no accent to take off, as ß and ø.
TITLES = [
    *("\u0301", "\u0301" * 200, "\x01", "!", '"', "%", "1", "①", "\\", "_"),
    *("A", "a", "á", "Ａ", "a b", "aa", "Ångström", "A\u0308pfel", "\xc4pfel", "Apple", "apple", "banana"),
    *("Çay", "Đà Nẵng", "ﬁ", "ısı", "izmir", "İzmir", "Łódź", "MASS", "Maß", "Masse", "ñu", "Œuvre"),
    *("O\u0308l", "\xd6l", "Oma", "Øre", "STRASSE", "Straße", "Zebra", "zebra", "Þór"),
    *("ΎΔΩΡ", "ὕδωρ", "Ёлка", "елка", "Ель", "йод", "чай", "שָׁלוֹם", "שלום", "شاي", "شَاي"),
    *("한국", "カ", "ガ", "ｶ", "ｶﾞ", "水", "🍵"),
]


def in_order(tasks: list[Task], sort: str) -> list[Task]:
    """Return the documented order: ties by id in the same direction, tasks without a value always last."""
    key = KEYS[sort.removeprefix("-")]
    have = [task for task in tasks if key(task) is not None]
    rest = [task for task in tasks if key(task) is None]
    return [
        *sorted(have, key=lambda task: (key(task), task["id"]), reverse=sort.startswith("-")),
        *sorted(rest, key=lambda task: task["id"], reverse=sort.startswith("-")),
    ]


@EITHER_LIST
def test_every_sort_orders_its_pages_over_ties_and_nulls(ann: Caller, call: Call) -> None:
    """A page may end between ties, at the last due, or among tasks without one."""
    due = [{"due_on": "2026-03-14"}, {"due_at": "2026-03-14T23:59:59.999999Z"}, {"due_at": "1999-01-01T00:00:00Z"}, {}]
    written = [{**due[n % 4], "priority": RANKS[n % 3], "title": "bBaä"[n % 4]} for n in range(11)]
    first = add_at_once(ann, *written[:6])
    add_at_once(ann, *written[6:])
    assert ann.patch(f"/v1/tasks/{first[2]}", json={"details": "changed"}).status_code == 200
    made = walk(ann, call)

    assert len(made) == len(written)
    for sort, limit in product(SORTS, (1, 2, 3, 5, 10, 11, 12)):
        shown = list(pages(ann, call, sort=sort, limit=limit))
        assert [task for tasks in shown for task in tasks] == in_order(made, sort)
        assert [len(tasks) for tasks in shown[:-1]] == [limit] * (len(shown) - 1)
        assert shown[-1]


@EITHER_LIST
def test_priority_sorts_by_rank_and_not_by_letter(ann: Caller, call: Call) -> None:
    """The order is none, low, medium, high."""
    for word in ("medium", "none", "high", "low"):
        ann.add(title=word, priority=word)

    assert titles(ann, call, sort="priority") == "none low medium high"
    assert titles(ann, call, sort="-priority") == "high medium low none"


@EITHER_LIST
def test_ties_are_broken_by_id(ann: Caller, call: Call) -> None:
    """In the direction of the sort, in any order of creation."""
    ids = [f"{n:08x}-7c3e-4a41-9d5b-2f6c8e0a4b17" for n in (0x7FFFFFFF, 1, 0x80000000, 0xFFFFFFFF, 0)]
    add_at_once(ann, *({"id": id_} for id_ in ids))

    for sort, limit in product(SORTS, (2, 50)):
        shown = [task["id"] for task in walk(ann, call, sort=sort, limit=limit)]
        assert shown == sorted(ids, reverse=sort.startswith("-")), sort


@EITHER_LIST
def test_tasks_without_a_due_come_last_in_both_directions(ann: Caller, call: Call) -> None:
    """Also those whose due was removed."""
    ann.add(title="never")
    ann.add(title="late", due_on="2026-03-15")
    taken = ann.add(title="taken", due_at="2026-03-14T00:00:00Z")
    ann.add(title="early", due_at="2026-03-13T00:00:00Z")
    assert ann.patch(f"/v1/tasks/{taken['id']}", json={"due_at": None}).status_code == 200

    for limit in (1, 2, 3, 4, 200):
        assert titles(ann, call, sort="due", limit=limit) == "early late never taken"
        assert titles(ann, call, sort="-due", limit=limit) == "late early taken never"


@EITHER_LIST
def test_due_on_sorts_as_the_end_of_that_day_in_the_tasks_zone(ann: Caller, call: Call) -> None:
    """A day ends in Auckland before it ends in Honolulu, and a moment can be between them."""
    ann.add(title="Honolulu", due_on="2026-03-14", time_zone="Pacific/Honolulu")
    ann.add(title="morning", due_at="2026-03-15T09:59:59.999998Z")
    ann.add(title="UTC", due_on="2026-03-14")
    ann.add(title="noon", due_at="2026-03-14T11:00:00Z")
    ann.add(title="Auckland", due_on="2026-03-14", time_zone="Pacific/Auckland")
    ann.add(title="next", due_at="2026-03-15T10:00:00Z")

    assert titles(ann, call, sort="due", limit=2) == "Auckland noon UTC morning Honolulu next"
    assert titles(ann, call, sort="-due", limit=2) == "next Honolulu morning UTC noon Auckland"


@EITHER_LIST
def test_titles_sort_by_their_letters_first(ann: Caller, call: Call) -> None:
    """Case, accents and widths count only among the same letters; the same on every database, page by page."""
    add_at_once(ann, *({"title": title} for title in TITLES[1::2] + TITLES[::2]))

    for limit in (1, 4, 7):
        assert [task["title"] for task in walk(ann, call, sort="title", limit=limit)] == TITLES
        assert [task["title"] for task in walk(ann, call, sort="-title", limit=limit)] == TITLES[::-1]


@EITHER_LIST
def test_updated_at_sorts_by_the_last_change(ann: Caller, call: Call) -> None:
    """A changed task moves to the end; a task that is only read stays."""
    a, _, c = (ann.add(title=title) for title in "abc")
    assert ann.patch(f"/v1/tasks/{c['id']}", json={"details": "x"}).status_code == 200
    assert ann.post(f"/v1/tasks/{a['id']}/toggle").status_code == 200
    assert ann.get(f"/v1/tasks/{c['id']}").status_code == 200

    assert (titles(ann, call, sort="updated_at"), titles(ann, call, sort="-updated_at")) == ("b c a", "a c b")
    assert titles(ann, call, sort="created_at") == "a b c"


@EITHER_LIST
def test_the_trash_can_be_sorted(ann: Caller, call: Call) -> None:
    """Page by page, like other lists."""
    due = [None, "2026-03-14"]
    written = [{"title": "bab"[n % 3], "priority": RANKS[n % 2], "due_on": due[n % 2]} for n in range(5)]
    for task_id in [*add_at_once(ann, *written), ann.add(title="c")["id"]][1:]:
        remove(ann, task_id)
    gone = walk(ann, call, deleted="true")

    assert len(gone) == 5
    for sort, limit in product(SORTS, (1, 2, 4)):
        assert walk(ann, call, deleted="true", sort=sort, limit=limit) == in_order(gone, sort)


@pytest.mark.parametrize(
    ("sort", "wanted"),
    [("created", "never late early"), ("title", "early late never"), ("due_date", "early late never")],
)
def test_a_bare_array_accepts_its_earlier_sorts(ann: Caller, sort: str, wanted: str) -> None:
    """Newest first, ascending, and by due with tasks without one last."""
    ann.add(title="early", due_at="2026-03-14T00:00:00Z")
    ann.add(title="late", due_on="2026-03-14")
    ann.add(title="never")

    assert titles(ann, LIST_BY_USER, sort=sort, limit=1) == wanted


@pytest.mark.one_engine
def test_other_sorts_are_rejected(ann: Caller) -> None:
    """Earlier names work only for the bare array, and without a minus."""
    for sort in ("created", "-created", "due_date", "-due_date", "due_on", "due_at", "completed"):
        assert_problem(LIST(ann, query_string={"sort": sort}), 422, "validation_error", "sort")
        if sort not in ("created", "due_date"):
            assert_problem(LIST_BY_USER(ann, query_string={"sort": sort}), 422, "validation_error", "sort")
