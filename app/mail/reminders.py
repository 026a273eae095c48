"""Reminders by mail: all that is due of an account is one mail."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app.auth import queries
from app.auth.identity import LOCAL_USER_PREFIX
from app.database.statements import Row
from app.mail.handlers import age
from app.mail.smtp import send
from app.outbox.delivery import Done, Failed, Outcome
from app.outbox.queue import Message, enqueue
from app.services import services
from app.tasks.reminder_queries import LATE_SECONDS, Fired

REMINDERS_KIND = "reminders"
# A mail names so many tasks, and counts the others.
TASKS_SHOWN = 50

BODY = """You asked to be reminded of:

{tasks}
{more}
To get no more of these mails, set `reminder_mail` of your account to false at
{service}.
"""


def enqueue_reminders(user_id: str, fired: Sequence[Fired]) -> None:
    """Write the mail, if the user wants one, in the transaction that takes the reminders."""
    if not (services().settings.sends_mail and user_id.startswith(LOCAL_USER_PREFIX)):
        return
    if _wants_mail(queries.find_user(user_id)):
        lines = [_line(each.task) for each in fired[:TASKS_SHOWN]]
        body = orjson.dumps({"tasks": lines, "more": len(fired[TASKS_SHOWN:])}).decode()
        enqueue(user_id, [Message(REMINDERS_KIND, "", body)])


def send_reminders(message: Any) -> Outcome:
    """Send a mail, unless its user does not want it any more, or it is too late."""
    user = queries.find_user(message.user_id)
    if user is None or not _wants_mail(user):
        return Done()
    if age(message.created_at) > LATE_SECONDS:
        return Failed("The mail server was away for too long.")
    told, settings = orjson.loads(message.body), services().settings
    more = f"\nand {told['more']} more.\n" if told["more"] else ""
    count = len(told["tasks"]) + told["more"]
    # A title is nothing for a lock screen.
    subject = "Reminder of a task" if count == 1 else f"Reminder of {count} tasks"
    text = BODY.format(tasks="\n".join(told["tasks"]), more=more, service=settings.public_url)
    return send(settings, message.id, message.attempts, user.email, subject, text)


def _wants_mail(user: Row | None) -> bool:
    return bool(user and user.reminder_mail and user.email_verified_at and not user.disabled_at)


def _line(task: Row) -> str:
    due = _due(task)
    return f"- {' '.join(task.title.split())}{f' (due {due})' if due else ''}"


def _due(task: Row) -> str:
    """Return when a task is due, by the clock of its zone."""
    if task.due_on or not task.due:
        return str(task.due_on or "")
    zone = task.time_zone or "UTC"
    return f"{datetime.fromisoformat(task.due).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"
