"""The schemas of export and import."""

from typing import Any

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import OneOf

from app.http.fields import Count, QueryBoolean, Text
from app.tasks.fields import LIST_NAME_CHARACTERS, Moment
from app.tasks.formats import FORMATS, READERS
from app.tasks.formats.records import MAX_FAULTS
from app.tasks.order import POSITION_CHARACTERS, is_position
from app.tasks.page_schemas import IdOrNone
from app.tasks.schemas import DEFAULTS, NewTask

# The nil UUID (RFC 9562, section 5.9) in place of the next task's id, which an import does not know.
MADE_ELSEWHERE = "00000000-0000-0000-0000-000000000000"


NO_POSITION = f"Must be up to {POSITION_CHARACTERS} letters and digits. Or leave it out: the file's order counts then."


def _require_position(text: str) -> None:
    if not is_position(text):
        raise ValidationError(NO_POSITION)


class ImportedTask(NewTask):
    """A task read from a file, with the times of its past."""

    defaults = {
        **DEFAULTS,
        **dict.fromkeys(["list_id", "list_name", "position", "completed_at", "created_at", "next_id"]),
        "is_parent": False,
    }

    list_name = Text(1, LIST_NAME_CHARACTERS, trimmed=True, allow_none=True)
    position = fields.String(allow_none=True, validate=_require_position)
    completed_at = Moment("When it was completed.")
    created_at = Moment("When it was created; the time of the import if unknown.")

    def load(self, data: Any, **options: Any) -> dict[str, Any]:
        task = super().load(data, **options)
        if task["completed"] and task["recurrence"]:
            # Its next task was created in the system where this one was completed.
            task["next_id"] = MADE_ELSEWHERE
        return task


class ExportQuery(Schema):
    format = fields.String(
        load_default="jsonl",
        validate=OneOf(list(FORMATS)),
        metadata={"description": "JSON Lines, CSV for spreadsheets, or iCalendar for calendars."},
    )

    list = IdOrNone(metadata={"description": "Only the tasks of this list, or with `none` those of the inbox."})


class ImportQuery(Schema):
    format = fields.String(
        validate=OneOf(list(READERS)),
        metadata={"description": "If left out, the file's name or media type tells it."},
    )
    skip_faulty = QueryBoolean(
        load_default=False, metadata={"description": "Import the other tasks if some are faulty, and list those."}
    )


class ImportFault(Schema):
    line = Count(required=True, metadata={"example": 3})
    detail = Text(1, 100_000, required=True, metadata={"example": "title: Must not be blank."})


class ImportOmission(Schema):
    kind = Text(1, 200, required=True, metadata={"example": "ATTACH"})
    count = Count(required=True)


class ImportResult(Schema):
    """The result of an import. `found` is the sum of `added`, `kept` and `skipped`."""

    found = Count(required=True, metadata={"example": 4})
    added = Count(required=True, metadata={"example": 2})
    kept = Count(required=True, metadata={"example": 1, "description": "Tasks that were there already."})
    skipped = Count(required=True, metadata={"example": 1, "description": "Faulty tasks."})
    faults = fields.List(
        fields.Nested(ImportFault),
        required=True,
        metadata={"maxItems": MAX_FAULTS, "description": "The first faulty tasks, each by the line where it begins."},
    )
    left_out = fields.List(
        fields.Nested(ImportOmission),
        required=True,
        metadata={"maxItems": MAX_FAULTS, "description": "What tasks of this service cannot keep, by kind."},
    )
