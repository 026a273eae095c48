"""The filters of both lists: completed, priority, tag, q and the trash."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import literal, update

from app.database import execute, scope
from app.database.columns import from_now
from app.tasks.models import TRASH_SECONDS, tasks
from tests.api.support.calls import LIST_BY_USER, Call, page
from tests.api.support.lists import EITHER_LIST, add_at_once, remove, titles
from tests.conftest import Caller

TRICKY_TAGS = [
    *("tea", "teas", "te", "green tea", "tea,", ",tea", "a,b", "a, b", "a", "b", '"', '"tea"', 'a"b', '","', "'tea'"),
    *("\\", "\\\\", "a\\b", '\\"', "a\nb", "a\\nb", "a\r\nb", "a\rb", "a\tb", "a b", "a\u2028b", "a\x01b", "a\\u0001b"),
    *("[]", "[a]", "{}", "{0}", "null", "true", "7", "%", "%%", "_", "a_b", "*", "a+b", "a&b", "a=b", "a#b", "a/b"),
    *("$1", ":tag", "%(tag)s", "🍵", "🍵🍵", "👩\u200d👧", "\xe9", "水", "x" * 49, "x" * 50),
]
# One is written, the other searched for.
SAME_BUT_FOR_CASE = "tea:TEA Äpfel:äPFEL čaj:ČAJ чай:ЧАЙ Ёлка:ёЛКА ύδωρ:ΎΔΩΡ οδός:ΟΔΌΣ οδόσ:οδός ΣΣ:ςσ թեյ:ԹԵՅ"
SAME_BUT_FOR_CASE += " ÿ:Ÿ ß:ẞ straße:STRAẞE İzmir:İZMIR ısı:ısı ǆ:Ǆ 𐐨:𐐀 ⓣⓔⓐ:ⓉⒺⒶ"
# One composed, the other not: Latin, kana, Hangul, and signs that stand for a letter.
SAME_BUT_FOR_CASE += " café:cafe\u0301 ÄPFEL:a\u0308pfel が:か\u3099 한:\u1112\u1161\u11ab \u212b:a\u030a \u212a:k"
SAME_BUT_FOR_CASE += " İZMİR:I\u0307zmI\u0307r"
# Words that lower() does not make equal.
NOT_THE_SAME = ["ß:ss", "straße:STRASSE", "ı:i", "\xe9:e", "e\u0301:e", "ﬁ:fi", "ｔ:t", "\xb5:u"]


@EITHER_LIST
def test_completed_filters_by_true_or_false(ann: Caller, call: Call) -> None:
    """A task that was completed and reopened is open."""
    ann.add(title="open")
    ann.add(title="done", completed=True)
    reopened = ann.add(title="reopened", completed=True)
    assert ann.post(f"/v1/tasks/{reopened['id']}/toggle").status_code == 200

    assert titles(ann, call, completed="true") == "done"
    assert titles(ann, call, completed="false") == "open reopened"
    assert titles(ann, call) == "open done reopened"


@EITHER_LIST
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("none", "none neither"),
        ("high", "high"),
        ("high low", "low high"),
        ("low high", "low high"),
        ("none low medium high", "none low medium high neither"),
        ("medium medium", "medium"),
    ],
)
def test_several_priorities_are_alternatives(ann: Caller, call: Call, wanted: str, found: str) -> None:
    """In any order; repetitions do not matter. A task without a priority has the priority none."""
    for word in ("none", "low", "medium", "high"):
        ann.add(title=word, priority=word)
    ann.add(title="neither")

    assert titles(ann, call, priority=wanted.split()) == found


@EITHER_LIST
def test_several_tags_must_all_match(ann: Caller, call: Call) -> None:
    """In any order, and also with other tags; repetitions do not matter."""
    ann.add(title="0")
    ann.add(title="1", tags=["home"])
    ann.add(title="2", tags=["errands", "home"])
    ann.add(title="3", tags=["home", "x", "errands"])

    assert titles(ann, call, tag="home") == "1 2 3"
    assert titles(ann, call, tag=["home", "errands"]) == "2 3"
    assert titles(ann, call, tag=["errands", "home", "errands"]) == "2 3"
    assert titles(ann, call, tag=["errands", "home", "x"]) == "3"
    assert titles(ann, call, tag=["home", "y"]) == ""


@EITHER_LIST
def test_a_tag_filter_ignores_case(ann: Caller, call: Call) -> None:
    """In every alphabet, in both directions."""
    # A number before each keeps those apart that are the same.
    pairs = [[f"{number} {word}" for word in pair.split(":")] for number, pair in enumerate(SAME_BUT_FOR_CASE.split())]
    for one, other in pairs:
        add_at_once(ann, {"title": "one", "tags": ["x", one]}, {"title": "other", "tags": [other, "x"]})

    for one, other in pairs:
        for tag in (one, other):
            assert sorted(titles(ann, call, tag=tag).split()) == ["one", "other"]
            assert sorted(titles(ann, call, tag=["X", tag]).split()) == ["one", "other"]


@EITHER_LIST
@pytest.mark.parametrize("name", ["q", "tag"])
def test_filters_find_both_forms_of_a_letter(ann: Caller, call: Call, name: str) -> None:
    """Composed or not, a letter is the same list, whose cursors fit; a letter without the accent is another."""
    forms = ("caf\xe9", "cafe\u0301")
    for number, word in enumerate(forms * 2):
        ann.add(title=str(number), details=word.upper(), tags=[word.title()])

    for one, other in (forms, forms[::-1]):
        assert titles(ann, call, **{name: one}) == "0 1 2 3"
        _, cursor = page(ann, limit=2, sort="created_at", **{name: one})
        assert titles(ann, call, cursor=cursor, **{name: other}) == "2 3"
    assert titles(ann, call, **{name: "cafe"}) == ""


@EITHER_LIST
@pytest.mark.parametrize("pair", NOT_THE_SAME)
def test_filters_ignore_only_case(ann: Caller, call: Call, pair: str) -> None:
    """Accents, ligatures and widths matter, in tags and searches."""
    one, other = pair.split(":")
    ann.add(title="tag", tags=[one])
    ann.add(title="x", details=f"({one})")

    assert (titles(ann, call, tag=one), titles(ann, call, tag=other)) == ("tag", "")
    assert (titles(ann, call, q=f"({one})"), titles(ann, call, q=f"({other})")) == ("x", "")


@EITHER_LIST
def test_a_tag_filter_matches_whole_tags_of_any_characters(ann: Caller, call: Call) -> None:
    """Commas, quotes, backslashes, line breaks. A part of a tag, or two tags together, do not match."""
    for number, tag in enumerate(TRICKY_TAGS):
        made = ann.add(title=str(number), tags=["first", tag, "last"])
        assert made["tags"] == ["first", tag, "last"]

    for number, tag in enumerate(TRICKY_TAGS):
        assert titles(ann, call, tag=tag) == str(number)
        assert titles(ann, call, tag=[f" {tag}\n", "FIRST"]) == str(number)
    for not_one in ('first","tea', "first\ntea", 'tea"', "irst", "first,tea", 'first"\n"tea'):
        assert titles(ann, call, tag=not_one) == ""


@EITHER_LIST
def test_a_tag_filter_uses_the_current_tags(ann: Caller, call: Call) -> None:
    """Not earlier ones."""
    task = ann.add(title="x", tags=["a", "b"])
    assert ann.patch(f"/v1/tasks/{task['id']}", json={"tags": ["B", "c"]}).status_code == 200

    assert [titles(ann, call, tag=tag) for tag in "abc"] == ["", "x", "x"]


@EITHER_LIST
def test_q_is_a_substring_of_title_or_details(ann: Caller, call: Call) -> None:
    """Of one of them, not across both, and in no other field."""
    ann.add(title="green", details="tea\nleaves", tags=["tag"], time_zone="Asia/Tokyo")
    ann.add(title="teapot")
    ann.add(title="empty", details="")

    assert titles(ann, call, q="tea") == "green teapot"
    assert titles(ann, call, q="a\nl") == "green"
    assert titles(ann, call, q="e") == "green teapot empty"
    assert titles(ann, call, q="teapot") == "teapot"
    for nowhere in ("nt", "n\nt", "green tea", "tag", "tokyo", "none", ann.user_id, "0"):
        assert titles(ann, call, q=nowhere) == ""


@EITHER_LIST
@pytest.mark.parametrize("field", ["title", "details"])
def test_q_ignores_case_in_every_alphabet(ann: Caller, call: Call, field: str) -> None:
    """In both directions. Some words are parts of others."""
    pairs = [pair.split(":") for pair in SAME_BUT_FOR_CASE.split()]
    for one, other in pairs:
        words = {"one": f"<{one}>", "other": f"<{other}>"}
        for title, word in words.items():
            ann.add(**{"title": title, field: word})

    for one, other in pairs:
        found = titles(ann, call, q=f"<{one}>")
        assert found == titles(ann, call, q=f"<{other}>")
        assert len(found.split()) >= 2


@EITHER_LIST
@pytest.mark.parametrize("part", ["%", "_", "100%", "a_c", "\\", "\\%", "a\\c", "%_", "\\_"])
def test_percent_and_underscore_match_only_themselves(ann: Caller, call: Call, part: str) -> None:
    """In searches and tags; so does the backslash."""
    ann.add(title="plain", details="100 abc a c", tags=["100 abc", "abc"])
    ann.add(title="x", details=f"-{part}-", tags=[part])

    assert titles(ann, call, q=f"-{part}") == "x"
    assert titles(ann, call, tag=part) == "x"


@EITHER_LIST
def test_deleted_lists_the_trash(ann: Caller, bob: Caller, call: Call) -> None:
    """The caller's own, without restored tasks. With false or no value, the list shows all other tasks."""
    ann.add(title="kept")
    gone, restored = ann.add(title="gone", completed=True), ann.add(title="restored")
    for task in (gone, restored):
        remove(ann, task["id"])
    assert titles(ann, call, deleted="true") == "gone restored"
    assert ann.post(f"/v1/tasks/{restored['id']}/restore").status_code == 200

    assert titles(ann, call, deleted="true") == "gone"
    assert titles(ann, call, deleted="false") == titles(ann, call) == "kept restored"
    assert titles(ann, call, deleted="true", completed="false") == ""
    assert titles(bob, call, deleted="true") == ""


@EITHER_LIST
def test_the_trash_shows_thirty_days(app: Flask, ann: Caller, call: Call) -> None:
    """A task that can no longer be restored is not shown."""
    for title, seconds in (("old", TRASH_SECONDS + 1), ("young", TRASH_SECONDS - 60)):
        task = ann.add(title=title)
        then = from_now(literal(-seconds))
        with app.app_context(), scope(ann.user_id):
            of_ann = update(tasks).where(tasks.c.user_id == ann.user_id, tasks.c.id == task["id"])
            assert execute(of_ann.values(deleted_at=then)) == 1

    assert (titles(ann, call, deleted="true"), titles(ann, call)) == ("young", "")


@pytest.mark.parametrize(
    "query",
    [{"tag": ["a", "b"]}, {"priority": ["high", "low"]}, {"tag": ["A", "b"], "q": "t", "priority": ["high"]}],
    ids=str,
)
def test_links_keep_all_values_of_a_repeated_filter(ann: Caller, query: dict[str, Any]) -> None:
    """So the next page of a bare array has the same filters."""
    for number in range(3):
        ann.add(title=f"t{number}", tags=["a", "b"], priority="high")
    ann.add(title="t3", tags=["a"], priority="none")

    assert titles(ann, LIST_BY_USER, limit=1, **query) == "t0 t1 t2"
