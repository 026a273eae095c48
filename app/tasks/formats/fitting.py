"""Fit a task of another program into one of this service, so that its text is kept."""

from app.tasks import recurrence
from app.tasks.fields import DETAILS_CHARACTERS, MAX_TAGS, TAG_CHARACTERS, TITLE_CHARACTERS
from app.tasks.formats.records import Task

UNTITLED = "(untitled)"
CUT = "…"


def fit(task: Task) -> tuple[Task, tuple[str, ...]]:
    """Return the task within the limits of this service, and the kinds of what was left out.

    A title that is too long stands whole in the details; so do tags that are too many or too long.
    """
    title = (task.get("title") or "").replace("\0", "").strip() or UNTITLED
    details = [(task.get("details") or "").replace("\0", "")]
    if len(title) > TITLE_CHARACTERS:
        details.insert(0, title)
        title = title[: TITLE_CHARACTERS - len(CUT)] + CUT
    tags, others = _tags(task.get("tags") or [])
    if others:
        details.append(f"Tags: {', '.join(others)}")
    text = "\n\n".join(filter(None, details))
    left_out = ["the end of long details"] if len(text) > DETAILS_CHARACTERS else []
    fitted = {**task, "title": title, "details": text[:DETAILS_CHARACTERS] or None, "tags": tags}
    if task.get("recurrence") and not _can_recur(task):
        fitted["recurrence"] = None
        left_out.append("recurrence")
    return fitted, tuple(left_out)


def _tags(tags: list[str]) -> tuple[list[str], list[str]]:
    """Return the tags that a task can have, and the others."""
    names = dict.fromkeys(filter(None, (tag.replace("\0", "").strip() for tag in tags)))
    kept = [name for name in names if len(name) <= TAG_CHARACTERS][:MAX_TAGS]
    return kept, [name for name in names if name not in kept]


def _can_recur(task: Task) -> bool:
    if not (task.get("due_on") or task.get("due_at")):
        return False
    try:
        recurrence.canonical(task["recurrence"])
    except recurrence.InvalidRule:
        return False
    return True
