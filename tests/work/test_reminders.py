"""Reminders that are due are handed on once, of all users, by any number of workers."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from app import work
from app.database import WORK, execute, fetch_all, scope
from app.services import services_of
from app.tasks import reminder_queries
from app.tasks.models import reminders, tasks
from app.tasks.reminder_queries import Fired
from app.work import loop, work_of
from app.work.outgoing import NOW
from app.work.reminders import PAUSE_SECONDS, DueReminders
from tests.api.support.reminding import fire_times, go_back, in_minutes, let_pass
from tests.conftest import Caller, make_app, new_user_id

pytestmark = pytest.mark.both_engines

LATER = "2050-03-14T09:26:53.589793Z"
DAY = 24 * 60


class Told:
    """A teller that notes what it was told, or fails for some users."""

    def __init__(self) -> None:
        self.calls: list[tuple[str | None, list[Fired]]] = []
        self.failing: set[str | None] = set()

    def __call__(self, user_id: str, fired: Sequence[Fired]) -> None:
        self.calls.append((user_id, [*fired]))
        if user_id in self.failing:
            raise RuntimeError("on purpose")

    @property
    def tasks(self) -> list[str]:
        return sorted(each.task.id for _, fired in self.calls for each in fired)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def source(told: Told) -> DueReminders:
    return DueReminders([told])


@pytest.fixture
def app(url: str, source: DueReminders) -> Iterator[Flask]:
    app = make_app(url)
    work.init_app(app, {}, [source])
    with app.app_context():
        yield app
        services_of(app).engine.dispose()


@pytest.fixture
def ann(app: Flask) -> Caller:
    return Caller(app, new_user_id())


def add(caller: Caller, **task: Any) -> str:
    """Add a task that reminds in an hour; return its id."""
    return str(caller.add(**{"reminders": [{"at": in_minutes(60)}], **task})["id"])


def test_a_reminder_fires_once(app: Flask, ann: Caller, told: Told) -> None:
    """With the task as it is then."""
    task_id = add(ann)
    let_pass(app, ann)
    assert ann.patch(f"/v1/tasks/{task_id}", json={"title": "coffee"}).status_code == 200

    for _ in range(2):
        work_of(app).run_once()

    ((user_id, (fired,)),) = told.calls
    assert (user_id, fired.task.id, fired.task.title, fired.task.version) == (ann.user_id, task_id, "coffee", 2)
    assert fire_times(app, ann) == set()


def test_what_is_told_names_the_reminders(app: Flask, ann: Caller, told: Told) -> None:
    """And the last of their times: after an outage, a task reminds once of all that is due."""
    due, reminders = in_minutes(60), [{"before_minutes": 0}, {"before_minutes": 15}, {"before_minutes": 30}]
    add(ann, due_at=due, reminders=[*reminders, {"at": LATER}])
    go_back(app, ann, 90)
    passed = max(time for _, time in fire_times(app, ann) if time < due)

    work_of(app).run_once()

    ((_, (fired,)),) = told.calls
    assert fired.at == passed
    assert fired.reminders == reminders[::-1]
    assert len(fire_times(app, ann)) == 1


def test_all_that_is_due_of_a_user_is_told_at_once(app: Flask, ann: Caller, told: Told) -> None:
    """So that an outage leads to one mail."""
    ids = sorted(add(ann) for _ in range(3))
    bob = Caller(app, new_user_id())
    other = add(bob)
    let_pass(app, ann)
    let_pass(app, bob)

    work_of(app).run_once()

    assert {user_id: sorted(each.task.id for each in fired) for user_id, fired in told.calls} == {
        ann.user_id: ids,
        bob.user_id: [other],
    }
    assert len(told.calls) == 2


@pytest.mark.parametrize("how", ["completed", "deleted", "completed with its parent", "without reminders"])
def test_a_task_that_cannot_remind_is_silent(app: Flask, ann: Caller, told: Told, how: str) -> None:
    """Its reminders are gone afterwards."""
    parent = add(ann, reminders=[])
    task_id = add(ann, parent_id=parent if "parent" in how else None)
    let_pass(app, ann)
    match how:
        case "completed":
            assert ann.patch(f"/v1/tasks/{task_id}", json={"completed": True}).status_code == 200
        case "deleted":
            assert ann.delete(f"/v1/tasks/{task_id}").status_code == 204
        case "without reminders":
            with scope(ann.user_id):
                execute(update(tasks).where(tasks.c.user_id == ann.user_id).values(reminders=None))
        case _:
            assert ann.post(f"/v1/tasks/{parent}/toggle").status_code == 200

    work_of(app).run_once()

    assert told.calls == []
    assert fire_times(app, ann) == set()


@pytest.mark.parametrize(("minutes", "fires"), [(DAY - 5, True), (DAY + 5, False)], ids=["under a day", "over a day"])
def test_a_late_reminder_fires_within_a_day(app: Flask, ann: Caller, told: Told, minutes: int, fires: bool) -> None:
    """After a longer outage it is dropped."""
    add(ann)
    let_pass(app, ann, minutes)

    work_of(app).run_once()

    assert len(told.calls) == fires
    assert fire_times(app, ann) == set()


def test_a_failure_takes_nothing_and_delays_no_other_user(
    app: Flask, ann: Caller, source: DueReminders, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """As if the process had been killed in the middle. The next look fires it."""
    bob = Caller(app, new_user_id())
    ids = {caller.user_id: add(caller) for caller in (ann, bob)}
    let_pass(app, ann)
    let_pass(app, bob)
    told.failing = {ann.user_id}

    assert source.run(500) == (1, PAUSE_SECONDS)
    assert "on purpose" in caplog.text
    told.calls.clear()
    told.failing.clear()

    assert source.run(500) == (1, NOW)
    assert told.tasks == [ids[ann.user_id]]


def test_many_workers_fire_each_once(app: Flask, source: DueReminders, told: Told) -> None:
    """Although they all look at the same time."""
    callers = [Caller(app, new_user_id()) for _ in range(10)]
    ids = sorted(add(caller) for caller in callers for _ in range(2))
    for caller in callers:
        let_pass(app, caller)

    def look() -> None:
        with app.app_context():
            source.run(500)

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(look) for _ in range(6)]:
            future.result()

    assert told.tasks == ids


def test_more_than_fits_into_a_transaction_fires_in_several(
    app: Flask, ann: Caller, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same holds for a look."""
    monkeypatch.setattr(reminder_queries, "FIRED_AT_ONCE", 2)
    monkeypatch.setattr(loop, "ROWS_IN_A_LOOK", 1)
    ids = sorted(add(ann) for _ in range(5))
    let_pass(app, ann)

    work_of(app).run_once()

    assert told.tasks == ids
    assert [len(fired) for _, fired in told.calls] == [2, 2, 1]


def test_a_look_tells_when_the_next_is_due(app: Flask, ann: Caller, source: DueReminders) -> None:
    """So a service that sleeps wakes for it."""
    assert source.run(500) == (0, None)
    add(ann, reminders=[{"at": LATER}])
    add(ann)

    begun, seconds = source.run(500)

    assert begun == 0
    assert seconds is not None
    assert 3_000 < seconds <= 3_600


def test_setting_a_reminder_wakes_the_loop(app: Flask, ann: Caller) -> None:
    """A time within seconds would be late otherwise. Without reminders it sleeps on."""
    alarm = services_of(app).alarm
    alarm.clear()

    ann.add()
    assert not alarm.is_set()
    add(ann)

    assert alarm.is_set()


def test_a_worker_sees_times_and_no_task(app: Flask, ann: Caller) -> None:
    """It looks at a task in its user's scope."""
    task_id = add(ann)

    with scope(WORK):
        assert [row.task_id for row in fetch_all(select(reminders))] == [task_id]
        if services_of(app).engine.dialect.name == "postgresql":
            assert fetch_all(select(tasks.c.id)) == []
            assert execute(delete(reminders)) == 0
