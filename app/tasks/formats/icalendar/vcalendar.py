"""What vCalendar 1.0, the format of older phones, writes in another way than iCalendar: texts, rules and zones."""

import binascii
import re
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache

from app.tasks.formats.records import Unreadable

NOT_UTF8 = "This is not UTF-8. Save the file as UTF-8, and import it again."

_CHARSET = re.compile(r';CHARSET="?([^";]+)', re.IGNORECASE)
# Python knows more, some of which take long.
_KNOWN_CHARSET = re.compile(
    "utf-?8|us-ascii|(iso|windows|cp|koi8)[-_]?[0-9a-z-]+|gb[0-9k]+|big5|shift_jis|euc-[a-z]+", re.I
)
_ENCODING = re.compile(r";(?:ENCODING=)?(QUOTED-PRINTABLE|BASE64|[QB])(?=;|$)", re.IGNORECASE)
_DECODERS: dict[str, Callable[[bytes], bytes]] = {"Q": binascii.a2b_qp, "B": binascii.a2b_base64}

_OFFSET = re.compile("([+-]?)([0-9]{1,2}):?([0-9]{2})?")
_RULE = re.compile(
    "(D|W|MP|MD|YM|YD)([0-9]{1,3})((?: (?:[0-9]{1,3}[+-]?|[A-Z]{2}))*)"
    "(?: (?:#([0-9]{1,5})|([0-9]{8}(?:T[0-9]{6}Z?)?)))?"
)
_FREQUENCIES = {"D": "DAILY", "W": "WEEKLY", "M": "MONTHLY", "Y": "YEARLY"}
_DAYS_OF = {"W": "BYDAY", "MP": "BYDAY", "MD": "BYMONTHDAY", "YM": "BYMONTH", "YD": "BYYEARDAY"}


def decode(line: int, parameters: bytes, value: bytes) -> tuple[str, str]:
    """Return the parameters and the value of a property as texts, without their encoding."""
    try:
        if not parameters:
            return "", value.decode()
        named = parameters.decode()
        encoding, charset = _ENCODING.search(named), _CHARSET.search(named)
        octets = _DECODERS[encoding[1][0].upper()](value) if encoding else value
        known = charset[1] if charset and _KNOWN_CHARSET.fullmatch(charset[1]) else "utf-8"
        return named, octets.decode(known).replace("\r\n", "\n")
    except (UnicodeDecodeError, LookupError) as error:
        raise Unreadable(line, NOT_UTF8) from error
    except binascii.Error as error:
        raise Unreadable(line, "This is not base64. Export the file again.") from error


class PhoneZone(tzinfo):
    """A zone with an offset, and others for some summers."""

    def __init__(self, offset: timedelta, summers: list[tuple[datetime, datetime, timedelta]]) -> None:
        self._offset = offset
        self._summers = summers

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return self._offset + self.dst(moment)

    def dst(self, moment: datetime | None) -> timedelta:
        winter_time = moment.replace(tzinfo=None) - self._offset if moment else datetime.min  # noqa: DTZ901
        found = (offset for start, end, offset in self._summers if start <= winter_time < end)
        return next(found, self._offset) - self._offset

    def tzname(self, moment: datetime | None) -> None:
        return None


@lru_cache(maxsize=32)
def zone(offset: str, summers: str) -> tzinfo | None:
    """Return the zone of a vCalendar's property TZ, such as -05:30, and its lines of DAYLIGHT."""
    distance = _offset(offset)
    if distance is None:
        return None
    found = [_summer(line.split(";"), distance) for line in summers.split("\n")]
    return PhoneZone(distance, [summer for summer in found if summer])


def _summer(values: list[str], winter: timedelta) -> tuple[datetime, datetime, timedelta] | None:
    """Return when a summer time begins and ends in UTC, and its offset."""
    offset = _offset(values[1]) if len(values) >= 4 and values[0] == "TRUE" else None
    if offset is None:
        return None
    try:
        times = [datetime.fromisoformat(value.removesuffix("Z")) for value in values[2:4]]
    except ValueError:
        return None
    start, end = (
        time - (timedelta() if value.endswith("Z") else before)
        for time, value, before in zip(times, values[2:4], (winter, offset), strict=True)
    )
    return start, end, offset


def _offset(text: str) -> timedelta | None:
    found = _OFFSET.fullmatch(text.strip())
    if not found:
        return None
    distance = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return (-distance if found[1] == "-" else distance) if distance < timedelta(days=1) else None


def rule(text: str) -> str:
    """Return a rule such as `W2 MO WE #10` as iCalendar writes it; any other rule as it is."""
    found = _RULE.fullmatch(text.strip().upper())
    if not found:
        return text
    kind, interval, places, count, until = found.groups()
    parts = {"FREQ": _FREQUENCIES[kind[0]], "INTERVAL": interval}
    days = _days(kind, places.split())
    if days:
        parts[_DAYS_OF[kind]] = ",".join(days)
    if until:
        parts["UNTIL"] = until
    elif count != "0":
        # Without a number it is two.
        parts["COUNT"] = count or "2"
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _days(kind: str, places: list[str]) -> list[str]:
    """Return the values of a rule's days. `2-` is the last but one, and `1+ MO TU` the first Monday and Tuesday."""
    number, days = "", list[str]()
    for place in places:
        sign = "-" if place.endswith("-") else ""
        text = "-1" if place == "LD" else sign + place.rstrip("+-")
        if kind != "MP":
            days.append(text)
        elif text.lstrip("-").isdigit():
            number = text
        else:
            days.append(number + text)
    return days
