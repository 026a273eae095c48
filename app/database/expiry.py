"""Delete what has expired, of all users, in parts that each end in time."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Integer, bindparam, delete, literal, select, tuple_

from app.database.columns import from_now
from app.database.execution import execute, fetch_one


class Expired:
    """The rows of a table whose time in `column`, which needs an index, was at least `seconds` ago.

    A part is named by its last row, not by a subquery: so a cluster, whose machines each have some of its rows, deletes
    it in one statement too.
    """

    def __init__(self, column: Column[str], seconds: int = 0) -> None:
        table = column.table
        order = (column, *table.primary_key)
        last = [bindparam(each.name, type_=each.type) for each in order]
        others: Any = bindparam("others", type_=Integer())
        is_over = column <= from_now(literal(-seconds))
        self._last_of_part = select(*order).where(is_over).order_by(*order).limit(1).offset(others)
        # The first condition is for the index. A row that was restored meanwhile meets neither.
        self._part = delete(table).where(column <= last[0], tuple_(*order) <= tuple_(*last))
        self._rest = delete(table).where(is_over)

    def delete(self, rows: int) -> Iterator[int]:
        """Delete all, oldest first, so many rows in a statement; yield how many each deleted."""
        while last := fetch_one(self._last_of_part, {"others": rows - 1}):
            yield execute(self._part, last._asdict())
        yield execute(self._rest)
