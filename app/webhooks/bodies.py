"""The bodies of requests to webhooks, written when their event happens."""

from collections.abc import Sequence
from typing import Any

import orjson

from app.outbox.queue import Message, enqueue
from app.tasks.events import REMINDER, Event
from app.tasks.reminder_queries import Fired
from app.tasks.responses import TASK
from app.turns import give_way
from app.webhooks.store import KIND, list_wanting

PING = "ping"
# Some more are written in one statement, if an event has several receivers.
WRITTEN_AT_ONCE = 500


def enqueue_events(user_id: str, events: Sequence[Event]) -> None:
    """Write what is to be sent to a user's webhooks, in the transaction of what has happened."""
    wanting = [(row.id, row.events.split()) for row in list_wanting(user_id)]
    messages: list[Message] = []
    for event in events:
        # A batch can complete a hundred parents, each with hundreds of subtasks.
        give_way()
        receivers = [webhook_id for webhook_id, wanted in wanting if event.type in wanted]
        body = _body_of(event) if receivers else ""
        messages += [Message(KIND, webhook_id, body) for webhook_id in receivers]
        if len(messages) >= WRITTEN_AT_ONCE:
            enqueue(user_id, messages)
            messages = []
    enqueue(user_id, messages)


def enqueue_reminders(user_id: str, fired: Sequence[Fired]) -> None:
    """Write what is to be sent of reminders, in the transaction that takes them."""
    enqueue_events(
        user_id, [Event(REMINDER, each.task, more={"reminders": each.reminders}, at=each.at) for each in fired]
    )


def enqueue_ping(user_id: str, webhook_id: str, time: str) -> None:
    enqueue(user_id, [Message(KIND, webhook_id, _body(PING, time, {}))])


def without_content(body: str) -> str:
    """Return what is kept of a body once it is delivered: of which event and task it was."""
    told = orjson.loads(body)
    task = told["data"].get("task")
    return orjson.dumps({"type": told["type"], "data": {"task": {"id": task["id"]}} if task else {}}).decode()


def _body_of(event: Event) -> str:
    data = {"task": TASK.fields(event.task), "version": event.task.version, "changed": event.changed}
    return _body(event.type, event.at or event.task.updated_at, {**data, **event.more})


def _body(name: str, time: str, data: dict[str, Any]) -> str:
    return orjson.dumps({"type": name, "timestamp": time, "data": data}).decode()
