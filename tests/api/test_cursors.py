"""Pages of /v1/tasks show every task once while others come and go. A cursor belongs to one list."""

import string
from itertools import product
from operator import itemgetter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.tasks import cursors
from tests.api.support.calls import LIST, LIST_BY_USER, assert_problem, page
from tests.api.support.lists import by_title
from tests.conftest import Caller, new_user_id

SORTS = ["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]
CURSOR_LETTERS = string.ascii_letters + string.digits + "-_"


def walk(caller, **query):
    """Return all pages from the first to the last, as lists of tasks."""
    tasks, cursor = page(caller, **query)
    yield tasks
    while cursor:
        tasks, cursor = page(caller, **query, cursor=cursor)
        yield tasks


def cursor_of(caller, **query):
    """Return a valid cursor of a list with two tasks or more."""
    _, cursor = page(caller, limit=1, **query)
    assert cursor
    return cursor


def in_order(tasks, sort):
    """Return the documented order. Ties are ordered by id, in the same direction."""
    name = sort.removeprefix("-")
    value = by_title if name == "title" else itemgetter(name)
    return sorted(tasks, key=lambda task: (value(task), task["id"]), reverse=sort.startswith("-"))


def test_pages_show_every_task_once_and_in_order(ann):
    """For any sort and page size."""
    made = [ann.add(title=title) for title in ("b", "a", "b", "Z", "ä", "\x01" * 200, "b")]
    for task in made[::2]:
        assert ann.post(f"/v1/tasks/{task['id']}/toggle").status_code == 200
    for sort, limit in product(SORTS, (1, 3, 7, 8, 200)):
        pages = list(walk(ann, sort=sort, limit=limit))

        shown = [task for tasks in pages for task in tasks]
        assert shown == in_order(shown, sort)
        assert sorted(task["id"] for task in shown) == [task["id"] for task in made]
        assert [len(tasks) for tasks in pages[:-1]] == [limit] * (len(pages) - 1)
        assert pages[-1]


def test_lists_are_newest_first_and_fifty_at_a_time(ann):
    """Without any parameter."""
    ids = [ann.add()["id"] for _ in range(51)]
    first, second = walk(ann)

    assert [task["id"] for task in first + second] == ids[::-1]
    assert len(first) == 50


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sort=st.sampled_from(SORTS),
    limit=st.integers(1, 3),
    titles=st.lists(st.sampled_from("abc"), min_size=2, max_size=7),
    events=st.lists(st.tuples(st.sampled_from(["add", "delete"]), st.integers(0, 9)), max_size=6),
)
def test_pages_neither_skip_nor_repeat_while_tasks_come_and_go(app, sort, limit, titles, events):
    """A task that exists all the time is shown exactly once, and no other more than once."""
    ann = Caller(app, new_user_id())
    there = [ann.add(title=title)["id"] for title in titles]
    shown = []
    for tasks in walk(ann, sort=sort, limit=limit):
        shown += [task["id"] for task in tasks]
        for event, number in events[:2]:
            if event == "add":
                ann.add(title="abc"[number % 3])
            elif there:
                assert ann.delete(f"/v1/tasks/{there.pop(number % len(there))}").status_code == 204
        del events[:2]

    assert len(shown) == len(set(shown))
    assert set(there) <= set(shown)


@pytest.mark.parametrize(
    "other",
    [{"sort": sort} for sort in SORTS if sort != "-created_at"]
    + [{"completed": "false"}, {"completed": "true"}, {"q": "t"}],
    ids=str,
)
def test_a_cursor_belongs_to_its_sort_and_filters(ann, other):
    """With others it is rejected, in both directions. Another limit is accepted."""
    ann.add()
    ann.add()
    cursor = cursor_of(ann)

    assert_problem(LIST(ann, query_string={"cursor": cursor, **other}), 422, "invalid_cursor")
    assert page(ann, cursor=cursor, limit=7)[0]
    if other != {"completed": "true"}:
        assert_problem(LIST(ann, query_string={"cursor": cursor_of(ann, **other)}), 422, "invalid_cursor")


@pytest.mark.parametrize("call", [LIST, LIST_BY_USER], ids=str)
def test_another_users_cursor_is_rejected(ann, bob, call):
    """A cursor belongs to its user."""
    ann.add()
    ann.add()

    assert_problem(call(bob, query_string={"cursor": cursor_of(ann)}), 422, "invalid_cursor")


@pytest.mark.parametrize(
    "damage",
    [
        lambda cursor: cursor[:-1],
        lambda cursor: cursor[:5],
        lambda cursor: cursor[1:],
        lambda cursor: cursor + "A",
        lambda cursor: cursor + "AAAA",
        lambda cursor: cursor + "!",
        lambda cursor: cursor + " ",
        lambda cursor: cursor + cursor,
        lambda cursor: cursor[::-1],
        lambda cursor: cursor.swapcase(),
        lambda cursor: "ü" + cursor[1:],
        lambda cursor: "A",
        lambda cursor: "eyJhIjoxfQ",
        lambda cursor: "null",
    ],
)
def test_a_damaged_cursor_is_rejected(ann, damage):
    """If it is cut, extended or reversed, and if it was never a cursor."""
    ann.add()
    ann.add()

    assert_problem(LIST(ann, query_string={"cursor": damage(cursor_of(ann))}), 422, "invalid_cursor")


@pytest.mark.parametrize("place", [0, 12, 40, -1])
def test_changing_one_letter_damages_a_cursor(ann, place):
    """At any position, including the last, which has fewer bits."""
    ann.add()
    ann.add()
    letters = list(cursor_of(ann))
    for letter in set(CURSOR_LETTERS) - {letters[place]}:
        letters[place] = letter
        assert_problem(LIST(ann, query_string={"cursor": "".join(letters)}), 422, "invalid_cursor")


@pytest.mark.parametrize(
    "position",
    [
        ["0001-01-01T00:00:00.000000+23:00", "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"],
        ["2026-03-14T09:26:53.589793Z", "urn:uuid:0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"],
        ["2026-03-14T09:26:53.589793Z", "0-199b1f27c3e7a419d5b2f6c8e0a4b17"],
        ["2026-03-14T09:26:53.589793Z", "{0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17}"],
        ["2026-03-14", "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"],
        ["yesterday", "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"],
        [None, None],
        [7, 7],
        ["2026-03-14T09:26:53.589793Z"],
        {},
        7,
    ],
    ids=str,
)
def test_a_forged_cursor_is_rejected(ann, position):
    """Anybody can compute its checksum, so its content is checked like any input."""
    cursor = cursors.encode(position, ann.user_id, "-created_at", {"live": True})

    assert_problem(LIST(ann, query_string={"cursor": cursor}), 422, "invalid_cursor")
