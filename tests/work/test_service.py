"""Who sends: the service's own workers unless WORK=off, and `flask work`."""

from datetime import datetime
from pathlib import Path

import pytest

from app.settings import PROJECT
from app.work.purge import PURGE_KIND
from tests.commands.calling import run_process
from tests.conftest import migrate, settings_for
from tests.database.conftest import finish, start_flask
from tests.postgres import Server
from tests.process.conftest import BIN, Service, Start, start
from tests.waiting import until

__all__ = ["start"]

# Short, so that the test ends soon; the rest is the service as it is.
CONFIGURATION = """
exec(open({real!r}).read())
from app.work import loop
loop.AWAKE_SECONDS = 0.4
loop.IN_SERVICE = IN_SERVICE = loop.Pace(awake=0.1, asleep=3600)
"""
# By then it would have looked 20 times if it never slept.
SILENT_SECONDS = 2


@pytest.fixture
def name(postgresql: Server, postgresql_template: str) -> str:
    return postgresql.create_database(template=postgresql_template)


def purges(postgresql: Server, name: str) -> int:
    """Return how many messages of the purge are finished for today."""
    found = f"SELECT count(*) FROM outbox WHERE kind = '{PURGE_KIND}' AND due_at > now() + interval '23 h'"
    return int(postgresql.sql(found, name)[0][0])


def last_statement(postgresql: Server, name: str) -> tuple[datetime, float]:
    """Return when the last statement of any client of a database began, and how many seconds ago."""
    last = "coalesce(max(query_start), now())"
    found = (
        f"SELECT {last}, extract(epoch FROM clock_timestamp() - {last}) FROM pg_stat_activity WHERE datname = '{name}'"
    )
    [(when, seconds)] = postgresql.sql(found)
    return when, float(seconds)


def test_the_service_works_by_itself(postgresql: Server, name: str, start: Start) -> None:
    """Two workers add one message for the purge, and one of them sends it."""
    service = start(**settings_for(postgresql.url(name), WEB_CONCURRENCY="2"))

    until(lambda: purges(postgresql, name) == 1, "the purge")
    assert postgresql.sql("SELECT count(*), max(attempts) FROM outbox", name) == [(1, 0)]
    assert service.stop() == 0


def test_an_idle_service_sends_no_statement(postgresql: Server, name: str, start: Start, tmp_path: Path) -> None:
    """So that a database that scales to zero may sleep. A request wakes it, and it falls asleep again."""
    file = tmp_path / "conf.py"
    file.write_text(CONFIGURATION.format(real=str(PROJECT / "gunicorn.conf.py")))
    service: Service = start(str(BIN / "gunicorn"), "-c", str(file), "wsgi:app", **settings_for(postgresql.url(name)))
    for _ in range(2):
        until(lambda: last_statement(postgresql, name)[1] > SILENT_SECONDS, "silence")
        before, _ = last_statement(postgresql, name)
        assert service.call("GET", "/readyz").status == 200
        assert last_statement(postgresql, name)[0] > before


def test_with_work_off_the_service_leaves_it_to_the_command(postgresql: Server, name: str, start: Start) -> None:
    """Which ends well on SIGTERM."""
    url = postgresql.url(name)
    service = start(**settings_for(url, WORK="off"))
    assert service.call("GET", "/readyz").status == 200
    assert postgresql.sql("SELECT count(*) FROM outbox", name) == [(0,)]

    worker = start_flask(url, "work")
    until(lambda: purges(postgresql, name) == 1, "the purge")
    worker.terminate()
    assert finish(worker) == (0, "")


def test_once_does_what_is_due_and_ends(postgresql: Server, name: str) -> None:
    """For cron."""
    ended = run_process(postgresql.url(name), "work", "--once")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert purges(postgresql, name) == 1


def test_once_fails_without_a_database(tmp_path: Path) -> None:
    """In one line, for cron's mail."""
    ended = run_process(f"sqlite:///{tmp_path / 'tasks.db'}", "work", "--once")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1


def test_a_worker_waits_for_the_migration(tmp_path: Path) -> None:
    """It says so, and goes on when the schema is there."""
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    (tmp_path / "tasks.db").touch()
    worker = start_flask(url, "work")
    assert "not migrated" in worker.stdout.readline()
    migrate(url)
    until(lambda: "0 of them due" in run_process(url, "doctor", "--json").stdout, "the purge")
    worker.terminate()

    assert finish(worker)[0] == 0
