"""Fields take a type, and not what can be read as one."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError, fields

from app.http.fields import Boolean, QueryBoolean, QueryInteger, Text

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
REFUSED = object()


def read(field: fields.Field, value: Any) -> Any:
    try:
        return field.deserialize(value)
    except ValidationError:
        return REFUSED


@given(ANYTHING)
def test_a_boolean_is_true_or_false(value: Any) -> None:
    """Neither 1 nor "yes" nor "true"."""
    assert read(Boolean(), value) is (value if isinstance(value, bool) else REFUSED)


@pytest.mark.parametrize("value", [1, 0, 1.0, "true", "yes", "on", "", [], {}])
def test_what_other_programs_take_for_a_boolean_is_refused(value: Any) -> None:
    """A typo never passes for success."""
    assert read(Boolean(), value) is REFUSED


@given(ANYTHING | st.sampled_from(["true", "false", "True", "1", "on", " true"]))
def test_a_boolean_of_a_query_is_one_of_two_words(value: Any) -> None:
    """A query has no types, so the words are exact."""
    words = {"true": True, "false": False}
    assert read(QueryBoolean(), value) is (words.get(value, REFUSED) if isinstance(value, str) else REFUSED)


@given(st.integers(1, 200))
def test_an_integer_of_a_query_is_its_digits(value: int) -> None:
    """Everything in range is taken."""
    assert read(QueryInteger(1, 200), str(value)) == value


@given(
    st.text()
    | st.from_regex(r"\s?[-+]?[0-9_]{1,25}(\.[0-9]+)?\s?", fullmatch=True)
    | st.text("٠١٢٣٤٥٦٧٨٩²", min_size=1)
)
def test_no_other_text_is_an_integer(text: str) -> None:
    """No sign but a minus, no underscore, space, fraction or foreign digit, and nothing out of range."""
    if (number := read(QueryInteger(-5, 200), text)) is not REFUSED:
        assert re.fullmatch(r"-?[0-9]+", text, re.ASCII)
        assert -5 <= number <= 200
        assert number == int(text)


@given(ANYTHING.filter(lambda value: not isinstance(value, str)))
def test_text_is_text(value: Any) -> None:
    """No number or list is turned into a string."""
    assert read(Text(), value) is REFUSED


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=2, max_size=9))
def test_text_stays_as_it_was_written(text: str) -> None:
    """White space included, where it is not trimmed; lengths count characters."""
    assert read(Text(2, 9), text) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_trimmed_text_is_measured_without_its_edges(text: str) -> None:
    """Blank is too short, and white space around a good title does not make it too long."""
    trimmed = text.strip()
    fits = "\x00" not in text and 1 <= len(trimmed) <= 9
    assert read(Text(1, 9, trimmed=True), text) == (trimmed if fits else REFUSED)


@pytest.mark.parametrize("text", ["", "x", "x" * 10])
def test_text_out_of_its_lengths_is_refused(text: str) -> None:
    """Both ends are kept."""
    assert read(Text(2, 9), text) is REFUSED


@given(st.text(), st.text())
def test_nul_is_refused_wherever_it_stands(before: str, after: str) -> None:
    """PostgreSQL cannot keep it; at the edges it is not trimmed away either."""
    for trimmed in (True, False):
        assert read(Text(trimmed=trimmed), f"{before}\x00{after}") is REFUSED


@pytest.mark.parametrize(("allowed", "outcome"), [(True, None), (False, REFUSED)])
@pytest.mark.parametrize("field", [Text, Boolean])
def test_null_is_taken_where_it_is_allowed(field: type[fields.Field], allowed: bool, outcome: object) -> None:
    """And only there."""
    assert read(field(allow_none=allowed), None) is outcome
