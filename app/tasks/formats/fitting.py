"""Fit a task of another program into one of this service, so that its text is kept."""

from functools import lru_cache

from app.tasks import recurrence
from app.tasks.fields import DETAILS_CHARACTERS, MAX_TAGS, TAG_CHARACTERS, TITLE_CHARACTERS
from app.tasks.formats.records import Task

UNTITLED = "(untitled)"
CUT = "…"


def fit(task: Task) -> tuple[Task, tuple[str, ...]]:
    """Return the task within the limits of this service, and the kinds of what was left out.

    What fits stays as it is. A title that is too long stands whole in the details; so do tags that are too many or too
    long.
    """
    title, details = _without_nul(task.get("title")), _without_nul(task.get("details"))
    tags, others = _tags(task.get("tags") or [])
    added = {"before": "", "after": f"Tags: {', '.join(others)}" if others else ""}
    if len(title.strip()) > TITLE_CHARACTERS:
        added["before"] = title.strip()
        title = title.strip()[: TITLE_CHARACTERS - len(CUT)] + CUT
    text = "\n\n".join(filter(None, [added["before"], details, added["after"]]))
    left_out = ["the end of long details"] if len(text) > DETAILS_CHARACTERS else []
    kept = text[:DETAILS_CHARACTERS] if text else task.get("details")
    fitted = {**task, "title": title if title.strip() else UNTITLED, "details": kept, "tags": tags}
    if task.get("recurrence") and not _can_recur(task):
        fitted["recurrence"] = None
        left_out.append("recurrence")
    return fitted, tuple(left_out)


def _without_nul(text: str | None) -> str:
    return (text or "").replace("\0", "")


def _tags(tags: list[str]) -> tuple[list[str], list[str]]:
    """Return the tags that a task can have, and the others."""
    names = [name for name in map(_without_nul, tags) if name.strip()]
    kept = [name for name in names if len(name.strip()) <= TAG_CHARACTERS]
    if len(kept) > MAX_TAGS:
        kept = list(dict.fromkeys(kept))[:MAX_TAGS]
    return kept, [name for name in dict.fromkeys(names) if name not in kept]


def _can_recur(task: Task) -> bool:
    return bool(task.get("due_on") or task.get("due_at")) and _is_rule(task["recurrence"])


@lru_cache(maxsize=1024)
def _is_rule(text: str) -> bool:
    try:
        recurrence.canonical(text)
    except recurrence.InvalidRule:
        return False
    return True
