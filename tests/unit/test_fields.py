"""Fields accept only their own type."""

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
def test_a_boolean_must_be_true_or_false(value: Any) -> None:
    """Neither 1 nor "yes" nor "true"."""
    assert read(Boolean(), value) is (value if isinstance(value, bool) else REFUSED)


@pytest.mark.parametrize("value", [1, 0, 1.0, "true", "yes", "on", "", [], {}])
def test_other_programs_booleans_are_rejected(value: Any) -> None:
    """A typo is never accepted silently."""
    assert read(Boolean(), value) is REFUSED


@given(ANYTHING | st.sampled_from(["true", "false", "True", "1", "on", " true"]))
def test_a_boolean_in_a_query_is_true_or_false(value: Any) -> None:
    """A query has no types, so the words are exact."""
    words = {"true": True, "false": False}
    assert read(QueryBoolean(), value) is (words.get(value, REFUSED) if isinstance(value, str) else REFUSED)


@given(st.integers(1, 200))
def test_an_integer_in_a_query_is_its_digits(value: int) -> None:
    """Every number in range is accepted."""
    assert read(QueryInteger(1, 200), str(value)) == value


@given(
    st.text()
    | st.from_regex(r"\s?[-+]?[0-9_]{1,25}(\.[0-9]+)?\s?", fullmatch=True)
    | st.text("٠١٢٣٤٥٦٧٨٩²", min_size=1)
)
def test_any_other_text_is_not_an_integer(text: str) -> None:
    """A plus, an underscore, space, fraction or non-ASCII digit, or a number out of range."""
    if (number := read(QueryInteger(-5, 200), text)) is not REFUSED:
        assert re.fullmatch(r"-?[0-9]+", text, re.ASCII)
        assert -5 <= number <= 200
        assert number == int(text)


@given(ANYTHING.filter(lambda value: not isinstance(value, str)))
def test_a_text_field_accepts_only_strings(value: Any) -> None:
    """No number or list is converted."""
    assert read(Text(), value) is REFUSED


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=2, max_size=9))
def test_text_is_kept_unchanged(text: str) -> None:
    """Including white space, unless it is trimmed. Lengths count characters."""
    assert read(Text(2, 9), text) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_trimmed_text_is_measured_after_trimming(text: str) -> None:
    """Blank is too short, and white space around a valid title does not make it too long."""
    trimmed = text.strip()
    fits = "\x00" not in text and 1 <= len(trimmed) <= 9
    assert read(Text(1, 9, trimmed=True), text) == (trimmed if fits else REFUSED)


@pytest.mark.parametrize("text", ["", "x", "x" * 10])
def test_text_of_the_wrong_length_is_rejected(text: str) -> None:
    """At both ends of the range."""
    assert read(Text(2, 9), text) is REFUSED


@given(st.text(), st.text())
def test_nul_is_rejected_anywhere(before: str, after: str) -> None:
    """PostgreSQL cannot store it. It is not trimmed away either."""
    for trimmed in (True, False):
        assert read(Text(trimmed=trimmed), f"{before}\x00{after}") is REFUSED


@pytest.mark.parametrize(("allowed", "outcome"), [(True, None), (False, REFUSED)])
@pytest.mark.parametrize("field", [Text, Boolean])
def test_null_is_accepted_only_where_allowed(field: type[fields.Field], allowed: bool, outcome: object) -> None:
    """As the field says."""
    assert read(field(allow_none=allowed), None) is outcome
