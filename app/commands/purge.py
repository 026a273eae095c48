"""`flask purge`: permanently delete data that no request can use any more."""

import click

from app.auth import queries, revoked, sessions
from app.commands.output import answer, as_json, failing_in_one_line, progress
from app.database import scope
from app.tasks import trash


@click.command()
@as_json
@failing_in_one_line
def purge(json: bool) -> None:
    """Permanently delete expired sessions and keys, and tasks deleted over 30 days ago.

    Run it daily, for instance from cron. It is safe to run at any time and as often as you like.

    \b
    Example:
      flask purge
    """
    users = tasks = ended = 0
    after = ""
    with progress("Users") as tick:
        while ids := queries.list_user_ids(after):
            for user_id in ids:
                with scope(user_id):
                    tasks += trash.purge(user_id)
                ended += sessions.purge_expired(user_id)
                revoked.purge_expired(user_id)
                tick(1)
            users, after = users + len(ids), ids[-1]
    revoked.purge_all_expired()
    result = {"users": users, "tasks": tasks, "sessions": ended}
    answer(result, "Checked {users} users. Deleted {tasks} tasks and {sessions} sessions permanently.", json)
