"""A worker that is killed anywhere loses no message, and another one sends it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from app.settings import PROJECT
from tests.loaded import Loaded
from tests.waiting import LONGEST_WAIT_SECONDS, until
from tests.work.conftest import rows, send


@contextmanager
def working(url: str, file: Path, stops: str = "nowhere") -> Iterator[subprocess.Popen[str]]:
    """Start a worker's process, wait until it stands where it is to be killed, and kill it at the end."""
    command = [sys.executable, "-m", "tests.work.program", url, str(file), stops]
    environment = {"PATH": os.environ["PATH"]}
    with Loaded(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "started\n"
            if stops != "nowhere":
                assert process.stdout.readline() == "standing\n"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(LONGEST_WAIT_SECONDS)


@pytest.mark.parametrize(("stops", "times"), [("before", 1), ("after", 2)])
def test_a_killed_workers_message_is_sent_by_another(
    app: Flask, url: str, user: str, tmp_path: Path, stops: str, times: int
) -> None:
    """Once, or twice if it had been sent and only the result was not written; never not at all."""
    file = tmp_path / "sent"
    send(user, "tea")
    with working(url, file, stops):
        assert [row.attempts for row in rows(app, user, "attempts")] == [1]

    with working(url, file):
        until(lambda: rows(app, user) == [], "the message to be sent")

    assert file.read_text() == times * "tea\n"


def test_two_processes_share_the_work(app: Flask, url: str, user: str, tmp_path: Path) -> None:
    """Each message is sent once."""
    file = tmp_path / "sent"
    with working(url, file), working(url, file):
        for number in range(60):
            send(user, str(number), key=str(number % 5))
        until(lambda: rows(app, user) == [], "all messages to be sent")

    assert sorted(map(int, file.read_text().split())) == list(range(60))
