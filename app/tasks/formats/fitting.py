"""Fit a task of another program into one of this service, so that its text is kept."""

from functools import lru_cache

from app.tasks import recurrence
from app.tasks.fields import DETAILS_CHARACTERS, LIST_NAME_CHARACTERS, MAX_TAGS, TAG_CHARACTERS, TITLE_CHARACTERS
from app.tasks.formats.records import Task
from app.tasks.reminders import MAX_REMINDERS, read_reminders, write_reminders

UNTITLED = "(untitled)"
CUT = "…"


def fit(task: Task) -> tuple[Task, tuple[str, ...]]:
    """Return the task within the limits of this service, and the kinds of what was left out.

    A title that is too long stands whole in the details; so do tags that are too many or too long.
    """
    title = _without_nul(task.get("title")).strip() or UNTITLED
    tags, others = _tags(task.get("tags") or [])
    parts = [_without_nul(task.get("details")), f"Tags: {', '.join(others)}" if others else ""]
    if len(title) > TITLE_CHARACTERS:
        parts.insert(0, title)
        title = title[: TITLE_CHARACTERS - len(CUT)] + CUT
    text = "\n\n".join(filter(None, parts))
    left_out = ["the end of long details"] if len(text) > DETAILS_CHARACTERS else []
    details = text[:DETAILS_CHARACTERS] if text else task.get("details")
    fitted = {**task, "title": title, "details": details, "tags": tags}
    if task.get("list_name"):
        name = _without_nul(task["list_name"]).strip()
        fits = len(name) <= LIST_NAME_CHARACTERS
        fitted["list_name"] = (name if fits else name[: LIST_NAME_CHARACTERS - len(CUT)] + CUT) or None
    if task.get("reminders"):
        reminders = [*{str(each): each for each in task["reminders"]}.values()]
        fitted["reminders"] = read_reminders(write_reminders(reminders[:MAX_REMINDERS]))
        left_out += ["reminders"] * len(reminders[MAX_REMINDERS:])
    if task.get("recurrence") and not _can_recur(task):
        fitted["recurrence"] = None
        left_out.append("recurrence")
    return fitted, tuple(left_out)


def _without_nul(text: str | None) -> str:
    return (text or "").replace("\0", "")


def _tags(tags: list[str]) -> tuple[list[str], list[str]]:
    """Return the tags that a task can have, and the others."""
    names = dict.fromkeys(filter(None, (_without_nul(tag).strip() for tag in tags)))
    kept = [name for name in names if len(name) <= TAG_CHARACTERS][:MAX_TAGS]
    return kept, [name for name in names if name not in kept]


def _can_recur(task: Task) -> bool:
    return bool(task.get("due_on") or task.get("due_at")) and _is_rule(task["recurrence"])


@lru_cache(maxsize=1024)
def _is_rule(text: str) -> bool:
    try:
        recurrence.canonical(text)
    except recurrence.InvalidRule:
        return False
    return True
