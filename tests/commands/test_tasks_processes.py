"""`flask tasks` in processes of its own: pipes, terminals, full disks and databases that are away."""

import os
import pty
import select
import subprocess
import time

import orjson
import pytest

from tests.auth.people import another_app
from tests.commands.calling import start
from tests.commands.test_tasks_export_import import NO_FAULTS, exported, imported, lines

USER = "0123456789abcdef0123456789abcdef"
FEW, MANY = 3, 2_000
EXPORT = ["tasks", "export", "--user", USER, "--format", "jsonl"]
IMPORT = ["tasks", "import", "--user", USER, "--format", "jsonl", "-"]


def finish(process: subprocess.Popen[bytes], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    """Its status, what it printed and what it said."""
    with process:
        printed, said = process.communicate(stdin, timeout=60)
    return process.returncode, printed, said


def fill(url: str, count: int) -> None:
    """Give the user so many tasks."""
    with another_app(url) as app:
        assert imported(app, USER, lines(*({"title": f"tea {n}"} for n in range(count))))["added"] == count


def kept(url: str, user: str = USER) -> bytes:
    """What a user's file holds now."""
    with another_app(url) as app:
        return exported(app, user)


def titles(file: bytes) -> set[str]:
    return {orjson.loads(line)["title"] for line in file.splitlines()}


def test_one_command_reads_what_another_writes(url: str) -> None:
    """Through a pipe, into another account; neither says anything beside what it prints."""
    fill(url, MANY)
    writer = start(url, *EXPORT)
    reader = start(
        url, "tasks", "import", "--user", "other", "--format", "jsonl", "-", "--json", streams={"stdin": writer.stdout}
    )
    status, printed, said = finish(reader)
    # What it wrote is read already.
    assert finish(writer) == (0, b"", b"")

    assert (status, said) == (0, b"")
    assert orjson.loads(printed) == {"user_id": "other", "found": MANY, "added": MANY, "kept": 0, **NO_FAULTS}
    assert titles(kept(url, "other")) == {f"tea {number}" for number in range(MANY)}


def test_two_imports_of_one_file_at_once_are_one(url: str) -> None:
    """Each task is added by one of them."""
    fill(url, 1)
    file = lines(*({"title": f"milk {number}"} for number in range(MANY)))
    both = [start(url, *IMPORT, "--json") for _ in range(2)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write(file)
        process.stdin.flush()
    found = [orjson.loads(finish(process)[1]) for process in both]

    assert sum(each["added"] for each in found) == MANY
    assert len(kept(url).splitlines()) == MANY + 1


@pytest.mark.parametrize("count", [FEW, MANY], ids=["few", "many"])
def test_a_full_disk_is_one_line(sqlite_url: str, count: int) -> None:
    """Also where it is noticed only at the end."""
    fill(sqlite_url, count)
    with open("/dev/full", "wb") as full:
        status, _, said = finish(start(sqlite_url, *EXPORT, streams={"stdout": full}))

    assert (status, said) == (1, b"Error: [Errno 28] No space left on device\n")


def test_who_reads_no_further_ends_it_quietly(sqlite_url: str) -> None:
    """As in `| head`."""
    fill(sqlite_url, MANY)
    ours, theirs = os.pipe()
    process = start(sqlite_url, *EXPORT, streams={"stdout": theirs})
    os.close(theirs)
    with open(ours, "rb") as reader:
        assert orjson.loads(reader.readline())["title"].startswith("tea")
    status, _, said = finish(process)

    assert (status, said) == (1, b"")


def on_a_terminal(url: str, *arguments: str, stdin: bytes = b"") -> str:
    """What is shown where standard error is a terminal, and nothing else is."""
    ours, theirs = pty.openpty()
    process = start(url, *arguments, streams={"stderr": theirs})
    os.close(theirs)
    shown = b""
    with process:
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if select.select([ours], [], [], 1)[0]:
                try:
                    shown += os.read(ours, 65_536)
                except OSError:
                    # Nobody has the other side open any more.
                    break
        os.close(ours)
        assert process.stdout is not None
        process.stdout.read()
        assert process.wait(60) == 0
    return shown.decode()


def test_a_terminal_shows_how_far_it_is(sqlite_url: str) -> None:
    """How much was done; where it is known, of how much."""
    shown = on_a_terminal(sqlite_url, *IMPORT, stdin=lines(*({"title": f"tea {n}"} for n in range(FEW))))
    assert "Checking" in shown
    assert f"{FEW}/{FEW}" in shown
    assert "/0" not in shown

    shown = on_a_terminal(sqlite_url, *EXPORT)
    assert "Bytes" in shown
    assert "/0" not in shown
