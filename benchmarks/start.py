"""Measure the time from a start to the first responses, and the memory afterwards."""

import logging
import time
from statistics import mean, median
from typing import NamedTuple

from benchmarks import comparison, processes, wrk
from benchmarks.servers import Program, Server, running, tasks_of

USER = "one"


class Start(NamedTuple):
    """Seconds from gunicorn's start: processor time and elapsed time."""

    healthz: float
    first_list: float
    first_list_clock: float


class Memory(NamedTuple):
    """MiB, with each process's share of pages that several use."""

    main: float
    worker: float


class Figures(NamedTuple):
    start: Start
    started: Memory
    loaded: Memory


def measure(program: Program, database_url: str, rounds: int, seconds: int) -> Figures:
    """Start the server repeatedly, and load the last one."""
    starts = []
    for number in range(rounds):
        logging.info("start: round %d of %d", number + 1, rounds)
        with running(program, database_url) as server:
            starts.append(start(server))
            if number == rounds - 1:
                started = memory(server)
                for load in comparison.fill(server).values():
                    wrk.measure(server, load, seconds, comparison.CONNECTIONS)
                loaded = memory(server)
    return Figures(Start(*map(median, zip(*starts, strict=True))), started, loaded)


def start(server: Server) -> Start:
    """Send the first requests."""
    begin = time.monotonic()
    server.wait("/healthz", USER)
    healthz = server.processor_seconds
    server.call("GET", tasks_of(USER), USER)
    return Start(healthz, server.processor_seconds, time.monotonic() - begin)


def memory(server: Server) -> Memory:
    """Return the memory of the first process, and of a worker on average."""
    workers = processes.children(server.process.pid)
    return Memory(processes.proportional_mib(server.process.pid), mean(map(processes.proportional_mib, workers)))
