"""Requests that wait for changes, each in a thread, as gunicorn's worker lets them wait in a greenlet."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self

from flask import Flask
from werkzeug.test import TestResponse

from app.services import services_of
from app.turns import SLEEP
from tests.api.support.calls import CHANGES
from tests.conftest import Caller
from tests.waiting import until

# Only reached if a wait does not end.
LONG = 40


class ThreadSleep:
    """See app.turns.Sleep."""

    is_abandoned = False
    is_stopping = False

    def __init__(self) -> None:
        self._woken = threading.Event()
        self.has_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def sleep(self, seconds: float) -> None:
        self.has_begun = True
        self._woken.wait(seconds)
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()


def wait(caller: Caller, since: str | None, wait: int = 1, sleep: Any = ThreadSleep, **query: Any) -> TestResponse:
    """Ask for changes on a server that lets requests wait."""
    query |= {"wait": wait, **({"since": since} if since else {})}
    return CHANGES(caller, query_string=query, environ_overrides={SLEEP: sleep})


@contextmanager
def waiting(caller: Caller, since: str, count: int = 1, **query: Any) -> Iterator[list[Future[TestResponse]]]:
    """Let requests wait. They must end within the block, or soon after it."""
    sleeps: list[ThreadSleep] = []

    def new_sleep() -> ThreadSleep:
        sleeps.append(ThreadSleep())
        return sleeps[-1]

    with ThreadPoolExecutor(count) as threads:
        found = [threads.submit(wait, caller, since, sleep=new_sleep, **{"wait": LONG, **query}) for _ in range(count)]
        until(lambda: [sleep.has_begun for sleep in sleeps] == [True] * count, "requests that wait")
        yield found


def ended_by(app: Flask) -> list[str]:
    """Return a list to which each wait from now on adds what ended it."""
    found: list[str] = []
    services_of(app).waits.on_end = found.append
    return found
