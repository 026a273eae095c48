"""Pages of /v1/tasks while tasks are created, changed, deleted and restored between them.

Whatever stays as it was from the first page to the last is shown exactly once, and in its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.support.calls import LIST
from tests.api.support.lists import MOST_PAGES, SORTS, Task, add_at_once
from tests.conftest import Caller, new_user_id

FILTERS: list[dict[str, Any]] = [
    {},
    {},
    {"completed": "false"},
    {"priority": ["none", "high"]},
    {"tag": ["a"]},
    {"q": "T"},
    {"due_after": "2026-03-14"},
    {"overdue": "true"},
    {"deleted": "true"},
]

# Few values, so that most tasks share theirs with others.
WRITTEN = {
    "title": st.sampled_from(["tea", "Tea", "coffee"]),
    "priority": st.sampled_from(["none", "high"]),
    "tags": st.sampled_from([["a"], ["A", "b"], ["b"]]),
    "due_on": st.sampled_from([None, "2026-03-14", "2026-03-15", "9998-12-31"]),
    "completed": st.booleans(),
}
NEW = st.fixed_dictionaries(WRITTEN)
CHANGED = st.fixed_dictionaries({}, optional=WRITTEN)
EVENT = st.one_of(
    st.tuples(st.just("make"), NEW),
    *(st.tuples(st.just(name), st.integers(0, 30)) for name in ("delete", "restore", "toggle")),
    st.tuples(st.just("change"), st.tuples(st.integers(0, 30), CHANGED)),
)


@dataclass
class Owner:
    """A user whose tasks come and go. `touched` has the tasks that were changed after their creation."""

    caller: Caller
    ids: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def do(self, name: str, value: Any) -> None:
        """Draw one event. A task in the trash can only be restored, and others can only be changed or deleted."""
        if name == "make":
            self.ids.append(self.caller.add(**value)["id"])
            return
        number, changes = value if name == "change" else (value, None)
        task_id = self.ids[number % len(self.ids)]
        method, rest = {"delete": ("DELETE", ""), "change": ("PATCH", "")}.get(name, ("POST", f"/{name}"))
        answer = self.caller.call(method, f"/v1/tasks/{task_id}{rest}", json=changes)
        assert answer.status_code in (200, 204, 404), answer.text
        self.touched.add(task_id)

    def page(self, **query: Any) -> tuple[list[str], str | None]:
        """Return the ids of one page, and the cursor of the next."""
        answer = LIST(self.caller, query_string=query)
        assert answer.status_code == 200, answer.text
        body: Any = answer.json
        return [task["id"] for task in body["items"]], body["next_cursor"]

    def pages(self, events: list[list[tuple[str, Any]]], **query: Any) -> Iterator[list[str]]:
        """Return all pages from the first to the last, with some events between any two of them."""
        shown, cursor = self.page(**query)
        yield shown
        for _ in range(MOST_PAGES):
            if cursor is None:
                return
            for event in events.pop() if events else ():
                self.do(*event)
            shown, cursor = self.page(**query, cursor=cursor)
            yield shown
        raise AssertionError("the pages do not come to an end")


@settings(max_examples=50, deadline=None, database=None)
@given(
    sort=st.sampled_from(SORTS),
    limit=st.integers(1, 5),
    query=st.sampled_from(FILTERS),
    first=st.lists(NEW, min_size=2, max_size=6),
    then=st.lists(NEW, min_size=2, max_size=6),
    deleted=st.lists(st.integers(0, 30), max_size=4),
    events=st.lists(st.lists(EVENT, max_size=3), max_size=6),
)
def test_an_unchanged_task_is_shown_exactly_once(
    app: Flask,
    sort: str,
    limit: int,
    query: dict[str, Any],
    first: list[Task],
    then: list[Task],
    deleted: list[int],
    events: list[list[tuple[str, Any]]],
) -> None:
    """It keeps its place. A task that came meanwhile is shown at most once."""
    ann = Owner(Caller(app, new_user_id()))
    ann.ids += add_at_once(ann.caller, *first) + add_at_once(ann.caller, *then)
    for number in deleted:
        ann.do("delete", number)
    ann.touched.clear()
    before, _ = ann.page(sort=sort, limit=200, **query)
    shown = [task_id for page in ann.pages(events, sort=sort, limit=limit, **query) for task_id in page]

    untouched = [task_id for task_id in shown if task_id not in ann.touched]
    assert len(untouched) == len(set(untouched))
    assert [task_id for task_id in untouched if task_id in before] == [id_ for id_ in before if id_ not in ann.touched]
