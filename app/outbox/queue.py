"""Write messages: each in the transaction of what causes it, so that it is sent if and only if that is committed."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
import uuid_utils
from sqlalchemy import Float, Text, bindparam, cast, column, delete, func, literal, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSON

from app.database import SERVICE, after_commit, execute, scope
from app.database.columns import from_now, now
from app.database.engines import for_engine
from app.database.execution import MAX_AT_ONCE
from app.database.expiry import Expired
from app.outbox.models import KEPT_SECONDS, UNFINISHED, outbox
from app.services import services


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent: its handler's name, whatever the handler needs, and in how many seconds.

    Messages of a user with the same kind and key are sent one at a time, so that a slow receiver delays no other.
    """

    kind: str
    key: str
    body: str
    delay: float = 0
    id: str = field(default_factory=lambda: str(uuid_utils.uuid7()))


_user: Any = bindparam("of_user", type_=Text())
_rows: Any = bindparam("sent_rows", type_=Text())
_SENT = {"id": outbox.c.id.type, "kind": Text(), "key": Text(), "body": Text(), "delay": Float()}


def _adding(insert: Any, sent: Any) -> Any:
    values = {name: sent[name] for name in ("id", "kind", "key", "body")}
    values |= {"user_id": _user, "created_at": now(), "due_at": from_now(sent["delay"])}
    values |= {"attempts": literal(0), "status": literal(UNFINISHED)}
    # Without a WHERE in the SELECT, SQLite reads ON CONFLICT as the ON of a join.
    adding = insert(outbox).from_select(list(values), select(*values.values()).where(true()))
    return adding.on_conflict_do_nothing()


def _on_postgresql() -> Any:
    columns = [column(name, type_) for name, type_ in _SENT.items()]
    sent = func.json_to_recordset(cast(_rows, JSON)).table_valued(*columns, name="sent")
    return _adding(postgresql.insert, dict(sent.render_derived(with_types=True).c.items()))


def _on_sqlite() -> Any:
    sent = func.json_each(_rows).table_valued("value", name="sent")
    names = {name: func.json_extract(sent.c.value, f"$.{name}", type_=type_) for name, type_ in _SENT.items()}
    return _adding(sqlite.insert, names)


_add = {"postgresql": _on_postgresql(), "sqlite": _on_sqlite()}
_delete_all = delete(outbox).where(outbox.c.user_id == _user)
_expired = Expired(outbox.c.finished_at, KEPT_SECONDS)


def enqueue(user_id: str, messages: Sequence[Message]) -> None:
    """Add messages of a user in one statement, in that user's scope. An id that is there already is left alone."""
    if messages:
        rows = orjson.dumps([asdict(message) for message in messages]).decode()
        execute(for_engine(_add), {"of_user": user_id, "sent_rows": rows})
        look_soon()


def enqueue_for_service(message: Message) -> None:
    """Add a message that belongs to no user."""
    with scope(SERVICE):
        enqueue(SERVICE, [message])


def look_soon() -> None:
    """Let this process look for work as soon as the current transaction is committed."""
    after_commit(services().alarm.set)


def delete_messages(user_id: str) -> int:
    """Delete all messages of a user who has just been deleted, in the same transaction; return how many."""
    return execute(_delete_all, {"of_user": user_id})


def purge_finished() -> Iterator[int]:
    """Delete all users' messages that were finished over 7 days ago; yield the number in each part."""
    return _expired.delete(MAX_AT_ONCE)
