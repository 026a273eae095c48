"""Users are kept apart by each query of webhooks, and by the database's row-level security."""

import inspect
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from app.auth.identity import Identity
from app.auth.queries import add_outside_user
from app.database import scope
from app.outbox import log, queue
from app.outbox.queue import Message
from app.services import services_of
from app.tasks import events
from app.tasks.events import CREATED, Event
from app.webhooks import bodies, changing, store
from tests.conftest import make_app, new_user_id
from tests.database.test_isolation import INSUFFICIENT_PRIVILEGE, outcome
from tests.postgres import Server, not_on_a_cluster

pytestmark = not_on_a_cluster("it copies a template")

HOOK = {"url": "https://8.8.8.8/", "events": CREATED, "description": None}
FIRST = "2026-03-14T09:26:53.589793Z"


def then_read(write: Callable[[str, str], object]) -> Callable[[str, str], Any]:
    """Return a function that writes without a result, and returns what its user sees afterwards."""

    def run(user_id: str, hook_id: str) -> Any:
        write(user_id, hook_id)
        return [*store.list_webhooks(user_id), *log.list_messages(user_id, store.KIND, hook_id)]

    return run


# Every function with a user's id, called with the user and the id of the user's webhook and message.
QUERIES: dict[str, Callable[[str, str], Any]] = {
    "store.create_webhook": lambda user, _: store.create_webhook(Identity(user), HOOK),
    "store.list_webhooks": lambda user, _: store.list_webhooks(user),
    "store.get_webhook": store.get_webhook,
    "store.lock_webhook": store.lock_webhook,
    "store.change_webhook": lambda user, hook: store.change_webhook(user, hook, {"description": "x"}),
    "store.delete_webhook": lambda user, hook: store.delete_webhook(user, hook) or "deleted",
    "store.rotate_secret": store.rotate_secret,
    "store.find_webhook": lambda user, hook: store.find_webhook(user, hook) or [],
    "store.switch_off": then_read(lambda user, hook: store.switch_off(user, hook, HOOK["url"], "x")),
    "store.list_wanting": lambda user, _: store.list_wanting(user),
    "log.list_messages": lambda user, hook: log.list_messages(user, store.KIND, hook),
    "log.lock_message": lambda user, hook: log.lock_message(user, store.KIND, hook, hook) or [],
    "log.retry_message": then_read(lambda user, hook: log.retry_message(user, store.KIND, hook, hook)),
    "log.postpone_messages": then_read(lambda user, hook: log.postpone_messages(user, store.KIND, hook, 60)),
    "log.delete_messages_to": then_read(lambda user, hook: log.delete_messages_to(user, store.KIND, hook)),
    "changing.create_webhook": lambda user, _: changing.create_webhook(Identity(user), {**HOOK, "events": [CREATED]}),
    "changing.change_webhook": lambda user, hook: changing.change_webhook(user, hook, {"enabled": False}),
    "changing.ping_webhook": lambda user, hook: changing.ping_webhook(user, hook) or "sent",
    "changing.list_deliveries": changing.list_deliveries,
    "changing.retry_delivery": lambda user, hook: changing.retry_delivery(user, hook, hook) or "again",
    "bodies.enqueue_ping": lambda user, hook: bodies.enqueue_ping(user, hook, FIRST) or "sent",
}
# These run no statement of their own.
LISTENERS = {"bodies.enqueue_events", "bodies.enqueue_reminders"}


@pytest.fixture
def app(postgresql: Server, postgresql_template: str) -> Iterator[Flask]:
    app = make_app(postgresql.url(postgresql.create_database(template=postgresql_template)))
    with app.app_context():
        yield app
        services_of(app).engine.dispose()


@pytest.fixture
def anns_id(app: Flask) -> str:
    user_id = new_user_id()
    add_outside_user(user_id)
    return user_id


def add_hook(user_id: str) -> str:
    """Add a webhook, and a message to it with the same id."""
    with scope(user_id):
        hook, _ = store.create_webhook(Identity(user_id), HOOK)
        queue.enqueue(user_id, [Message(store.KIND, hook.id, '{"type": "x", "data": {}}', id=hook.id)])
    return str(hook.id)


def all_of(user_id: str, hook_id: str) -> Any:
    with scope(user_id):
        return store.list_webhooks(user_id), log.list_messages(user_id, store.KIND, hook_id)


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_for_a_wrong_user_finds_nothing(anns_id: str, name: str) -> None:
    """In Bob's scope, a query for Ann's webhook shows and changes nothing."""
    hook_id = add_hook(anns_id)
    before = all_of(anns_id, hook_id)

    bobs_id = new_user_id()
    add_outside_user(bobs_id)
    with scope(bobs_id):
        assert outcome(QUERIES[name], anns_id, hook_id) in ("nothing", [], INSUFFICIENT_PRIVILEGE)

    assert all_of(anns_id, hook_id) == before


@pytest.mark.parametrize("name", QUERIES)
def test_the_same_query_for_the_right_user_finds_the_webhook(anns_id: str, name: str) -> None:
    """So only the scope kept the wrong user out."""
    hook_id = add_hook(anns_id)

    with scope(anns_id):
        assert outcome(QUERIES[name], anns_id, hook_id) not in ("nothing", [], INSUFFICIENT_PRIVILEGE)


def test_every_query_is_tried_with_a_wrong_user() -> None:
    """A new function with a user's id must join the list above."""
    found = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in (store, log, changing, bodies)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
        if {"user_id", "identity"} & set(inspect.signature(function).parameters)
    }

    assert found - LISTENERS == QUERIES.keys()


def test_events_reach_only_their_users_webhooks(anns_id: str) -> None:
    """In another's scope, a listener finds no webhook."""
    hook_id = add_hook(anns_id)
    with scope(new_user_id()):
        events.tell(anns_id, [Event(CREATED, task=None)])

    assert len(all_of(anns_id, hook_id)[1]) == 1
    assert uuid.UUID(hook_id)
