"""A task's recurrence rule, its time zone, and the combinations of a schedule's fields."""

import pytest

from tests.api.support.calls import assert_problem
from tests.api.test_due import BERLIN, DAY, DUES, RULE
from tests.api.test_fields import EVERY_WRITE, NO_TEXT, REFUSAL, assert_refused, written

NO_NAMES = (
    "Mars/Phobos Europe Europe/ /Europe/Berlin europe/berlin EUROPE/BERLIN utc z Z Europe\\Berlin Europe/Βerlin CEST"
)
PATHS = "../../etc/passwd ../../etc/localtime /etc/localtime /usr/share/zoneinfo/UTC Europe/../Europe/Berlin ./UTC .. ."
OTHER_FILES = "Europe//Berlin posix/UTC right/UTC posixrules localtime tzdata.zi zone.tab America/Argentina"
OFFSETS = "UTC+1 +02:00 UTC0 CET-1CEST <+03>-3"
NO_ZONES = [
    *(*NO_NAMES.split(), *PATHS.split(), *OTHER_FILES.split(), *OFFSETS.split(), "x" * 65, "x" * 10_000, *NO_TEXT),
    *("", " ", f" {BERLIN}", f"{BERLIN} ", f"{BERLIN}\n", f"{BERLIN}\x00"),
]
ZONES = ["UTC", BERLIN, "America/Argentina/ComodRivadavia", "Asia/Kathmandu", "US/Pacific", "Etc/GMT+12", "GMT0", None]
NOT_WHOLE = "daily FREQ FREQ= COUNT=3 ; FREQ=DAILY;FREQ=DAILY EXRULE:FREQ=DAILY"
NO_PARTS = "FREQ=HOURLY FREQ=SECONDLY FREQ=DAILY;X=1 FREQ=DAILY;INTERVAL=0 FREQ=WEEKLY;BYDAY=XX FREQ=WEEKLY;BYDAY=1MO"
NO_COUNTS = "FREQ=DAILY;COUNT=0 FREQ=DAILY;COUNT=-1 FREQ=DAILY;COUNT=1.5 FREQ=DAILY;COUNT=３ FREQ=DAILY;COUNT=1_0"
NO_ENDS = "FREQ=DAILY;COUNT=3;UNTIL=20260401 FREQ=DAILY;UNTIL=20260230 FREQ=DAILY;UNTIL=2026-04-01"
NO_RULES = [
    *(*NOT_WHOLE.split(), *NO_PARTS.split(), *NO_COUNTS.split(), *NO_ENDS.split(), *NO_TEXT, "", " "),
    *(f"{RULE}\x00", f"{RULE}\n{RULE}", f"DTSTART:20260314\nRRULE:{RULE}"),
    *("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYMONTHDAY=" + ",".join(["1"] * 250)),
]


KEPT = {
    RULE: RULE,
    "freq=weekly;byday=mo,th": "FREQ=WEEKLY;BYDAY=MO,TH",
    "RRULE:FREQ=DAILY": RULE,
    "FREQ=DAILY;": RULE,
    " FREQ=DAILY\r\n": RULE,
    "FREQ=WEEKLY; BYDAY=MO, TH": "FREQ=WEEKLY;BYDAY=MO,TH",
    "COUNT=3;INTERVAL=2;FREQ=DAILY": "FREQ=DAILY;COUNT=3;INTERVAL=2",
    "FREQ=MONTHLY;BYMONTHDAY=-1;UNTIL=20270101T000000Z": "FREQ=MONTHLY;UNTIL=20270101T000000Z;BYMONTHDAY=-1",
    None: None,
}


@EVERY_WRITE
def test_time_zone_is_an_iana_name_or_null(ann, write):
    """Kept as given, also an old name, with a due or without."""
    for due in ({}, {"due_on": DAY}):
        assert [written(ann, write, time_zone=zone, **due)["time_zone"] for zone in ZONES] == ZONES


@REFUSAL
@EVERY_WRITE
def test_an_unknown_time_zone_is_rejected(ann, write):
    """Case matters. Paths and the machine's own zone files are not names."""
    assert_refused(ann, write, "time_zone", NO_ZONES)


@EVERY_WRITE
@pytest.mark.parametrize("due", ["due_on", "due_at"])
def test_recurrence_is_a_rule_or_null(ann, write, due):
    """Returned in capitals and in the RFC's order; the response's value is accepted again."""
    due = {due: DUES[due]}

    assert {sent: written(ann, write, recurrence=sent, **due)["recurrence"] for sent in KEPT} == KEPT
    again = {kept: written(ann, write, recurrence=kept, **due)["recurrence"] for kept in KEPT.values()}
    assert again == {kept: kept for kept in KEPT.values()}


@EVERY_WRITE
@pytest.mark.parametrize(
    ("schedule", "until"),
    [
        ({"due_at": "2026-03-14T09:00:00Z", "time_zone": BERLIN}, "20260401T070000Z"),
        ({"due_at": "2026-03-14T09:00:00Z"}, "20260401T090000Z"),
        ({"due_on": DAY, "time_zone": BERLIN}, "20260401"),
    ],
    ids=["at a time", "at a time in UTC", "on a day"],
)
def test_until_without_a_zone_is_in_the_tasks(ann, write, schedule, until):
    """As libraries write it; what is answered does not depend on a zone."""
    rule = written(ann, write, recurrence="FREQ=DAILY;UNTIL=20260401T090000", **schedule)["recurrence"]

    assert rule == f"FREQ=DAILY;UNTIL={until}"
    assert written(ann, write, recurrence=rule, **schedule)["recurrence"] == rule


@REFUSAL
@EVERY_WRITE
def test_an_invalid_recurrence_is_rejected(ann, write):
    """With a due, so that only the rule is wrong."""
    assert_refused(ann, write, "recurrence", NO_RULES, due_on=DAY)


@REFUSAL
@EVERY_WRITE
def test_recurrence_needs_a_due(ann, write):
    """A zone, or null for a due, is not enough."""
    for others in ({}, {"time_zone": BERLIN}, {"due_on": None}, {"due_at": None}, {"due_on": None, "due_at": None}):
        assert_refused(ann, write, "recurrence", [RULE], **others)


@REFUSAL
@EVERY_WRITE
def test_all_wrong_fields_are_named(ann, write):
    """All at once, not one after the other."""
    body = {"title": "tea", "due_on": "tomorrow", "due_at": "noon", "time_zone": "here", "recurrence": "often"}
    answer = write(ann, ann.add()["id"], json=body)

    assert_problem(answer, 422, "validation_error")
    assert set(answer.json["errors"]) == {"due_on", "due_at", "time_zone", "recurrence"}
