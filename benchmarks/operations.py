"""Measure the larger operations one at a time, each with its bare statements after it."""

import logging
import resource
from collections import defaultdict
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from statistics import mean, median
from typing import NamedTuple

from benchmarks import processes
from benchmarks.bare import Database, milliseconds
from benchmarks.servers import Program, Server, environment, running
from benchmarks.workload import READER, Operation, large_operations, small_operations

# An import takes seconds, so fewer are enough.
LARGE_ROUNDS = 3
RESPONSE_SECONDS = 120


class Figures(NamedTuple):
    """Milliseconds of one operation."""

    elapsed: float
    # Of all the service's processes; a mean, because the kernel counts in hundredths of a second.
    processor: float
    bare: float


def measure(program: Program, database_url: str, rounds: int) -> dict[str, Figures]:
    """Return the figures of each operation by its name."""
    database, large_rounds = Database(database_url), min(rounds, LARGE_ROUNDS)
    with running(program, database_url) as server:
        server.wait("/healthz", READER)
        with closing(connect(server)) as connection:
            small = small_operations(connection, database)
            flask = partial(processes.run, program.prepare[0], env=environment(database_url))
            large = large_operations(connection, database, large_rounds, flask)
        # To warm up.
        _measure(server, small, 1)
        return _measure(server, small, rounds) | _measure(server, large, large_rounds)


def connect(server: Server) -> HTTPConnection:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=RESPONSE_SECONDS)
    connection.connect()
    return connection


def _measure(server: Server, operations: list[Operation], rounds: int) -> dict[str, Figures]:
    elapsed, processor, bare = (defaultdict[str, list[float]](list) for _ in range(3))
    for number in range(rounds):
        logging.info("operations: round %d of %d", number + 1, rounds)
        for operation in operations:
            calls = range(number * operation.calls, (number + 1) * operation.calls)
            before = spent(server)
            with closing(connect(server)) as connection:
                elapsed[operation.name] += [milliseconds(partial(operation.run, connection, call)) for call in calls]
            processor[operation.name].append((spent(server) - before) * 1000 / len(calls))
            bare[operation.name] += [operation.run_bare(call) for call in calls]
    return {name: Figures(median(elapsed[name]), mean(processor[name]), median(bare[name])) for name in elapsed}


def spent(server: Server) -> float:
    """Return the seconds of processor time of the server, and of the commands that have ended."""
    commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    return server.processor_seconds + commands.ru_utime + commands.ru_stime
