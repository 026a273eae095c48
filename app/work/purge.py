"""Delete what has expired: the parts of a purge, and the message that starts one each day."""

from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any

from app.auth import links, personal_tokens, rate_limits, revoked, sessions
from app.database import PURGE, scope
from app.outbox import queue
from app.outbox.delivery import Again, Outcome
from app.outbox.queue import Message, enqueue_for_service
from app.tasks import trash

PURGE_KIND = "purge"
# The one message's id, so that all processes add it once.
PURGE_ID = "00000000-0000-7000-8000-000000000001"
DAY_SECONDS = 24 * 3_600
# An attempt ends in time for its lease, and the next one continues.
ATTEMPT_SECONDS = 30

PARTS: Mapping[str, Callable[[], Iterator[int]]] = {
    "tasks": trash.purge_tasks,
    "sessions": sessions.purge_expired,
    "deleted lists": trash.purge_deleted_lists,
    "keys": trash.purge_keys,
    "revocations": revoked.purge_expired,
    "attempts": rate_limits.purge_expired,
    "tokens": personal_tokens.purge_expired,
    "links": links.purge_expired,
    "messages": queue.purge_finished,
}


class _Enough(Exception):
    """The attempt has taken long enough."""


class DailyPurge:
    """The source that adds the message; it sends itself again from then on."""

    _is_added = False

    def run(self, _limit: int) -> tuple[int, float | None]:
        if not self._is_added:
            enqueue_for_service(Message(PURGE_KIND, "", "", id=PURGE_ID))
            self._is_added = True
        return 0, None


def purge(note: Callable[[str, int], None]) -> None:
    """Delete everything that has expired, in parts that each end in time; note what and how many rows each deleted."""
    # The message that starts it has a scope of its own.
    with scope(None), scope(PURGE):
        for name, delete_parts in PARTS.items():
            for rows in delete_parts():
                note(name, rows)


def purge_daily(_message: Any) -> Outcome:
    """Purge, and be sent again in a day; if it takes long, continue in another attempt."""
    ends_at = monotonic() + ATTEMPT_SECONDS

    def stop_in_time(_name: str, _rows: int) -> None:
        if monotonic() > ends_at:
            raise _Enough

    try:
        purge(stop_in_time)
    except _Enough:
        return Again(0)
    return Again(DAY_SECONDS)
