"""Times and days are text: as the API writes them, and as it takes them."""

import re
from datetime import UTC, date, datetime
from typing import Any

from marshmallow import ValidationError

EXAMPLE_TIME = "2026-03-14T09:26:53.589793Z"
# So that every zone's last second of a day is a time that can be written.
FIRST_YEAR, LAST_YEAR = 1000, 9998

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# At most 40 characters, as is documented. Python alone would take an offset of 99 minutes.
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,14})?([Zz]|[+-][0-9]{2}:[0-5][0-9])"
)
_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


def rfc3339(moment: datetime) -> str:
    """An aware time as the API writes it: UTC, `Z`, always six digits of microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def is_time(value: Any) -> bool:
    """Whether it is a time as this service writes it."""
    try:
        return isinstance(value, str) and bool(_WRITTEN.fullmatch(value) and datetime.fromisoformat(value))
    except ValueError:
        return False


def is_day(value: Any) -> bool:
    return isinstance(value, str) and bool(_DAY.fullmatch(value))


def read_day(value: Any) -> str:
    """A day as it is kept, or ValidationError."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ValidationError("There is no such day.") from None
        if FIRST_YEAR <= day.year <= LAST_YEAR:
            return value
    raise ValidationError(f"Must be a day as YYYY-MM-DD, from the year {FIRST_YEAR} to {LAST_YEAR}.")


def read_moment(value: Any) -> str:
    """A time as it is kept, or ValidationError."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError("There is no such time.") from None
        if FIRST_YEAR <= moment.year <= LAST_YEAR:
            return rfc3339(moment)
    if isinstance(value, str) and _TIME.fullmatch("+".join(value.rsplit(" ", 1))):
        # In a query, + is a space.
        raise ValidationError("Write the + of the offset as %2B in a query.")
    raise ValidationError(f"Must be a time with its offset, as {EXAMPLE_TIME} or with +02:00 for Z.")
