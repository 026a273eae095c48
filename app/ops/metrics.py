"""GET /metrics: what all workers have counted, summed, as Prometheus reads it.

One piece of memory is shared by all processes, since it is made before they fork. Each worker adds to a part of its
own, and a new one goes on with the part of one that is gone: nothing is lost when a worker is killed, nothing goes
backwards, and there are no files to clear away. Whichever worker is asked reads all parts.
"""

import mmap
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator
from http import HTTPStatus
from itertools import accumulate
from typing import TYPE_CHECKING

from flask import Flask, Response, current_app
from prometheus_client import Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from app.http import requests
from app.http.problems import catalogue
from app.http.requests import PROBLEM
from app.services import services_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Series = tuple[str, str]

# The most workers that a setting asks for, twice, for SIGHUP starts the new before the old have ended.
SLOTS = 512

# In seconds, where the buckets end; behind the last is another one.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# How often a worker writes down how many connections it uses.
CHECK_INTERVAL_SECONDS = 0.5

# Instead of a route where there is none, and of a method that nothing takes.
NONE, OTHER = "none", "other"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)

# What is kept of one method and route: the sum of seconds, the buckets, and each status.
FIRST_BUCKET = 1
FIRST_STATUS = FIRST_BUCKET + len(BUCKETS) + 1
STATUSES = {
    int(status): FIRST_STATUS + place for place, status in enumerate(s for s in HTTPStatus if s >= HTTPStatus.OK)
}
NUMBERS = FIRST_STATUS + len(STATUSES)

# Where a part has the number of connections in use.
CONNECTIONS = 0


class Counts(Collector):
    """The shared memory, and which number is where in each part of it."""

    def __init__(self, served: Iterable[Series], codes: Iterable[str], connections_in_use: Callable[[], int]) -> None:
        self._connections_in_use = connections_in_use
        self._codes = {code: place for place, code in enumerate(codes, CONNECTIONS + 1)}
        first = CONNECTIONS + 1 + len(self._codes)
        known = dict.fromkeys([*served, *((method, NONE) for method in METHODS)])
        self._series = {series: first + place * NUMBERS for place, series in enumerate(known)}
        self._size = first + len(known) * NUMBERS
        # In front is how many parts were ever used. A page of it takes memory only then.
        self._memory = memoryview(mmap.mmap(-1, (1 + SLOTS * self._size) * 8)).cast("d")
        self._memory[0] = 1
        self._mine = self._part(0)
        self._lock = threading.Lock()

    def take_slot(self, taken: Container[int]) -> int:
        """Before a fork: the worker to come gets a part that no living one has. Which one."""
        free = [number for number in range(SLOTS) if number not in taken]
        # If ever there are more workers than parts, those that share one may lose a count.
        number = free[0] if free else SLOTS - 1
        self._memory[0] = max(self._memory[0], number + 1)
        for unused in free:
            if unused < self._memory[0]:
                # A worker that was killed has given nothing back.
                self._part(unused)[CONNECTIONS] = 0
        self._mine = self._part(number)
        return number

    def add(self, environ: "WSGIEnvironment", status: str, seconds: float) -> None:
        """Count an answer."""
        method, rule, code = environ["REQUEST_METHOD"], environ["werkzeug.request"].url_rule, environ.get(PROBLEM)
        series, mine = self._series, self._mine
        # Never by path: each would be a series of its own.
        at = series.get((method, rule.rule if rule else NONE)) or series.get((method, NONE)) or series[OTHER, NONE]
        # Between threads: another process never writes here.
        with self._lock:
            mine[at] += seconds
            mine[at + FIRST_BUCKET + bisect_left(BUCKETS, seconds)] += 1
            mine[at + STATUSES[int(status[:3])]] += 1
            if code is not None:
                mine[self._codes[code]] += 1

    def look_at_pool(self) -> None:
        self._mine[CONNECTIONS] = self._connections_in_use()

    def watch_pool(self) -> None:
        """After a fork: look at this process's connections now and then, so that a request need not tell of its own."""
        threading.Thread(target=self._watch, name="pool watcher", daemon=True).start()

    def collect(self) -> Iterator[Metric]:
        """Everything, summed over all parts that were ever used."""
        self.look_at_pool()
        parts = [self._part(number) for number in range(int(self._memory[0]))]
        totals = [sum(numbers) for numbers in zip(*parts, strict=True)]
        by_status, by_time = ("method", "route", "status"), ("method", "route")
        requests = CounterMetricFamily("tasks_requests", "Requests that were answered.", labels=by_status)
        times = HistogramMetricFamily(
            "tasks_request_duration_seconds", "From a request to the beginning of its answer.", labels=by_time
        )
        for series, at in self._series.items():
            counts = list(accumulate(totals[at + FIRST_BUCKET : at + FIRST_STATUS]))
            if counts[-1]:
                times.add_metric(series, list(zip(map(str, (*BUCKETS, "+Inf")), counts, strict=True)), totals[at])
            for status, place in STATUSES.items():
                if count := totals[at + place]:
                    requests.add_metric((*series, str(status)), count)
        problems = CounterMetricFamily("tasks_problems", "Answers that were errors, by code.", labels=("code",))
        for code, at in self._codes.items():
            problems.add_metric((code,), totals[at])
        in_use = "Connections to the database that are in use."
        yield from (requests, times, problems)
        yield GaugeMetricFamily("tasks_database_connections_in_use", in_use, totals[CONNECTIONS])

    def _watch(self) -> None:
        while True:
            self.look_at_pool()
            time.sleep(CHECK_INTERVAL_SECONDS)

    def _part(self, number: int) -> "memoryview[float]":
        return self._memory[1 + number * self._size : 1 + (number + 1) * self._size]


def init_app(app: Flask) -> None:
    """Count from now on: all routes are known, and no worker has been forked."""
    app.add_url_rule("/metrics", view_func=show_metrics)
    served = [(method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods or ()]
    connections = services_of(app).database.connections
    counts = Counts(served, [problem.code for problem in catalogue()], lambda: connections.in_use)
    app.extensions["metrics"] = counts
    requests.tell(app, counts.add)


def show_metrics() -> Response:
    """For whoever watches the service; it names no user and no task."""
    return Response(generate_latest(current_app.extensions["metrics"]), content_type=CONTENT_TYPE_PLAIN_0_0_4)
