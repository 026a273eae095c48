"""All combinations of filters of both lists, compared with a model of the documentation."""

import random
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.support.calls import Call
from tests.api.support.lists import A_DAY, EITHER_LIST, ENDS, RANKS, Task, remove, walk
from tests.conftest import Caller, new_user_id


class Model:
    """A task, and the documented result for each filter."""

    def __init__(self, task: Task, deleted: bool) -> None:
        self.task, self.deleted = task, deleted
        self.text = f"{task['title']}\x00{task['details'] or ''}".lower()
        self.tags = {tag.lower() for tag in task["tags"]}
        self.due = datetime.fromisoformat(task["due_at"]) if task["due_at"] else None
        if task["due_on"]:
            zone = ZoneInfo(task["time_zone"] or "UTC")
            self.due = datetime.combine(date.fromisoformat(task["due_on"]), time.max, zone)

    def fits(self, query: dict[str, Any]) -> bool:
        fits = [getattr(self, name)(value) for name, value in query.items() if name != "deleted"]
        return all(fits) and self.deleted == (query.get("deleted") == "true")

    def completed(self, value: str) -> bool:
        return bool(self.task["completed"]) == (value == "true")

    def priority(self, values: list[str]) -> bool:
        return self.task["priority"] in values

    def tag(self, values: list[str]) -> bool:
        return {tag.lower() for tag in values} <= self.tags

    def q(self, value: str) -> bool:
        return value.lower() in self.text

    def overdue(self, value: str) -> bool:
        is_past = self.due is not None and self.due < datetime.now(UTC)
        return (is_past and not self.task["completed"]) == (value == "true")

    def due_before(self, value: str) -> bool:
        if len(value) == len(A_DAY):
            return self._day < value if self.due else False
        return self.due is not None and self.due < datetime.fromisoformat(value)

    def due_after(self, value: str) -> bool:
        if len(value) == len(A_DAY):
            return self._day > value if self.due else False
        return self.due is not None and self.due > datetime.fromisoformat(value)

    @property
    def _day(self) -> str:
        return str(self.task["due_on"] or self.task["due_at"][: len(A_DAY)])


DUES: list[Task] = [
    {},
    *({"due_on": day, "time_zone": zone} for day in (A_DAY, "2001-06-15", "9998-01-01") for zone in ENDS),
    *({"due_at": moment} for ends in ENDS.values() for moment in ends),
]
BOOLEANS = st.sampled_from(["true", "false"])
MOMENTS = st.sampled_from(
    [A_DAY, "2026-03-13", "2026-03-15", "2001-06-15", *(end for ends in ENDS.values() for end in ends)]
)
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("completed", "overdue", "deleted"), BOOLEANS),
        **dict.fromkeys(("due_before", "due_after"), MOMENTS),
        "priority": st.lists(st.sampled_from(RANKS), min_size=1, max_size=3),
        "tag": st.lists(st.sampled_from(["a", "B", "tea", "Ä", "a b"]), min_size=1, max_size=2),
        "q": st.sampled_from(["t", "TEA", "ä", "Ж", "%"]),
    },
)


@pytest.fixture(scope="module")
def stocked(app: Flask) -> tuple[Caller, list[Model]]:
    """Return a user with eighty tasks of every kind. Another user has the same tasks."""
    dice = random.Random(7)
    ann, bob = Caller(app, new_user_id()), Caller(app, new_user_id())
    models = []
    for _ in range(80):
        written: Task = {
            "title": dice.choice(["tea", "Tea", "coffee", "100 %", "ЖЖ"]),
            "details": dice.choice([None, "", "with Ä", "TEA", "ж"]),
            "completed": dice.random() < 0.3,
            "priority": dice.choice(RANKS),
            "tags": dice.sample(["A", "b", "TEA", "ä", "a b", "x"], dice.randrange(4)),
            **dice.choice(DUES),
        }
        bob.add(**written)
        models.append(Model(ann.add(**written), deleted=dice.random() < 0.2))
        if models[-1].deleted:
            remove(ann, models[-1].task["id"])
    return ann, models


@EITHER_LIST
@settings(max_examples=25, deadline=None, database=None)
@given(query=QUERIES, limit=st.sampled_from([5, 50, 200]))
def test_filters_can_be_combined(
    stocked: tuple[Caller, list[Model]], call: Call, query: dict[str, Any], limit: int
) -> None:
    """Exactly the caller's tasks that match every filter are shown."""
    ann, models = stocked
    found = [task["id"] for task in walk(ann, call, sort="created_at", limit=limit, **query)]

    assert found == [model.task["id"] for model in models if model.fits(query)]
