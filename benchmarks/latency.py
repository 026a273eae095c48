"""Measure response times at the pace of people, for one user and for many."""

import json
import logging
import statistics
import sys
from typing import NamedTuple

from benchmarks.processes import run
from benchmarks.servers import Program, running, tasks_of, token

TASKS, LISTS = 1000, 200
USERS, TASKS_EACH = 100, 10
CONNECTIONS, CONNECTIONS_PERIOD, CONNECTIONS_REQUESTS = 1000, 2.0, 10
# Per turn; turns with one user and with a hundred alternate, a request per second each.
PACED_SECONDS = 5
BODY = json.dumps({"title": "Buy tea", "description": "Green, and not too much of it"})


class Times(NamedTuple):
    """Milliseconds until the response."""

    median: float
    slowest_twentieth: float  # 95 % are faster


class Figures(NamedTuple):
    """All measured times."""

    create: Times
    list_thousand: Times
    one_user: Times
    hundred_users: Times
    thousand_connections: Times
    unanswered: int


def measure(program: Program, database_url: str, rounds: int) -> Figures:
    """Measure a separate server that has no other load."""
    users = [f"user-{number}" for number in range(USERS)]
    with running(program, database_url) as server:
        server.wait(tasks_of("one"), "one")
        logging.info("latency: one client")
        create = send(server.port, [request("POST", "one")], count=TASKS)
        list_thousand = send(server.port, [request("GET", "one")], count=LISTS)
        send(server.port, [request("POST", user) for user in users], count=TASKS_EACH)
        one_user: list[float | None] = []
        hundred_users: list[float | None] = []
        for number in range(rounds):
            logging.info("latency: one user and a hundred, round %d of %d", number + 1, rounds)
            one_user += send(server.port, [request("GET", users[0])], 1.0, PACED_SECONDS)
            hundred_users += send(server.port, [request("GET", user) for user in users], 1.0, PACED_SECONDS)
        logging.info("latency: a thousand connections")
        many = [request("GET", users[number % USERS]) for number in range(CONNECTIONS)]
        thousand_connections = send(server.port, many, CONNECTIONS_PERIOD, CONNECTIONS_REQUESTS)
    everything = (create, list_thousand, one_user, hundred_users, thousand_connections)
    return Figures(
        create=times(create),
        list_thousand=times(list_thousand),
        one_user=times(one_user),
        hundred_users=times(hundred_users),
        thousand_connections=times(thousand_connections),
        unanswered=sum(part.count(None) for part in everything),
    )


def send(port: int, requests: list[str], period: float = 0.0, count: int = 1) -> list[float | None]:
    """Let a client in a separate process send each request repeatedly, each on its own connection."""
    plan = {"port": port, "requests": requests, "period": period, "count": count}
    answers: list[float | None] = json.loads(run(sys.executable, "-m", "benchmarks.client", say=json.dumps(plan)))
    return answers


def request(method: str, user: str) -> str:
    """Return a request that lists a user's tasks or creates one, as it is sent."""
    lines = [f"{method} {tasks_of(user)} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token(user)}"]
    if method == "GET":
        return "\r\n".join([*lines, "", ""])
    return "\r\n".join([*lines, "Content-Type: application/json", f"Content-Length: {len(BODY)}", "", BODY])


def times(answers: list[float | None]) -> Times:
    hundredths = statistics.quantiles([answer for answer in answers if answer is not None], n=100, method="inclusive")
    return Times(hundredths[49], hundredths[94])
