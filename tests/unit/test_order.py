"""Positions: between any two there is room for one more, and they stay short."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.database.texts import position_at
from app.tasks.order import DIGITS, LONG, POSITION_CHARACTERS, TIME_CHARACTERS, after, between, is_position, spread
from app.times import rfc3339

POSITION = st.text(DIGITS, max_size=20)
# Until the year 4253, microseconds have 14 hexadecimal digits.
TIME = st.integers(0, 2_000 * 365 * 24 * 3600 * 10**6).map(
    lambda microseconds: rfc3339(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds))
)
INSERTIONS = 1_000


def is_room(low: str, high: str) -> bool:
    """Return whether a text of digits is between two others: 0 at the end adds nothing to a fraction."""
    return low.rstrip("0") < high.rstrip("0")


def test_the_digits_sort_as_they_count() -> None:
    """As code points, and there are 62."""
    assert list(DIGITS) == sorted(DIGITS)
    assert len(set(DIGITS)) == 62


@given(POSITION, POSITION)
def test_a_position_between_two_others_sorts_between_them(one: str, other: str) -> None:
    """It has at most one digit more than the longer one, and only equal fractions have nothing between them."""
    low, high = sorted([one, other])
    found = between(low, high)

    assert (found is not None) == is_room(low, high)
    if found is not None:
        assert low < found < high
        assert is_position(found)
        assert len(found) <= max(len(low), len(high)) + 1


@given(POSITION, POSITION)
def test_there_is_always_room_before_and_after_what_is_put_between(one: str, other: str) -> None:
    """However often one puts something there."""
    low, high = sorted([one, other])
    found = between(low, high)
    if found is not None:
        assert between(low, found) is not None
        assert between(found, high) is not None


@given(TIME, st.integers(1, 10**6), st.text(DIGITS, max_size=6))
def test_after_a_position_is_not_after_what_is_added_later(time: str, microseconds: int, more: str) -> None:
    """Not even a microsecond later."""
    position = position_at(time) + more
    later = datetime.fromisoformat(time) + timedelta(microseconds=microseconds)

    assert position < after(position) <= position_at(rfc3339(later))
    assert len(after(position)) == TIME_CHARACTERS


@given(TIME, TIME)
def test_times_sort_as_positions(one: str, other: str) -> None:
    """And all have the same length."""
    assert (position_at(one) < position_at(other)) == (one < other)
    assert len(position_at(one)) == TIME_CHARACTERS


@given(POSITION, POSITION, st.integers(1, 300))
def test_spread_positions_are_in_order_and_have_room_between_them(one: str, other: str, count: int) -> None:
    """Also before the first and after the last."""
    low, high = sorted([one, other])
    found = spread(low, high, count)

    assert (found is not None) == is_room(low, high)
    if found is not None:
        around = [low, *found, high]
        assert len(found) == count
        assert around == sorted(set(around))
        assert all(is_position(each) for each in found)
        assert all(between(*pair) is not None for pair in pairwise(around))
        assert len(found[0]) <= max(len(low), len(high)) + 3


@pytest.mark.parametrize("where", ["after the same", "before the same", "first", "random", "alternating"])
def test_many_insertions_stay_in_order_and_short(where: str) -> None:
    """Each gets one digit more after five others, so a thousand at one place need a few spreads."""
    chance, low, high = random.Random(1), "0647a3f1c9d25e", "0647a3f1c9d25f"
    positions, spreads = [low, high], 0
    for number in range(INSERTIONS):
        place = {
            "after the same": 0,
            "before the same": len(positions) - 2,
            "first": -1,
            "random": chance.randrange(len(positions) - 1),
            "alternating": len(positions) // 2 - number % 2,
        }[where]
        place = min(place, len(positions) - 2)
        begin = positions[place] if place >= 0 else ""
        found = between(begin, positions[place + 1])
        if found is None or len(found) > LONG:
            positions = spread("", after(positions[-1]), len(positions)) or []
            begin, spreads = positions[place] if place >= 0 else "", spreads + 1
            found = between(begin, positions[place + 1])
        assert found is not None
        positions.insert(place + 1, found)

    assert positions == sorted(set(positions))
    assert max(map(len, positions)) <= LONG < POSITION_CHARACTERS
    assert spreads <= INSERTIONS / 50


@pytest.mark.parametrize("value", ["", "0", "z" * POSITION_CHARACTERS])
def test_a_position_is_digits(value: str) -> None:
    """As in a cursor."""
    assert is_position(value)


@pytest.mark.parametrize("value", [None, 1, "é", "a-b", "0" * (POSITION_CHARACTERS + 1), "０"])
def test_other_text_is_no_position(value: object) -> None:
    """And nothing else is."""
    assert not is_position(value)
