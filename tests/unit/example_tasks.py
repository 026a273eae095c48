"""Tasks for the tests of formats: a plain one, and any that the API could answer with."""

import io
from datetime import UTC
from typing import IO, Any

from hypothesis import strategies as st

from app.tasks.formats import NOT_READ, Format, Unreadable
from app.tasks.order import DIGITS
from app.tasks.reminders import read_reminders, write_reminders
from app.times import FIRST_YEAR, LAST_YEAR, rfc3339

Task = dict[str, Any]

PLAIN: Task = {
    "id": "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17",
    "title": "Buy tea",
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
    "position": "0647a3f1c9d25e",
    "created_at": "2026-03-01T08:00:00.000000Z",
    "updated_at": "2026-03-02T09:30:00.250000Z",
    "user_id": "ann",
}

# What a format could trip over stands among the letters more often than chance would have it.
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from(
    "\r\n\t\x0b\x0c\x1c\x7f\x85\u2028\ufeff,;:\"'\\nN=+-@ \uff1däß水🍵"
)
TIMES = st.datetimes(timezones=st.just(UTC)).map(rfc3339)
# Those that the API accepts.
ACCEPTED_TIMES = TIMES.filter(lambda time: FIRST_YEAR <= int(time[:4]) <= LAST_YEAR)
DAYS = ACCEPTED_TIMES.map(lambda time: time[:10])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia", "Africa/Monrovia"])
RULES = st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH;COUNT=3", "FREQ=MONTHLY;BYMONTHDAY=-1;INTERVAL=2"])

REMINDERS = st.lists(
    st.builds(lambda minutes: {"before_minutes": minutes}, st.sampled_from([0, 540]) | st.integers(0, 40_320))
    | st.builds(lambda time: {"at": time}, ACCEPTED_TIMES),
    max_size=5,
).map(lambda reminders: read_reminders(write_reminders(reminders)))


def text(least: int, most: int) -> st.SearchStrategy[str]:
    """Return a strategy for texts. Those that must not be empty are trimmed."""
    found = st.text(LETTERS, min_size=least, max_size=most)
    return found.filter(str.strip).map(str.strip) if least else found


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Any task."""
    completed_at = draw(st.none() | TIMES)
    due = draw(st.sampled_from(["due_on", "due_at", None]))
    return PLAIN | {
        "id": str(draw(st.uuids())),
        "title": draw(text(1, 200)),
        "details": draw(st.none() | text(0, 300)),
        "completed": completed_at is not None,
        "completed_at": completed_at,
        "priority": draw(st.sampled_from(["none", "low", "medium", "high"])),
        "tags": draw(st.lists(text(1, 50), max_size=5, unique=True)),
        "due_on": draw(DAYS) if due == "due_on" else None,
        "due_at": draw(ACCEPTED_TIMES) if due == "due_at" else None,
        "time_zone": draw(st.none() | ZONES),
        "recurrence": draw(st.none() | RULES) if due else None,
        "reminders": draw(REMINDERS),
        "list_name": draw(st.none() | text(1, 100)),
        "parent_id": draw(st.none() | st.uuids().map(str)),
        "position": draw(st.text(DIGITS, min_size=1, max_size=200)),
        "created_at": draw(TIMES),
        "updated_at": draw(TIMES),
        "user_id": draw(text(1, 50)),
    }


def as_read(task: Task) -> Task:
    """What comes back of a task that was written, or that the API returned."""
    return {name: value for name, value in {"list_name": None, **task}.items() if name not in NOT_READ}


def file_of(*pieces: bytes) -> io.BytesIO:
    return io.BytesIO(b"".join(pieces))


def read_all(form: Format, file: IO[bytes]) -> list[tuple[int, Task]]:
    """Return the tasks of a file with their lines; raise the first fault."""
    found = []
    for record in form.read(file):
        if isinstance(record, Unreadable):
            raise record
        found.append((record.line, record.task))
    return found
