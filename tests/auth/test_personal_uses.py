"""When a personal token was last used is known within ten minutes, at no statement of a request."""

import threading
import time

import pytest

from app.auth import personal_uses
from app.http.problems import DatabaseUnavailable
from app.services import services_of
from tests.auth.people import at_once
from tests.auth.personal import READ, script_of, tokens_of, wait_for_uses
from tests.statements import each_statement, is_sent_by


def last_used(app, script):
    wait_for_uses(app)
    (found,) = [token["last_used_at"] for token in tokens_of(script.owner) if token["id"] == script.id]
    return found


def pass_time(app, seconds):
    """Let so much time pass since all uses that were written."""
    written = services_of(app).uses._written
    for token_hash in written:
        written[token_hash] -= seconds


def test_a_use_is_known_soon(app, ann):
    """Even if the process then stops, or serves nobody for an hour."""
    script = script_of(app, ann)
    assert last_used(app, script) is None
    before = script.made["created_at"]
    assert script.get("/v1/tasks").status_code == 200

    assert last_used(app, script) > before


def test_later_uses_are_written_within_ten_minutes(app, ann):
    """Not with each request."""
    script = script_of(app, ann)
    assert script.get("/v1/tasks").status_code == 200
    first = last_used(app, script)
    assert [script.get("/v1/tasks").status_code for _ in range(3)] == [200] * 3
    assert last_used(app, script) == first

    pass_time(app, personal_uses.WRITE_SECONDS)
    assert script.get("/v1/tasks").status_code == 200
    assert last_used(app, script) > first
    # Once more if an attempt failed.
    assert 2 * personal_uses.WRITE_SECONDS < 600


def test_a_refused_request_is_no_use(app, ann):
    """A stolen token that tries what it may not do is not shown as used."""
    script = script_of(app, ann, READ)
    for answer in (script.post("/v1/tasks", json={"title": "tea"}), script.get("/v1/auth/me")):
        assert answer.status_code == 403
    script.end()
    assert script.get("/v1/tasks").status_code == 401
    wait_for_uses(app)

    assert script.hash not in services_of(app).uses._written


def test_a_use_is_written_by_another_thread(app, ann):
    """The request does not wait for it."""
    writing, may_end = threading.Event(), threading.Event()
    threads = []

    def note(_, statement):
        if is_sent_by(app) and "UPDATE personal_tokens" in statement:
            threads.append(threading.current_thread())
            writing.set()
            assert may_end.wait(60)

    script = script_of(app, ann)
    with each_statement(note):
        assert script.get("/v1/tasks?limit=0").status_code == 422
        assert writing.wait(60)
        may_end.set()
        wait_for_uses(app)

    assert threads
    assert threading.current_thread() not in threads


def test_many_uses_at_once_are_written_by_one_thread(app, ann, monkeypatch):
    """Each token once."""
    written, running = [], []

    def note_use(token_hash):
        running.append(threading.current_thread())
        time.sleep(0.02)
        written.append(token_hash)

    monkeypatch.setattr(personal_uses, "note_use", note_use)
    scripts = [script_of(app, ann) for _ in range(4)]
    at_once(12, lambda: [script.get("/v1/tasks?limit=0") for script in scripts])
    wait_for_uses(app)

    assert sorted(written) == sorted(script.hash for script in scripts)


@pytest.mark.parametrize("error", [DatabaseUnavailable(), RuntimeError("anything")], ids=["outage", "bug"])
def test_a_use_that_cannot_be_written_fails_no_request(app, ann, monkeypatch, error):
    """The next use is written again."""
    script = script_of(app, ann)

    def fail(_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(personal_uses, "note_use", fail)
        assert script.get("/v1/tasks").status_code == 200
        assert last_used(app, script) is None
    pass_time(app, personal_uses.WRITE_SECONDS)
    assert script.get("/v1/tasks").status_code == 200

    assert last_used(app, script) is not None


def test_the_memory_of_uses_is_bounded(app, ann, monkeypatch):
    """More tokens than that are written again."""
    monkeypatch.setattr(personal_uses, "REMEMBERED_USES", 3)
    scripts = [script_of(app, ann) for _ in range(5)]
    assert [script.get("/v1/tasks").status_code for script in scripts] == [200] * 5
    wait_for_uses(app)

    assert len(services_of(app).uses._written) <= 3
