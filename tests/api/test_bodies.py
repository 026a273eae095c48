"""A request body is one JSON text of the right size and type, otherwise an error says why not."""

import gzip
import json
from io import BytesIO

import pytest

from tests.api.support.calls import (
    BATCH,
    CHANGE,
    CHANGES,
    COMPLETE,
    CREATE,
    CREATE_BY_USER,
    LIST,
    LIST_BY_USER,
    ON_ONE_TASK,
    ON_ONE_TASK_BY_USER,
    REPLACE,
    REPLACE_BY_USER,
    RESTORE,
    Call,
    assert_problem,
    problem_of,
)

pytestmark = pytest.mark.one_engine

REGISTER = Call("POST", "/v1/auth/register", {"email": "ann@example.com", "password": "correct horse"})
LOGIN = Call("POST", "/v1/auth/login", {"email": "ann@example.com", "password": "correct horse"})
ON_TASKS = [CREATE, REPLACE, CHANGE, CREATE_BY_USER, REPLACE_BY_USER, COMPLETE]
EVERY_BODY = pytest.mark.parametrize("call", [*ON_TASKS, BATCH, REGISTER, LOGIN], ids=str)
EVERY_TASK_BODY = pytest.mark.parametrize("call", [*ON_TASKS, BATCH], ids=str)
ON_ONE = [*ON_ONE_TASK, *ON_ONE_TASK_BY_USER, RESTORE]
WITHOUT_BODY = [call for call in (LIST, LIST_BY_USER, CHANGES, *ON_ONE) if call.body is None]
EVERY_UNREAD_BODY = pytest.mark.parametrize(
    "call", [*WITHOUT_BODY, Call("GET", "/healthz"), Call("GET", "/v1/auth/me")], ids=str
)

LARGEST, LARGEST_BATCH = 128 * 1024, 1024 * 1024

MALFORMED = {
    "empty": b"",
    "blank": b" \n",
    "cut": b'{"title": "tea"',
    "cut in a text": b'{"title": "te',
    "trailing text": b'{"title": "tea"} x',
    "two texts": b'{"title": "tea"}{"title": "tea"}',
    "trailing comma": b'{"title": "tea",}',
    "comment": b'{"title": "tea"} // x',
    "single quotes": b"{'title': 'tea'}",
    "duplicate key": b'{"title": "tea", "title": "coffee"}',
    "duplicate key, escaped": b'{"title": "tea", "t\\u0069tle": "coffee"}',
    "duplicate key, nested": b'{"title": "tea", "details": {"a": 1, "a": 1}}',
    "NaN": b'{"title": NaN}',
    "Infinity": b'{"title": Infinity}',
    "minus Infinity": b'{"title": -Infinity}',
    "1e400": b'{"title": 1e400}',
    "leading zero": b'{"title": 07}',
    "lone surrogate": b'{"title": "\\ud800"}',
    "lone low surrogate": b'{"title": "\\udc00x"}',
    "lone surrogate in a key": b'{"title": "tea", "\\ud800": 1}',
    "encoded surrogate": b'{"title": "\xed\xa0\x80"}',
    "overlong": b'{"title": "\xc1\xa1"}',
    "Latin-1": '{"title": "Äpfel"}'.encode("latin-1"),
    "BOM": b'\xef\xbb\xbf{"title": "tea"}',
    "UTF-16": '{"title": "tea"}'.encode("utf-16"),
    "UTF-16 without BOM": '{"title": "tea"}'.encode("utf-16-le"),
    "UTF-32": '{"title": "tea"}'.encode("utf-32"),
    "control character": b'{"title": "a\nb"}',
    "NUL": b'{"title": "a\x00b"}',
    "10,000 levels of arrays": b'{"title": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "10,000 levels of objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "5,000 digits": b'{"title": ' + b"7" * 5_000 + b"}",
    "5,000 digits, negative": b'{"title": -' + b"7" * 5_000 + b"}",
    "form": b"title=tea",
}
NO_OBJECTS = ["[]", '[{"title": "tea"}]', '"tea"', "null", "7", "true", "0.5", "[" * 100 + "]" * 100]
UNKNOWN = ["nonsense", "json", "query", "", "a.b", "Title", "__proto__", "名前", "x" * 1000]
NOT_JSON = [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
NOT_JSON += ["json", "application/problem+json", "application/vnd.api+json", "text/json"]
MISFIT, UNSUPPORTED = (422, "validation_error"), (415, "unsupported_media_type")


@EVERY_BODY
def test_a_body_that_is_not_one_json_text_is_malformed(ann, call):
    """400 in each case, and nothing is written."""
    task = ann.add()
    bodies = {name: body for name, body in MALFORMED.items() if body or call is not COMPLETE}
    answers = {name: call(ann, task["id"], data=body, content_type="application/json") for name, body in bodies.items()}

    assert {name: problem_of(answers[name]) for name in bodies} == dict.fromkeys(bodies, (400, "malformed_json"))
    assert ann.get("/v1/tasks").json["items"] == [task]


@pytest.mark.both_engines
def test_complete_without_a_body_toggles(ann):
    """An empty body is valid there, with any Content-Type."""
    assert COMPLETE(ann, ann.add()["id"], data=b"", content_type="application/json").status_code == 200


@EVERY_BODY
def test_json_that_is_not_an_object_is_422(ann, call):
    """It parses, so it is not 400."""
    task = ann.add()
    answers = {body: call(ann, task["id"], data=body, content_type="application/json") for body in NO_OBJECTS}

    assert {body: problem_of(answers[body]) for body in NO_OBJECTS} == dict.fromkeys(NO_OBJECTS, MISFIT)
    assert ann.get("/v1/tasks").json["items"] == [task]


@EVERY_BODY
def test_an_unknown_field_is_rejected_by_name(ann, call):
    """For any name."""
    task_id = ann.add()["id"]
    answers = {name: call(ann, task_id, json={**call.body, name: "x"}) for name in UNKNOWN}

    assert {name: problem_of(answers[name]) for name in UNKNOWN} == dict.fromkeys(UNKNOWN, MISFIT)
    assert {name: name in answers[name].json["errors"] for name in UNKNOWN} == dict.fromkeys(UNKNOWN, True)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        *((call, "title") for call in ON_TASKS[:5]),
        *((call, "details") for call in (CREATE, REPLACE, CHANGE)),
        *((call, "description") for call in (CREATE_BY_USER, REPLACE_BY_USER)),
        *((REGISTER, field) for field in ("email", "password", "name")),
        *((LOGIN, field) for field in ("email", "password")),
    ],
    ids=str,
)
def test_nul_characters_are_rejected(ann, call, field):
    """422 in every text field, never 500."""
    task_id, texts = ann.add()["id"], ["\x00", "password\x00", "a\x00b@example.com"]
    answers = {text: call(ann, task_id, json={**call.body, field: text}) for text in texts}

    assert {text: problem_of(answers[text]) for text in texts} == dict.fromkeys(texts, MISFIT)
    assert {text: field in answers[text].json["errors"] for text in texts} == dict.fromkeys(texts, True)


@EVERY_BODY
def test_a_body_that_is_not_declared_as_json_is_rejected(ann, call):
    """415 for any content."""
    task_id, body = ann.add()["id"], json.dumps(call.body)
    answers = {declared: call(ann, task_id, data=body, content_type=declared) for declared in NOT_JSON}

    assert {declared: problem_of(answers[declared]) for declared in NOT_JSON} == dict.fromkeys(NOT_JSON, UNSUPPORTED)


@pytest.mark.both_engines
@EVERY_TASK_BODY
@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;x=y"]
)
def test_the_json_media_type_may_have_parameters_and_any_case(ann, call, content_type):
    """Comparison ignores both (RFC 9110, section 8.3.1)."""
    answer = call(ann, ann.add()["id"], data=json.dumps(call.body), content_type=content_type)

    assert answer.status_code == success(call)


@pytest.mark.both_engines
@EVERY_TASK_BODY
def test_a_body_of_the_maximum_size_is_accepted(ann, call):
    """128 KiB, or 1 MiB for a batch, announced or chunked."""
    body = json.dumps(call.body).encode().ljust(largest(call))
    announced = call(ann, ann.add()["id"], data=body, content_type="application/json")
    chunks = call(ann, ann.add()["id"], **chunked(body))

    assert (announced.status_code, chunks.status_code) == (success(call), success(call))


@EVERY_BODY
def test_a_larger_body_is_rejected_however_it_is_sent(ann, call):
    """413, announced or chunked, and nothing is written."""
    task = ann.add()
    body = json.dumps(call.body).encode().ljust(largest(call) + 1)

    assert_problem(call(ann, task["id"], data=body, content_type="application/json"), 413, "payload_too_large")
    assert_problem(call(ann, task["id"], **chunked(body)), 413, "payload_too_large")
    assert_problem(call(ann, task["id"], **chunked(body * 9)), 413, "payload_too_large")
    assert ann.get("/v1/tasks").json["items"] == [task]


@EVERY_BODY
@pytest.mark.parametrize("sent", [b"", b'{"title": "tea"', b'{"title": "tea"}'])
def test_a_body_shorter_than_announced_is_400(ann, call, sent):
    """Even if the part that arrived is valid JSON."""
    task = ann.add()
    short = {"input_stream": BytesIO(sent), "environ_overrides": {"CONTENT_LENGTH": "100"}}

    assert_problem(call(ann, task["id"], content_type="application/json", **short), 400, "bad_request")
    assert ann.get("/v1/tasks").json["items"] == [task]


@EVERY_UNREAD_BODY
def test_an_unused_body_has_the_same_maximum_size(ann, call):
    """A larger one is 413, announced or chunked, before anything is done. A smaller one is ignored."""
    task = ann.add()

    for options in ({"data": b" " * (LARGEST + 1)}, chunked(b" " * (LARGEST + 1)), chunked(b" " * LARGEST * 9)):
        assert_problem(call(ann, task["id"], **options), 413, "payload_too_large")
    assert ann.get("/v1/tasks").json["items"] == [task]


@EVERY_UNREAD_BODY
@pytest.mark.parametrize("sent", [b"", b"{}"])
def test_an_unused_body_must_be_complete(ann, call, sent):
    """A request that is cut short may differ from what was meant: 400, and nothing is done."""
    task = ann.add()
    short = {"input_stream": BytesIO(sent), "environ_overrides": {"CONTENT_LENGTH": "100"}}

    assert_problem(call(ann, task["id"], **short), 400, "bad_request")
    assert ann.get("/v1/tasks").json["items"] == [task]


@EVERY_BODY
@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["compressed", "as it is"])
def test_a_compressed_body_is_rejected(ann, call, pack):
    """415, whether or not the body matches the header, and nothing is written."""
    task, codings = ann.add(), ["gzip", "deflate", "gzip, identity", "nonsense"]
    packed = {"data": pack(json.dumps(call.body).encode()), "content_type": "application/json"}
    answers = {coding: call(ann, task["id"], **packed, headers={"Content-Encoding": coding}) for coding in codings}

    assert {coding: problem_of(answers[coding]) for coding in codings} == dict.fromkeys(codings, UNSUPPORTED)
    assert ann.get("/v1/tasks").json["items"] == [task]


@pytest.mark.both_engines
def test_the_longest_details_fit_into_a_body_in_their_longest_encoding(ann):
    """10,000 characters of two escapes each are within the limit."""
    answer = ann.post(
        "/v1/tasks", data=json.dumps({"title": "tea", "details": "🍵" * 10_000}), content_type="application/json"
    )

    assert (answer.status_code, answer.json["details"]) == (201, "🍵" * 10_000)


def success(call):
    return 201 if call in (CREATE, CREATE_BY_USER) else 200


def largest(call):
    return LARGEST_BATCH if call is BATCH else LARGEST


def chunked(body):
    """Return options that send a body without a length, as gunicorn passes on a chunked one."""
    return {
        "input_stream": BytesIO(body),
        "content_type": "application/json",
        "headers": {"Transfer-Encoding": "chunked"},
        "environ_overrides": {"wsgi.input_terminated": True},
    }
