"""`flask purge`: permanently delete data that no request can use any more."""

from collections import Counter

import click

from app.commands.output import answer, as_json, failing_in_one_line, progress
from app.work.purge import purge as purge_all


@click.command()
@as_json
@failing_in_one_line
def purge(json: bool) -> None:
    """Permanently delete expired sessions and keys, and tasks deleted and tokens expired over 30 days ago.

    The service does this daily by itself (WORK). It is safe to run at any time and as often as you like.

    \b
    Example:
      flask purge
    """
    deleted: Counter[str] = Counter(tasks=0, sessions=0)
    with progress("Rows") as tick:

        def note(name: str, rows: int) -> None:
            deleted[name] += rows
            tick(rows)

        purge_all(note)
    result = {name: deleted[name] for name in ("tasks", "sessions")}
    answer(result, "Deleted {tasks} tasks and {sessions} sessions permanently.", json)
