"""The pages that a request reads grow neither with the table nor with its user's tasks.

An index is a tree, and each look-up reads one page of every level: a hundred thousand entries have two levels more
than a hundred. The statements are those of real requests, with row-level security on.
"""

import hashlib
from collections.abc import Iterator

import pytest
from flask import Flask

from app.database import scope
from app.services import services_of
from app.tasks.change_queries import look
from tests.conftest import Caller, make_app
from tests.database.plans import Plan, plans_for, plans_of
from tests.postgres import Server

SMALL, LARGE = 100, 100_000
FEW, SOME, MANY = 10, 60, 1_000

# As long as Better Auth's ids, and as evenly distributed.
USERS = {count: hashlib.md5(f"has {count}".encode()).hexdigest() for count in (FEW, SOME, MANY)}
OTHERS = "md5((n / 100)::text)"
WHOSE = {
    SMALL: f"CASE WHEN n % 10 = 0 THEN '{USERS[FEW]}' WHEN n % 10 < 7 THEN '{USERS[SOME]}' ELSE {OTHERS} END",
    LARGE: f"CASE WHEN n % 100 = 0 THEN '{USERS[MANY]}' ELSE {OTHERS} END",
}

# In order of time, as tasks arrive: MANY's are all on different pages. References are not checked row by row.
FILL = """
SET session_replication_role = replica;
INSERT INTO tasks (user_id, id, title, created_at, updated_at, version)
SELECT {whose}, md5(n::text)::uuid, 'Task ' || n, moment, moment, 1
FROM generate_series({first}, {last}) AS n, LATERAL (SELECT timestamptz '2020-01-01Z' + n * interval '9 s' AS moment) _;
INSERT INTO users (id, created_at) SELECT DISTINCT user_id, now() FROM tasks ON CONFLICT DO NOTHING
"""
# A foreign key needs the primary key.
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'tasks' AND indexname <> 'tasks_pkey'"

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
# Reads come first.
CALLS = PAGES | OTHER_LISTS | ON_ONE_TASK
PAGE_AND_ONE_MORE = 51
# Since the last look of who waits for changes.
CHANGED = 5

# Enough for 200,000 tasks, if a page of an index holds at least 60 keys; with ids of 32 characters, a half full page
# has room for that. The index of 100 tasks is one page.
LEVELS = 3
EXTRA_LEVELS = LEVELS - 1
# To find the task; to add it, or its new version, to the five indexes of one in the inbox, without a due;
# to find the user it refers to.
WAYS_DOWN = {"get": 1, "create": 5 + 1, "toggle": 1 + 5}
# For a new version: a page with room, the map of free space, or a new page at the end.
NEW_PLACE = {"get": 0, "create": 3, "toggle": 3}
# The 51 entries of a page of 50 are adjacent in the index, on at most this many pages after the first.
MORE_LEAVES = 2

Size = tuple[int, int]
Grown = dict[Size, dict[str, Plan]]
OTHERS_GROW = pytest.mark.parametrize("own", [FEW, SOME])
LARGEST = pytest.mark.parametrize("own", [FEW, SOME, MANY])


@pytest.fixture(scope="module")
def grown(postgresql: Server, postgresql_template: str) -> Iterator[Grown]:
    """Return the plans of every call, by the number of tasks in the table and of the caller's."""
    name = f"{postgresql.role}_growth"
    postgresql.sql(f"CREATE DATABASE {name} OWNER {postgresql.role} TEMPLATE {postgresql_template}")
    app = make_app(postgresql.url(name))
    # Only counted statements may run.
    postgresql.sql("ALTER TABLE tasks SET (autovacuum_enabled = off)", name)
    fill(postgresql, name, FILL.format(whose=WHOSE[SMALL], first=1, last=SMALL))
    plans = {(SMALL, own): plans_of_calls(app, USERS[own]) for own in (FEW, SOME)}
    fill(postgresql, name, FILL.format(whose=WHOSE[LARGE], first=SMALL + 1, last=SMALL + LARGE))
    plans |= {(LARGE, own): plans_of_calls(app, USERS[own]) for own in USERS}
    yield plans
    services_of(app).engine.dispose()
    postgresql.sql(f"DROP DATABASE {name} WITH (FORCE)")


def fill(server: Server, name: str, statement: str) -> None:
    """Add tasks and their users. Building the indexes afterwards takes half the time of updating them."""
    indexes = server.sql(INDEXES, name)
    drop = [f"DROP INDEX {index}" for index, _ in indexes]
    make = [definition for _, definition in indexes]
    server.sql(";".join([*drop, statement, *make]), name)
    for table in ("tasks", "users", "lists"):
        server.sql(f"VACUUM ANALYZE {table}", name)


def plans_of_calls(app: Flask, user_id: str) -> dict[str, Plan]:
    caller = Caller(app, user_id)
    oldest = caller.get("/v1/tasks?limit=1&sort=created_at").json["items"][0]
    cursor = caller.get("/v1/tasks?limit=5").json["next_cursor"]
    plans = {name: plans_of(caller, call, id=oldest["id"], cursor=cursor, user=user_id) for name, call in CALLS.items()}
    assert {name for name, several in plans.items() if len(several) > 1} == {"with a total"}
    last_changed = caller.get(f"/v1/tasks?limit={CHANGED}&sort=-updated_at").json["items"][-1]
    with app.app_context(), scope(user_id), plans_for(user_id) as looks:
        look(user_id, last_changed["updated_at"], None)
    # The total is requested last.
    return {name: several[-1] for name, several in {**plans, "look": looks}.items()}


@OTHERS_GROW
@pytest.mark.parametrize("name", ON_ONE_TASK)
def test_others_tasks_add_only_index_levels_to_a_call_on_one_task(grown: Grown, name: str, own: int) -> None:
    """A thousand times as many tasks are two more pages for each use of an index."""
    small, large = grown[SMALL, own][name], grown[LARGE, own][name]

    assert large.buffers <= small.buffers + EXTRA_LEVELS * WAYS_DOWN[name] + NEW_PLACE[name]


@pytest.mark.parametrize("name", ON_ONE_TASK)
def test_the_users_other_tasks_do_not_slow_a_call_on_one_task(grown: Grown, name: str) -> None:
    """One user's tasks do not make the indexes of all users deeper."""
    few, many = grown[LARGE, FEW][name], grown[LARGE, MANY][name]

    assert many.buffers <= few.buffers + NEW_PLACE[name]


@LARGEST
def test_a_look_for_changes_reads_only_what_has_changed(grown: Grown, own: int) -> None:
    """Each of the changed tasks is on a page of its own, at most."""
    plan = grown[LARGE, own]["look"]

    assert plan.most_rows_looked_at == CHANGED
    assert plan.buffers <= LEVELS + CHANGED


@OTHERS_GROW
@pytest.mark.parametrize("name", PAGES)
def test_others_tasks_add_only_index_levels_to_a_page(grown: Grown, name: str, own: int) -> None:
    """The rows stay in place. Among a hundred, no index is needed."""
    small, large = grown[SMALL, own][name], grown[LARGE, own][name]

    assert large.rows == small.rows
    assert large.buffers <= small.buffers + LEVELS + MORE_LEAVES


@pytest.mark.parametrize("name", PAGES)
def test_the_users_other_tasks_cost_a_page_only_its_own_rows(grown: Grown, name: str) -> None:
    """A thousand tasks are on different pages, but only those of the response are read."""
    few, many = grown[LARGE, FEW][name], grown[LARGE, MANY][name]

    assert many.rows == PAGE_AND_ONE_MORE
    assert many.buffers <= few.buffers + MORE_LEAVES + many.rows


@LARGEST
@pytest.mark.parametrize("name", CALLS)
def test_no_call_scans_the_whole_table(grown: Grown, name: str, own: int) -> None:
    """Of a hundred thousand tasks. A hundred are on two pages, where a scan is right."""
    assert grown[LARGE, own][name].of_type("Seq Scan") == []


@LARGEST
@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_order_of_time_needs_no_sort(grown: Grown, name: str, own: int) -> None:
    """The index has that order, and is read only for the page."""
    plan = grown[LARGE, own][name]

    assert plan.of_type("Sort") == []
    assert plan.most_rows_looked_at <= PAGE_AND_ONE_MORE


@LARGEST
@pytest.mark.parametrize("name", OTHER_LISTS)
def test_no_list_reads_others_tasks(grown: Grown, name: str, own: int) -> None:
    """A list without a suitable index takes time only for the user's own tasks."""
    assert grown[LARGE, own][name].most_rows_looked_at <= own


@pytest.mark.parametrize("size", [(SMALL, FEW), (SMALL, SOME), (LARGE, FEW), (LARGE, SOME), (LARGE, MANY)])
@pytest.mark.parametrize("name", CALLS)
def test_only_the_users_rows_are_sorted(grown: Grown, name: str, size: Size) -> None:
    """In every plan, others' rows are excluded first."""
    assert [rows for rows in grown[size][name].rows_sorted if rows > size[1]] == []
