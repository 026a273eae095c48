"""Files as other programs write them, in the folder ics_clients. The contents are ours, in each program's manner."""

import json
from pathlib import Path

import pytest

from app.tasks.formats import Record, Unreadable
from tests.unit.example_tasks import Task
from tests.unit.ics_files import found_in

CLIENTS = Path(__file__).parent / "ics_clients"
# Those with the tasks that they hold next to them, and what is left out of each.
EXPECTED = sorted(path.stem for path in CLIENTS.glob("*.json"))
FEEDS = ["ticktick_feed", "todoist_feed"]
NONE: Task = {
    "details": None,
    "completed": False,
    "completed_at": None,
    "priority": "none",
    "tags": [],
    "due_on": None,
    "due_at": None,
    "time_zone": None,
    "recurrence": None,
    "reminders": [],
    "list_id": None,
    "list_name": None,
    "parent_id": None,
    "position": None,
}


def client(name: str, end: str) -> bytes:
    return (CLIENTS / f"{name}.ics").read_text().replace("\n", end).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", EXPECTED)
def test_other_programs_files_are_read(name: str, end: str) -> None:
    """Whatever a task here has a place for; the rest is named."""
    expected = json.loads((CLIENTS / f"{name}.json").read_text())
    records = [record for record in found_in(client(name, end)) if isinstance(record, Record)]

    assert [record.task for record in records] == [NONE | each["task"] for each in expected]
    assert [sorted(record.left_out) for record in records] == [each["left_out"] for each in expected]


@pytest.mark.parametrize("name", FEEDS)
def test_feeds_of_events_are_refused_with_their_remedy(name: str) -> None:
    """Their tasks look like meetings, and those who export CSV get all of a task."""
    with pytest.raises(Unreadable, match=r"Line \d: This calendar has events, and no tasks .VTODO.\. Export"):
        found_in(client(name, "\n"))


def test_every_file_is_tested() -> None:
    """None is forgotten."""
    assert sorted(path.stem for path in CLIENTS.glob("*.ics")) == sorted([*EXPECTED, *FEEDS])
