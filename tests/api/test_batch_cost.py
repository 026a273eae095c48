"""A batch costs other requests little: it computes little, and never for long at once."""

import sys
from itertools import pairwise
from typing import Any

import pytest

from app.database import sqlite
from app.http import fields
from app.tasks import batch
from app.tasks.years import fitting
from tests.api.support.batches import create, op, run
from tests.conftest import Caller

MOST = 100
# By a weekday that the interval never meets, by a month, by week numbers, and by values only in other years.
NEVER = {
    "weekday": lambda number: f"FREQ=DAILY;INTERVAL={7 * (40 + number)};BYMONTHDAY={number % 28 + 1};BYDAY=TU",
    "month": lambda number: f"FREQ=MONTHLY;INTERVAL={2 * (number + 1)};BYMONTH=2;BYMONTHDAY={number % 28 + 1}",
    "week": lambda number: f"FREQ=YEARLY;INTERVAL=4;BYWEEKNO={','.join(map(str, range(1, 53)))};BYYEARDAY={-366}",
    "year": lambda number: f"FREQ=YEARLY;INTERVAL={4 * (number + 1)};BYMONTH=2;BYMONTHDAY=29;BYSETPOS={number + 1},1",
}
# Functions called, which no other load changes: up to 115,000. Searching day by day takes millions.
WHOLE_CALLS = 250_000
# Between two moments at which others can run: up to 11,000.
STRETCH_CALLS = 25_000


def ids_of(results: list[dict[str, Any]]) -> list[str]:
    return [result["id"] for result in results]


@pytest.mark.parametrize("kind", NEVER)
def test_a_batch_of_rules_without_a_match_costs_little(ann: Caller, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many different rules as fit into a batch. Others can run between any two of them."""
    rules, calls = [NEVER[kind](number) for number in range(MOST)], 0
    gave_way: list[int] = []

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    for module in (fields, batch, sqlite):
        monkeypatch.setattr(module, "give_way", lambda: gave_way.append(calls))
    made = ids_of(run(ann, *(create(due_on="2026-03-02", recurrence=rule) for rule in rules)))
    fitting.cache_clear()
    gave_way[:] = [calls]

    others = sys.getprofile()
    sys.setprofile(count)
    run(ann, *(op("complete", task_id) for task_id in made))
    sys.setprofile(others)

    gave_way.append(calls)
    assert len(gave_way) > MOST
    assert calls < WHOLE_CALLS
    assert max(after - before for before, after in pairwise(gave_way)) < STRETCH_CALLS
    assert len(ann.get("/v1/tasks?limit=200&completed=false").json["items"]) == 0
