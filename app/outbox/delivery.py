"""Take messages to send them, and write what became of it.

A message is leased by one statement, and sent outside of any transaction. If its worker is killed, the lease runs out
and another one sends it again. So a message is sent at least once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, Integer, String, Text, bindparam, delete, func, literal, select, tuple_, update

from app.database import WORK, execute, fetch_all, fetch_one, scope
from app.database.columns import from_now, now
from app.database.statements import Row
from app.outbox.models import DELIVERED, FAILED, outbox
from app.outbox.queue import look_soon
from app.times import seconds_between

# Longer than any attempt takes, so that a message is sent twice only if a process was lost.
LEASE_SECONDS = 60
ERROR_CHARACTERS = 500
# A count of messages ends here, so that it stays cheap.
MAX_COUNTED = 10_000

# A place in the order in which messages are due, as text; the first.
Place = tuple[str, str, str]
BEFORE_ALL: Place = ("1970-01-01T00:00:00.000000Z", "", "00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True, slots=True)
class Done:
    """It was sent, and nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """It was sent; for 7 days a line says so, with what is kept of its body."""

    status: int | None = None
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Try again in so many seconds. Without an error, attempts are counted from 0 again."""

    seconds: float
    error: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot be sent; for 7 days it stays with its body."""

    error: str
    status: int | None = None


Outcome = Done | Delivered | Again | Failed


@dataclass(frozen=True, slots=True)
class Handler:
    """Sends a message, in the scope of its user and outside of any transaction; in this many threads of a process."""

    send: Callable[[Row], Outcome]
    at_once: int


_user: Any = bindparam("of_user", type_=Text())
_is_due = (outbox.c.finished_at.is_(None), outbox.c.due_at <= now())

_place = (outbox.c.due_at, outbox.c.user_id, outbox.c.id)
_after = tuple_(*(bindparam(f"after_{column.name}", type_=column.type) for column in _place))
_due = (
    select(outbox.c.user_id, outbox.c.kind, outbox.c.key, outbox.c.id, outbox.c.due_at, now().label("clock"))
    .where(outbox.c.finished_at.is_(None), tuple_(*_place) > _after)
    .order_by(*_place)
    .limit(bindparam("rows", type_=Integer()))
)

_other = outbox.alias("other")
_first = (
    select(_other.c.id)
    .where(
        _other.c.user_id == _user,
        _other.c.kind == bindparam("of_kind"),
        _other.c.key == bindparam("of_key"),
        _other.c.finished_at.is_(None),
        _other.c.due_at <= now(),
    )
    .order_by(_other.c.due_at, _other.c.id)
    .limit(1)
    .scalar_subquery()
)
_lease = from_now(bindparam("seconds", type_=Float()))
# Two workers may find the same message. The second waits for the first, and then finds it due no more.
_claim = (
    update(outbox)
    .where(outbox.c.user_id == _user, outbox.c.id == _first, *_is_due)
    .values(due_at=_lease, leased_until=_lease, attempts=outbox.c.attempts + 1)
    .returning(
        *(outbox.c[name] for name in ("user_id", "id", "kind", "key", "body", "created_at", "attempts", "leased_until"))
    )
)

# A worker that has lost its lease must not overwrite what another one has written.
_still_leased = (
    outbox.c.user_id == _user,
    outbox.c.id == bindparam("of_id", type_=outbox.c.id.type),
    outbox.c.leased_until == bindparam("lease", type_=outbox.c.leased_until.type),
)
_said = {"last_status": bindparam("said_status", type_=Integer()), "last_error": bindparam("said", type_=String())}
_written = update(outbox).where(*_still_leased).values(leased_until=None, **_said)
_finished = _written.values(finished_at=now(), status=bindparam("new_status"))
_later = from_now(bindparam("seconds", type_=Float()))
_again = _written.values(due_at=_later)
_start_again = _again.values(attempts=0)
_settle = {
    Done: delete(outbox).where(*_still_leased),
    Delivered: _finished.values(body=bindparam("kept", type_=Text())),
    Failed: _finished,
    Again: _again,
}

_newest_finished = (
    select(outbox.c.status)
    .where(outbox.c.finished_at.is_not(None))
    .order_by(outbox.c.finished_at.desc())
    .limit(MAX_COUNTED)
    .subquery()
)


def list_due(after: Place, rows: int) -> Sequence[Row]:
    """Return the next messages of all users in order of their time, with the database's clock; not only those due."""
    values = {f"after_{column.name}": value for column, value in zip(_place, after, strict=True)}
    with scope(WORK):
        return fetch_all(_due, {**values, "rows": rows})


def claim(user_id: str, kind: str, key: str) -> Row | None:
    """Lease the message with this key that has been due for longest, in its user's scope; None if none is due."""
    return fetch_one(_claim, {"of_user": user_id, "of_kind": kind, "of_key": key, "seconds": LEASE_SECONDS})


def settle(user_id: str, message: Row, outcome: Outcome) -> bool:
    """Write what an attempt led to; return False if its lease was lost."""
    values: dict[str, Any] = {"of_user": user_id, "of_id": message.id, "lease": message.leased_until}
    if not isinstance(outcome, Done):
        error = getattr(outcome, "error", None)
        values |= {"said": error and error[:ERROR_CHARACTERS], "said_status": outcome.status}
    if isinstance(outcome, Delivered | Failed):
        values["new_status"] = FAILED if isinstance(outcome, Failed) else DELIVERED
    if isinstance(outcome, Delivered):
        values["kept"] = outcome.kept
    statement = _settle[type(outcome)]
    if isinstance(outcome, Again):
        values["seconds"] = outcome.seconds
        statement = statement if outcome.error else _start_again
    is_written = execute(statement, values) > 0
    if isinstance(outcome, Again):
        look_soon()
    return is_written


def _counted(*conditions: Any) -> Any:
    rows = select(outbox.c.id).where(outbox.c.finished_at.is_(None), *conditions).limit(MAX_COUNTED).subquery()
    return select(func.count().label("messages")).select_from(rows)


_counts = {
    "waiting": _counted(),
    "due": _counted(outbox.c.due_at <= now()),
    "sending": _counted(
        outbox.c.due_at > now(), outbox.c.due_at <= from_now(literal(LEASE_SECONDS)), outbox.c.leased_until.is_not(None)
    ),
    "failed": select(func.count().label("messages"))
    .select_from(_newest_finished)
    .where(_newest_finished.c.status == FAILED),
}
_oldest = (
    select(outbox.c.due_at, now().label("clock"))
    .where(outbox.c.finished_at.is_(None))
    .order_by(outbox.c.due_at)
    .limit(1)
)


def count_messages() -> dict[str, int]:
    """Return how many messages of all users wait, are due, are being sent, and failed; each at most MAX_COUNTED."""
    with scope(WORK):
        return {name: fetch_all(statement)[0].messages for name, statement in _counts.items()}


def seconds_late() -> float:
    """Return for how long the oldest message has been due; 0 if none is."""
    with scope(WORK):
        oldest = fetch_one(_oldest)
    if oldest is None:
        return 0
    return max(0, seconds_between(oldest.due_at, oldest.clock))
