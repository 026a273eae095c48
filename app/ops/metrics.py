"""GET /metrics: the sums of all workers' counts, for Prometheus.

All processes share one block of memory, which is made before they fork. Each worker adds to its own part, and a new
worker continues the part of one that has ended. So a killed worker loses no counts, no counter goes backwards, and no
files need cleaning up. Any worker can answer, because it reads all parts.
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

# Twice the maximum number of workers, because SIGHUP starts the new ones before the old ones have ended.
SLOTS = 512

# The upper limits of the buckets, in seconds. One more bucket follows the last.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# How often a worker records the number of connections that it uses.
CHECK_INTERVAL_SECONDS = 0.5

# The labels for requests without a known route or method.
NONE, OTHER = "none", "other"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)

# The numbers of one method and route: the sum of seconds, the buckets, and each status.
FIRST_BUCKET = 1
FIRST_STATUS = FIRST_BUCKET + len(BUCKETS) + 1
STATUSES = {
    int(status): FIRST_STATUS + place for place, status in enumerate(s for s in HTTPStatus if s >= HTTPStatus.OK)
}
NUMBERS = FIRST_STATUS + len(STATUSES)

# The index in a part of the number of connections in use.
CONNECTIONS = 0


class Counts(Collector):
    """The shared memory, and the position of each number in its parts."""

    def __init__(self, served: Iterable[Series], codes: Iterable[str], connections_in_use: Callable[[], int]) -> None:
        self._connections_in_use = connections_in_use
        self._codes = {code: place for place, code in enumerate(codes, CONNECTIONS + 1)}
        first = CONNECTIONS + 1 + len(self._codes)
        known = dict.fromkeys([*served, *((method, NONE) for method in METHODS)])
        self._series = {series: first + place * NUMBERS for place, series in enumerate(known)}
        self._size = first + len(known) * NUMBERS
        # The first number is how many parts were ever used. A page takes memory only once it is used.
        self._memory = memoryview(mmap.mmap(-1, (1 + SLOTS * self._size) * 8)).cast("d")
        self._memory[0] = 1
        self._mine = self._part(0)
        self._lock = threading.Lock()

    def take_slot(self, taken: Container[int]) -> int:
        """Choose a part that no living worker uses, before a fork, and return its number."""
        free = [number for number in range(SLOTS) if number not in taken]
        # If there are more workers than parts, two that share one may lose a count.
        number = free[0] if free else SLOTS - 1
        self._memory[0] = max(self._memory[0], number + 1)
        for unused in free:
            if unused < self._memory[0]:
                # A killed worker has not reset its number.
                self._part(unused)[CONNECTIONS] = 0
        self._mine = self._part(number)
        return number

    def add(self, environ: "WSGIEnvironment", status: str, seconds: float) -> None:
        """Count a response."""
        method, rule, code = environ["REQUEST_METHOD"], environ["werkzeug.request"].url_rule, environ.get(PROBLEM)
        series, mine = self._series, self._mine
        # Not by path, because each path would make a new series.
        at = series.get((method, rule.rule if rule else NONE)) or series.get((method, NONE)) or series[OTHER, NONE]
        # The lock is for threads: another process never writes here.
        with self._lock:
            mine[at] += seconds
            mine[at + FIRST_BUCKET + bisect_left(BUCKETS, seconds)] += 1
            mine[at + STATUSES[int(status[:3])]] += 1
            if code is not None:
                mine[self._codes[code]] += 1

    def look_at_pool(self) -> None:
        self._mine[CONNECTIONS] = self._connections_in_use()

    def watch_pool(self) -> None:
        """Start a thread that records the connections in use, after a fork, so that requests need not do it."""
        threading.Thread(target=self._watch, name="pool watcher", daemon=True).start()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, summed over all parts that were ever used."""
        self.look_at_pool()
        parts = [self._part(number) for number in range(int(self._memory[0]))]
        totals = [sum(numbers) for numbers in zip(*parts, strict=True)]
        by_status, by_time = ("method", "route", "status"), ("method", "route")
        requests = CounterMetricFamily("tasks_requests", "Requests that got a response.", labels=by_status)
        times = HistogramMetricFamily(
            "tasks_request_duration_seconds", "Seconds from a request to the start of its response.", labels=by_time
        )
        for series, at in self._series.items():
            counts = list(accumulate(totals[at + FIRST_BUCKET : at + FIRST_STATUS]))
            if counts[-1]:
                times.add_metric(series, list(zip(map(str, (*BUCKETS, "+Inf")), counts, strict=True)), totals[at])
            for status, place in STATUSES.items():
                if count := totals[at + place]:
                    requests.add_metric((*series, str(status)), count)
        problems = CounterMetricFamily("tasks_problems", "Error responses, by code.", labels=("code",))
        for code, at in self._codes.items():
            problems.add_metric((code,), totals[at])
        in_use = "Database connections in use."
        yield from (requests, times, problems)
        yield GaugeMetricFamily("tasks_database_connections_in_use", in_use, totals[CONNECTIONS])

    def _watch(self) -> None:
        while True:
            self.look_at_pool()
            time.sleep(CHECK_INTERVAL_SECONDS)

    def _part(self, number: int) -> "memoryview[float]":
        return self._memory[1 + number * self._size : 1 + (number + 1) * self._size]


def init_app(app: Flask) -> None:
    """Start counting. Call it once all routes are known, and before workers are forked."""
    app.add_url_rule("/metrics", view_func=show_metrics)
    served = [(method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods or ()]
    connections = services_of(app).database.connections
    counts = Counts(served, [problem.code for problem in catalogue()], lambda: connections.in_use)
    app.extensions["metrics"] = counts
    requests.tell(app, counts.add)


def show_metrics() -> Response:
    """Return the metrics, which name no user and no task."""
    return Response(generate_latest(current_app.extensions["metrics"]), content_type=CONTENT_TYPE_PLAIN_0_0_4)
