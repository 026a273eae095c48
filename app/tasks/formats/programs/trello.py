"""Trello: a board as JSON (board menu, Print, export and share, Export as JSON)."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from app.tasks.formats.programs.values import (
    Item,
    completion,
    due,
    id_of,
    list_of,
    moment,
    paragraphs,
    subtask,
    tags_of,
)
from app.tasks.formats.records import Record, Task


def recognizes(document: Any) -> bool:
    return {"cards", "lists", "labelNames"} <= set(document if isinstance(document, dict) else ())


def records(document: Any) -> Iterator[Record]:
    """Yield a task for each card, and its subtasks after it; its labels are tags.

    What is archived is done with, so completed.
    """
    board = Item(document)
    lists = {list_["id"]: list_ for list_ in board.items("lists")}
    checklists: dict[str, list[Item]] = defaultdict(list)
    for found in board.items("checklists"):
        checklists[found["idCard"]].append(found)
    for card in board.items("cards"):
        record = _record(card, lists.get(card["idList"], Item({})))
        yield record
        for checklist in checklists[card["id"]]:
            # One needs no name.
            tags = [checklist["name"]] if len(checklists[card["id"]]) > 1 else []
            for item in checklist.items("checkItems"):
                done = item["state"] == "complete"
                yield subtask(record.task, id_of("trello", item["id"]), item["name"], done, *tags)


def _record(card: Item, list_: Item) -> Record:
    is_archived = card.is_true("closed") or list_.is_true("closed")
    task: Task = {
        "id": id_of("trello", card["id"]),
        "title": card["name"],
        "details": paragraphs(card["desc"], *(each["url"] for each in card.items("attachments"))),
        **completion(card.is_true("dueComplete") or is_archived, card["dateLastActivity"]),
        "tags": tags_of(*(label["name"] or label["color"] for label in card.items("labels"))),
        "list_name": list_of(list_["name"]),
        **due(moment(card["due"])),
        "created_at": _created_at(card["id"]),
    }
    comments = ("comments",) if card.item("badges").filled("comments") else ()
    return Record(1, task, (*comments, *card.filled("start", "idMembers", "customFieldItems")))


def _created_at(card_id: str) -> str | None:
    """Return the time of creation, with which the id of a card begins, in seconds since 1970."""
    try:
        return moment(datetime.fromtimestamp(int(card_id[:8], 16), UTC).isoformat())
    except ValueError:
        return None
