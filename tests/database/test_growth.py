"""What a request costs grows with neither the table nor its user's tasks: in pages looked at, not by the clock.

An index is a tree, and each way down it looks at one page of every level: a hundred thousand entries have two levels
more than a hundred. The statements are those that real requests send, with row-level security on.
"""

import hashlib
from collections.abc import Iterator

import pytest
from flask import Flask

from app.services import services_of
from tests.conftest import Caller, make_app
from tests.database.plans import Plan, plans_of
from tests.postgres import Server

SMALL, LARGE = 100, 100_000
FEW, SOME, MANY = 10, 60, 1_000

# As long as the ids that Better Auth makes, and spread as they are.
USERS = {count: hashlib.md5(f"has {count}".encode()).hexdigest() for count in (FEW, SOME, MANY)}
OTHERS = "md5((n / 100)::text)"
WHOSE = {
    SMALL: f"CASE WHEN n % 10 = 0 THEN '{USERS[FEW]}' WHEN n % 10 < 7 THEN '{USERS[SOME]}' ELSE {OTHERS} END",
    LARGE: f"CASE WHEN n % 100 = 0 THEN '{USERS[MANY]}' ELSE {OTHERS} END",
}

# In the order of time, as tasks arrive: no two of MANY's lie on one page. References are not checked row by row.
FILL = """
SET session_replication_role = replica;
INSERT INTO tasks (user_id, id, title, created_at, updated_at, version)
SELECT {whose}, md5(n::text)::uuid, 'Task ' || n, moment, moment, 1
FROM generate_series({first}, {last}) AS n, LATERAL (SELECT timestamptz '2020-01-01Z' + n * interval '9 s' AS moment) _;
INSERT INTO users (id, created_at) SELECT DISTINCT user_id, now() FROM tasks ON CONFLICT DO NOTHING
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tasks'"
DROP = "ALTER TABLE tasks DROP CONSTRAINT IF EXISTS {index}; DROP INDEX IF EXISTS {index}"

# Method, path, body, status.
ON_ONE_TASK = {
    "get": ("GET", "/v1/tasks/{id}", None, 200),
    "create": ("POST", "/v1/tasks", {"title": "tea"}, 201),
    "toggle": ("POST", "/v1/tasks/{id}/toggle", None, 200),
}
PAGES = {
    "first page": ("GET", "/v1/tasks?limit=50", None, 200),
    "next page": ("GET", "/v1/tasks?limit=50&cursor={cursor}", None, 200),
}
OTHER_LISTS = {
    "by title": ("GET", "/v1/tasks?sort=title", None, 200),
    "last change first": ("GET", "/v1/tasks?sort=-updated_at&completed=false", None, 200),
    "with a word": ("GET", "/v1/tasks?q=tea", None, 200),
    "with a total": ("GET", "/api/{user}/tasks?limit=1", None, 200),
}
# Those that read come first.
CALLS = PAGES | OTHER_LISTS | ON_ONE_TASK
PAGE_AND_ONE_MORE = 51

# Enough for 200,000 tasks, as long as a page of an index holds at least 60 keys; and with ids of 32 characters
# there is room for that on one that is half full. The index of 100 tasks is one page.
LEVELS = 3
EXTRA_LEVELS = LEVELS - 1
# To find the task; to enter it, or its new version, into the five indexes that hold a task which has no due and is not
# in the trash; to find the user it refers to.
WAYS_DOWN = {"get": 1, "create": 5 + 1, "toggle": 1 + 5}
# Where a new version is put: a page with room, the map that knows of it, or a new page at the end.
NEW_PLACE = {"get": 0, "create": 3, "toggle": 3}
# The 51 entries of a page of 50 stand side by side in the index, on at most so many pages beside the first.
MORE_LEAVES = 2

Size = tuple[int, int]
Grown = dict[Size, dict[str, Plan]]
OTHERS_GROW = pytest.mark.parametrize("own", [FEW, SOME])
LARGEST = pytest.mark.parametrize("own", [FEW, SOME, MANY])


@pytest.fixture(scope="module")
def grown(postgresql: Server, postgresql_template: str) -> Iterator[Grown]:
    """The plans of every call, by the number of tasks in the table and of those that are the caller's."""
    name = f"{postgresql.role}_growth"
    postgresql.sql(f"CREATE DATABASE {name} OWNER {postgresql.role} TEMPLATE {postgresql_template}")
    app = make_app(postgresql.url(name))
    # Nothing is to happen beside what is counted.
    postgresql.sql("ALTER TABLE tasks SET (autovacuum_enabled = off)", name)
    fill(postgresql, name, SMALL, 1, SMALL)
    plans = {(SMALL, own): plans_of_calls(app, USERS[own]) for own in (FEW, SOME)}
    fill(postgresql, name, LARGE, SMALL + 1, SMALL + LARGE)
    plans |= {(LARGE, own): plans_of_calls(app, USERS[own]) for own in USERS}
    yield plans
    services_of(app).engine.dispose()
    postgresql.sql(f"DROP DATABASE {name} WITH (FORCE)")


def fill(server: Server, name: str, size: int, first: int, last: int) -> None:
    """Add tasks and their users. The indexes are made anew afterwards, which takes half the time of keeping them."""
    indexes = server.sql(INDEXES, name)
    drop = [DROP.format(index=index) for index, _ in indexes]
    make = [definition for _, definition in indexes]
    server.sql(";".join([*drop, FILL.format(whose=WHOSE[size], first=first, last=last), *make]), name)
    for table in ("tasks", "users"):
        server.sql(f"VACUUM ANALYZE {table}", name)


def plans_of_calls(app: Flask, user_id: str) -> dict[str, Plan]:
    caller = Caller(app, user_id)
    oldest = caller.get("/v1/tasks?limit=1&sort=created_at").json["items"][0]
    cursor = caller.get("/v1/tasks?limit=5").json["next_cursor"]
    plans = {name: plans_of(caller, call, id=oldest["id"], cursor=cursor, user=user_id) for name, call in CALLS.items()}
    assert {name for name, several in plans.items() if len(several) > 1} == {"with a total"}
    # The total is what is asked for last.
    return {name: several[-1] for name, several in plans.items()}


@OTHERS_GROW
@pytest.mark.parametrize("name", ON_ONE_TASK)
def test_others_tasks_cost_a_call_on_one_task_levels_of_its_indexes(grown: Grown, name: str, own: int) -> None:
    """A thousand times as many tasks are two more pages for each way down an index."""
    small, large = grown[SMALL, own][name], grown[LARGE, own][name]

    assert large.buffers <= small.buffers + EXTRA_LEVELS * WAYS_DOWN[name] + NEW_PLACE[name]


@pytest.mark.parametrize("name", ON_ONE_TASK)
def test_the_users_other_tasks_cost_a_call_on_one_task_nothing(grown: Grown, name: str) -> None:
    """The indexes are those of all users, so one user's tasks do not make them deeper."""
    few, many = grown[LARGE, FEW][name], grown[LARGE, MANY][name]

    assert many.buffers <= few.buffers + NEW_PLACE[name]


@OTHERS_GROW
@pytest.mark.parametrize("name", PAGES)
def test_others_tasks_cost_a_page_levels_of_its_index(grown: Grown, name: str, own: int) -> None:
    """The rows lie where they lay before; but among a hundred they are found without any index."""
    small, large = grown[SMALL, own][name], grown[LARGE, own][name]

    assert large.rows == small.rows
    assert large.buffers <= small.buffers + LEVELS + MORE_LEAVES


@pytest.mark.parametrize("name", PAGES)
def test_the_users_other_tasks_cost_a_page_its_own_rows(grown: Grown, name: str) -> None:
    """A thousand tasks lie far apart, each on a page of its own: but only those of the answer are fetched."""
    few, many = grown[LARGE, FEW][name], grown[LARGE, MANY][name]

    assert many.rows == PAGE_AND_ONE_MORE
    assert many.buffers <= few.buffers + MORE_LEAVES + many.rows


@LARGEST
@pytest.mark.parametrize("name", CALLS)
def test_no_call_reads_the_whole_table(grown: Grown, name: str, own: int) -> None:
    """Of a hundred thousand tasks. A hundred lie on two pages, which it is right to read from end to end."""
    assert grown[LARGE, own][name].of_type("Seq Scan") == []


@LARGEST
@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_the_order_of_time_is_not_sorted(grown: Grown, name: str, own: int) -> None:
    """The index has that order; it is read from where the page begins, and no further than the page."""
    plan = grown[LARGE, own][name]

    assert plan.of_type("Sort") == []
    assert plan.most_rows_looked_at <= PAGE_AND_ONE_MORE


@LARGEST
@pytest.mark.parametrize("name", OTHER_LISTS)
def test_no_list_looks_at_others_tasks(grown: Grown, name: str, own: int) -> None:
    """What no index sorts or counts takes as long as the user's own tasks are many, and no longer."""
    assert grown[LARGE, own][name].most_rows_looked_at <= own


@pytest.mark.parametrize("size", [(SMALL, FEW), (SMALL, SOME), (LARGE, FEW), (LARGE, SOME), (LARGE, MANY)])
@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_sorted_but_the_users_rows(grown: Grown, name: str, size: Size) -> None:
    """Whatever the plan: others' rows are left out before."""
    assert [rows for rows in grown[size][name].rows_sorted if rows > size[1]] == []
