"""Marshmallow fields that accept only their own type, not values that could be converted to it."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length, Range

from app.times import EXAMPLE_TIME
from app.turns import give_way

# The JSON Schema patterns of Text: no NUL; if trimmed and required, more than white space.
NO_NUL = r"^[^\x00]*$"
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"

EXAMPLE_USER_ID = "usr_0192f0c1a2b37c4d8e5f60718293a4b5"
EXAMPLE_ID = "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"


_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class Text(fields.String):
    """A string of `least` to `most` characters without NUL, which PostgreSQL cannot store; trimmed on request."""

    default_error_messages = {"nul": "Must not contain NUL characters."}

    def __init__(
        self,
        least: int = 0,
        most: int | None = None,
        *,
        trimmed: bool = False,
        metadata: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.trimmed = trimmed
        described = {"pattern": NOT_BLANK if trimmed and least else NO_NUL, **(metadata or {})}
        super().__init__(validate=Length(least, most), metadata=described, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if "\x00" in text:
            raise self.make_error("nul")
        return text.strip() if self.trimmed else text


class Uuid(fields.String):
    """A UUID from a client, of any version, in its canonical form of 36 characters."""

    def __init__(self, *, metadata: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(metadata={"format": "uuid", "maxLength": 36, **(metadata or {})}, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if isinstance(value, str) and _UUID.fullmatch(value):
            return value.lower()
        raise ValidationError("Must be a UUID of 36 characters.")


class Id(fields.String):
    """A UUID in a response."""

    def __init__(self, *, required: bool = True, allow_none: bool = False, **metadata: Any) -> None:
        described = {"format": "uuid", "maxLength": 36, "example": EXAMPLE_ID, **metadata}
        super().__init__(required=required, allow_none=allow_none, metadata=described)


class Time(fields.String):
    """A time in a response: RFC 3339, in UTC, with microseconds."""

    def __init__(self, description: str, *, allow_none: bool = False, example: str | None = EXAMPLE_TIME) -> None:
        described = {"format": "date-time", "maxLength": 27, "example": example, "description": description}
        super().__init__(required=True, allow_none=allow_none, metadata=described)


class Count(fields.Integer):
    """A number of things in a response."""

    def __init__(self, *, metadata: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(
            metadata={"minimum": 0, "maximum": 2_147_483_647, "format": "int32", "example": 3, **(metadata or {})},
            **options,
        )


class Boolean(fields.Boolean):
    """`true` or `false`. Marshmallow's own field also accepts "yes" and 1."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise self.make_error("invalid", input=value)


class QueryBoolean(fields.Boolean):
    """The words `true` and `false` in a query."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if value in ("true", "false"):
            return bool(value == "true")
        raise self.make_error("invalid", input=value)


class Integer(fields.Integer):
    """A whole number; `7.0` is one too (JSON Schema, section 6.1.1), but no text and no truth value."""

    def __init__(self, least: int, most: int, *, metadata: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(validate=Range(least, most), metadata={"format": "int32", **(metadata or {})}, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is int or (type(value) is float and value.is_integer()):
            return int(value)
        raise self.make_error("invalid", input=value)


class QueryInteger(fields.Integer):
    """Decimal ASCII digits in a query. Python's int() also accepts "1_000" and " 7"."""

    def __init__(self, least: int, most: int, *, metadata: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(validate=Range(least, most), metadata={"format": "int32", **(metadata or {})}, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
            return int(value)
        raise self.make_error("invalid", input=value)


class OneOfSchemas(fields.Field[Any]):
    """An object validated by one of several schemas, chosen by a discriminator field."""

    def __init__(self, component: str, discriminator: str, schemas: Mapping[str, type[Schema]]) -> None:
        super().__init__(metadata={"component": component})
        self.discriminator = discriminator
        self.schemas = {word: schema() for word, schema in schemas.items()}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValidationError("Must be an object.")
        word = value.get(self.discriminator)
        if not isinstance(word, str) or word not in self.schemas:
            raise ValidationError({self.discriminator: [f"Must be one of: {', '.join(self.schemas)}."]})
        # A batch holds many objects, and each may have a recurrence rule to check.
        give_way()
        return self.schemas[word].load(value)
