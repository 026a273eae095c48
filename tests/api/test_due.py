"""A task is due on a day, which is the same day everywhere, or at a moment, which is the same moment everywhere."""

import time
from datetime import datetime, timedelta

import pytest

from app.times import rfc3339
from tests.api.support.calls import CHANGE, CREATE, REPLACE_BY_USER, assert_problem
from tests.api.test_fields import EVERY_WRITE, NO_TEXT, REFUSAL, assert_refused, written

DAY, MOMENT, RULE = "2026-03-14", "2026-03-14T09:26:53.589793Z", "FREQ=DAILY"
DUES = {"due_on": DAY, "due_at": MOMENT}
SOME_WRITES = pytest.mark.parametrize("write", [CREATE, CHANGE, REPLACE_BY_USER], ids=str)
AUCKLAND, HONOLULU, BERLIN = "Pacific/Auckland", "Pacific/Honolulu", "Europe/Berlin"

NO_SUCH_DAYS = "2026-02-29 2100-02-29 2026-04-31 2026-00-10 2026-13-01 2026-01-00 2026-01-32 0000-01-01"
DAYS_BEYOND = "0999-12-31 9999-01-01 9999-12-31 10000-01-01 +2026-03-14 -2026-03-14"
DAYS_OTHERWISE = "today 2026 14.3. 2026-3-14 26-03-14 20260314 2026-W11-6 2026-073 2026/03/14 2026–03–14 2026-03-14Z"
DAYS_IN_OTHER_DIGITS = "２０２６-03-14 ٢٠٢٦-٠٣-١٤ 2026-03-1४"
NO_DAYS = [
    *(*NO_SUCH_DAYS.split(), *DAYS_BEYOND.split(), *DAYS_OTHERWISE.split(), *DAYS_IN_OTHER_DIGITS.split()),
    *("", f" {DAY}", f"{DAY} ", f"{DAY}\n", f"{DAY}\x00", f"{DAY}T00:00:00Z", 20260314, *NO_TEXT),
]
NAIVE = "2026-03-14T09:26:53 2026-03-14T09:26:53.5 2026-03-14"
NOT_ON_CLOCKS = "2016-12-31T23:59:60Z 2026-03-14T24:00:00Z 2026-03-14T25:00:00Z 2026-03-14T09:60:00Z"
NOT_IN_CALENDARS = "2026-02-29T09:26:53Z 2026-13-14T09:26:53Z 2026-00-14T09:26:53Z 2026-03-00T09:26:53Z"
TOO_LARGE_OFFSETS = "+24:00 -24:00 +99:00 +02:60 +02:99 -00:75 +23:60"
NO_OFFSETS = "+0200 +02 +2:00 02:00 −02:00 +02:00:00 ZZ Z+02:00 UTC [Europe/Berlin] Z[UTC] +"
OTHERWISE = "2026-03-14T09:26Z 2026-03-14T09Z 2026-03-14T9:26:53Z 20260314T092653Z 2026-03-14T092653Z now 1773480413"
IN_OTHER_WAYS = "2026-03-14T09:26:53.Z 2026-03-14T09:26:53,5Z 2026-03-14_09:26:53Z 2026-W11-6T09:26:53Z"
IN_OTHER_DIGITS = "２０２６-03-14T09:26:53Z 2026-03-14T09:26:5٣Z 2026-03-14T09:26:53.５Z 2026-03-14T09:26:53+0２:00"
BEYOND = "0999-12-31T23:59:59Z 9999-01-01T00:00:00Z 0000-01-01T00:00:00Z 10000-01-01T00:00:00Z"
BEYOND_IN_UTC = (
    "1000-01-01T00:59:59+01:00 9998-12-31T23:00:00-01:00 0001-01-01T00:00:00+01:00 9999-12-31T23:59:59-01:00"
)
NO_MOMENTS = [
    *(*NAIVE.split(), *NOT_ON_CLOCKS.split(), *NOT_IN_CALENDARS.split(), *OTHERWISE.split(), *IN_OTHER_WAYS.split()),
    *(*IN_OTHER_DIGITS.split(), *BEYOND.split(), *BEYOND_IN_UTC.split(), 1773480413, *NO_TEXT, "", f"{DAY} 09:26:53"),
    *(f"2026-03-14T09:26:53{offset}" for offset in (*TOO_LARGE_OFFSETS.split(), *NO_OFFSETS.split(), " Z", " +02:00")),
    *(
        f" {MOMENT}",
        f"{MOMENT} ",
        f"{MOMENT}\n",
        f"{MOMENT}\x00",
        f"{DAY}T09:26:53.{'1' * 15}Z",
        f"{DAY}T09:26:53.{'1' * 9_999}Z",
    ),
]


def is_due_at(caller, moment):
    """Return whether a list of tasks that are due at this moment shows one."""
    around = [rfc3339(datetime.fromisoformat(moment) + timedelta(microseconds=step)) for step in (-1, 1)]
    answer = caller.get("/v1/tasks", query_string={"due_after": around[0], "due_before": around[1]})
    assert answer.status_code == 200
    return len(answer.json["items"]) == 1


@pytest.fixture
def in_honolulu(monkeypatch):
    """Set the process's own time zone."""
    monkeypatch.setenv("TZ", HONOLULU)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@EVERY_WRITE
def test_due_on_is_a_day(ann, write):
    """From year 1000 to 9998, in the Gregorian calendar."""
    days = [DAY, "2024-02-29", "2000-02-29", "1000-01-01", "1582-10-10", "9998-12-31"]
    tasks = [written(ann, write, due_on=day) for day in days]

    assert [(task["due_on"], task["due_at"]) for task in tasks] == [(day, None) for day in days]


@REFUSAL
@EVERY_WRITE
def test_due_on_must_be_a_day(ann, write):
    """A nonexistent day, another format, a year outside the range and another type are rejected."""
    assert_refused(ann, write, "due_on", NO_DAYS)


@pytest.mark.parametrize(
    "zone", [None, AUCKLAND, HONOLULU, "Pacific/Kiritimati", "Pacific/Pago_Pago", "Africa/Monrovia"]
)
@SOME_WRITES
def test_due_on_stays_the_same_day_in_every_zone(ann, write, zone):
    """Even in a zone that skipped this day."""
    days = ["1000-01-01", "2011-12-30", "9998-12-31"]

    assert [written(ann, write, due_on=day, time_zone=zone)["due_on"] for day in days] == days


def test_due_on_stays_the_same_day_when_the_zone_changes(ann):
    """Such as from Auckland to Honolulu."""
    path = f"/v1/tasks/{ann.add(due_on=DAY, time_zone=AUCKLAND)['id']}"
    moved, unset = (ann.patch(path, json={"time_zone": zone}) for zone in (HONOLULU, None))

    assert [answer.status_code for answer in (moved, unset)] == [200, 200]
    assert [answer.json["due_on"] for answer in (moved, unset)] == [DAY, DAY]


@EVERY_WRITE
def test_due_on_does_not_depend_on_the_services_own_zone(ann, in_honolulu, write):
    """Neither the day nor its end does."""
    task = written(ann, write, due_on=DAY, time_zone=AUCKLAND)

    assert (time.tzname[0], task["due_on"]) == ("HST", DAY)
    assert is_due_at(ann, "2026-03-14T10:59:59.999999Z")


ENDS = [
    (DAY, None, "2026-03-14T23:59:59.999999Z"),
    (DAY, "UTC", "2026-03-14T23:59:59.999999Z"),
    (DAY, AUCKLAND, "2026-03-14T10:59:59.999999Z"),
    (DAY, HONOLULU, "2026-03-15T09:59:59.999999Z"),
    (DAY, "Asia/Kolkata", "2026-03-14T18:29:59.999999Z"),
    ("2026-03-28", BERLIN, "2026-03-28T22:59:59.999999Z"),
    ("2026-03-29", BERLIN, "2026-03-29T21:59:59.999999Z"),
    ("2026-10-25", BERLIN, "2026-10-25T22:59:59.999999Z"),
    # Clocks go back at the day's end, so its last hour occurs twice.
    ("2026-10-31", "America/Havana", "2026-11-01T03:59:59.999999Z"),
    ("2026-04-04", "America/Santiago", "2026-04-05T03:59:59.999999Z"),
    # A skipped day: it ends where it would have begun.
    ("2011-12-30", "Pacific/Apia", "2011-12-30T09:59:59.999999Z"),
    ("9998-12-30", HONOLULU, "9998-12-31T09:59:59.999999Z"),
]


@SOME_WRITES
def test_due_on_ends_with_the_day_in_the_tasks_zone(ann, write):
    """In lists too, with daylight saving time; without a zone, in UTC."""
    for day, zone, end in ENDS:
        task = written(ann, write, due_on=day, time_zone=zone)
        assert is_due_at(ann, end), (day, zone)
        # Other days may end at this moment, too.
        assert ann.delete(f"/v1/tasks/{task['id']}").status_code == 204


def test_due_on_ends_at_another_time_when_the_zone_changes(ann):
    """Also if the change names nothing else, in both directions."""
    path = f"/v1/tasks/{ann.add(due_on=DAY)['id']}"
    for zone, end in ((AUCKLAND, "10:59:59.999999Z"), (None, "23:59:59.999999Z")):
        assert ann.patch(path, json={"time_zone": zone}).status_code == 200
        assert is_due_at(ann, f"{DAY}T{end}")


KEPT = {
    "2026-03-14T09:26:53Z": "2026-03-14T09:26:53.000000Z",
    "2026-03-14t09:26:53z": "2026-03-14T09:26:53.000000Z",
    "2026-03-14 09:26:53z": "2026-03-14T09:26:53.000000Z",
    "2026-03-14T09:26:53+00:00": "2026-03-14T09:26:53.000000Z",
    "2026-03-14T09:26:53-00:00": "2026-03-14T09:26:53.000000Z",
    "2026-03-14T00:26:53+02:00": "2026-03-13T22:26:53.000000Z",
    "2026-12-31T23:26:53-11:30": "2027-01-01T10:56:53.000000Z",
    "2026-03-14T09:26:53+23:59": "2026-03-13T09:27:53.000000Z",
    "2024-02-29T09:26:53-23:59": "2024-03-01T09:25:53.000000Z",
    "2026-03-14T09:26:53.1Z": "2026-03-14T09:26:53.100000Z",
    "2026-03-14T09:26:53.12Z": "2026-03-14T09:26:53.120000Z",
    "2026-03-14T09:26:53.123Z": "2026-03-14T09:26:53.123000Z",
    "2026-03-14T09:26:53.1234Z": "2026-03-14T09:26:53.123400Z",
    "2026-03-14T09:26:53.12345Z": "2026-03-14T09:26:53.123450Z",
    "2026-03-14T09:26:53.123456Z": "2026-03-14T09:26:53.123456Z",
    "2026-03-14T09:26:53.1234567Z": "2026-03-14T09:26:53.123456Z",
    "2026-03-14T09:26:53.12345678Z": "2026-03-14T09:26:53.123456Z",
    "2026-03-14T09:26:53.12345678901234+00:00": "2026-03-14T09:26:53.123456Z",
    "2026-03-14T23:59:59.999999999+00:00": "2026-03-14T23:59:59.999999Z",
    "2026-03-14T09:26:53.000000001Z": "2026-03-14T09:26:53.000000Z",
    "1000-01-01T00:00:00Z": "1000-01-01T00:00:00.000000Z",
    "9998-12-31T23:59:59.999999Z": "9998-12-31T23:59:59.999999Z",
    "1582-10-10T00:00:00Z": "1582-10-10T00:00:00.000000Z",
}


@SOME_WRITES
def test_due_at_is_stored_in_utc_with_microseconds(ann, write):
    """Any offset and number of digits is accepted; digits beyond six are cut. The response's value is accepted too."""
    tasks = {sent: written(ann, write, due_at=sent) for sent in KEPT}
    again = {sent: written(ann, write, due_at=task["due_at"]) for sent, task in tasks.items()}

    assert {sent: (task["due_at"], task["due_on"]) for sent, task in tasks.items()} == {
        s: (KEPT[s], None) for s in KEPT
    }
    assert {sent: task["due_at"] for sent, task in again.items()} == KEPT


@REFUSAL
@EVERY_WRITE
def test_due_at_must_be_a_time_with_an_offset(ann, write):
    """A naive or nonexistent time, another format, a year outside the range and another type are rejected."""
    assert_refused(ann, write, "due_at", NO_MOMENTS)


@pytest.mark.parametrize("zone", [None, AUCKLAND, HONOLULU])
@EVERY_WRITE
def test_due_at_is_the_same_moment_in_every_zone(ann, in_honolulu, write, zone):
    """The zone does not change a time that has an offset."""
    task = written(ann, write, due_at="2026-03-14T09:26:53+02:00", time_zone=zone)

    assert task["due_at"] == "2026-03-14T07:26:53.000000Z"
    assert is_due_at(ann, task["due_at"])


@REFUSAL
@EVERY_WRITE
def test_due_on_and_due_at_in_one_body_are_rejected(ann, write):
    """In either order; the error names `due_at`."""
    for body in ({"due_on": DAY}, {"due_on": DAY, "recurrence": RULE}):
        assert_refused(ann, write, "due_at", [MOMENT], **body)
    task = ann.add()
    answer = write(ann, task["id"], json={"due_at": MOMENT, "title": "tea", "due_on": DAY})
    assert_problem(answer, 422, "validation_error", "due_at")


@EVERY_WRITE
def test_null_for_one_due_next_to_a_value_for_the_other_is_accepted(ann, write):
    """So is null for both."""
    for dues in ((DAY, None), (None, MOMENT), (None, None)):
        task = written(ann, write, due_on=dues[0], due_at=dues[1])
        assert (task["due_on"], task["due_at"]) == dues


@pytest.mark.parametrize("recurrence", [None, RULE])
@pytest.mark.parametrize(("before", "after"), [("due_on", "due_at"), ("due_at", "due_on")])
@pytest.mark.parametrize("with_null", [False, True], ids=["alone", "with null"])
def test_a_value_for_one_due_clears_the_other(ann, recurrence, before, after, with_null):
    """Whether or not the body says so. A rule stays."""
    task = ann.add(**{before: DUES[before]}, recurrence=recurrence)
    answer = CHANGE(ann, task["id"], json={after: DUES[after], **({before: None} if with_null else {})})

    assert answer.status_code == 200
    expected = {before: None, after: DUES[after], "updated_at": answer.json["updated_at"]}
    assert answer.json == task | expected


@pytest.mark.parametrize(("due", "other"), [("due_on", "due_at"), ("due_at", "due_on")])
@pytest.mark.parametrize("recurrence", [None, RULE])
def test_null_for_one_due_keeps_the_other(ann, due, other, recurrence):
    """It clears only its own field."""
    task = ann.add(**{due: DUES[due]}, recurrence=recurrence)
    answer = CHANGE(ann, task["id"], json={other: None})

    assert answer.status_code == 200
    assert answer.json == task | {"updated_at": answer.json["updated_at"]}
