"""`flask work`: do what happens after the response, in a process of its own."""

import signal

import click
from flask import current_app

from app.commands.output import closing_connections, failing_in_one_line
from app.work import work_of
from app.work.loop import ALONE

# A webhook's or mail's attempt takes no longer, unless its other side is slow; then another worker tries again.
STOP_SECONDS = 10


@click.command()
@click.option("--once", is_flag=True, help="Do all that is due, then end; for cron.")
def work(once: bool) -> None:
    """Send what is to be sent, and purge daily.

    The service does this by itself unless WORK=off. Run any number of these, on any machines. SIGTERM finishes what is
    being sent within 10 seconds; another worker sends the rest.

    \b
    Examples:
      flask work
      flask work --once
    """
    if once:
        _work_once()
    else:
        _work()


@failing_in_one_line
def _work_once() -> None:
    work_of(current_app).run_once()


def _work() -> None:
    # Before the threads start, so that they leave the signals to this one.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    loop = work_of(current_app)
    with closing_connections():
        loop.start(ALONE)
        signal.sigwait(signals)
        loop.stop(STOP_SECONDS)
