"""Compare what receivers of webhooks were told with the data."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.reliability.audit import ROWS, Query, Row
from tests.reliability.load import Load


class Told(NamedTuple):
    """A request to a webhook: whose webhook it was, its id, and the event."""

    user_id: str
    id: str
    event: Any

    @property
    def version(self) -> tuple[str, int]:
        return self.event["data"]["task"]["id"], self.event["data"]["version"]


def audit_told(load: Load, query: Query, told: Iterable[Told]) -> list[str]:
    """Return what is wrong: one event must tell of each version of a task, at least once, with its contents."""
    rows = {row.id: row for row in (Row(*values) for values in query(ROWS))}
    events: dict[tuple[str, int], set[str]] = defaultdict(set)
    contents: dict[tuple[str, int], Any] = {}
    found = []
    for each in told:
        events[each.version].add(each.id)
        if contents.setdefault(each.version, each.event) != each.event:
            found.append(f"{each.version}: two events are different")
        if each.event["data"]["task"]["user_id"] != each.user_id:
            found.append(f"{each.version}: another user was told")
    found += [f"{version}: {len(ids)} events" for version, ids in events.items() if len(ids) > 1]
    wanted = {(row.id, version) for row in rows.values() for version in range(1, row.version + 1)}
    found += [f"{version}: not told" for version in wanted - events.keys()]
    found += [f"{version}: told, and not there" for version in events.keys() - wanted]
    found += _wrong_contents(rows, contents)
    return [*found, *_not_acknowledged(load, contents)]


def _wrong_contents(rows: dict[str, Row], contents: dict[tuple[str, int], Any]) -> Iterator[str]:
    """Compare the newest event of each task with its row."""
    for row in rows.values():
        if event := contents.get((row.id, row.version)):
            task = event["data"]["task"]
            is_deleted = event["type"] == "task.deleted"
            if (task["title"], task["completed"], is_deleted) != (row.title, bool(row.completed), bool(row.deleted)):
                yield f"{row.id}: what was told of version {row.version} is not what is there"


def _not_acknowledged(load: Load, contents: dict[tuple[str, int], Any]) -> Iterator[str]:
    """Compare each event with the response to its request, where there was one."""
    of_key = {
        (event["data"]["task"]["details"], event["data"]["version"]): event["data"]["task"]
        for event in contents.values()
    }
    for writes in load.writes.values():
        for write in writes:
            task = of_key.get((write.key, write.version or 0))
            seen = task and (task["title"], task["completed"])
            if write.is_acknowledged and write.kind != "delete" and seen != (write.title, write.completed):
                yield f"{write.key}: version {write.version} was told of in another way than acknowledged"
