"""Marshmallow fields of a task. They load the values that the table stores."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from zoneinfo import available_timezones

import orjson
from marshmallow import Schema, ValidationError, fields

from app.database.texts import fold
from app.http.fields import Integer, Text
from app.tasks import recurrence
from app.tasks.reminders import (
    MAX_BEFORE_MINUTES,
    MAX_REMINDERS,
    Reminder,
    read_reminders,
    write_reminders,
)
from app.times import is_day, read_day, read_moment

Described = Mapping[str, Any]
NOTHING: Described = MappingProxyType({})

# In order of rank.
PRIORITIES = ("none", "low", "medium", "high")
PRIORITY: Described = MappingProxyType({"component": "Priority", "enum": list(PRIORITIES), "example": "high"})
TITLE_CHARACTERS = 200
LIST_NAME_CHARACTERS = 100
DETAILS_CHARACTERS = 10_000
MAX_TAGS, TAG_CHARACTERS = 20, 50
ZONE_CHARACTERS = 64

LINE_END = "\n"

# Far enough ahead that no reader finds the example's task overdue; a Monday, as EXAMPLE_RULE has it.
EXAMPLE_DAY = "2050-03-14"
EXAMPLE_RULE = "FREQ=WEEKLY;BYDAY=MO,WE,FR"

REMINDERS = (
    "When to remind of it. A reminder fires once, and not if its time has passed when it is set, or while the task is "
    "completed or in the trash."
)

_SHAPE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"


class Priority(fields.String):
    """One of the four words, stored as its rank."""

    def __init__(self, *, metadata: Described = NOTHING, **options: Any) -> None:
        super().__init__(metadata={**PRIORITY, **metadata}, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return PRIORITIES.index(value)
        except ValueError:
            raise ValidationError(f"Must be one of: {', '.join(PRIORITIES)}.") from None

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str:
        return PRIORITIES[value]


class Tags(fields.List[str]):
    """Names without duplicates, ignoring case; stored as one text, each as JSON on its own line.

    A JSON string contains no line end, so a search for a tag's text between two line ends finds it.
    """

    def __init__(self, *, metadata: Described = NOTHING, **options: Any) -> None:
        described = {"maxItems": MAX_TAGS, "example": ["home", "errands"]}
        super().__init__(Text(1, TAG_CHARACTERS, trimmed=True), metadata={**described, **metadata}, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, list) and len(value) > MAX_TAGS:
            raise ValidationError(f"Give at most {MAX_TAGS} tags.")
        return write_tags(map(str, super()._deserialize(value, attr, data, **kwargs)))

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[Any]:
        return read_tags(value)


class Day(fields.String):
    """A calendar day, `YYYY-MM-DD`, in no particular time zone."""

    def __init__(self, description: str, **options: Any) -> None:
        described = {"format": "date", "maxLength": 10, "example": EXAMPLE_DAY, "description": description}
        super().__init__(allow_none=True, metadata=described, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return read_day(value)


class Moment(fields.String):
    """A time with its offset (RFC 3339), stored in UTC."""

    def __init__(self, description: str, **options: Any) -> None:
        # A task has either due_on or due_at; the examples use due_on.
        described = {"format": "date-time", "maxLength": 40, "example": None, "description": description}
        super().__init__(allow_none=True, metadata=described, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return read_moment(value)


class MomentOrDay(fields.String):
    """In a query: a time with its offset, or a day."""

    def __init__(self, description: str) -> None:
        # No example, because /docs would fill it in and then find no tasks.
        described = {"maxLength": 40, "pattern": _SHAPE, "description": description}
        super().__init__(metadata=described)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return read_day(value) if is_day(value) else read_moment(value)


class Zone(Text):
    """The name of a time zone in the IANA database."""

    def __init__(
        self, description: str = "The time zone of `due_on` and of the recurrence. null means UTC.", **options: Any
    ) -> None:
        described = {"pattern": "^[A-Za-z0-9_+/-]+$", "example": "Europe/Berlin", "description": description}
        super().__init__(1, ZONE_CHARACTERS, allow_none=True, metadata=described, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        name = super()._deserialize(value, attr, data, **kwargs)
        if name not in _zones():
            raise ValidationError("Must be the name of a time zone in the IANA database, such as Europe/Berlin.")
        return name


class Rule(Text):
    """A recurrence rule (RFC 5545, section 3.3.10)."""

    def __init__(self, **options: Any) -> None:
        described = {
            "example": EXAMPLE_RULE,
            "description": "An RRULE: how the task repeats. It needs `due_on` or `due_at`.",
        }
        super().__init__(1, recurrence.MAX_CHARACTERS, allow_none=True, metadata=described, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return recurrence.canonical(super()._deserialize(value, attr, data, **kwargs))
        except recurrence.InvalidRule as error:
            raise ValidationError(str(error)) from error


class _OneReminder(Schema):
    before_minutes = Integer(0, MAX_BEFORE_MINUTES)
    at = Moment("")


class _Reminder(fields.Field[Reminder]):
    """An object with exactly one of two members."""

    def __init__(self) -> None:
        minutes = {"type": "integer", "format": "int32", "minimum": 0, "maximum": MAX_BEFORE_MINUTES}
        described = {
            "component": "Reminder",
            "type": "object",
            "description": "Either `before_minutes` or `at`.",
            "properties": {
                "before_minutes": {**minutes, "description": "Minutes before the due. A `due_on` counts from 09:00."},
                "at": {"type": "string", "format": "date-time", "maxLength": 40, "description": "At this moment."},
            },
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "example": {"before_minutes": 15},
        }
        super().__init__(metadata=described)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Reminder:
        if not isinstance(value, Mapping):
            raise ValidationError("Must be an object.")
        loaded: Reminder = _one_reminder.load(value)
        if len(loaded) != 1 or None in loaded.values():
            raise ValidationError("Give exactly one of before_minutes and at.")
        return loaded


class Reminders(fields.List[Reminder]):
    """When to remind of a task; stored as one text."""

    def __init__(self, description: str = REMINDERS, **options: Any) -> None:
        described = {"maxItems": MAX_REMINDERS, "example": [{"before_minutes": 15}], "description": description}
        super().__init__(_Reminder(), metadata=described, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, list) and len(value) > MAX_REMINDERS:
            raise ValidationError(f"Give at most {MAX_REMINDERS} reminders.")
        return write_reminders(filter(None, super()._deserialize(value, attr, data, **kwargs)))

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[Any]:
        return read_reminders(value)


def write_tags(tags: Iterable[str]) -> str:
    """Return the tags as stored; of those that are the same to `fold`, keep the first."""
    kept: dict[str, str] = {}
    for tag in tags:
        kept.setdefault(fold(tag), tag)
    return "".join(map(line_of, kept.values())) + LINE_END if kept else ""


def line_of(tag: str) -> str:
    """Return the line end before a tag and its text; the next tag or the end adds the line end after it."""
    return LINE_END + orjson.dumps(tag).decode()


def read_tags(kept: str) -> list[str]:
    tags: list[str] = orjson.loads(f"[{json_tags(kept)}]")
    return tags


def json_tags(kept: str) -> str:
    """Return stored tags as the elements of a JSON array."""
    return kept[1:-1].replace(LINE_END, ",")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    # `localtime` is this machine's own setting, not an IANA name.
    return frozenset(available_timezones() - {"localtime"})


_one_reminder = _OneReminder()
