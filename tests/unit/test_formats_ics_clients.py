"""Files as other programs write them. The samples are ours, in each program's manner."""

import pytest

from app.tasks.formats import FORMATS
from tests.unit.example_tasks import Task, file_of, read_all

# A zone's rules and an alarm; capital letters in the UID, the start equal to the due.
APPLE_REMINDERS = """\
BEGIN:VCALENDAR
CALSCALE:GREGORIAN
PRODID:-//Apple Inc.//iOS 26.4//EN
VERSION:2.0
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VTODO
CREATED:20260326T180351Z
DTSTAMP:20260326T180437Z
DTSTART;TZID=Europe/Berlin:20260330T090000
DUE;TZID=Europe/Berlin:20260330T090000
LAST-MODIFIED:20260326T180437Z
PRIORITY:1
RRULE:FREQ=WEEKLY;UNTIL=20260430T070000Z;BYDAY=MO,TH
STATUS:NEEDS-ACTION
SUMMARY:M\u00fcll rausbringen\\, Papier zuerst
UID:0FA620BB-3AD9-4BDC-BF54-9DFDCDC32060
X-APPLE-SORT-ORDER:796241031
BEGIN:VALARM
ACTION:DISPLAY
DESCRIPTION:Erinnerung
TRIGGER;VALUE=DATE-TIME:20260330T070000Z
UID:1FA620BB-3AD9-4BDC-BF54-9DFDCDC32060
END:VALARM
END:VTODO
END:VCALENDAR
"""

# One VTODO for the rule, and one more for each occurrence that was completed.
THUNDERBIRD = """\
BEGIN:VCALENDAR
PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN
VERSION:2.0
BEGIN:VTODO
CREATED:20241216T164132Z
LAST-MODIFIED:20250114T194224Z
DTSTAMP:20250114T194224Z
UID:c395d15b-f769-41ea-b5b3-f0d5596d9b5c
SUMMARY:Water the plants
PRIORITY:5
CATEGORIES:Home
CATEGORIES:Garden,Spring\\, summer
RRULE:FREQ=DAILY;INTERVAL=2
DTSTART;VALUE=DATE:20250114
DUE;VALUE=DATE:20250114
DESCRIPTION;ALTREP="data:text/html,%3Cb%3Eby%20the%20window%3C%2Fb%3E":by th
 e window
X-MOZ-GENERATION:2
END:VTODO
BEGIN:VTODO
CREATED:20241216T164132Z
LAST-MODIFIED:20250114T194224Z
DTSTAMP:20250114T194224Z
UID:c395d15b-f769-41ea-b5b3-f0d5596d9b5c
SUMMARY:Water the plants
STATUS:COMPLETED
PERCENT-COMPLETE:100
COMPLETED:20250114T194224Z
RECURRENCE-ID;VALUE=DATE:20250114
DTSTART;VALUE=DATE:20250114
DUE;VALUE=DATE:20250114
END:VTODO
END:VCALENDAR
"""

# A rule with no start; a text in lines; properties of its own.
TASKS_ORG = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:+//IDN tasks.org//android-140200//EN
BEGIN:VTODO
DTSTAMP:20260205T101010Z
UID:3817295064421937642
CREATED:20260205T100000Z
LAST-MODIFIED:20260205T101000Z
SUMMARY:Call the dentist
DESCRIPTION:First line\\nSecond\\; line
PRIORITY:9
DUE;VALUE=DATE:20260206
RRULE:FREQ=MONTHLY;INTERVAL=6
CATEGORIES:Health
RELATED-TO:1111
X-APPLE-SORT-ORDER:792000000
END:VTODO
END:VCALENDAR
"""

# Times without a zone; an empty description.
NEXTCLOUD = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Nextcloud Tasks v0.14.2
BEGIN:VTODO
UID:19ec293d-9a40-4c7b-99e4-510000000000
CREATED:20220128T162202
LAST-MODIFIED:20220128T162302
DTSTAMP:20220128T162302
SUMMARY:Pay the rent
DESCRIPTION:
DUE:20220128T173000
PERCENT-COMPLETE:100
STATUS:COMPLETED
COMPLETED:20220128T162302
END:VTODO
END:VCALENDAR
"""

NONE: Task = {
    "details": None,
    "completed": False,
    "completed_at": None,
    "priority": "none",
    "tags": [],
    "due_on": None,
    "due_at": None,
    "time_zone": None,
    "recurrence": None,
}

EXPECTED = {
    APPLE_REMINDERS: [
        {
            "id": "0fa620bb-3ad9-4bdc-bf54-9dfdcdc32060",
            "title": "Müll rausbringen, Papier zuerst",
            "priority": "high",
            "due_at": "2026-03-30T07:00:00.000000Z",
            "time_zone": "Europe/Berlin",
            "recurrence": "FREQ=WEEKLY;UNTIL=20260430T070000Z;BYDAY=MO,TH",
            "created_at": "2026-03-26T18:03:51.000000Z",
        }
    ],
    THUNDERBIRD: [
        {
            "id": "c395d15b-f769-41ea-b5b3-f0d5596d9b5c",
            "title": "Water the plants",
            "details": "by the window",
            "priority": "medium",
            "tags": ["Home", "Garden", "Spring, summer"],
            "due_on": "2025-01-14",
            "recurrence": "FREQ=DAILY;INTERVAL=2",
            "created_at": "2024-12-16T16:41:32.000000Z",
        },
        {
            "id": "e420971b-64e8-50ce-b975-b5f9f3b98ae7",
            "title": "Water the plants",
            "completed": True,
            "completed_at": "2025-01-14T19:42:24.000000Z",
            "due_on": "2025-01-14",
            "created_at": "2024-12-16T16:41:32.000000Z",
        },
    ],
    TASKS_ORG: [
        {
            "id": "0e456ad8-7c4d-553a-b802-1e8da7a0d4c2",
            "title": "Call the dentist",
            "details": "First line\nSecond; line",
            "priority": "low",
            "tags": ["Health"],
            "due_on": "2026-02-06",
            "recurrence": "FREQ=MONTHLY;INTERVAL=6",
            "created_at": "2026-02-05T10:00:00.000000Z",
        }
    ],
    NEXTCLOUD: [
        {
            "id": "19ec293d-9a40-4c7b-99e4-510000000000",
            "title": "Pay the rent",
            "completed": True,
            "completed_at": "2022-01-28T16:23:02.000000Z",
            "due_at": "2022-01-28T17:30:00.000000Z",
            "created_at": "2022-01-28T16:22:02.000000Z",
        }
    ],
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("sample", EXPECTED, ids=["Apple Reminders", "Thunderbird", "Tasks.org", "Nextcloud"])
def test_other_programs_files_are_read(sample: str, end: str) -> None:
    """Whatever a task here has a place for; the rest is passed over."""
    file = file_of(sample.replace("\n", end).encode())

    assert [task for _, task in read_all(FORMATS["ics"], file)] == [NONE | task for task in EXPECTED[sample]]
