"""Writers that log each attempted write: acknowledged, rejected, or of unknown outcome."""

import contextlib
import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.conftest import new_user_id, shared_token

CLIENT_SECONDS = 30
PAUSE_SECONDS = 0.005
HOURS = 12 * 3600


class Reply(NamedTuple):
    """A response; status 0 is a lost connection, -1 a refused one."""

    status: int
    headers: dict[str, str]
    body: Any
    began: float
    ended: float


@dataclass
class Write:
    """An attempt. `version` is the version that it made, if the response said so."""

    kind: str
    key: str
    status: int
    title: str | None = None
    completed: bool | None = None
    version: int | None = None

    @property
    def is_acknowledged(self) -> bool:
        return self.status in (200, 201, 204)

    @property
    def is_unknown(self) -> bool:
        """Return whether a commit may have happened: after a lost response, or a 503."""
        return self.status in (0, 503)


@dataclass
class Task:
    """A task as its user last saw it. Its details have the key of its creation."""

    id: str
    key: str
    version: int


@dataclass
class User:
    id: str = field(default_factory=new_user_id)
    tasks: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.token = shared_token(self.id, exp=int(time.time()) + HOURS)


class Client:
    """One connection at a time, kept or new for each request."""

    def __init__(self, port: int, token: str, kept: bool) -> None:
        self.port, self.token, self.kept = port, token, kept
        self.connection: http.client.HTTPConnection | None = None
        self.requests_on_it = 0

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send once: a lost response is reported, not repeated."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        if not self.kept:
            headers["Connection"] = "close"
        began = time.monotonic()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CLIENT_SECONDS)
                self.requests_on_it = 0
            self.connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = self.connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            fresh = self.requests_on_it == 0
            self.close()
            status = -1 if isinstance(error, ConnectionRefusedError) else 0
            return Reply(status, {}, f"{error!r} {'fresh' if fresh else 'reused'}", began, time.monotonic())
        self.requests_on_it += 1
        if response.will_close:
            self.close()
        is_json = text and "json" in response.headers["Content-Type"]
        answered = json.loads(text) if is_json else text.decode()
        return Reply(response.status, dict(response.headers), answered, began, time.monotonic())

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Load:
    """Several writers for each of several users, two of them on the same tasks."""

    def __init__(self, port: int, users: int = 4, writers_of_each: int = 2, seed: int = 1) -> None:
        self.port, self.users = port, [User() for _ in range(users)]
        self.writes: dict[str, list[Write]] = {user.id: [] for user in self.users}
        self.replies: list[Reply] = []
        self.creation_share = 0.3
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=Writer(self, user, random.Random(seed + number), number).run)
            for number, user in enumerate(self.users * writers_of_each)
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    @property
    def is_ended(self) -> bool:
        return self._ended.is_set()

    @property
    def writers(self) -> int:
        return len(self._threads)

    def only_create(self) -> None:
        self.creation_share = 1

    def pause(self, seconds: float = PAUSE_SECONDS) -> None:
        self._ended.wait(seconds)

    def of_status(self, *statuses: int) -> list[Reply]:
        return [reply for reply in self.replies if reply.status in statuses]

    def acknowledged(self) -> int:
        return sum(write.is_acknowledged for writes in self.writes.values() for write in writes)

    def failures(self) -> list[Reply]:
        """Return responses that no client should see: neither success nor a clear 503."""
        expected = (200, 201, 204, 404, 412, 503)
        return [
            reply
            for reply in list(self.replies)
            if reply.status not in expected or (reply.status == 503 and int(reply.headers.get("Retry-After", 0)) < 1)
        ]


class Writer:
    """A user's device."""

    def __init__(self, load: Load, user: User, chance: random.Random, number: int) -> None:
        self.load, self.user, self.chance, self.number = load, user, chance, number
        self.client = Client(load.port, user.token, kept=bool(number // 2 % 2))
        self.count = 0

    def run(self) -> None:
        while not self.load.is_ended:
            task = self.chance.choice(self.user.tasks[-10:] or [None])
            if task is None or self.chance.random() < self.load.creation_share:
                self.create()
            else:
                self.chance.choices([self.put, self.toggle, self.delete], [4, 4, 1])[0](task)
            self.load.pause()
        self.client.close()

    def send(self, write: Write, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send a write and log its outcome."""
        reply = self.client.call(method, f"/v1/tasks{path}", body, **headers)
        write.status = reply.status
        if "ETag" in reply.headers:
            write.version = int(reply.headers["ETag"].strip('"'))
            write.title, write.completed = reply.body["title"], reply.body["completed"]
        self.load.writes[self.user.id].append(write)
        self.load.replies.append(reply)
        if reply.status < 200 or reply.status == 503:
            self.load.pause(0.05)
        return reply

    def new_title(self) -> str:
        self.count += 1
        return f"{self.number}-{self.count}"

    def create(self) -> None:
        """Repeat half of the failed creations with their keys until they succeed."""
        title = self.new_title()
        key, repeats = f"{self.user.id}-{title}", self.chance.random() < 0.5
        while not self.load.is_ended:
            write = Write("create", key, 0, title, completed=False)
            reply = self.send(write, "POST", "", {"title": title, "details": key}, Idempotency_Key=key)
            if reply.status == 201:
                self.user.tasks.append(Task(reply.body["id"], key, 1))
            if not (write.is_unknown and repeats):
                return

    def put(self, task: Task) -> None:
        title, completed, version = self.new_title(), self.chance.random() < 0.5, task.version
        write = Write("put", task.key, 0, title, completed)
        body = {"title": title, "details": task.key, "completed": completed}
        self.learn(task, self.send(write, "PUT", f"/{task.id}", body, If_Match=f'"{version}"'))

    def toggle(self, task: Task) -> None:
        self.learn(task, self.send(Write("toggle", task.key, 0), "POST", f"/{task.id}/toggle"))

    def delete(self, task: Task) -> None:
        version = task.version
        write = Write("delete", task.key, 0, version=version + 1)
        self.learn(task, self.send(write, "DELETE", f"/{task.id}", If_Match=f'"{version}"'))

    def learn(self, task: Task, reply: Reply) -> None:
        """Remember the new version, or read it."""
        if reply.status in (412, 503, 0):
            reply = self.client.call("GET", f"/v1/tasks/{task.id}")
            self.load.replies.append(reply)
        if reply.status in (204, 404):
            with contextlib.suppress(ValueError):
                self.user.tasks.remove(task)
        elif reply.status == 200:
            task.version = int(reply.headers["ETag"].strip('"'))
