"""A running service notices that SQLite's file was deleted or replaced, and never creates one."""

import os
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from app.services import services_of
from tests.commands.calling import succeed
from tests.conftest import Caller, migrate, new_user_id
from tests.database.conftest import NewApp


@pytest.fixture
def file(tmp_path: Path, sqlite_url: str) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
def ann(new_app: NewApp, sqlite_url: str) -> Caller:
    """A caller of a service that has its file open already."""
    ann = Caller(new_app(sqlite_url), new_user_id())
    ann.add()
    return ann


def detail(answer: TestResponse) -> str:
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable"), answer.text
    return str(answer.json["detail"])


def every_answer(ann: Caller) -> set[str]:
    """Return the responses to a write, a read and the readiness check."""
    answers = (ann.post("/v1/tasks", json={"title": "tea"}), ann.get("/v1/tasks"), ann.get("/readyz"))
    return set(map(detail, answers))


def test_a_deleted_file_is_503(ann: Caller, file: Path) -> None:
    """Otherwise writes would be lost. No empty file is created in its place."""
    file.unlink()

    (said,) = every_answer(ann)
    assert "there is no file" in said
    assert "`flask db upgrade`" in said
    assert not file.exists()


def test_a_restored_file_is_used_again(ann: Caller, file: Path) -> None:
    """With all its data."""
    moved = file.rename(file.with_name("moved.db"))
    detail(ann.get("/v1/tasks"))
    moved.rename(file)

    ann.add()
    assert len(ann.get("/v1/tasks").json["items"]) == 2
    assert ann.get("/readyz").status_code == 200


def test_a_replaced_file_is_503_until_a_restart(ann: Caller, file: Path, new_app: NewApp) -> None:
    """SQLite would overwrite it with the old file's -wal."""
    migrate(f"sqlite:///{file.with_name('other.db')}")
    whole = file.with_name("other.db").read_bytes()
    file.with_name("other.db").replace(file)

    (said,) = every_answer(ann)
    assert "was replaced" in said
    assert file.read_bytes() == whole
    services_of(ann.client.application).engine.dispose()
    for left in file.parent.glob("tasks.db-*"):
        left.unlink()
    assert Caller(new_app(f"sqlite:///{file}"), ann.user_id).get("/v1/tasks").json["items"] == []


def test_a_service_does_not_create_its_file(new_app: NewApp, tmp_path: Path) -> None:
    """Only a migration does. A service that started before it is ready afterwards."""
    path = tmp_path / "later.db"
    early = Caller(new_app(f"sqlite:///{path}"), new_user_id())
    assert "`flask db upgrade`" in detail(early.get("/readyz"))
    assert not path.exists()

    migrate(f"sqlite:///{path}")
    assert early.get("/readyz").status_code == 200
    early.add()


@pytest.mark.parametrize("name", ["a b", "50%", "a#b", "ü"])
def test_a_file_may_have_any_name(new_app: NewApp, tmp_path: Path, name: str) -> None:
    """Although it is opened by a URI."""
    folder = tmp_path / name
    folder.mkdir()
    url = f"sqlite:///{folder}/tasks.db"

    migrate(url)
    Caller(new_app(url), new_user_id()).add()

    assert "tasks.db" in os.listdir(folder)


def test_a_command_leaves_one_complete_file(file: Path, new_app: NewApp) -> None:
    """So a copy of that file alone has all data."""
    succeed(new_app(f"sqlite:///{file}"), "seed", "--users", "1", "--tasks", "5")

    assert sorted(path.name for path in file.parent.glob("tasks.db*")) == ["tasks.db"]
