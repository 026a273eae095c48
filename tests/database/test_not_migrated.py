"""A database without the tables of this version: each request says what to do, and so do the commands and the log."""

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


def test_a_request_says_what_to_do(unmigrated: Flask) -> None:
    """503, which is not a fault of the service."""
    ann = Caller(unmigrated, new_user_id())
    answers = [ann.get("/v1/tasks"), ann.post("/v1/tasks", json={"title": "tea"}), ann.get("/readyz")]

    assert {answer.status_code for answer in answers} == {503}
    assert all("flask db upgrade" in answer.json["detail"] for answer in answers)


def test_a_new_worker_says_so_in_the_log(unmigrated: Flask, app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """And nothing where requests can be served."""
    caplog.set_level(logging.WARNING, "tasks")
    warn_unless_ready(app)
    assert caplog.messages == []

    warn_unless_ready(unmigrated)
    assert any("flask db upgrade" in message for message in caplog.messages)


def test_a_search_path_without_a_schema_is_one_line(postgresql: Server) -> None:
    """Of `flask db upgrade`, instead of a traceback."""
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
