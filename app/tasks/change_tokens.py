"""The tokens of the list of changes: what a client has by now, so that it gets the rest."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from app.database.execution import TRANSACTION_SECONDS
from app.tasks import cursors
from app.tasks.cursors import is_id
from app.tasks.models import BEFORE_EVERY_ID, TRASH_SECONDS
from app.tasks.problems import InvalidCursor, ResyncRequired
from app.times import is_time, rfc3339

# Three times a transaction, because after a failover the clock may be another machine's.
OVERLAP = timedelta(seconds=3 * TRANSACTION_SECONDS)
TOKEN_LIFETIME = timedelta(seconds=TRASH_SECONDS)
EVER = "0001-01-01T00:00:00.000000Z"


class Sums(NamedTuple):
    """The sums of the marks of some tasks, and of some lists; 0 for lists that do not count."""

    tasks: int
    lists: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """How far a client has read the tasks, or the lists."""

    time: str = EVER
    id: str = BEFORE_EVERY_ID
    # Whether the client had none of them when its run of pages began.
    is_whole: bool = True
    # The sum of the marks of what it has got in this run from OVERLAP before the run's begin on. Between runs that is
    # all behind `time`, so that a wait can tell repeats from news. None if a version before this one made the token.
    seen: int | None = 0

    def after(self, rows: Iterable[Any], recent: str) -> "Position":
        """Return the position behind these rows; `recent` is OVERLAP before the run's begin."""
        time, id_, seen = self.time, self.id, self.seen
        for row in rows:
            time, id_ = row.updated_at, row.id
            if seen is not None and time >= recent:
                seen += row.mark
        return replace(self, time=time, id=id_, seen=seen)

    def stepped_back(self, recent: str) -> "Position":
        """Return the position between two runs."""
        return Position(recent, BEFORE_EVERY_ID, False, self.seen)

    def _is_valid(self) -> bool:
        has_types = type(self.is_whole) is bool and (self.seen is None or type(self.seen) is int)
        return has_types and is_time(self.time) and is_id(self.id)


@dataclass(frozen=True, slots=True)
class Token:
    """The positions, and when the current run of pages began (None between runs)."""

    tasks: Position = Position()
    run_began_at: str | None = None
    # None if the client did not ask for lists.
    lists: Position | None = None

    @property
    def since(self) -> tuple[str, str | None]:
        """Return the times of both positions."""
        return self.tasks.time, self.lists.time if self.lists else None

    @property
    def seen(self) -> Sums | None:
        """Return what the client has behind both positions; None if that is not known, as within a run."""
        of_tasks, of_lists = self.tasks.seen, self.lists.seen if self.lists else 0
        if self.run_began_at is not None or of_tasks is None or of_lists is None:
            return None
        return Sums(of_tasks, of_lists)

    def at(self, clock: str, recent: Sums) -> "Token":
        """Return a token of the same meaning from a moment when nothing was new; `recent` is what was there then."""
        since = overlap_before(clock)
        of_tasks, of_lists = (Position(since, BEFORE_EVERY_ID, False, seen) for seen in recent)
        return Token(of_tasks, None, of_lists if self.lists else None)

    def begun(self, clock: str) -> "Token":
        """Return the token within a run: the current one, or one that begins now."""
        if self.run_began_at is not None:
            return self
        return Token(replace(self.tasks, seen=0), clock, self.lists and replace(self.lists, seen=0))

    def require_age(self, clock: str) -> None:
        """Raise ResyncRequired if deletions that the client does not know of may be forgotten."""
        began_at = self.run_began_at or clock
        for position in filter(None, (self.tasks, self.lists)):
            # A client that had nothing before the run has nothing that was deleted before it.
            since = began_at if position.is_whole else min(began_at, position.time)
            if moment(clock) - moment(since) > TOKEN_LIFETIME:
                raise ResyncRequired

    def write(self, user_id: str) -> str:
        time, id_, is_whole, seen = astuple(self.tasks)
        lists = astuple(self.lists) if self.lists else ()
        return cursors.encode([time, id_, self.run_began_at, is_whole, seen, *lists], user_id, "changes")

    @classmethod
    def read(cls, text: str | None, user_id: str, with_lists: bool) -> "Token":
        """Return what a client's token says; without one, the client has nothing. What it says of lists may not count.

        A client that did not ask for lists before has none.
        """
        token = cls._decode(text, user_id) if text else cls()
        return replace(token, lists=(token.lists or Position()) if with_lists else None)

    @classmethod
    def _decode(cls, text: str, user_id: str) -> "Token":
        match cursors.decode(text, user_id, "changes"):
            case [time, id_, run_began_at, is_whole]:
                # The version before this one wrote no more.
                found = cls(Position(time, id_, is_whole, None), run_began_at)
            case [time, id_, run_began_at, is_whole, seen, *lists] if len(lists) in (0, 4):
                found = cls(Position(time, id_, is_whole, seen), run_began_at, Position(*lists) if lists else None)
            case _:
                raise InvalidCursor
        if not found._is_valid():
            raise InvalidCursor
        return found

    def _is_valid(self) -> bool:
        has_began = self.run_began_at is None or is_time(self.run_began_at)
        return has_began and all(position._is_valid() for position in filter(None, (self.tasks, self.lists)))


def overlap_before(time: str) -> str:
    return rfc3339(moment(time) - OVERLAP)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
