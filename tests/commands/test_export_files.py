"""An export's file appears when it is complete, and keeps its owner and mode."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from flask import Flask

from app.tasks import transfer
from tests.api.test_export import failing_pages
from tests.commands.calling import fail, run, succeed
from tests.commands.test_tasks_export_import import EVERY_FORMAT, exported, lines
from tests.conftest import Caller


def export_to(app: Flask, caller: Caller, target: object, *options: str) -> None:
    """The file's content is not printed."""
    result = run(app, "tasks", "export", "--user", str(caller.user_id), *options, str(target))
    assert (result.exit_code, result.output) == (0, "")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "tasks.jsonl"


@EVERY_FORMAT
def test_the_format_follows_the_files_name(app: Flask, ann: Caller, tmp_path: Path, name: str) -> None:
    """In any case, for both commands. The file equals standard output."""
    task = ann.add()
    for file in (tmp_path / f"a.{name}", tmp_path / f"A B.{name.upper()}"):
        export_to(app, ann, file)
        assert file.read_bytes() == exported(app, ann.user_id, name)
        spoken = succeed(app, "tasks", "import", "--user", str(ann.user_id), str(file))
        assert spoken == "Found 1 task: added 0, left 1 unchanged.\n"

    assert ann.get(f"/v1/tasks/{task['id']}").json == task


def test_the_format_option_overrides_the_files_name(app: Flask, ann: Caller, target: Path) -> None:
    """For any name."""
    ann.add()
    export_to(app, ann, target, "--format", "csv")

    assert target.read_bytes() == exported(app, ann.user_id, "csv")
    said = fail(app, "tasks", "import", "--user", str(ann.user_id), str(target))
    assert said.startswith("Error: Line 1: This is not JSON")


def test_a_new_files_mode_follows_the_umask(app: Flask, ann: Caller, target: Path) -> None:
    """Like that of any other new file."""
    ann.add()
    before = os.umask(0o027)
    try:
        export_to(app, ann, target)
    finally:
        assert os.umask(before) == 0o027

    assert mode_of(target) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_an_existing_file_is_replaced_and_keeps_its_mode(app: Flask, ann: Caller, target: Path, mode: int) -> None:
    """A private one does not become public."""
    ann.add()
    target.write_text("of yesterday\n" * 1_000)
    target.chmod(mode)
    export_to(app, ann, target)

    assert target.read_bytes() == exported(app, ann.user_id)
    assert mode_of(target) == mode
    assert os.listdir(target.parent) == [target.name]


def test_a_symbolic_link_stays(app: Flask, ann: Caller, tmp_path: Path, target: Path) -> None:
    """Its target is replaced."""
    ann.add()
    link = tmp_path / "link.jsonl"
    link.symlink_to(target)
    for _ in range(2):
        export_to(app, ann, link)

    assert link.readlink() == target
    assert target.read_bytes() == exported(app, ann.user_id)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("is_there", [True, False], ids=["a file is there", "none is"])
def test_a_failed_export_leaves_the_old_file(app: Flask, ann: Caller, target: Path, is_there: bool) -> None:
    """Without a partial or temporary file."""
    for _ in range(5):
        ann.add()
    if is_there:
        target.write_text("of yesterday")
    with failing_pages(app, after=1):
        said = fail(app, "tasks", "export", "--user", str(ann.user_id), str(target))

    assert said.startswith("Error: The database is unavailable")
    assert [path.read_text() for path in target.parent.iterdir()] == ["of yesterday"] * is_there


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAGE", 2)
    monkeypatch.setattr(transfer, "PIECE_BYTES", 1)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("absent/tasks.csv", "No such file or directory"), ("file/tasks.csv", "Not a directory"), ("x" * 300, "too long")],
    ids=["no folder", "a file for a folder", "a long name"],
)
def test_an_unwritable_path_is_reported_in_one_line(
    app: Flask, ann: Caller, tmp_path: Path, path: str, reason: str
) -> None:
    """With the system's reason."""
    ann.add()
    (tmp_path / "file").touch()
    said = fail(app, "tasks", "export", "--user", str(ann.user_id), "--format", "csv", str(tmp_path / path))

    assert said.startswith("Error: ")
    assert reason in said
    assert said.endswith(f"'{tmp_path / path}'")


def test_a_pipe_is_written_to_and_stays(app: Flask, ann: Caller, tmp_path: Path) -> None:
    """Like other devices, it must not be replaced by a file."""
    ann.add()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        export_to(app, ann, pipe, "--format", "jsonl")
        assert reader.read() == exported(app, ann.user_id)

    assert pipe.is_fifo()


def test_an_import_can_read_a_pipe(app: Flask, ann: Caller, tmp_path: Path) -> None:
    """A pipe cannot be read twice, so the import keeps what it has checked."""
    file, pipe = tmp_path / "file", tmp_path / "pipe.jsonl"
    file.write_bytes(lines({"title": "tea"}, {"title": "milk"}))
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", 'exec cat "$0" > "$1"', file, pipe]) as writer:
        spoken = succeed(app, "tasks", "import", "--user", str(ann.user_id), str(pipe))
        writer.kill()

    assert spoken == "Found 2 tasks: added 2, left 0 unchanged.\n"
