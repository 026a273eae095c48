"""GET /v1/tasks/summary, and the total of a list."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import Caller


def summary(caller: Caller, **query: str) -> dict[str, Any]:
    answer = caller.get("/v1/tasks/summary", query_string=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_a_user_without_tasks_has_zero_counts(ann: Caller) -> None:
    """And no tags."""
    assert summary(ann) == {
        "open": 0,
        "completed": 0,
        "overdue": 0,
        "due_today": 0,
        "in_trash": 0,
        "by_list": [{"list_id": None, "open": 0, "completed": 0}],
        "by_tag": [],
        "by_priority": {"none": 0, "low": 0, "medium": 0, "high": 0},
    }


def test_the_summary_counts_tasks_by_state(ann: Caller, bob: Caller) -> None:
    """Only the caller's. Tags and priorities are those of open tasks."""
    bob.add(tags=["home"])
    ann.add(tags=["home", "tea"], priority="high", due_at="2020-01-01T00:00:00Z")
    ann.add(tags=["home"], priority="high", due_on="2999-01-01")
    ann.add()
    ann.add(tags=["work"], completed=True, due_at="2020-01-01T00:00:00Z")
    deleted = ann.add(tags=["gone"])
    assert ann.delete(f"/v1/tasks/{deleted['id']}").status_code == 204

    found = summary(ann)

    assert found == {
        "open": 3,
        "completed": 1,
        "overdue": 1,
        "due_today": 0,
        "in_trash": 1,
        "by_list": [{"list_id": None, "open": 3, "completed": 1}],
        "by_tag": [{"tag": "home", "open": 2}, {"tag": "tea", "open": 1}],
        "by_priority": {"none": 1, "low": 0, "medium": 0, "high": 2},
    }


def test_a_tag_is_counted_whatever_its_spelling(ann: Caller) -> None:
    """As `tag` finds it, by the spelling that most tasks use, else the first by code point."""
    for tag in ("cafe\u0301", "caf\xe9", "CAF\xc9", "caf\xe9", "tea", "Tea", "cafe"):
        ann.add(tags=[tag])

    counted = [("caf\xe9", 4), ("Tea", 2), ("cafe", 1)]
    assert [(row["tag"], row["open"]) for row in summary(ann)["by_tag"]] == counted
    for tag, number in counted:
        assert len(ann.get("/v1/tasks", query_string={"tag": tag}).json["items"]) == number


def test_today_depends_on_the_callers_zone(ann: Caller) -> None:
    """A day is today in one zone and not in the next; so is the day of a moment."""
    now = datetime.now(UTC)
    while (now + timedelta(minutes=1)).date() != now.date():
        now = datetime.now(UTC)
    ahead = (now + timedelta(hours=14)).date()
    ann.add(due_on=now.date().isoformat())
    ann.add(due_at=now.isoformat())
    ann.add(due_on=ahead.isoformat())
    ann.add(due_at=now.isoformat(), completed=True)

    assert summary(ann)["due_today"] == (2 if ahead != now.date() else 3)
    # In UTC+14 the moment is on the next day.
    assert summary(ann, time_zone="Pacific/Kiritimati")["due_today"] == (2 if ahead != now.date() else 3)


def test_an_unknown_zone_is_rejected(ann: Caller) -> None:
    """So is any other parameter."""
    for query in ({"time_zone": "Mars/Olympus"}, {"tz": "UTC"}):
        answer = ann.get("/v1/tasks/summary", query_string=query)
        assert (answer.status_code, list(answer.json["errors"])) == (422, list(query))


def test_a_list_has_a_total_on_request(ann: Caller) -> None:
    """On each page, of the tasks that match the filters."""
    for number in range(5):
        ann.add(title=f"task {number}", priority="high" if number else "low")

    first = ann.get("/v1/tasks?total=true&limit=2&priority=high").json
    second = ann.get(f"/v1/tasks?total=true&limit=2&priority=high&cursor={first['next_cursor']}").json

    assert (first["total"], second["total"]) == (4, 4)
    assert [task["title"] for task in first["items"] + second["items"]] == [f"task {n}" for n in (4, 3, 2, 1)]
    assert "total" not in ann.get("/v1/tasks?total=false").json
    assert "total" not in ann.get("/v1/tasks").json
