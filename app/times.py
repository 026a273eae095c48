"""Times and days as text, in the forms that the API writes and accepts."""

import re
from datetime import UTC, date, datetime
from typing import Any

from marshmallow import ValidationError

EXAMPLE_TIME = "2026-03-14T09:26:53.589793Z"
# The limits make every day's last second, in every zone, a time that can be written.
FIRST_YEAR, LAST_YEAR = 1000, 9998

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# At most 40 characters, as documented. Python alone would accept an offset of 99 minutes.
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,14})?([Zz]|[+-][0-9]{2}:[0-5][0-9])"
)
_WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


def rfc3339(moment: datetime) -> str:
    """Format an aware time for the API: UTC, `Z`, always six digits of microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def rfc3339_now() -> str:
    """Return this machine's time in the same form, in a third of the time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def seconds_between(earlier: str, later: str) -> float:
    """Return the seconds from one written time to another; negative if that is before it."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def is_time(value: Any) -> bool:
    """Return whether it is a time in the form that this service writes."""
    try:
        return isinstance(value, str) and bool(_WRITTEN.fullmatch(value) and datetime.fromisoformat(value))
    except ValueError:
        return False


def is_day(value: Any) -> bool:
    return isinstance(value, str) and bool(_DAY.fullmatch(value))


def read_day(value: Any) -> str:
    """Return a day in its stored form, or raise ValidationError."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ValidationError("There is no such day.") from None
        if FIRST_YEAR <= day.year <= LAST_YEAR:
            return value
    raise ValidationError(f"Must be a day as YYYY-MM-DD, from the year {FIRST_YEAR} to {LAST_YEAR}.")


def read_moment(value: Any) -> str:
    """Return a time in its stored form, or raise ValidationError."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError("There is no such time.") from None
        if FIRST_YEAR <= moment.year <= LAST_YEAR:
            return rfc3339(moment)
    if isinstance(value, str) and not _TIME.fullmatch(value) and _TIME.fullmatch("+".join(value.rsplit(" ", 1))):
        # In a query, + is a space.
        raise ValidationError("Must be a time with its offset. Write the + as %2B in a query.")
    raise ValidationError(f"Must be a time with its offset, as {EXAMPLE_TIME} or with +02:00 for Z.")
