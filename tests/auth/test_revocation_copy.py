"""Each process's copy of the revocations: its age, its reads, its completeness and its size."""

import sys
import threading
import time
import tracemalloc
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest

from app.auth import revocation, revoked
from app.auth.queries import disable_user, enable_user
from app.auth.single_flight import SingleFlight
from app.services import services_of
from tests.api.support.calls import assert_problem
from tests.auth.people import ago, another_app, at_once, keep_copy, make_copy_old, register, sql
from tests.conftest import Caller, new_user_id
from tests.statements import each_statement, is_sent_by
from tests.waiting import LONGEST_WAIT_SECONDS, until

# Rejected for its form, after the caller is known.
NEEDS_NO_QUERY = "/v1/tasks?limit=0"


@contextmanager
def reads(app, pause=lambda: time.sleep(0.05)):
    """Count the reads of revocations meanwhile. Each takes time, so that others come during it."""
    seen = []

    def note(_, statement):
        if is_sent_by(app) and "AS read_at" in statement:
            seen.append(statement)
            pause()

    with each_statement(note):
        yield seen


def test_a_copy_is_never_used_after_a_second(member, other):
    """Whether or not there were requests meanwhile."""
    assert revocation.STALE_SECONDS <= 1
    assert revocation.REFRESH_SECONDS < revocation.STALE_SECONDS
    there, copy = member.at(other), services_of(other).revocations._copy
    assert there.get("/v1/tasks").status_code == 200
    assert member.post("/v1/auth/logout").status_code == 204
    copy.began_at = time.monotonic() - revocation.STALE_SECONDS

    assert_problem(there.get("/v1/tasks"), 401, "token_revoked")


def test_requests_cause_no_reads_while_the_copy_is_new(app, ann):
    """Not even many at once."""
    assert ann.get("/v1/tasks").status_code == 200
    keep_copy(app)
    with reads(app) as seen:
        assert [ann.get("/v1/tasks").status_code for _ in range(20)] == [200] * 20

    assert seen == []


def test_waiting_requests_share_one_read(member, other, monkeypatch):
    """20 requests find an old copy, and all use the result of one read."""
    monkeypatch.setattr(revocation, "REFRESH_SECONDS", 3_600)
    monkeypatch.setattr(revocation, "STALE_SECONDS", 7_200)
    there = member.at(other)
    assert member.post("/v1/auth/logout").status_code == 204
    make_copy_old(other)
    with reads(other) as seen:
        answers = at_once(20, lambda: Caller(other, there.user_id, there.access_token).get("/v1/tasks"))

    for answer in answers:
        assert_problem(answer, 401, "token_revoked")
    assert len(seen) == 1


def test_a_request_that_comes_as_a_read_ends_starts_no_other():
    """It has seen the old copy, and gets its turn when there is a new one."""
    runs = []
    flight = SingleFlight("reading", lambda: runs.append("again"))
    with flight._starting:
        waiting = threading.Thread(target=flight.wait_if_older, args=(1, LONGEST_WAIT_SECONDS))
        waiting.start()
        # Long enough to look at the copy, in most runs.
        time.sleep(0.1)
        flight.began_at = time.monotonic()
    waiting.join(LONGEST_WAIT_SECONDS)

    assert runs == []


def test_an_aging_copy_is_read_again_in_the_background(member, other, monkeypatch):
    """Requests do not wait, and there is one read at a time."""
    there, copy = member.at(other), services_of(other).revocations._copy
    assert there.get("/v1/tasks").status_code == 200
    monkeypatch.setattr(revocation, "STALE_SECONDS", 3_600)
    copy.began_at = aged = time.monotonic() - revocation.REFRESH_SECONDS
    may_end = Event()
    with reads(other, partial(may_end.wait, LONGEST_WAIT_SECONDS)) as seen:
        assert at_once(10, lambda: there.at(other).get("/v1/tasks").status_code) == [200] * 10
        may_end.set()
        until(lambda: copy.began_at > aged, "the read")

    assert len(seen) == 1


def test_a_request_does_not_wait_for_a_complete_read(member, other, monkeypatch):
    """In a new process, or after a clock went back, it looks up its own user instead."""
    ended, released, read_all = member.sign_in(), threading.Event(), revoked.read_all
    assert ended.post("/v1/auth/logout").status_code == 204

    def read_slowly(read_at):
        assert released.wait(LONGEST_WAIT_SECONDS)
        yield from read_all(read_at)

    monkeypatch.setattr(revoked, "read_all", read_slowly)
    try:
        for _ in range(2):
            assert member.at(other).get("/v1/tasks").status_code == 200
            assert_problem(ended.at(other).get("/v1/tasks"), 401, "token_revoked")
    finally:
        released.set()
    until(lambda: ended.session_id in services_of(other).revocations._known.ended, "the copy")


def row(user_id, subject, issued_until=revoked.EVER, expires=-3_600.0, others=None):
    """Return a row of the table that expired this many seconds ago."""
    return (user_id, subject, others, issued_until, ago(expires))


def test_an_older_read_does_not_undo_a_newer_write(app, member, monkeypatch):
    """The read began before the write of the same process, and ends after it."""
    with app.app_context():
        services_of(app).revocations.add(enable_user(member.user_id))
    read = revoked.read_changed

    def read_and_change(since):
        """As if another thread wrote between this thread's query and its result."""
        result = read(since)
        services_of(app).revocations.add(disable_user(member.user_id))
        return result

    monkeypatch.setattr(revoked, "read_changed", read_and_change)
    make_copy_old(app)

    assert_problem(member.get("/v1/tasks"), 401, "token_revoked")
    monkeypatch.undo()
    make_copy_old(app)
    assert_problem(member.get("/v1/tasks"), 401, "token_revoked")


def test_no_revocation_is_lost_when_many_are_added_at_once(app):
    """Sessions of one user end together in several threads."""
    user_id, interval = new_user_id(), sys.getswitchinterval()
    revocations, subjects = services_of(app).revocations, iter([new_user_id() for _ in range(1_000)])
    known = set(revocations._known.ended)
    sys.setswitchinterval(1e-6)
    try:
        at_once(10, lambda: [revocations.add([row(user_id, next(subjects))]) for _ in range(100)])
    finally:
        sys.setswitchinterval(interval)

    assert len(set(revocations._known.ended) - known) == 1_000


def test_everything_is_read_in_pages(app, monkeypatch):
    """Without omissions at any page size. Expired rows are not read."""
    monkeypatch.setattr(revoked, "PAGE", 3)
    member = register(app)
    ended = [member.sign_in() for _ in range(4)]
    for session in ended:
        assert session.post("/v1/auth/logout").status_code == 204
    expired = "UPDATE revocations SET expires_at = :moment WHERE subject = :id"
    sql(app, expired, moment=ago(1), id=ended[0].session_id)
    with app.app_context():
        pages = list(revoked.read_all(ago(0)))

    read = [row[:2] for page in pages for row in page]
    assert len(set(read)) == len(read)
    subjects = {subject for user_id, subject in read if user_id == member.user_id}
    assert subjects == {session.session_id for session in ended[1:]}


def test_expired_revocations_leave_the_copy(app, ann, monkeypatch):
    """Otherwise it would grow forever."""
    revocations, kept = services_of(app).revocations, new_user_id()
    over, session_id = row(ann.user_id, revoked.EVERY_TOKEN, expires=3_600.0), new_user_id()
    assert ann.get("/v1/tasks").status_code == 200
    keep_copy(app)
    revocations.add([over, row(kept, revoked.EVERY_TOKEN), row(kept, session_id, expires=3_600.0)])
    assert_problem(ann.get("/v1/tasks"), 401, "token_revoked")
    monkeypatch.setattr(revocation, "PRUNE_SECONDS", -1)
    make_copy_old(app)

    assert ann.get("/v1/tasks").status_code == 200
    assert ann.user_id not in revocations._known.until
    assert session_id not in revocations._known.ended
    assert kept in revocations._known.until


@pytest.mark.parametrize("make", [lambda: row("ann", str(uuid4())), lambda: row(str(uuid4()), revoked.EVERY_TOKEN)])
def test_an_entry_takes_little_memory(make):
    """A million entries fit into a quarter of a gigabyte in each process."""
    known = revocation.Copy()
    tracemalloc.start()
    for _ in range(10_000):
        known.add([make()])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(known.ended) + len(known.until) == 10_000
    assert kept / 10_000 < 250


@contextmanager
def taken_away(app, request):
    """Take the app's database away meanwhile: no server, or no folder."""
    url = services_of(app).settings.database_url
    if url.drivername == "sqlite":
        folder = Path(url.database).parent
        services_of(app).engine.dispose()
        folder.rename(folder.with_name(f"{folder.name}-gone"))
        yield
        folder.with_name(f"{folder.name}-gone").rename(folder)
    else:
        server = request.getfixturevalue("postgresql")
        server.sql(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
        server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'")
        yield
        server.sql(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")


def test_without_a_database_and_with_an_old_copy_the_response_is_503(new_database, request):
    """The token is neither accepted nor called revoked."""
    with another_app(new_database()) as app:
        ann = Caller(app, new_user_id())
        assert_problem(ann.get(NEEDS_NO_QUERY), 422, "validation_error")
        with taken_away(app, request):
            keep_copy(app)
            assert_problem(ann.get(NEEDS_NO_QUERY), 422, "validation_error")
            make_copy_old(app)
            answer = ann.get(NEEDS_NO_QUERY)
            assert_problem(answer, 503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) > 0

        assert_problem(ann.get(NEEDS_NO_QUERY), 422, "validation_error")
