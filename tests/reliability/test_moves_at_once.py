"""Clients of two processes drag the same tasks and lists at once: nothing is lost, and each order is explained."""

import itertools
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import NewDatabase
from tests.process.conftest import Service
from tests.reliability.conftest import Launch
from tests.reliability.load import Client, User

CLIENTS, MOVES, TASKS = 6, 25, 10
REPETITIONS = 15

Move = tuple[str, dict[str, str]]


@pytest.fixture(scope="module")
def service(launch: Launch, new_database: NewDatabase) -> Service:
    """Two workers on each engine."""
    return launch(new_database()).wait_until_ready()


@pytest.fixture
def clients(service: Service) -> Any:
    """Clients of one user, each with a connection."""
    user = User()
    made = [Client(service.port, user.token, kept=bool(number % 2)) for number in range(CLIENTS)]
    # The first write adds the user.
    assert made[0].call("POST", "/v1/tasks", {"title": "first"}).status == 201
    assert made[0].call("DELETE", f"/v1/tasks/{order(made[0], 'tasks')[0]}").status == 204
    yield made
    for client in made:
        client.close()


def add(client: Client, what: str, count: int) -> list[str]:
    replies = [client.call("POST", f"/v1/{what}", {"name" if what == "lists" else "title": "x"}) for _ in range(count)]
    assert {reply.status for reply in replies} == {201}
    return [reply.body["id"] for reply in replies]


def order(client: Client, what: str) -> list[str]:
    reply = client.call("GET", "/v1/lists" if what == "lists" else "/v1/tasks?sort=position&limit=200")
    assert reply.status == 200
    return [each["id"] for each in reply.body["items"]]


def a_move(chance: random.Random, ids: Sequence[str]) -> Move:
    """Return a task and its new place, also next to one that others move at the same time."""
    moving, neighbour = chance.sample(ids, 2)
    how = chance.choice(["before", "after", "first", "last"])
    return moving, {"place": how} if how in ("first", "last") else {how: neighbour}


def after_moves(ids: Sequence[str], moves: Sequence[Move]) -> tuple[str, ...]:
    """Return the order after moves in this sequence."""
    found = [*ids]
    for moving, where in moves:
        found.remove(moving)
        if "place" in where:
            index = 0 if where["place"] == "first" else len(found)
        else:
            index = found.index(next(iter(where.values()))) + ("after" in where)
        found.insert(index, moving)
    return tuple(found)


def send(client: Client, what: str, move: Move) -> int:
    return client.call("POST", f"/v1/{what}/{move[0]}/move", move[1]).status


@pytest.mark.parametrize("what", ["tasks", "lists"])
def test_clients_that_drag_at_once_lose_nothing(clients: list[Client], what: str) -> None:
    """Every move succeeds, and every order that is read has each task once."""
    ids = add(clients[0], what, TASKS)

    def drag(number: int) -> list[int]:
        chance, statuses = random.Random(number), []
        for _ in range(MOVES):
            statuses.append(send(clients[number], what, a_move(chance, ids)))
            assert sorted(order(clients[number], what)) == sorted(ids)
        return statuses

    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = {status for found in pool.map(drag, range(CLIENTS)) for status in found}

    assert statuses == {200}
    assert sorted(order(clients[0], what)) == sorted(ids)


@pytest.mark.parametrize("what", ["tasks", "lists"])
@pytest.mark.parametrize("at_once", [2, 3])
def test_the_order_after_moves_at_once_is_that_of_some_sequence(clients: list[Client], what: str, at_once: int) -> None:
    """Of the same moves, one after the other. Many tries, because most moves do not meet."""
    ids = add(clients[0], what, at_once + 2)
    before = tuple(ids)
    with ThreadPoolExecutor(at_once) as pool:
        for number in range(REPETITIONS):
            chance = random.Random(f"{at_once} {number}")
            moves = [a_move(chance, ids) for _ in range(at_once)]
            statuses = [*pool.map(lambda client, move: send(client, what, move), clients, moves)]
            found = tuple(order(clients[0], what))

            assert set(statuses) == {200}
            assert found in {after_moves(before, each) for each in itertools.permutations(moves)}, (before, moves)
            before = found


def test_a_family_stays_whole_while_all_of_it_changes_at_once(clients: list[Client]) -> None:
    """Two parents are completed, deleted, restored and moved, while subtasks are added, reopened, deleted and moved."""
    lists = add(clients[0], "lists", 2)
    parents = add(clients[0], "tasks", 2)
    made: list[str] = []
    for parent in parents:
        for _ in range(4):
            reply = clients[0].call("POST", "/v1/tasks", {"title": "sub", "parent_id": parent})
            made.append(reply.body["id"])

    def change(number: int) -> list[int]:
        chance, client, statuses = random.Random(number), clients[number], []
        for _ in range(MOVES):
            parent, subtask = chance.choice(parents), chance.choice(made)
            method, path, body = chance.choice(
                [
                    ("PATCH", f"/v1/tasks/{parent}", {"completed": True}),
                    ("POST", f"/v1/tasks/{parent}/toggle", None),
                    ("PATCH", f"/v1/tasks/{parent}", {"list_id": chance.choice([None, *lists])}),
                    ("DELETE", f"/v1/tasks/{parent}", None),
                    ("POST", f"/v1/tasks/{parent}/restore", None),
                    ("POST", f"/v1/tasks/{parent}/restore", None),
                    ("POST", "/v1/tasks", {"title": "sub", "parent_id": parent}),
                    ("PATCH", f"/v1/tasks/{subtask}", {"completed": False}),
                    ("POST", f"/v1/tasks/{subtask}/toggle", None),
                    ("DELETE", f"/v1/tasks/{subtask}", None),
                    ("POST", f"/v1/tasks/{subtask}/restore", None),
                    ("PATCH", f"/v1/tasks/{subtask}", {"parent_id": chance.choice([None, *parents])}),
                    ("POST", f"/v1/tasks/{subtask}/move", {"after": chance.choice(made)}),
                    ("POST", f"/v1/tasks/{subtask}/move", {"place": "first", "parent_id": parent}),
                    ("POST", f"/v1/tasks/{parent}/move", {"before": subtask}),
                ]
            )
            reply = client.call(method, path, body)
            statuses.append(reply.status)
            if reply.status == 201:
                made.append(reply.body["id"])
        return statuses

    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = {status for found in pool.map(change, range(CLIENTS)) for status in found}

    assert statuses <= {200, 201, 204, 404, 409, 422}, statuses
    live, trash = (
        {task["id"]: task for task in clients[0].call("GET", f"/v1/tasks?limit=200&{query}").body["items"]}
        for query in ("", "deleted=true")
    )
    assert {*live, *trash} >= {*made, *parents}
    assert not live.keys() & trash.keys()
    for task in live.values():
        if task["parent_id"]:
            parent = live[task["parent_id"]]
            assert parent["parent_id"] is None
            assert parent["list_id"] == task["list_id"]
            assert task["completed"] or not parent["completed"]
