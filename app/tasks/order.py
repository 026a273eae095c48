"""Positions: texts that sort as the user has arranged tasks or lists, with room for one more between any two.

A position is a fraction, in the digits 0-9A-Za-z. What is added last gets the current time, so adding reads nothing.
What is put between two others gets the middle of their positions, so nothing else is written. If there is no room, or
if positions become long, those around are spread out.
"""

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE = len(DIGITS)
# The longest that a client sees; a longer one is a reason to spread.
POSITION_CHARACTERS = 200
LONG = 150
# The characters of the current time; see columns.new_position.
TIME_CHARACTERS = 14

_VALUES = {digit: value for value, digit in enumerate(DIGITS)}


def between(low: str, high: str) -> str | None:
    """Return a short position between two others; None if there is no room. Nothing is before ''."""
    for length in range(1, max(len(low), len(high)) + 2):
        begin, end = _number(low, length), _number(high, length)
        if end - begin >= 2:
            return _text((begin + end) // 2, length)
    return None


def after(position: str) -> str:
    """Return what comes after a position, but not after the current time, even if the position is the last one."""
    return _text(_number(position, TIME_CHARACTERS) + 1, TIME_CHARACTERS)


def spread(low: str, high: str, count: int) -> list[str] | None:
    """Return as many positions between two others, in order and all about as far apart; None if there is no room."""
    for length in range(1, max(len(low), len(high)) + 4):
        begin, end = _number(low, length), _number(high, length)
        # A digit between each two.
        if end - begin > (count + 1) * BASE:
            return [_text(begin + (end - begin) * place // (count + 1), length) for place in range(1, count + 1)]
    return None


def is_position(value: object) -> bool:
    return isinstance(value, str) and len(value) <= POSITION_CHARACTERS and all(digit in _VALUES for digit in value)


def _number(position: str, length: int) -> int:
    """Return the number that the first digits of a position are; digits that it does not have are 0."""
    number = 0
    for digit in position[:length].ljust(length, "0"):
        number = number * BASE + _VALUES[digit]
    return number


def _text(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, BASE)
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))
