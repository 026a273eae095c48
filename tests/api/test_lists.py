"""Lists of /v1/tasks: filters, and strict queries."""

import random
from urllib.parse import unquote_to_bytes

import pytest

from tests.api.support.calls import LIST, LIST_BY_USER, assert_problem, page, problem_of

EITHER_LIST = pytest.mark.parametrize("call", [LIST, LIST_BY_USER], ids=str)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"completed": "true"}, {"done tea"}),
        ({"completed": "false"}, {"tea", "coffee"}),
        ({"q": "tea"}, {"tea", "done tea", "coffee"}),
        ({"q": "TEA", "completed": "true"}, {"done tea"}),
        ({"q": "rather than"}, {"coffee"}),
        ({"q": "nothing like it"}, set()),
    ],
    ids=["completed", "open", "part", "both", "details", "none"],
)
@EITHER_LIST
def test_filters_combine(ann, call, query, wanted):
    """Each narrows the list. `q` searches titles and details."""
    ann.add(title="tea")
    ann.add(title="done tea", completed=True)
    ann.add(title="coffee", details="rather than tea")
    answer = call(ann, query_string=query)

    assert answer.status_code == 200
    tasks = answer.json["items"] if call is LIST else answer.json
    assert {task["title"] for task in tasks} == wanted


@pytest.mark.parametrize(
    "part", ["%", "_", "\\", "%%", "\\%", "a_b", "'", '"', "[a]", "*", "?", "$1", "%(q)s", ":q", "  "]
)
def test_a_search_has_no_special_characters(ann, part):
    """Each character matches only itself."""
    found = {ann.add(title=f"x{part}x")["id"], ann.add(details=part)["id"]}
    ann.add(title="axb", details="nothing 100 special")

    assert {task["id"] for task in page(ann, q=part)[0]} == found


@pytest.mark.parametrize("field", ["title", "details"])
@pytest.mark.parametrize(
    "pair", ["tea TEA", "Äpfel äPFEL", "ÿ Ÿ", "čaj ČAJ", "ύδωρ ΎΔΩΡ", "οδός ΟΔΌΣ", "чай ЧАЙ", "թեյ ԹԵՅ", "𐐨 𐐀"]
)
def test_a_search_ignores_case_in_every_alphabet(ann, field, pair):
    """In both directions. The Greek final sigma is a sigma."""
    one, other = pair.split()
    written = {ann.add(**{field: f"x {one} x"})["id"], ann.add(**{field: f"x {other} x"})["id"]}

    assert {task["id"] for task in page(ann, q=one)[0]} == written
    assert {task["id"] for task in page(ann, q=other)[0]} == written


@pytest.mark.parametrize(("call", "most"), [(LIST, 200), (LIST_BY_USER, 1000)], ids=str)
def test_the_smallest_and_largest_limits_are_accepted(ann, call, most):
    """The range includes its bounds."""
    assert call(ann, query_string={"limit": 1}).status_code == 200
    assert call(ann, query_string={"limit": most}).status_code == 200
    assert_problem(call(ann, query_string={"limit": most + 1}), 422, "validation_error", "limit")


LIMITS = [
    "0",
    "-1",
    "1_000",
    "%2B5",
    "+5",
    "%207",
    "7%20",
    "7%0A",
    "٧",
    "7.0",
    "1e1",
    "",
    "9" * 30,
    "0x7",
    "7%00",
    "null",
]
TRUTHS = ["yes", "1", "True", "TRUE", "", "null", "true%00"]
ORDERS = ["id", "--title", "Title", "", "details", "user_id", "title,id", "-", "title%00"]
TWICE = ["limit=7&limit=7", "q=a&q=a", "q=a&q=b", "sort=title&sort=title", "completed=true&completed=false"]


NO_UTF_8 = ["%ED%A0%80", "%ed%b0%80", "%FF", "%C3", "%C0%AF", "%F4%90%80%80", "%e2%82", "\xff", "\xed\xa0\x80"]
NO_UTF_8 += ["%c3\xbc", "\xc3%bc"]


@pytest.mark.one_engine
@EITHER_LIST
@pytest.mark.parametrize("parameter", ["q={}", "{}=1"])
def test_a_query_that_is_not_utf_8_is_a_bad_request(ann, call, parameter):
    """Surrogates, overlong forms and cut characters, percent-encoded, raw or in part."""
    queries = [parameter.format(text) for text in NO_UTF_8]
    answers = {query: call(ann, environ_overrides={"QUERY_STRING": query}) for query in queries}

    assert {query: problem_of(answers[query]) for query in queries} == dict.fromkeys(queries, (400, "bad_request"))


@EITHER_LIST
@pytest.mark.parametrize("text", ["%C3%BC", "\xc3\xbc", "%F0%9F%8D%B5"], ids=ascii)
def test_a_query_that_is_utf_8_is_read(ann, call, text):
    """Percent-encoded, as it must be, or raw."""
    ann.add(title=unquote_to_bytes(text.encode("latin-1")).decode())
    ann.add(title="other")
    answer = call(ann, environ_overrides={"QUERY_STRING": f"q={text}"})

    assert answer.status_code == 200
    assert len(answer.json if call is LIST_BY_USER else answer.json["items"]) == 1


UNKNOWN = ["nonsense=1", "Limit=7", "limit[]=7", "status=all", "user_id=ann", "offset=7", "json=1", "query=1"]


MISFITS = [f"limit={value}" for value in LIMITS] + [f"completed={value}" for value in TRUTHS]
MISFITS += [f"sort={value}" for value in ORDERS] + ["q=%00", "q=a%00b", *TWICE, *UNKNOWN]


@pytest.mark.one_engine
def test_an_invalid_query_is_rejected(ann):
    """Unknown and repeated parameters, other spellings of numbers and words, and NUL. The error names the parameter."""
    answers = {query: LIST(ann, query_string=query) for query in MISFITS}

    refused = (422, "validation_error")
    assert {query: problem_of(answers[query]) for query in MISFITS} == dict.fromkeys(MISFITS, refused)
    assert [query for query in MISFITS if query.partition("=")[0] not in answers[query].json["errors"]] == []


def test_any_search_is_answered(ann):
    """No text makes a search fail."""
    ann.add(title="tea", details="green")
    letters = random.Random(7)
    for _ in range(50):
        text = "".join(chr(letters.choice([*range(1, 0x3000), *range(0xE000, 0xFFFF)])) for _ in range(9))
        assert page(ann, q=text) == ([], None)
