"""Text is made ready for comparing and sorting by SQL on PostgreSQL and by Python on SQLite, and comes out the same."""

import string
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Text, bindparam, select

from app.database import fetch_one, scope
from app.database.texts import fold, folded, key_for_sorting, sort_key

ALIKE = pytest.mark.parametrize(
    ("in_sql", "in_python"), [(sort_key, key_for_sorting), (folded, fold)], ids=["sort_key", "fold"]
)


def every_character() -> str:
    """Return lines with each character of every Unicode in use, after a letter that an accent would be added to.

    The lower case of İ is one letter on some servers, and a letter and an accent on others and in Python.
    """
    return "\n".join(
        f"a{chr(number)}"
        for number in range(1, sys.maxunicode)
        if chr(number) not in "\nİ" and unicodedata.ucd_3_2_0.category(chr(number)) not in ("Cn", "Cs", "Co")
    )


@ALIKE
def test_every_character_is_the_same_on_both_engines(
    app: Flask, in_sql: Callable[..., Any], in_python: Callable[[str], str]
) -> None:
    """So a list has one order, and a search one result."""
    made = select(in_sql(bindparam("text", type_=Text())).label("made"))
    with app.app_context(), scope(None):
        for text in (every_character(), string.printable, ""):
            row = fetch_one(made, {"text": text})
            assert row is not None
            assert row.made.split("\n") == in_python(text).split("\n")
