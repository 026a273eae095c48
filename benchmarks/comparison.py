"""Compare the service with its peers, and its two databases with each other, at full load."""

import json
import logging
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

from benchmarks import wrk
from benchmarks.servers import Program, Server, running, tasks_of
from benchmarks.wrk import Load, Outcome

CONNECTIONS = 32
WARM_UP_SECONDS = 1
READER, WRITER = "reader", "writer"
TASKS = 100
BODY = {"title": "Buy tea", "description": "Green, and not too much of it"}

CREATE = f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{json.dumps(BODY)}'
"""
# One task after the other, so that two requests rarely wait for the same row.
TOGGLE = """
local paths, next = {%s}, 0
request = function()
    next = next %% #paths + 1
    return wrk.format("PATCH", paths[next])
end
"""
OPERATIONS = ("get one", "list 100", "create", "toggle")


class Contender(NamedTuple):
    """A server in the comparison, with its name in the tables."""

    name: str
    program: Program
    database_url: str


# By operation and name, one per round.
Outcomes = dict[str, dict[str, list[Outcome]]]


def compare(contenders: list[Contender], rounds: int, seconds: int) -> Outcomes:
    """Measure all contenders round by round, so that a slow minute of the machine affects all alike."""
    outcomes: Outcomes = {operation: {one.name: [] for one in contenders} for operation in OPERATIONS}
    with ExitStack() as stack:
        servers = [(one.name, stack.enter_context(running(one.program, one.database_url))) for one in contenders]
        loads = {name: fill(server) for name, server in servers}
        _measure_round(servers, loads, WARM_UP_SECONDS)
        order = deque(servers)
        for number in range(rounds):
            logging.info("comparison: round %d of %d", number + 1, rounds)
            for operation, name, outcome in _measure_round(order, loads, seconds):
                outcomes[operation][name].append(outcome)
            order.rotate()
    return outcomes


def fill(server: Server) -> dict[str, Load]:
    """Give the reader tasks, and return the load for each operation."""
    server.wait(tasks_of(READER), READER)
    ids = [server.call("POST", tasks_of(READER), READER, BODY)["id"] for _ in range(TASKS)]
    paths = ", ".join(f'"{tasks_of(READER)}/{task_id}/complete"' for task_id in ids)
    return {
        "get one": Load(READER, f"/{ids[0]}"),
        "list 100": Load(READER, f"?limit={TASKS}"),
        "create": Load(WRITER, script=CREATE),
        "toggle": Load(READER, script=TOGGLE % paths),
    }


def _measure_round(
    servers: Iterable[tuple[str, Server]], loads: dict[str, dict[str, Load]], seconds: int
) -> list[tuple[str, str, Outcome]]:
    return [
        (operation, name, wrk.measure(server, loads[name][operation], seconds, CONNECTIONS))
        for operation in OPERATIONS
        for name, server in servers
    ]


def middle(outcomes: list[Outcome]) -> Outcome:
    """Return the median of each figure."""
    return Outcome(*map(median, zip(*outcomes, strict=True)))


def ratios(ours: list[Outcome], theirs: list[Outcome]) -> Outcome:
    """Return the medians of the rounds' ratios of our figures to theirs."""
    return middle(
        [
            Outcome(*(our / max(their, 1e-9) for our, their in zip(*pair, strict=True)))
            for pair in zip(ours, theirs, strict=True)
        ]
    )
