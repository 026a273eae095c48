"""Moves to one place, among equal positions, and in a long list: the order is right, and one row is written."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Table, update

from app.database import execute, scope, transaction
from app.tasks import bulk_queries, edits, lists, models
from app.tasks.order import POSITION_CHARACTERS, after
from app.tasks.schemas import NewTask
from tests.api.support.batches import create, run
from tests.api.support.calls import page
from tests.api.test_lists_of_tasks import add_list
from tests.conftest import Caller
from tests.statements import messages

TASKS, MOVES = 60, 1_000
AT_MOST_ONE_IN = 50
BEGIN_AND_COMMIT = 2


def add_tasks(caller: Caller, count: int, **task: Any) -> list[str]:
    return [result["id"] for result in run(caller, *[create(**task)] * count)]


def in_order(caller: Caller, **query: str) -> list[str]:
    return [task["id"] for task in page(caller, limit=200, sort="position", **query)[0]]


def lists_in_order(caller: Caller) -> list[str]:
    return [each["id"] for each in caller.get("/v1/lists").json["items"]]


def moved(order: list[str], id_: str, where: dict[str, str]) -> list[str]:
    """Return the order after a move."""
    others = [each for each in order if each != id_]
    if "place" in where:
        index = 0 if where["place"] == "first" else len(others)
    else:
        index = others.index(next(iter(where.values()))) + ("after" in where)
    return [*others[:index], id_, *others[index:]]


@contextmanager
def in_scope(app: Flask, caller: Caller) -> Iterator[str]:
    with app.app_context(), scope(caller.user_id):
        yield str(caller.user_id)


def place_in(how: str, number: int, fixed: str) -> dict[str, str]:
    match how:
        case "first" | "last":
            return {"place": how}
        case "alternating":
            return {"after" if number % 2 else "before": fixed}
    return {how: fixed}


# On one engine, because the positions are computed in Python; the other tests run the statements on both.
@pytest.mark.one_engine
@pytest.mark.parametrize("how", ["after", "before", "first", "alternating"])
def test_a_thousand_moves_to_one_place_keep_the_order(app: Flask, ann: Caller, how: str) -> None:
    """Positions stay short, and at most one move in fifty writes more than its task."""
    order, written_more, longest = add_tasks(ann, TASKS), 0, 0
    fixed, *others = order[TASKS // 2], *order[: TASKS // 2], *order[TASKS // 2 + 1 :]
    with in_scope(app, ann) as user_id:
        for number, id_ in zip(range(MOVES), itertools.cycle(others), strict=False):
            where = place_in(how, number, fixed)
            with messages(app) as sent:
                row = edits.move_task(user_id, id_, where)
            order = moved(order, id_, where)
            longest = max(longest, len(row.position))
            written_more += sum(statement.startswith("UPDATE") for statement in sent) > 1
    tasks = page(ann, limit=200, sort="position")[0]

    assert [task["id"] for task in tasks] == order
    assert max(longest, *(len(task["position"]) for task in tasks)) < POSITION_CHARACTERS
    assert written_more <= MOVES / AT_MOST_ONE_IN


def test_a_thousand_moves_of_lists_to_one_place_keep_the_order(app: Flask, ann: Caller) -> None:
    """As with tasks."""
    order = [add_list(ann)["id"] for _ in range(6)]
    with in_scope(app, ann) as user_id:
        for number, id_ in zip(range(MOVES), itertools.cycle(order[1:]), strict=False):
            where = place_in("alternating", number, order[0]) if number % 3 else {"place": "first"}
            assert len(lists.move_list(user_id, id_, where).position) < POSITION_CHARACTERS
            if number == 0:
                now = order
            now = moved(now, id_, where)

    assert lists_in_order(ann) == now


@pytest.mark.one_engine
def test_a_task_behind_the_last_one_is_right_next_to_it(ann: Caller) -> None:
    """So that what another client puts last at the same moment comes after both."""
    moving, last = add_tasks(ann, 2)
    moved_task = ann.post(f"/v1/tasks/{moving}/move", json={"after": last}).json

    assert in_order(ann) == [last, moving]
    assert moved_task["position"] < after(ann.get(f"/v1/tasks/{last}").json["position"])


def set_positions(app: Flask, caller: Caller, table: Table, position: str, only: str | None = None) -> None:
    """Write the position of all, or of one."""
    with in_scope(app, caller) as user_id:
        statement = update(table).where(table.c.user_id == user_id).values(position=position)
        assert execute(statement.where(table.c.id == only) if only else statement) > 0


WHERE = ["first", "last", "before", "after"]


@pytest.mark.parametrize("position", ["", "0647a3f1c9d25e"])
@pytest.mark.parametrize("how", WHERE)
@pytest.mark.parametrize("count", [5, 90])
def test_moves_among_equal_positions_keep_the_order(
    app: Flask, ann: Caller, how: str, position: str, count: int
) -> None:
    """Ids decide until a move needs room. An older instance of the service leaves positions empty."""
    add_tasks(ann, count)
    set_positions(app, ann, models.tasks, position)
    order = in_order(ann)
    assert order == sorted(order)

    for id_, fixed in ((order[0], order[-1]), (order[-1], order[0]), (order[count // 2], order[count // 2 - 1])):
        where = place_in(how, 0, fixed)
        assert ann.post(f"/v1/tasks/{id_}/move", json=where).status_code == 200
        order = moved(order, id_, where)
        assert in_order(ann) == order
    added = ann.add()["id"]
    assert in_order(ann) == [*order, added]


@pytest.mark.parametrize("how", WHERE)
def test_lists_at_equal_positions_move(app: Flask, ann: Caller, how: str) -> None:
    """As tasks do."""
    for _ in range(4):
        add_list(ann)
    set_positions(app, ann, models.lists, "")
    order = lists_in_order(ann)

    for id_, fixed in ((order[0], order[-1]), (order[-1], order[0]), (order[2], order[1])):
        where = place_in(how, 0, fixed)
        assert ann.post(f"/v1/lists/{id_}/move", json=where).status_code == 200
        order = moved(order, id_, where)
        assert lists_in_order(ann) == order


@pytest.mark.parametrize("in_list", [True, False], ids=["list", "inbox"])
def test_many_at_one_position_are_spread(app: Flask, ann: Caller, in_list: bool) -> None:
    """More than are spread at once; those before and after them stay where they are."""
    list_id = add_list(ann)["id"] if in_list else None
    begin = add_tasks(ann, 3, list_id=list_id)
    equal = sorted(id_ for _ in range(4) for id_ in add_tasks(ann, 80, list_id=list_id))
    end = add_tasks(ann, 3, list_id=list_id)
    position = ann.get(f"/v1/tasks/{begin[-1]}").json["position"]
    for id_ in equal:
        set_positions(app, ann, models.tasks, f"{position}0", id_)
    moving = end[0]

    assert ann.post(f"/v1/tasks/{moving}/move", json={"after": equal[150]}).status_code == 200

    found = every_in_order(ann)
    assert found == [*begin, *equal[:151], moving, *equal[151:], *end[1:]]


def every_in_order(caller: Caller) -> list[str]:
    found, cursor = page(caller, limit=200, sort="position")
    while cursor:
        more, cursor = page(caller, limit=200, sort="position", cursor=cursor)
        found += more
    return [task["id"] for task in found]


def test_the_last_is_behind_a_position_in_the_future(app: Flask, ann: Caller) -> None:
    """That of a machine whose clock was ahead, for tasks and for lists."""
    first, second, ahead = add_tasks(ann, 3)
    set_positions(app, ann, models.tasks, "zz", ahead)
    one, other = (add_list(ann)["id"] for _ in range(2))
    set_positions(app, ann, models.lists, "zz", other)

    for path in (f"tasks/{first}", f"lists/{one}"):
        assert ann.post(f"/v1/{path}/move", json={"place": "last"}).status_code == 200

    assert in_order(ann) == [second, ahead, first]
    assert lists_in_order(ann) == [other, one]


MANY, AT_ONCE = 10_000, 2_000


@pytest.fixture
def long_list(app: Flask, ann: Caller) -> list[str]:
    """The ids of a list of ten thousand tasks, in their order."""
    kept = {"next_id": None, "skipped_time": None, "completed_at": None, "created_at": None, "deleted": False}
    kept |= {"is_parent": False, **NewTask().load({"title": "tea", "list_id": add_list(ann)["id"]})}
    rows = [{**kept, "id": f"00000000-0000-4000-8000-{number:012}", "place": f"{number:05}"} for number in range(MANY)]
    with in_scope(app, ann) as user_id, transaction():
        for begin in range(0, MANY, AT_ONCE):
            assert len(bulk_queries.insert_tasks(user_id, rows[begin : begin + AT_ONCE])) == AT_ONCE
    return [str(row["id"]) for row in rows]


def test_a_move_in_a_long_list_is_two_statements(app: Flask, ann: Caller, long_list: list[str]) -> None:
    """One that locks the task and its neighbours, and one that writes its place."""
    for where in ({"after": long_list[5_000]}, {"before": long_list[9_000]}, {"place": "first"}, {"place": "last"}):
        with messages(app) as sent:
            answer = ann.post(f"/v1/tasks/{long_list[2_000]}/move", json=where)

        assert answer.status_code == 200
        assert len(sent) == BEGIN_AND_COMMIT + 2, sent
