"""For a list PostgreSQL reads only the user's rows, in the order of an index or sorted.

The statements are those of real requests, with row-level security on.
"""

import hashlib
from collections.abc import Iterator

import pytest
from flask import Flask

from app.services import services_of
from app.tasks import cursors
from tests.api.support.calls import LIST
from tests.conftest import Caller, make_app
from tests.database.plans import Plan, plans_of
from tests.postgres import Server

# So many that to read all users' trash takes longer than to read one user's tasks.
ALL, OWN, LIVE = 60_000, 1_000, 900
PAGE_AND_ONE_MORE = 51
USER = hashlib.md5(b"whose lists are planned").hexdigest()
# A tenth of all tasks is in the trash, half have no due, and most share a title and a priority with others.
# The user's are stored together, and are as old and as new as others'.
FILL = f"""
SET session_replication_role = replica;
INSERT INTO tasks (user_id, id, title, priority, due, created_at, updated_at, deleted_at, version)
SELECT CASE WHEN n <= {OWN} THEN '{USER}' ELSE md5((n / 100)::text) END, md5(n::text)::uuid, 'Task ' || n % 400,
    n % 4, CASE WHEN n % 2 = 1 THEN moment + interval '30 d' END, moment, moment + n % 7 * interval '1 h',
    CASE WHEN n % 10 = 0 THEN now() END, 1
FROM generate_series(1, {ALL}) AS n,
    LATERAL (SELECT timestamptz '2020-01-01Z' + n % {OWN} * interval '1 h' AS moment) AS _;
INSERT INTO users (id, created_at) SELECT DISTINCT user_id, now() FROM tasks ON CONFLICT DO NOTHING
"""

BY_KEY = "tasks_pkey"
BY_VALUE = {name: f"tasks_user_id_{name}_id_idx" for name in ("created_at", "updated_at", "due", "priority")}
BY_DELETION = "tasks_user_id_deleted_at_id_idx"
# Trash in the index by the last change is read and filtered out.
LOOKED_AT = {"updated_at": PAGE_AND_ONE_MORE * 10 // 9 + 1}
EITHER_WAY = pytest.mark.parametrize("sign", ["", "-"])
# The start of the list, after its 200th task, and among those without a value.
FIRST, NEXT, NULLS = "first page", "next page", "page of nulls"
PAGES = pytest.mark.parametrize("begin", [FIRST, NEXT])
FILTERS = [
    *("completed=true", "completed=false", "priority=high", "priority=none&priority=low", "tag=home", "tag=a&tag=b"),
    *("q=task 7", "q=nothing like it", "due_before=2020-02-01", "due_before=2020-02-01T00:00:00Z"),
    *("due_after=2020-02-01", "due_after=2020-02-01T00:00:00Z", "overdue=true", "overdue=false", "deleted=true"),
]


@pytest.fixture(scope="module")
def filled(postgresql: Server, postgresql_template: str) -> Iterator[Flask]:
    """An app on a table in which one of many users has a thousand tasks."""
    name = postgresql.create_database(template=postgresql_template)
    postgresql.sql(FILL, name)
    for table in ("tasks", "users"):
        postgresql.sql(f"VACUUM ANALYZE {table}", name)
    app = make_app(postgresql.url(name))
    yield app
    services_of(app).engine.dispose()


def plan_of_list(app: Flask, query: str, begin: str = FIRST) -> Plan:
    (plan,) = plans_of_list(app, query, begin)
    return plan


def plans_of_list(app: Flask, query: str, begin: str = FIRST, family: str = "/v1/tasks") -> list[Plan]:
    caller = Caller(app, USER)
    sort = query.partition("sort=")[2]
    if begin == NEXT:
        query += f"&cursor={LIST(caller, query_string={'sort': sort, 'limit': 200}).get_json()['next_cursor']}"
    if begin == NULLS:
        middle = [None, "80000000-0000-0000-0000-000000000000"]
        query += f"&cursor={cursors.encode(middle, USER, sort, {'live': True})}"
    return plans_of(caller, ("GET", f"{family}?limit=50&{query}", None, 200))


def indexes(plan: Plan) -> set[str]:
    return {node["Index Name"] for node in plan.of_type("Index")}


def assert_reads_own_rows_alone(plan: Plan) -> None:
    """Check that the index has the user as its first column."""
    assert plan.of_type("Seq Scan") == []
    assert indexes(plan) <= {BY_KEY, BY_DELETION, *BY_VALUE.values()}
    assert all("user_id" in node["Index Cond"] for node in plan.of_type("Index"))
    assert plan.most_rows_looked_at <= OWN
    assert [rows for rows in plan.rows_sorted if rows > OWN] == []


@EITHER_WAY
@PAGES
@pytest.mark.parametrize("name", BY_VALUE)
def test_a_sort_uses_the_order_of_its_index(filled: Flask, name: str, sign: str, begin: str) -> None:
    """From any position, only the page is read, and nothing else is sorted."""
    plan = plan_of_list(filled, f"sort={sign}{name}", begin)

    assert plan.rows == PAGE_AND_ONE_MORE
    assert BY_VALUE[name] in indexes(plan)
    assert max(plan.rows_sorted, default=0) <= 2 * PAGE_AND_ONE_MORE
    assert plan.most_rows_looked_at <= LOOKED_AT.get(name, PAGE_AND_ONE_MORE)


@EITHER_WAY
@PAGES
def test_a_list_by_title_sorts_the_users_tasks_alone(filled: Flask, sign: str, begin: str) -> None:
    """No index has the order of letters without case and accents; the trash is not read."""
    plan = plan_of_list(filled, f"sort={sign}title", begin)

    assert plan.rows == PAGE_AND_ONE_MORE
    assert_reads_own_rows_alone(plan)
    assert plan.most_rows_looked_at <= LIVE


@EITHER_WAY
def test_tasks_without_a_due_are_read_in_the_primary_keys_order(filled: Flask, sign: str) -> None:
    """It also has tasks with a due and the trash, which are filtered out."""
    plan = plan_of_list(filled, f"sort={sign}due", NULLS)

    assert plan.rows == PAGE_AND_ONE_MORE
    assert_reads_own_rows_alone(plan)


@EITHER_WAY
@pytest.mark.parametrize("name", ["created_at", "updated_at"])
@pytest.mark.parametrize("query", ["completed=false", "priority=low"])
def test_a_common_filter_is_applied_in_the_order_of_the_index(filled: Flask, name: str, sign: str, query: str) -> None:
    """So its matches are found without reading all tasks."""
    plan = plan_of_list(filled, f"{query}&sort={sign}{name}")

    assert indexes(plan) == {BY_VALUE[name]}
    assert plan.of_type("Sort") == []
    assert plan.most_rows_looked_at < LIVE / 2


@pytest.mark.parametrize("query", FILTERS)
def test_a_filter_reads_only_the_users_tasks(filled: Flask, query: str) -> None:
    """Whether few or many match, also for the total."""
    for plan in plans_of_list(filled, query) + plans_of_list(filled, query, family=f"/api/{USER}/tasks"):
        assert_reads_own_rows_alone(plan)


def test_a_total_counts_only_the_users_tasks(filled: Flask) -> None:
    """Without the trash."""
    _, total = plans_of_list(filled, "sort=title", family=f"/api/{USER}/tasks")

    assert_reads_own_rows_alone(total)
    assert [node["Plans"][0]["Actual Rows"] for node in total.of_type("Aggregate")] == [LIVE]
