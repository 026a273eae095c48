"""GET /metrics: the sums of all workers' counts, for Prometheus.

This is prometheus_client's multiprocess mode, for 7 µs a request. Its files are named by a worker's slot and not by its
process id: a new worker continues the files of one that has ended. So they stay few, and no number goes backwards.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from flask import Flask, Response, current_app
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.http import requests
from app.http.problems import catalogue
from app.http.requests import PROBLEM
from app.services import services_of
from app.tasks.waiting import Waits
from app.tasks.watches import End
from app.work import work_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# The library's own setting: where workers keep what they count. Without it, this process counts for itself alone.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

# Seconds in which the buckets end.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# How often a worker records the number of connections that it uses.
CHECK_INTERVAL_SECONDS = 0.5

# The labels for requests without a known route or method.
NONE, OTHER = "none", "other"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Counts:
    """The metrics of one process, and of all of them where they share a folder."""

    def __init__(self, codes: Iterable[str], connections_in_use: Callable[[], int], waits: Waits) -> None:
        self._connections_in_use = connections_in_use
        self._waits = waits
        waits.on_end = self._add_wait
        self._slot = "first"
        self._folder = os.environ.get(FOLDER)
        if self._folder:
            values.ValueClass = values.MultiProcessValue(lambda: self._slot)  # type: ignore[no-untyped-call]
        own = self._own = CollectorRegistry()
        by_route = ("method", "route")
        self._requests = Counter("tasks_requests", "Requests that were answered.", (*by_route, "status"), registry=own)
        told = "From a request to the beginning of its response."
        self._seconds = Histogram("tasks_request_duration_seconds", told, by_route, buckets=BUCKETS, registry=own)
        self._problems = Counter("tasks_problems", "Responses that were errors, by code.", ("code",), registry=own)
        told = "Connections to the database that are in use."
        self._in_use = Gauge("tasks_database_connections_in_use", told, multiprocess_mode="livesum", registry=own)
        told = "Messages of the outbox, as the last look for work found them."
        self._messages = Gauge("tasks_outbox_messages", told, ("state",), multiprocess_mode="mostrecent", registry=own)
        told = "For how long the oldest of them has been due."
        self._late = Gauge("tasks_outbox_late_seconds", told, multiprocess_mode="mostrecent", registry=own)
        told = "Requests that wait for changes."
        self._waiting = Gauge("tasks_waiting", told, multiprocess_mode="livesum", registry=own)
        told = "Requests that have waited for changes, by what ended the wait."
        self._ended = Counter("tasks_waits", told, ("ended_by",), registry=own)
        # The library takes 4 µs to find one by its labels.
        self._series: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        for code in codes:
            # So that 0 is shown of what did not happen.
            self._problems.labels(code)
        for end in get_args(End):
            self._ended.labels(end)

    def take_slot(self, taken: Container[str]) -> str:
        """Before a fork: give the next worker a slot that no living one has."""
        self._slot = next(slot for slot in map(str, count()) if slot not in taken)
        return self._slot

    def free_slot(self, slot: str) -> None:
        """After a worker has ended: it uses no connection any more."""
        if self._folder:
            mark_process_dead(slot, self._folder)  # type: ignore[no-untyped-call]

    def add(self, environ: "WSGIEnvironment", status: str, seconds: float) -> None:
        """Count a response."""
        method, rule, code = environ["REQUEST_METHOD"], environ["werkzeug.request"].url_rule, environ.get(PROBLEM)
        # Never by path: each would be a series of its own.
        series = method if method in METHODS else OTHER, rule.rule if rule else NONE, status[:3]
        if (found := self._series.get(series)) is None:
            found = self._requests.labels(*series), self._seconds.labels(*series[:2])
            self._series[series] = found
        found[0].inc()
        found[1].observe(seconds)
        if code is not None:
            self._problems.labels(code).inc()

    def note_work(self, messages: Mapping[str, int], late: float) -> None:
        """Note how many messages are in each state. No scrape asks the database, so that it may sleep."""
        for state, number in messages.items():
            self._messages.labels(state).set(number)
        self._late.set(late)

    def _add_wait(self, end: End) -> None:
        self._ended.labels(end).inc()

    def watch_pool(self) -> None:
        """After a fork: open this worker's files, and start a thread that records the connections in use."""
        with self._folder_locked(fcntl.LOCK_EX):
            self._look_at_pool()
        threading.Thread(target=self._watch, name="pool watcher", daemon=True).start()

    def page(self) -> bytes:
        """Return everything as text."""
        self._look_at_pool()
        if not self._folder:
            return generate_latest(self._own)
        everyones = CollectorRegistry()
        MultiProcessCollector(everyones, self._folder)  # type: ignore[no-untyped-call]
        with self._folder_locked(fcntl.LOCK_SH):
            return generate_latest(everyones)

    @contextlib.contextmanager
    def _folder_locked(self, how: int) -> Iterator[None]:
        """Keep a worker that creates its files apart from those who read: a file is empty for a moment."""
        if not self._folder:
            yield
            return
        with Path(self._folder, "lock").open("w") as file:
            fcntl.flock(file, how)
            yield

    def _watch(self) -> None:
        while True:
            self._look_at_pool()
            time.sleep(CHECK_INTERVAL_SECONDS)

    def _look_at_pool(self) -> None:
        self._in_use.set(self._connections_in_use())
        self._waiting.set(self._waits.count)


def init_app(app: Flask) -> None:
    """Count from now on; before any worker is forked."""
    app.add_url_rule("/metrics", view_func=show_metrics)
    connections = services_of(app).database.connections
    counts = Counts([problem.code for problem in catalogue()], lambda: connections.in_use, services_of(app).waits)
    app.extensions["metrics"] = counts
    requests.set_counter(app, counts.add)
    work_of(app).note = counts.note_work


def show_metrics() -> Response:
    """Show the metrics for monitoring. They name no user and no task."""
    return Response(current_app.extensions["metrics"].page(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
