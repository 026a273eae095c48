"""Without this version's tables, every request, command and the log say what to do."""

import logging
import subprocess
import sys

import pytest
from flask import Flask

from app.ops.health import warn_unless_ready
from app.settings import PROJECT
from tests.conftest import Caller, NewDatabase, make_app, new_user_id, settings_for
from tests.postgres import Server


@pytest.fixture
def unmigrated(new_database: NewDatabase) -> Flask:
    return make_app(new_database(migrated=False))


def test_a_request_to_an_unmigrated_database_is_503_with_the_fix(unmigrated: Flask) -> None:
    """Not 500."""
    ann = Caller(unmigrated, new_user_id())
    answers = [ann.get("/v1/tasks"), ann.post("/v1/tasks", json={"title": "tea"}), ann.get("/readyz")]

    assert {answer.status_code for answer in answers} == {503}
    assert all("flask db upgrade" in answer.json["detail"] for answer in answers)


def test_a_new_worker_logs_why_it_is_not_ready(unmigrated: Flask, app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """It logs nothing if it is ready."""
    caplog.set_level(logging.WARNING, "tasks")
    warn_unless_ready(app)
    assert caplog.messages == []

    warn_unless_ready(unmigrated)
    assert any("flask db upgrade" in message for message in caplog.messages)


def test_upgrading_without_a_schema_fails_in_one_line(postgresql: Server) -> None:
    """If the search path names none; without a traceback."""
    url = postgresql.url(postgresql.create_database()) + "?options=-csearch_path%3Dnowhere"
    ran = subprocess.run(
        [sys.executable, "-m", "flask", "db", "upgrade"],
        cwd=PROJECT,
        env=settings_for(url) | {"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert "search_path" in ran.stderr
    assert "Traceback" not in ran.stderr
