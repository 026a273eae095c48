"""Realistic tasks for trying the service; the same seed gives the same tasks."""

import hashlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from random import Random
from typing import Any

from app.tasks.fields import read_tags
from app.tasks.file_schemas import ImportedTask
from app.tasks.schedule import normalize
from app.times import rfc3339

# The age of the oldest tasks.
PAST = timedelta(days=180)
# Of so many tasks, the first has subtasks: those after it, so many at most.
FAMILY, SUBTASKS = 10, 2
LISTS = ("Work", "Home", "Errands")
# The list of tasks with this tag; the others are in the inbox.
LIST_OF_TAG = {
    "work": "Work",
    "mail": "Work",
    "home": "Home",
    "family": "Home",
    "shop": "Errands",
    "errands": "Errands",
}
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", None)


@dataclass(frozen=True)
class Kind:
    """A kind of task: a title to fill in, and its usual fields."""

    title: str
    things: Sequence[str]
    tags: Sequence[str]
    details: str | None = None
    priority: str = "none"
    recurrence: str | None = None


KINDS = (
    Kind("Buy {}", ("oat milk", "tea", "coffee beans", "stamps", "light bulbs", "cat food", "crème fraîche"), ["shop"]),
    Kind("Call {}", ("Mum", "the dentist", "Zoë", "the landlord", "Łukasz", "the bank"), ["phone"], None, "medium"),
    Kind("Reply to {}", ("Priya", "Günther", "the tax office", "support", "Ann"), ["mail", "work"], None, "low"),
    Kind(
        "Review {}",
        ("the budget", "Sam's draft", "the contract", "pull request 481", "the roadmap"),
        ["work"],
        "Read it once through, note what is unclear, then talk it over before answering in writing.",
        "high",
    ),
    Kind("Write {}", ("the minutes", "a status report", "release notes", "a letter to Jürgen"), ["work", "writing"]),
    Kind("Book {}", ("a table for four", "the train to Kraków", "a room", "a haircut"), ["errands"], None, "medium"),
    Kind(
        "Prepare {}",
        ("the workshop", "Monday's meeting", "slides for the board", "the interview"),
        ["work"],
        "- collect figures\n- write an outline\n- ask two people to read it",
        "high",
    ),
    Kind(
        "Repair {}", ("the bicycle", "the kitchen tap", "the garden fence"), ["home"], "The toolbox is in the cellar."
    ),
    Kind("Read {}", ("chapter 5", "that article on sleep", "「吾輩は猫である」"), ["reading"], None, "low"),
    Kind("Return {}", ("the library books", "the drill to Omar", "the shoes"), ["errands"]),
    Kind("Plan {}", ("the summer holidays", "Noor's birthday 🎂", "the move"), ["family", "home"], None, "medium"),
    Kind("Renew {}", ("the passport", "the insurance", "the domain name"), ["papers"], "Costs about 60 €.", "high"),
    Kind("{}", ("Water the plants", "Take out the bins"), ["home"], None, "none", "FREQ=WEEKLY;BYDAY=MO,TH"),
    Kind("{}", ("Back up the laptop", "Go through the inbox"), ["routine"], None, "low", "FREQ=WEEKLY;INTERVAL=2"),
    Kind("Pay {}", ("the rent", "the electricity bill"), ["money"], None, "high", "FREQ=MONTHLY;BYMONTHDAY=1"),
    Kind("{}", ("Stretch for ten minutes", "Plan the day"), ["routine"], None, "none", "FREQ=DAILY;COUNT=30"),
)


def sample_lists(seed: str) -> dict[str, str]:
    """Return the names of lists by their ids."""
    return {_id_begin(f"{seed} lists") + f"{number:012x}": name for number, name in enumerate(LISTS)}


def sample_tasks(seed: str, count: int, now: datetime, lists: Container[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield `count` tasks for bulk_queries.insert_tasks(), with times spread around `now`; parents come first.

    Of the sample lists, only those among `lists` have tasks.
    """
    list_ids = {name: list_id for list_id, name in sample_lists(seed).items() if list_id in lists}
    parent: dict[str, Any] = {}
    for number, task in enumerate(_plain_tasks(seed, count, now)):
        task["place"] = f"{number:07}"
        names = (LIST_OF_TAG[tag] for tag in read_tags(task["tags"]) if tag in LIST_OF_TAG)
        task["list_id"] = list_ids.get(next(names, ""))
        if number % FAMILY == 0:
            parent = task
            task["is_parent"] = True
        elif number % FAMILY <= SUBTASKS and not task["recurrence"]:
            _put_under(task, parent)
        yield task


def _put_under(task: dict[str, Any], parent: dict[str, Any]) -> None:
    """Make a task a subtask, which is completed and deleted with its parent."""
    task |= {"parent_id": parent["id"], "list_id": parent["list_id"]}
    task["deleted"] |= parent["deleted"]
    if parent["completed"] and not task["completed"]:
        completed_at = max(parent["completed_at"], task["created_at"])
        task |= {"completed": True, "completed_at": completed_at}


def _id_begin(seed: str) -> str:
    """Return all but the last 12 digits of ids. UUID version 8 (RFC 9562) is for custom ids."""
    digits = hashlib.sha256(seed.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[12:15]}-8{digits[15:18]}-"


def _plain_tasks(seed: str, count: int, now: datetime) -> Iterator[dict[str, Any]]:
    # Only random() is promised to give the same numbers in every Python version.
    random = Random(seed).random  # noqa: S311
    # Ascending ids are fastest for an index.
    begin = _id_begin(seed)
    whole = _whole_tasks()
    for number in range(count):
        task = whole[int(random() * len(whole))].copy()
        # More tasks are recent.
        age = random() ** 2 * PAST
        task["id"] = f"{begin}{number:012x}"
        task["created_at"] = rfc3339(now - age)
        chance, days, zone = random(), random(), random()
        if task["recurrence"] is None and chance < 0.4:
            task["completed"], task["completed_at"] = True, rfc3339(now - age * days)
        task["deleted"] = random() < 0.02
        if task["recurrence"] or chance > 0.15:
            # Most are due soon, a few are overdue; completed tasks were due around their completion.
            offset = -round(age.days * days) if task["completed"] else round(days * days * 60) - 7
            at_hour = 8 + int(zone * 40) if zone < 0.3 else None
            task.update(_schedule(now.date().toordinal() + offset, at_hour, int(zone * 100) % 4, task["recurrence"]))
        yield task


@cache
def _whole_tasks() -> list[dict[str, Any]]:
    """Return one task of each kind and thing, validated like imported tasks."""
    read = ImportedTask().load
    return [
        {
            **read(
                {
                    "title": kind.title.format(thing),
                    "details": kind.details,
                    "priority": kind.priority,
                    "tags": kind.tags,
                    # A recurring task needs a due date; this one is replaced.
                    "due_on": "2000-01-01",
                    "recurrence": kind.recurrence,
                }
            ),
            "due": None,
            "due_on": None,
        }
        for kind in KINDS
        for thing in kind.things
    ]


@lru_cache(maxsize=10_000)
def _schedule(day: int, hour: int | None, zone: int, recurrence: str | None) -> dict[str, Any]:
    date = datetime.fromordinal(day).replace(tzinfo=UTC)
    due_on, due_at = (date.date().isoformat(), None) if hour is None else (None, rfc3339(date + timedelta(hours=hour)))
    return normalize({"due_on": due_on, "due_at": due_at, "time_zone": ZONES[zone], "recurrence": recurrence})
