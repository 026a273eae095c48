"""What a VTODO says and a task has no field for: kept in the details, or named as left out."""

import pytest

from tests.unit.ics_files import calendar, the_record


@pytest.mark.parametrize(
    ("lines", "details"),
    [
        (["URL:https://example.com/x"], "URL: https://example.com/x"),
        (
            ["DESCRIPTION:two\\nlines", "GEO:52.5;13.4", "LOCATION:Shop\\, left", "URL;VALUE=URI:https://example.com"],
            "two\nlines\n\nURL: https://example.com\nLocation: Shop, left\nGeo: 52.5;13.4",
        ),
        (
            ["COMMENT:one", "COMMENT:two", "CONTACT:Ann", "RESOURCES:van,key"],
            "Contact: Ann\nResources: van,key\nComment: one\nComment: two",
        ),
        (["DESCRIPTION:See https://example.com/x", "URL:https://example.com/x"], "See https://example.com/x"),
        (["LOCATION:", "URL: "], None),
        (["DESCRIPTION:"], None),
    ],
)
def test_other_texts_are_lines_of_the_details(lines: list[str], details: str | None) -> None:
    """At their end, unless they are there already."""
    record = the_record(calendar("SUMMARY:a", *lines))

    assert (record.task["details"], record.left_out) == (details, ())


@pytest.mark.parametrize(
    ("lines", "left_out"),
    [
        (["RELATED-TO:parent-1@example.com", "RELATED-TO;RELTYPE=parent:a", "RELATED-TO:"], ["RELATED-TO"] * 2),
        (['RELATED-TO;RELTYPE="CHILD":a', "RELATED-TO;RELTYPE=SIBLING:b"], ["RELATED-TO"] * 2),
        (["ATTACH:https://example.com/a", "ATTACH;ENCODING=BASE64:QQ=="], ["ATTACH", "ATTACH"]),
        (["ATTENDEE:mailto:a@example.com", "ORGANIZER:mailto:b@example.com"], ["ATTENDEE", "ORGANIZER"]),
        (["CLASS:PRIVATE"], ["CLASS"]),
        (["CLASS:public"], []),
        (["PERCENT-COMPLETE:50"], ["PERCENT-COMPLETE"]),
        (["PERCENT-COMPLETE:0"], []),
        (["PERCENT-COMPLETE:100", "STATUS:COMPLETED"], []),
        (["X-APPLE-STRUCTURED-LOCATION;X-TITLE=Shop:geo:52.5,13.4"], ["X-APPLE-STRUCTURED-LOCATION"]),
        (["DTSTAMP:20260301T080000Z", "SEQUENCE:2", "X-APPLE-SORT-ORDER:1", "LAST-MODIFIED:20260301T080000Z"], []),
        (["DTSTART:20260703T090000Z", "DUE:20260704T090000Z"], ["DTSTART"]),
        (["DTSTART:20260704T090000Z", "DUE:20260704T090000Z"], []),
        (["DTSTART;VALUE=DATE:20260704"], ["DTSTART"]),
        (["DTSTART:20260704T090000Z", "DURATION:PT1H"], ["DTSTART"]),
        (["DTSTART;VALUE=DATE:20260704", "RRULE:FREQ=DAILY"], []),
    ],
)
def test_what_no_task_can_keep_is_named(lines: list[str], left_out: list[str]) -> None:
    """As often as it is there; what only programs use is not."""
    assert sorted(the_record(calendar("SUMMARY:a", *lines)).left_out) == sorted(left_out)


@pytest.mark.parametrize(
    ("start", "duration", "due_at"),
    [
        # Hours are exact, days are those of the calendar (section 3.3.6): clocks are put forward at two.
        (";TZID=Europe/Berlin:20260329T010000", "PT3H", "2026-03-29T03:00:00.000000Z"),
        (";TZID=Europe/Berlin:20260328T090000", "P1D", "2026-03-29T07:00:00.000000Z"),
        (";TZID=Europe/Berlin:20260328T090000", "PT24H", "2026-03-29T08:00:00.000000Z"),
        (";TZID=Europe/Berlin:20260328T010000", "P1DT3H", "2026-03-29T03:00:00.000000Z"),
        (";TZID=Europe/Berlin:20261025T003000", "PT3H", "2026-10-25T01:30:00.000000Z"),
        (":20260329T010000Z", "P1W", "2026-04-05T01:00:00.000000Z"),
    ],
)
def test_a_duration_ends_at_the_right_time(start: str, duration: str, due_at: str) -> None:
    """Also where it crosses a change of clocks."""
    record = the_record(calendar("SUMMARY:a", f"DTSTART{start}", f"DURATION:{duration}"))

    assert record.task["due_at"] == due_at


@pytest.mark.parametrize(
    ("lines", "title"),
    [(["DESCRIPTION:only text"], "(untitled)"), (["SUMMARY:"], "(untitled)"), (["SUMMARY: a"], "a")],
)
def test_a_task_without_a_title_has_a_stand_in(lines: list[str], title: str) -> None:
    """SUMMARY is optional (section 3.6.2)."""
    assert the_record(calendar(*lines)).task["title"] == title


def test_an_unknown_creation_does_not_refuse_the_task() -> None:
    """Some programs write a day that does not exist."""
    assert "created_at" not in the_record(calendar("SUMMARY:a", "CREATED:00001231T000000Z")).task
