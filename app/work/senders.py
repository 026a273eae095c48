"""Send messages of one kind in a few threads: one at a time to each receiver, so that a slow one delays no other."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from flask import Flask

from app.database import scope
from app.http.problems import Problem
from app.outbox.delivery import Again, Handler, Outcome, claim, settle

logger = logging.getLogger("tasks.work")

# How long one receiver's messages are sent one after the other before others have their turn.
TURN_SECONDS = 5
# More receivers whose last attempt failed are all treated as others, once.
REMEMBERED_FAILURES = 100_000
# After an error that no handler expects, in seconds; doubled each time.
FIRST_PAUSE, LONGEST_PAUSE = 5, 3_600

# A receiver: the user, and the key of the messages.
Lane = tuple[str, str]


class Senders:
    """The threads of one kind. A thread ends when no receiver is waiting."""

    def __init__(self, app: Flask, kind: str, handler: Handler) -> None:
        self._app, self._kind, self._handler = app, kind, handler
        # Receivers with messages that are due; those whose last attempt failed wait on their own, for a quarter of the
        # threads.
        self._ready: deque[Lane] = deque()
        self._failing: deque[Lane] = deque()
        self._failed: set[Lane] = set()
        # All that wait in either, and those being served, each with whether it was added again meanwhile.
        self._waiting: set[Lane] = set()
        self._served: dict[Lane, bool] = {}
        self._failing_served = 0
        self._threads = 0
        self._changing = threading.Condition()
        self.is_stopping = False
        # Called if the database failed: what is due must be looked for again.
        self.on_trouble: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        """Return the number of receivers, without those that fail: however many, the others must be found."""
        return len(self._ready) + len(self._served)

    def add(self, lane: Lane) -> None:
        """Serve a receiver as soon as a thread is free."""
        with self._changing:
            if lane in self._served:
                self._served[lane] = True
            elif lane not in self._waiting:
                self._wait_in_line(lane)
            if self._waiting and self._threads < self._handler.at_once:
                threading.Thread(target=self._work, name=f"sending {self._kind}", daemon=True).start()
                self._threads += 1

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until every thread has ended; return False if they take longer than this."""
        with self._changing:
            return self._changing.wait_for(lambda: not self._threads, seconds)

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            lane, was_failing = taken
            has_more = False
            try:
                with self._app.app_context(), scope(lane[0]):
                    has_more = self._serve(lane)
            except Exception as error:  # noqa: BLE001 (the other receivers must go on)
                said = error.detail if isinstance(error, Problem) else error
                logger.warning("sending stopped for a moment: %s", said)
                self.on_trouble()
            finally:
                self._give_back(lane, was_failing, has_more)

    def _take(self) -> tuple[Lane, bool] | None:
        """Return the next receiver and whether it is a failing one; None ends the thread."""
        with self._changing:
            if not self.is_stopping:
                share = max(1, self._handler.at_once // 4)
                if self._failing and self._failing_served < share:
                    self._failing_served += 1
                    return self._begin(self._failing.popleft()), True
                if self._ready:
                    return self._begin(self._ready.popleft()), False
            self._threads -= 1
            self._changing.notify_all()
            return None

    def _begin(self, lane: Lane) -> Lane:
        self._waiting.remove(lane)
        self._served[lane] = False
        return lane

    def _give_back(self, lane: Lane, was_failing: bool, has_more: bool) -> None:
        with self._changing:
            self._failing_served -= was_failing
            if self._served.pop(lane) or has_more:
                self._wait_in_line(lane)

    def _wait_in_line(self, lane: Lane) -> None:
        self._waiting.add(lane)
        (self._failing if lane in self._failed else self._ready).append(lane)

    def _serve(self, lane: Lane) -> bool:
        """Send what is due for a receiver; return whether more may be due."""
        user_id, key = lane
        ends_at = monotonic() + TURN_SECONDS
        while not self.is_stopping and (message := claim(user_id, self._kind, key)) is not None:
            outcome = self._send(message)
            if not settle(user_id, message, outcome):
                logger.warning("a message of the kind %s was sent twice, or deleted: %s", self._kind, message.id)
            if getattr(outcome, "error", None):
                self._note_failure(lane)
                return True
            self._failed.discard(lane)
            if monotonic() > ends_at:
                return True
        return False

    def _note_failure(self, lane: Lane) -> None:
        if len(self._failed) >= REMEMBERED_FAILURES:
            self._failed.clear()
        self._failed.add(lane)

    def _send(self, message: Any) -> Outcome:
        try:
            return self._handler.send(message)
        except Exception as error:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(message.attempts - 1, 20))
            logger.exception("a message of the kind %s failed: %s", self._kind, message.id)
            return Again(pause, f"{type(error).__name__}: see the service's log.")
