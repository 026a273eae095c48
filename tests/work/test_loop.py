"""The loop sends what is due, whatever receivers and handlers do."""

import threading
from typing import Any

import pytest
from flask import Flask

from app.auth.queries import find_user
from app.database import scope
from app.outbox.delivery import BEFORE_ALL, Again, Delivered, Done, Failed, Handler, Outcome, list_due
from app.outbox.queue import Message, enqueue
from app.services import services_of
from app.work import outgoing, purge, senders, work_of
from app.work.loop import Pace
from app.work.purge import PURGE_KIND
from tests.conftest import new_user_id
from tests.waiting import LONGEST_WAIT_SECONDS, until
from tests.work.conftest import KIND, Receiver, change, rows, run_once, send

# Never looks again by itself, so that only what the test does makes it look.
ONLY_IF_CALLED = Pace(awake=3_600, asleep=3_600)


def started(app: Flask, pace: Pace = ONLY_IF_CALLED) -> None:
    work_of(app).start(pace)


def test_what_is_due_is_sent_once(app: Flask, user: str, receiver: Receiver) -> None:
    """To all users, and nothing that is due later."""
    other = new_user_id()
    for user_id, body in ((user, "tea"), (other, "milk")):
        send(user_id, body)
    send(user, "later", delay=3600)
    run_once(app)
    run_once(app)

    assert sorted(receiver.bodies) == ["milk", "tea"]
    assert [row.body for row in rows(app, user)] == ["later"]


def test_a_message_written_here_is_sent_at_once(app: Flask, user: str, receiver: Receiver) -> None:
    """Without waiting for the next look."""
    started(app)
    until(lambda: not services_of(app).alarm.is_set(), "the first look")
    send(user)

    until(lambda: receiver.bodies == ["tea"], "the message")


def test_the_loop_waits_for_the_next_due_time(app: Flask, user: str, receiver: Receiver) -> None:
    """Which it has learned when it looked."""
    send(user, delay=1)
    started(app)

    until(lambda: receiver.bodies == ["tea"], "the message")


def test_a_starting_process_sends_what_others_left(app: Flask, user: str, receiver: Receiver) -> None:
    """Also a message whose worker was killed while it was being sent, once its lease has run out."""
    send(user)
    change(app, user, "leased_until = :past, due_at = :past, attempts = 1", past="2026-01-01T00:00:00.000000Z")
    started(app)

    until(lambda: [message.attempts for message in receiver.got] == [2], "the message")


def test_a_process_that_wakes_the_database_looks_again(app: Flask, user: str, receiver: Receiver) -> None:
    """For what another process has left meanwhile."""
    database = services_of(app).database
    found = []

    class Asleep:
        def run(self, limit: int) -> tuple[int, float | None]:
            # As if the last request were long ago.
            database.used_at = float("-inf")
            found.append(limit)
            return 0, None

    # The last source that is asked, so that nothing of this look counts.
    loop = work_of(app)
    loop._sources.append(Asleep())
    started(app, Pace(awake=0.05, asleep=3_600))
    until(lambda: found, "the first look")
    looks = len(found)
    find_user(user)

    until(lambda: len(found) > looks, "another look")


def test_a_retry_is_made_in_time(app: Flask, user: str, receiver: Receiver) -> None:
    """The process that failed knows when."""
    receiver.answer = lambda message: Again(0.3, "busy") if message.attempts < 3 else Done()
    started(app)
    send(user)

    until(lambda: [message.attempts for message in receiver.got] == [1, 2, 3], "three attempts")


@pytest.mark.parametrize("error", [ValueError("no"), TimeoutError()], ids=repr)
def test_a_handler_that_raises_stops_nothing(
    app: Flask, user: str, receiver: Receiver, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again later, and then later still; the other messages are sent."""
    monkeypatch.setattr(senders, "FIRST_PAUSE", 0.2)

    def answer(message: Any) -> Outcome:
        if message.body == "poison" and message.attempts < 3:
            raise error
        return Done()

    receiver.answer = answer
    started(app)
    send(user, "poison", "a")
    send(user, "tea", "b")

    until(lambda: sorted(receiver.bodies) == ["poison"] * 3 + ["tea"], "all attempts")
    until(lambda: rows(app, user) == [], "the end")


def test_a_poisoned_message_says_why(app: Flask, user: str, receiver: Receiver) -> None:
    """Without what the error says, which could be anything."""
    receiver.answer = lambda message: 1 / 0
    send(user)
    run_once(app)

    [row] = rows(app, user)
    assert (row.status, row.last_error) == ("waiting", "ZeroDivisionError: see the service's log.")


def test_a_key_has_one_message_under_way(app: Flask, user: str, receiver: Receiver) -> None:
    """And the next follows as soon as it has ended."""
    under_way, most = set(), []
    counting = threading.Lock()

    def answer(message: Any) -> Outcome:
        with counting:
            most.append(message.key in under_way)
            under_way.add(message.key)
        with counting:
            under_way.discard(message.key)
        return Delivered()

    receiver.answer = answer
    messages = [Message(KIND, str(number % 5), "tea") for number in range(100)]
    with scope(user):
        enqueue(user, messages)
    run_once(app)

    assert len(receiver.got) == 100
    assert not any(most)


def test_dead_receivers_delay_no_other(app: Flask, user: str, receiver: Receiver) -> None:
    """However many messages wait for them, also those of the same user, and more of them than threads."""
    release = threading.Event()

    def answer(message: Any) -> Outcome:
        if message.key.startswith("dead") and message.attempts == 1:
            return Again(0.1, "silent")
        if message.key.startswith("dead"):
            assert release.wait(LONGEST_WAIT_SECONDS)
        return Done()

    receiver.answer = answer
    with scope(user):
        # Found before all others.
        enqueue(user, [Message(KIND, f"dead {number % 20}", "tea") for number in range(1_000)])
    started(app)
    until(lambda: sum(message.attempts == 2 for message in receiver.got) == 2, "their share of threads, held for ever")
    with scope(user):
        enqueue(user, [Message(KIND, f"live {number % 50}", "milk") for number in range(500)])

    until(lambda: receiver.bodies.count("milk") == 500, "the others")
    assert not release.is_set()
    release.set()


def test_a_look_reads_only_what_became_due(app: Flask, user: str, receiver: Receiver) -> None:
    """Not the thousands that wait for a dead receiver."""
    hold = threading.Event()
    receiver.answer = lambda message: Done() if hold.wait(LONGEST_WAIT_SECONDS) else Failed("no")
    with scope(user):
        enqueue(user, [Message(KIND, "dead", "tea") for _ in range(700)])
    change(app, user, "due_at = :past", past="2026-01-01T00:00:00.000000Z")
    here = outgoing.Outgoing(app, {KIND: Handler(receiver, at_once=1)})
    pages = [here.run(500)[0] for _ in range(2)]
    send(user, "new", "live")

    assert pages == [500, 200]
    assert here.run(500)[0] == 1
    hold.set()
    here.stop()
    assert here.wait(LONGEST_WAIT_SECONDS)


def test_everything_is_read_again_now_and_then(
    app: Flask, user: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For what a process had found that has stopped since."""
    send(user)
    change(app, user, "due_at = :past", past="2026-01-01T00:00:00.000000Z")
    here = outgoing.Outgoing(app, {})
    assert here.run(500) == (0, None)
    here = outgoing.Outgoing(app, {KIND: Handler(receiver, at_once=1)})
    here._after = ("2026-02-01T00:00:00.000000Z", "", BEFORE_ALL[2])
    assert here.run(500)[0] == 0
    monkeypatch.setattr(outgoing, "WHOLE_AGAIN_SECONDS", -1)

    assert here.run(500)[0] == 1
    assert here.wait(LONGEST_WAIT_SECONDS)
    assert receiver.bodies == ["tea"]


def test_a_kind_of_another_version_is_left_alone(app: Flask, user: str) -> None:
    """It is neither lost nor delayed."""
    with scope(user):
        enqueue(user, [Message("of the next version", "", "tea")])
    run_once(app)

    assert [(row.attempts, row.status) for row in rows(app, user)] == [(0, "waiting")]


def test_two_workers_send_each_message_once(app: Flask, user: str, receiver: Receiver) -> None:
    """As two processes, which know nothing of each other."""
    with scope(user):
        enqueue(user, [Message(KIND, str(number % 7), str(number)) for number in range(200)])
    two = [outgoing.Outgoing(app, {KIND: Handler(receiver, at_once=4)}) for _ in range(2)]
    for here in two:
        here.run(500)
    assert all(here.wait(LONGEST_WAIT_SECONDS) for here in two)

    assert sorted(map(int, receiver.bodies)) == list(range(200))


def test_a_source_is_asked_and_its_time_kept(app: Flask) -> None:
    """Again at once if there is more, else when its next is due."""

    class Source:
        asked: list[int] = []

        def run(self, limit: int) -> tuple[int, float | None]:
            self.asked.append(limit)
            return (limit, 0) if len(self.asked) == 1 else (0, 0.2 if len(self.asked) < 4 else None)

    loop = work_of(app)
    loop._sources.insert(0, Source())
    started(app)

    until(lambda: len(Source.asked) == 4, "four looks")


def test_the_purge_is_a_message_that_returns_daily(app: Flask) -> None:
    """One for all processes, from the first look on."""
    for _ in range(2):
        run_once(app)
    [row] = [row for row in list_due(BEFORE_ALL, 10) if row.kind == PURGE_KIND]

    assert row.due_at > row.clock
    assert [(each.attempts, each.status) for each in rows(app, " ")] == [(0, "waiting")]


def test_a_long_purge_continues(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """In as many attempts as it takes."""
    monkeypatch.setattr(purge, "ATTEMPT_SECONDS", -1)
    attempts = []
    monkeypatch.setattr(
        purge, "PARTS", {"tasks": lambda: iter([1] if len(attempts) < 3 and not attempts.append(1) else [])}
    )
    run_once(app)

    assert len(attempts) == 3
    assert rows(app, " ", "attempts")[0].attempts == 0
