"""Describe marshmallow schemas to models as JSON Schema, with few words of it.

A client drops all tools, or the model refuses the session, if one schema has what it does not know: no `anyOf`, no
lists of types, no `$ref`, no `format`. What a value must be stands in the description; the schemas themselves check it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range

from app.tasks.fields import MomentOrDay

Described = dict[str, Any]

# For fields with this format.
WRITTEN: Mapping[str, str] = {"date": "YYYY-MM-DD.", "date-time": "RFC 3339, such as 2050-03-14T09:00:00Z."}
DAY_OR_TIME = "YYYY-MM-DD or RFC 3339."


def taken(schema: Schema) -> Described:
    """Return the JSON Schema of an object that a schema loads."""
    found = schema.load_fields
    described: Described = {"type": "object", "properties": {name: _field(field) for name, field in found.items()}}
    if required := [name for name, field in found.items() if field.required]:
        described["required"] = required
    return described


def given(schema: Schema, names: Collection[str], required: Sequence[str]) -> Described:
    """Return the JSON Schema of an object in an answer, which may have these of a schema's fields."""
    properties = {name: _type(schema.dump_fields[name]) for name in names}
    return {"type": "object", "properties": properties, "required": required}


def _field(field: fields.Field[Any]) -> Described:
    described = _type(field)
    for validator in field.validators:
        match validator:
            case Range():
                described |= {"minimum": validator.min, "maximum": validator.max}
            case Length() if described["type"] == "array":
                described |= {"minItems": validator.min, "maxItems": validator.max}
    return described | _words(field.metadata, DAY_OR_TIME if isinstance(field, MomentOrDay) else None)


def _words(metadata: Mapping[str, Any], written: str | None = None) -> Described:
    """Return the description, with how the value is written."""
    words = metadata.get("description"), written or WRITTEN.get(metadata.get("format", ""))
    description = " ".join(filter(None, words))
    return {"description": description} if description else {}


def _type(field: fields.Field[Any]) -> Described:
    match field:
        case fields.Field(metadata={"type": "object", "properties": parts}):
            # It describes itself.
            return {"type": "object", "properties": {name: _part(part) for name, part in parts.items()}}
        case fields.Boolean():
            return {"type": "boolean"}
        case fields.Integer():
            return {"type": "integer"}
        case fields.Nested():
            return taken(field.schema)
        case fields.List():
            return {"type": "array", "items": _field(field.inner)}
    choices = [validator.choices for validator in field.validators if isinstance(validator, OneOf)]
    enum = choices[0] if choices else field.metadata.get("enum")
    return {"type": "string", **({"enum": list(enum)} if enum else {})}


def _part(part: Mapping[str, Any]) -> Described:
    return {name: part[name] for name in ("type", "minimum", "maximum") if name in part} | _words(part)
