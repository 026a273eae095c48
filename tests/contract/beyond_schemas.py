"""Rules that no schema can express: correct random requests, and recognize rejections that are not violations.

A cursor belongs to its list and a key to its request; an address, a zone and a rule have their own grammars; and one
field may require or exclude another.
"""

import re
from collections.abc import MutableMapping
from datetime import date
from itertools import cycle
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from app.tasks.fields import MomentOrDay
from app.tasks.page_schemas import TaskQuery
from app.times import FIRST_YEAR, LAST_YEAR

RULES = cycle(["FREQ=DAILY", "freq=weekly;byday=mo,we", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", "FREQ=YEARLY"])
ZONES = cycle(["UTC", "Europe/Berlin", "Pacific/Chatham", "America/New_York"])
DAYS = cycle(["2024-02-29", f"{FIRST_YEAR}-01-01", f"{LAST_YEAR}-12-31"])
CURSORS = ("cursor", "since")
DUES = [name for name, field in TaskQuery().fields.items() if isinstance(field, MomentOrDay)]

KEY_CHARACTERS = 255
QUERY_BYTES = 4_000
# A link's token is in a mail, which nobody here reads.
CODES = {"invalid_cursor", "idempotency_key_reused", "link_invalid"}
# Field and message.
REFUSALS = re.compile(
    r"""
    email:\ Not\ a\ valid\ email\ address\.
    | (new_)?password:\ Required\ together\ with\ ((new_)?password|end_tokens|email)\.
    | (new_)?password:\ This\ is\ one\ of\ the\ most\ common\ passwords\..*
    | password:\ This\ service\ does\ not\ store\ your\ password:\ leave\ it\ out\.
    | reminder_mail:\ This\ service\ .+
    | time_zone:\ Must\ be\ the\ name\ of\ a\ time\ zone\ .*
    | (.+\.)?recurrence:\ .+
    # Surrounding white space is trimmed, of which patterns know other kinds.
    | (.+\.)?(title|tags?\.\d+):\ Length\ must\ be\ between\ 1\ and\ \d+\.
    | name:\ Length\ must\ be\ between\ 1\ and\ \d+\.
    # What a task or list refers to is rarely there.
    | (.+\.)?(list_id|parent_id|before|after):\ There\ is\ no\ such\ (task|list)\.
    | (.+\.)?place:\ Give\ exactly\ one\ of\ before,\ after\ and\ place\.
    | (.+\.)?(list_id|parent_id):\ Leave\ this\ out:\ .+
    # A name that no server has.
    | url:\ Its\ host\ has\ no\ address,\ or\ not\ only\ public\ ones\.
    | url:\ Must\ .+
    # A file's own grammar.
    | (line\ [0-9]+|file):\ .+
    | (.+\.)?(due_(on|at|before|after)|reminders\.\d+\.at):\ (There\ is\ no\ such|Must\ be\ a)\ (day|time).*
    """,
    re.VERBOSE,
)


def is_beyond_schemas(problem: dict[str, Any]) -> bool:
    """Return whether a request is rejected only for rules that no schema can express."""
    faults = [f"{name}: {message}" for name, messages in problem.get("errors", {}).items() for message in messages]
    return problem["code"] in CODES or (bool(faults) and all(map(REFUSALS.fullmatch, faults)))


def fix_headers(headers: MutableMapping[str, str]) -> None:
    """Return a separate key for each request."""
    if "Idempotency-Key" in headers:
        own = uuid4().hex
        headers["Idempotency-Key"] = headers["Idempotency-Key"][: KEY_CHARACTERS - len(own)] + own


def fix_query(query: dict[str, Any]) -> None:
    """Leave out cursors without a list, if there is something else to try, and long values; use real days."""
    if "time_zone" in query:
        query["time_zone"] = next(ZONES)
    if len(query) > 1:
        for name in CURSORS:
            query.pop(name, None)
    for name in {*DUES} & query.keys():
        query[name] = _day(query[name])
    if len(urlencode(query, doseq=True)) > QUERY_BYTES:
        # A request line could be longer than gunicorn accepts.
        query.clear()


def fix_body(body: Any) -> None:
    """Give a task, or each of a batch, a free id, a possible schedule and one place."""
    if not isinstance(body, dict):
        return
    for operation in body.get("operations", ()):
        fix_body(operation.get("task") or operation.get("changes"))
    if "id" in body:
        body["id"] = str(uuid4())
    for name in {"list_id", "parent_id"} & body.keys():
        # No random one exists.
        body[name] = None
    if "place" in body:
        body.pop("before", None)
        body.pop("after", None)
    if body.get("time_zone") is not None:
        body["time_zone"] = next(ZONES)
    if body.get("due_on") is not None:
        body["due_on"] = _day(body["due_on"])
        body.pop("due_at", None)
    if body.get("recurrence") is not None:
        body["recurrence"] = next(RULES)
        if body.get("due_at") is None:
            body["due_on"] = next(DAYS)


def _day(text: str) -> str:
    """Return the same day, or another if it does not exist."""
    try:
        return text if FIRST_YEAR <= date.fromisoformat(text).year <= LAST_YEAR else next(DAYS)
    except ValueError:
        return next(DAYS)
