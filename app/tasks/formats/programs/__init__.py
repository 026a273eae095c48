"""The files of other programs: by what each is recognized, and how its parts become tasks."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from app.tasks.formats.fitting import fit
from app.tasks.formats.programs import (
    asana,
    google,
    outlook,
    remember_the_milk,
    taskwarrior,
    ticktick,
    todoist,
    trello,
    wunderlist,
)
from app.tasks.formats.programs.values import Row
from app.tasks.formats.records import Record

# A text is the kind of something that is no task here.
Found = Iterator[Record | str]


class Table(NamedTuple):
    """A program that writes CSV."""

    name: str
    # Their names in lower case: a header with all of these is this program's.
    columns: frozenset[str]
    records: Callable[[Iterable[Row]], Found]


class Document(NamedTuple):
    """A program that writes JSON."""

    name: str
    recognizes: Callable[[Any], bool]
    records: Callable[[Any], Found]


TABLES = (
    Table("Todoist", todoist.COLUMNS, todoist.records),
    Table("TickTick", ticktick.COLUMNS, ticktick.records),
    Table("Microsoft To Do or Outlook", outlook.COLUMNS, outlook.records),
    Table("Asana", asana.COLUMNS, asana.records),
)
DOCUMENTS = (
    Document("Google Tasks", google.recognizes, google.records),
    Document("Trello", trello.recognizes, trello.records),
    Document("Wunderlist", wunderlist.recognizes, wunderlist.records),
    Document("Taskwarrior", taskwarrior.recognizes, taskwarrior.records),
    Document("Remember The Milk", remember_the_milk.recognizes, remember_the_milk.records),
)


def fitted(found: Found) -> Iterator[Record]:
    """Yield the tasks within the limits of this service; what is no task is counted with the next one, or the last."""
    skipped: list[str] = []
    last: Record | None = None
    for each in found:
        if isinstance(each, str):
            skipped.append(each)
            continue
        if last:
            yield last
        task, kinds = fit({name: value for name, value in each.task.items() if value not in (None, "")})
        last = each._replace(task=task, left_out=(*each.left_out, *kinds, *skipped))
        skipped.clear()
    if last:
        yield last._replace(left_out=(*last.left_out, *skipped))
