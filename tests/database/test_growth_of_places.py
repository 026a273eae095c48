"""The pages that a list, the inbox, subtasks and a move read grow neither with the table nor with the user's tasks."""

from collections.abc import Iterator

import pytest
from flask import Flask

from app.database import scope
from app.services import services_of
from app.tasks import moves
from app.tasks.moves import Among, Stands
from tests.conftest import Caller, make_app
from tests.database.plans import Plan, plan_of, plans_for
from tests.database.test_growth import (
    EXTRA_LEVELS,
    FEW,
    LARGE,
    LEVELS,
    MANY,
    MORE_LEAVES,
    PAGE_AND_ONE_MORE,
    SMALL,
    SOME,
    USERS,
    WHOSE,
    fill,
)
from tests.postgres import Server

LIST, PARENT = "0199b1f0-0000-7000-8000-000000000001", "0199b1f0-0000-7000-8000-000000000002"
# A third of each user's tasks is in a list, a third under a parent, a third in the inbox; in order of time.
FILL = """
SET session_replication_role = replica;
INSERT INTO tasks (user_id, id, title, list_id, parent_id, position, created_at, updated_at, version)
SELECT {whose}, md5(n::text)::uuid, 'Task ' || n, CASE WHEN third = 0 THEN '{list}'::uuid END,
    CASE WHEN third = 1 THEN '{parent}'::uuid END, '06' || lpad(to_hex(n), 12, '0'), moment, moment, 1
FROM generate_series({first}, {last}) AS n, LATERAL (SELECT (n / 10 + n / 100) % 3 AS third,
    timestamptz '2020-01-01Z' + n * interval '9 s' AS moment) AS _;
INSERT INTO users (id, created_at) SELECT DISTINCT user_id, now() FROM tasks ON CONFLICT DO NOTHING;
INSERT INTO lists (user_id, id, name, position, created_at, updated_at, version)
SELECT id, '{list}', 'list', '0', now(), now(), 1 FROM users ON CONFLICT DO NOTHING;
INSERT INTO tasks (user_id, id, title, is_parent, position, created_at, updated_at, version)
SELECT id, '{parent}', 'parent', true, '05', now(), now(), 1 FROM users ON CONFLICT DO NOTHING
"""
PLACES = {
    "list": (Among(LIST, None), f"list={LIST}&parent=none"),
    "inbox": (Among(None, None), "list=none&parent=none"),
    "parent": (Among(None, PARENT), f"parent={PARENT}"),
}
PAGES = [f"{sign}{place} {begin}" for place in PLACES for sign in ("", "-") for begin in ("first page", "next page")]
MOVES = [f"{place} {how}" for place in PLACES for how in ("after", "before", "first", "last", "to the end of")]
# Where the neighbour is, asked by each of three searches; these; the rows found, and parents of what is named.
# Then the siblings in the gap, the row, the indexes of a task outside the trash, and its list and parent.
WAYS_DOWN = {"lock": 8 + 3 + 3 + 4, "put": 1 + 1 + 5 + 2}
NEW_PLACE = 3
# Each index entry that is followed leads to another page of the table.
SIBLINGS_READ = 8

Size = tuple[int, int]
Grown = dict[Size, dict[str, Plan]]
SIZES = [(SMALL, FEW), (SMALL, SOME), (LARGE, FEW), (LARGE, SOME), (LARGE, MANY)]


@pytest.fixture(scope="module")
def grown(postgresql: Server, postgresql_template: str) -> Iterator[Grown]:
    """Return the plans of every page and move, by the number of tasks in the table and of the caller's."""
    name = f"{postgresql.role}_places"
    postgresql.sql(f"CREATE DATABASE {name} OWNER {postgresql.role} TEMPLATE {postgresql_template}")
    app = make_app(postgresql.url(name))
    postgresql.sql("ALTER TABLE tasks SET (autovacuum_enabled = off)", name)
    plans = {}
    for size, first, last in ((SMALL, 1, SMALL), (LARGE, SMALL + 1, SMALL + LARGE)):
        statement = FILL.format(whose=WHOSE[size], first=first, last=last, list=LIST, parent=PARENT)
        fill(postgresql, name, statement)
        plans |= {(size, own): plans_of_places(app, USERS[own]) for own in USERS if (size, own) in SIZES}
    yield plans
    services_of(app).engine.dispose()
    postgresql.sql(f"DROP DATABASE {name} WITH (FORCE)")


def plans_of_places(app: Flask, user_id: str) -> dict[str, Plan]:
    caller, plans = Caller(app, user_id), {}
    for place, (among, query) in PLACES.items():
        for sign in ("", "-"):
            path = f"/v1/tasks?{query}&sort={sign}position"
            plans[f"{sign}{place} first page"] = plan_of(caller, ("GET", f"{path}&limit=50", None, 200))
            cursor = caller.get(f"{path}&limit=2").json["next_cursor"]
            plans[f"{sign}{place} next page"] = plan_of(caller, ("GET", f"{path}&limit=50&cursor={cursor}", None, 200))
        siblings = caller.get(f"/v1/tasks?{query}&sort=position&limit=3").json["items"]
        moving, fixed = siblings[2]["id"], siblings[1]["id"]
        end = {"place": "last", "list_id": among.list_id}
        for how, move in (
            ("after", {"after": fixed}),
            ("before", {"before": fixed}),
            ("first", {"place": "first"}),
            ("last", {"place": "last"}),
            ("to the end of", {**end, "parent_id": among.parent_id} if among.parent_id else end),
        ):
            locked, put = plans_of_move(app, user_id, moving, among, move)
            plans |= {f"{place} {how}: lock": locked, f"{place} {how}: put": put}
    return plans


def plans_of_move(app: Flask, user_id: str, moving: str, among: Among, move: dict[str, str | None]) -> list[Plan]:
    """Return the plans of the two statements of a move, which need no transaction here."""
    place = moves.place_of(move)
    with plans_for(user_id) as plans, app.app_context(), scope(user_id):
        rows = {row.id: Stands(row.position, row.id) for row in moves.lock_for_move(user_id, moving, move)}
        siblings = {id_: stands for id_, stands in rows.items() if id_ not in (moving, PARENT)}
        gap = moves.gap(siblings.values(), siblings.get(place.neighbour or ""), place.behind)
        moves.put_task(user_id, moving, among, None if place == (None, True) else gap, "06z")
    return plans


@pytest.mark.parametrize("own", [FEW, SOME])
@pytest.mark.parametrize("name", PAGES)
def test_others_tasks_add_only_index_levels_to_a_page(grown: Grown, name: str, own: int) -> None:
    """The rows stay in place."""
    small, large = grown[SMALL, own][name], grown[LARGE, own][name]

    assert large.rows == small.rows
    assert large.buffers <= small.buffers + LEVELS + MORE_LEAVES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_reads_only_its_own_rows_in_the_order_of_an_index(grown: Grown, name: str) -> None:
    """Of three hundred in the same place."""
    plan = grown[LARGE, MANY][name]

    assert plan.rows == PAGE_AND_ONE_MORE
    assert plan.of_type("Sort") == []
    assert plan.of_type("Seq Scan") == []
    assert plan.most_rows_looked_at <= PAGE_AND_ONE_MORE


@pytest.mark.parametrize("step", ["lock", "put"])
@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("own", [FEW, SOME])
def test_others_tasks_add_only_index_levels_to_a_move(grown: Grown, name: str, step: str, own: int) -> None:
    """Between two, to an end of a list, and under a parent."""
    small, large = grown[SMALL, own][f"{name}: {step}"], grown[LARGE, own][f"{name}: {step}"]

    assert large.of_type("Seq Scan") == []
    assert large.buffers <= small.buffers + EXTRA_LEVELS * WAYS_DOWN[step] + NEW_PLACE + SIBLINGS_READ


@pytest.mark.parametrize("step", ["lock", "put"])
@pytest.mark.parametrize("name", MOVES)
def test_the_users_other_tasks_do_not_slow_a_move(grown: Grown, name: str, step: str) -> None:
    """However many are in the same place."""
    few, many = grown[LARGE, FEW][f"{name}: {step}"], grown[LARGE, MANY][f"{name}: {step}"]

    assert many.of_type("Seq Scan") == []
    assert many.most_rows_looked_at <= SIBLINGS_READ
    assert many.buffers <= few.buffers + NEW_PLACE + SIBLINGS_READ
