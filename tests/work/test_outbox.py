"""Messages are written with their cause, leased by one worker, and settled by the lease's holder alone."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import update

from app.auth.identity import Identity
from app.auth.queries import delete_user
from app.database import execute, scope, transaction
from app.outbox.delivery import Again, Delivered, Done, Failed, Outcome, claim, settle
from app.outbox.models import KEPT_SECONDS
from app.outbox.queue import Message, enqueue, enqueue_for_service
from app.tasks.models import tasks
from tests.auth.people import ago
from tests.commands.calling import succeed
from tests.conftest import Caller, new_user_id
from tests.database.conftest import held_open, postgresql_app, wait_until_waiting
from tests.postgres import Server
from tests.statements import messages
from tests.work.conftest import KIND, Receiver, change, rows, run_once, send

__all__ = ["postgresql_app"]

PAST = "2000-01-01T00:00:00.000000Z"


def take(user_id: str, key: str = "") -> object:
    with scope(user_id):
        return claim(user_id, KIND, key)


def finish(user_id: str, message: object, outcome: Outcome) -> bool:
    with scope(user_id):
        return settle(user_id, message, outcome)


class _Undone(Exception):
    """Roll a transaction back."""


def test_a_rolled_back_transaction_leaves_no_message(app: Flask, user: str, receiver: Receiver) -> None:
    """And one that is committed leaves it."""
    with pytest.raises(_Undone), transaction():
        send(user, "never")
        raise _Undone
    with transaction():
        send(user, "sent")
    run_once(app)

    assert receiver.bodies == ["sent"]


def test_a_process_looks_only_when_the_transaction_is_committed(app: Flask, user: str) -> None:
    """Before, it would find nothing."""
    alarm = app.extensions["services"].alarm
    alarm.clear()
    with transaction():
        send(user)
        assert not alarm.is_set()

    assert alarm.is_set()


def test_many_messages_are_one_statement(app: Flask, user: str) -> None:
    """Each with its own time."""
    many = [Message(KIND, f"key {number}", "tea", delay=3600 * number) for number in range(3)]
    with messages(app) as sent, scope(user):
        enqueue(user, many)

    assert len(sent) == 1
    assert [row.id for row in rows(app, user)] == [message.id for message in many]
    assert len({row.due_at for row in rows(app, user)}) == 3


def test_no_messages_are_no_statement(app: Flask, user: str) -> None:
    """So that a caller need not ask."""
    with messages(app) as sent, scope(user):
        enqueue(user, [])

    assert sent == []


def test_a_message_is_leased_once(app: Flask, user: str) -> None:
    """Until its lease runs out; then its attempts go on counting."""
    send(user)
    first = take(user)

    assert (first.body, first.attempts) == ("tea", 1)
    assert take(user) is None
    change(app, user, "due_at = :past", past=PAST)
    assert take(user).attempts == 2


def test_the_oldest_message_of_a_key_comes_first(app: Flask, user: str) -> None:
    """Other keys' messages, and those due later, are left."""
    for body, key, delay in (("later", "a", 60), ("first", "a", 0), ("second", "a", 0), ("other", "b", 0)):
        send(user, body, key, delay)

    assert [take(user, "a").body, take(user, "a").body, take(user, "a"), take(user, "b").body] == [
        *("first", "second", None, "other")
    ]


OUTCOMES = [
    (Done(), None),
    (Delivered(204), ("delivered", 204, None, None)),
    (Failed("gone", 410), ("failed", 410, "gone", "tea")),
    (Again(60, "busy", 503), ("waiting", 503, "busy", "tea")),
]


@pytest.mark.parametrize(("outcome", "left"), OUTCOMES, ids=lambda value: type(value).__name__)
def test_an_outcome_is_written(app: Flask, user: str, outcome: Outcome, left: tuple[object, ...] | None) -> None:
    """A message that was delivered keeps no body."""
    send(user)
    assert finish(user, take(user), outcome)

    found = rows(app, user, "status, last_status, last_error, body, leased_until, due_at")
    assert [tuple(row)[:4] for row in found] == ([left] if left else [])
    assert [row.leased_until for row in found] == [None] * len(found)


@pytest.mark.parametrize("outcome", [outcome for outcome, _ in OUTCOMES], ids=lambda value: type(value).__name__)
def test_a_worker_that_lost_its_lease_writes_nothing(app: Flask, user: str, outcome: Outcome) -> None:
    """Another one has the message meanwhile, also if its number of attempts is the same."""
    send(user)
    lost = take(user)
    change(app, user, "due_at = :past, attempts = 0", past=PAST)
    held = take(user)
    before = rows(app, user)

    assert not finish(user, lost, outcome)
    assert rows(app, user) == before
    assert finish(user, held, outcome)
    assert not finish(user, held, outcome)


def test_without_an_error_attempts_start_again(app: Flask, user: str) -> None:
    """A message that sends itself daily has no number of attempts that grows."""
    send(user)
    finish(user, take(user), Again(0))

    assert take(user).attempts == 1


def test_a_deleted_users_messages_are_deleted(app: Flask, user: str, receiver: Receiver) -> None:
    """With the user; no other user's."""
    other = new_user_id()
    for user_id in (user, other):
        send(user_id, f"of {user_id}")
    delete_user(Identity(user))
    run_once(app)

    assert rows(app, user) == []
    assert receiver.bodies == [f"of {other}"]


def test_a_message_without_a_user_is_sent(app: Flask, receiver: Receiver) -> None:
    """Its owner is no user's id."""
    enqueue_for_service(Message(KIND, "", "tea"))
    run_once(app)

    assert [(message.user_id, message.body) for message in receiver.got] == [(" ", "tea")]


def test_a_purge_deletes_old_lines(app: Flask, user: str) -> None:
    """Of messages finished over 7 days ago; never one that waits."""
    for body, key in (("old", "a"), ("new", "b"), ("waiting", "c")):
        send(user, body, key)
    for key in ("a", "b"):
        finish(user, take(user, key), Failed("no"))
    change(app, user, "created_at = :past, due_at = :past", past=PAST)
    aged = "finished_at = CASE WHEN key = 'a' THEN :old WHEN key = 'b' THEN :new END"
    if app.extensions["services"].settings.database_url.drivername != "sqlite":
        aged = aged.replace(":old", "CAST(:old AS timestamptz)").replace(":new", "CAST(:new AS timestamptz)")
    change(app, user, aged, old=ago(KEPT_SECONDS + 60), new=ago(KEPT_SECONDS - 60))
    succeed(app, "purge")

    assert [row.body for row in rows(app, user)] == ["new", "waiting"]


def test_a_message_written_while_its_user_is_deleted_is_deleted_too(postgresql_app: Flask, postgresql: Server) -> None:
    """The deletion waits for the transaction that writes it, and deletes the messages last."""
    caller = Caller(postgresql_app, new_user_id())
    user_id, task = str(caller.user_id), caller.add()

    def write() -> None:
        # As a webhook's event is written: with the change of a task.
        assert execute(update(tasks).where(tasks.c.id == task["id"]).values(title="milk")) == 1
        send(user_id)

    def remove() -> None:
        with postgresql_app.app_context():
            delete_user(Identity(user_id))

    with held_open(postgresql_app, user_id, write) as end, ThreadPoolExecutor(1) as pool:
        removed = pool.submit(remove)
        wait_until_waiting(postgresql, 1)
        end()
        removed.result()

    with postgresql_app.app_context():
        assert rows(postgresql_app, user_id) == []
