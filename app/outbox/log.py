"""The messages to one receiver, as their user can see and repeat them: those whose body is an event as JSON."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Float, Integer, Text, bindparam, case, delete, or_, select, type_coerce, update

from app.database import execute, fetch_all, fetch_one
from app.database.columns import from_now, now
from app.database.functions import FunctionPerEngine
from app.database.statements import Row
from app.outbox.models import DELIVERED, FAILED, UNFINISHED, outbox
from app.outbox.queue import look_soon

STATUSES = (UNFINISHED, DELIVERED, FAILED)
# The most that are shown, and that are moved at once.
MAX_SHOWN = 200
MAX_POSTPONED = 1_000


class _type_in(FunctionPerEngine[str]):
    """The name of the event in a body."""

    type = Text()
    on_postgresql = "({0}::json ->> 'type')"
    on_sqlite = "json_extract({0}, '$.type')"


class _task_in(FunctionPerEngine[str]):
    """The id of the task in a body."""

    type = Text()
    on_postgresql = "({0}::json #>> '{{data,task,id}}')"
    on_sqlite = "json_extract({0}, '$.data.task.id')"


def _to_receiver(table: Any) -> tuple[Any, ...]:
    named = {"user_id": "of_user", "kind": "of_kind", "key": "of_key"}
    return tuple(table.c[column] == bindparam(name, type_=Text()) for column, name in named.items())


_this = (*_to_receiver(outbox), outbox.c.id == bindparam("of_id", type_=outbox.c.id.type))
_next = case((outbox.c.finished_at.is_(None), outbox.c.due_at))
_list = (
    select(
        outbox.c.id,
        _type_in(outbox.c.body).label("type"),
        _task_in(outbox.c.body).label("task_id"),
        outbox.c.created_at,
        outbox.c.attempts,
        outbox.c.status,
        outbox.c.last_status,
        outbox.c.last_error,
        type_coerce(_next, outbox.c.due_at.type).label("next_attempt_at"),
    )
    .where(*_to_receiver(outbox))
    .order_by(outbox.c.id.desc())
    .limit(MAX_SHOWN)
)
_lock = select((outbox.c.status == DELIVERED).label("is_delivered")).where(*_this).with_for_update()
_retry = (
    update(outbox)
    # What is being sent at the moment stays as it is.
    .where(*_this, or_(outbox.c.leased_until.is_(None), outbox.c.leased_until <= now()))
    .values(status=UNFINISHED, finished_at=None, leased_until=None, attempts=0, due_at=now())
)
_delete = delete(outbox).where(*_to_receiver(outbox))
_until = from_now(bindparam("seconds", type_=Float()))
_other = outbox.alias("other")
_sooner = (
    select(_other.c.id)
    .where(*_to_receiver(_other), _other.c.finished_at.is_(None), _other.c.due_at < _until)
    .order_by(_other.c.due_at, _other.c.id)
    .limit(bindparam("rows", type_=Integer()))
)
_postpone = (
    update(outbox)
    .where(*_to_receiver(outbox), outbox.c.id.in_(_sooner), outbox.c.leased_until.is_(None))
    .values(due_at=_until)
)


def list_messages(user_id: str, kind: str, key: str) -> Sequence[Row]:
    """Return the newest messages to a receiver, newest first."""
    return fetch_all(_list, _key(user_id, kind, key))


def lock_message(user_id: str, kind: str, key: str, message_id: str) -> Row | None:
    """Return whether a message was delivered, which stays so until the transaction ends; None if there is none."""
    return fetch_one(_lock, {**_key(user_id, kind, key), "of_id": message_id})


def retry_message(user_id: str, kind: str, key: str, message_id: str) -> None:
    """Send a message now, with all attempts again, unless it is being sent."""
    execute(_retry, {**_key(user_id, kind, key), "of_id": message_id})
    look_soon()


def postpone_messages(user_id: str, kind: str, key: str, seconds: float) -> None:
    """Let what waits for a receiver wait for so many seconds."""
    execute(_postpone, {**_key(user_id, kind, key), "seconds": seconds, "rows": MAX_POSTPONED})


def delete_messages_to(user_id: str, kind: str, key: str) -> None:
    """Delete all messages to a receiver."""
    execute(_delete, _key(user_id, kind, key))


def _key(user_id: str, kind: str, key: str) -> dict[str, str]:
    return {"of_user": user_id, "of_kind": kind, "of_key": key}
