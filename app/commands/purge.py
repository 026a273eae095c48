"""`flask purge`: permanently delete data that no request can use any more."""

from collections.abc import Callable, Iterator

import click

from app.auth import personal_tokens, rate_limits, revoked, sessions
from app.commands.output import answer, as_json, failing_in_one_line, progress
from app.database import PURGE, scope
from app.tasks import trash

NOT_COUNTED = (trash.purge_keys, revoked.purge_expired, rate_limits.purge_expired, personal_tokens.purge_expired)


@click.command()
@as_json
@failing_in_one_line
def purge(json: bool) -> None:
    """Permanently delete expired sessions and keys, and tasks deleted and tokens expired over 30 days ago.

    Run it daily, for instance from cron. It is safe to run at any time and as often as you like.

    \b
    Example:
      flask purge
    """
    result = {}
    with progress("Rows") as tick, scope(PURGE):
        result["tasks"] = _finish(trash.purge_tasks(), tick)
        result["sessions"] = _finish(sessions.purge_expired(), tick)
        for delete_parts in NOT_COUNTED:
            _finish(delete_parts(), tick)
    answer(result, "Deleted {tasks} tasks and {sessions} sessions permanently.", json)


def _finish(parts: Iterator[int], tick: Callable[[int], None]) -> int:
    total = 0
    for rows in parts:
        total += rows
        tick(rows)
    return total
