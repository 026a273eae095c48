"""A worker as a process: it appends each message to a file, and stops where a test wants to kill it.

Its arguments: the database's URL, the file, and where it stops ("before" or "after" sending) or "nowhere".
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from app import work
from app.outbox import delivery
from app.outbox.delivery import Done, Handler, Outcome
from app.work import work_of
from app.work.loop import ALONE
from tests.conftest import make_app
from tests.work.conftest import KIND

# So that a test need not wait for a minute.
delivery.LEASE_SECONDS = 1


def main(url: str, file: str, stops: str) -> None:
    def stand_still(where: str) -> None:
        if stops == where:
            os.write(1, b"standing\n")
            time.sleep(600)

    def send(message: Any) -> Outcome:
        stand_still("before")
        with Path(file).open("a") as out:
            out.write(f"{message.body}\n")
        stand_still("after")
        return Done()

    app = make_app(url)
    work.init_app(app, {KIND: Handler(send, at_once=2)})
    work_of(app).start(ALONE)
    os.write(1, b"started\n")
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
