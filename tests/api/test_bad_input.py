"""Random input, valid or not, never makes the service fail, and both engines give the same response."""

import gzip
import itertools
import json
import uuid
from io import BytesIO
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services import services_of
from tests.api.support.calls import (
    CHANGE,
    COMPLETE,
    CREATE,
    CREATE_BY_USER,
    LIST,
    LIST_BY_USER,
    ON_ONE_TASK,
    ON_ONE_TASK_BY_USER,
    REPLACE,
    REPLACE_BY_USER,
    Call,
    assert_problem,
)
from tests.api.test_bodies import LARGEST, MALFORMED, chunked
from tests.conftest import Caller, make_app, migrate, new_postgresql_url, new_user_id

PASSWORDS = {"password": "correct horse", "new_password": "battery staple"}
REFRESH = Call("POST", "/v1/auth/refresh", {"refresh_token": "x"})
CHANGE_ME, DELETE_ME = Call("PATCH", "/v1/auth/me", PASSWORDS), Call("DELETE", "/v1/auth/me", {"password": "x"})
SIGNING_IN = [
    Call("POST", "/v1/auth/register", {"email": "a@example.com", "password": "x"}),
    Call("POST", "/v1/auth/login", {"email": "a@example.com"}),
    REFRESH,
]
ON_ME = [CHANGE_ME, DELETE_ME]
ON_TASKS = [CREATE, REPLACE, CHANGE, CREATE_BY_USER, REPLACE_BY_USER, COMPLETE]
WITH_BODY = [*ON_TASKS, *SIGNING_IN, *ON_ME]
EVERY_CALL = [LIST, CREATE, LIST_BY_USER, CREATE_BY_USER, *ON_ONE_TASK, *ON_ONE_TASK_BY_USER]

FIELDS = ["title", "details", "description", "completed", "email", "password", "new_password", "name", "refresh_token"]
PARAMETERS = ["limit", "sort", "completed", "q", "cursor", "status"]
CONDITIONS = ["If-Match", "If-None-Match", "Idempotency-Key"]
HEADERS = [
    *("X-Request-ID", "Content-Type", "Content-Encoding", "Authorization", "Accept", "Host", "Origin", "Cookie"),
    *("Range", "Expect", "Forwarded", "X-Forwarded-For", "X-Forwarded-Prefix", "X-HTTP-Method-Override"),
]
SEGMENTS = [*("v1", "api", "tasks", "auth", "me", "sessions", "toggle", "complete", "docs", "assets"), "", ".", ".."]

some = settings(max_examples=40, deadline=None, database=None)
many = settings(some, max_examples=120)
some_text = st.text(max_size=20) | st.sampled_from(["\x00", "\ud800", "true", "7", "1_000", "é", "title", "x" * 300])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e300, 1e300) | some_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(some_text, inner, max_size=3),
    max_leaves=6,
)
json_bodies = json_values | st.dictionaries(st.sampled_from(FIELDS) | some_text, json_values, max_size=4)
bodies = json_bodies.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=30)
visible = st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")
header_values = st.text(visible, max_size=30) | st.sampled_from(['""', '"1"', 'W/"1"', '"1", "2"', "*", '"'])


class Twins:
    """The same user with one task on both engines, used until a request may have changed something."""

    def __init__(self, apps):
        self.apps, self._unchanged = apps, []

    def take(self):
        """Return each engine's caller and task."""
        users, self._unchanged = self._unchanged, []
        if not users:
            user_id = new_user_id()
            users = [(caller, caller.add()) for caller in (Caller(app, user_id) for app in self.apps)]
        return users

    def give_back(self, users):
        self._unchanged = users


@pytest.fixture(scope="module")
def twins(postgresql, tmp_path_factory):
    sqlite_url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'tasks.db'}"
    made = [make_app(url) for url in (migrate(sqlite_url), new_postgresql_url(postgresql))]
    yield Twins(made)
    for app in made:
        services_of(app).engine.dispose()


def told(answer):
    """Return a response without the values that the service chose: ids, times, cursors and tokens."""
    with answer:
        content = answer.json if answer.is_json and answer.data else None
        content = content if isinstance(content, dict) else {"items": content}
        kept = {name: content.get(name) for name in ("code", "detail", "errors", *FIELDS[:4])}
        titles = [task["title"] for task in content.get("items") or ()] if answer.status_code == 200 else None
        return answer.status_code, kept, titles


def ask_both(twins, call, **options):
    """Send one request of the same user about the same task to both engines, and check that it harmed nothing."""
    users, answers = twins.take(), []
    for ann, task in users:
        answer = told(call(ann, task["id"], **options))
        if answer[0] >= 400:
            assert ann.get("/v1/tasks").json["items"] == [task]
        answers.append(answer)
    on_sqlite, on_postgresql = answers
    assert on_sqlite == on_postgresql
    assert on_sqlite[0] < 500
    if on_sqlite[0] >= 400:
        twins.give_back(users)
    return on_sqlite


@many
@given(body=bodies, call=st.sampled_from(WITH_BODY))
def test_any_body_is_answered_alike(twins, body, call):
    """Random JSON, under known names and others, and random bytes."""
    if body or call not in (DELETE_ME, COMPLETE):
        ask_both(twins, call, data=body, content_type="application/json")


@many
@given(
    query=st.lists(st.tuples(st.sampled_from(PARAMETERS) | some_text, some_text), max_size=3),
    call=st.sampled_from([LIST, LIST_BY_USER]) | st.sampled_from(EVERY_CALL),
)
def test_any_query_is_answered_alike(twins, query, call):
    """Random values of known parameters, and random parameters."""
    ask_both(twins, call, query_string=urlencode(query, errors="surrogatepass"))


@some
@given(query=st.binary(max_size=20), call=st.sampled_from(EVERY_CALL))
def test_a_query_of_any_bytes_is_answered_alike(twins, call, query):
    """Also bytes that are not percent-encoded."""
    ask_both(twins, call, environ_overrides={"QUERY_STRING": query.decode("latin-1")})


@some
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]),
    segments=st.lists(st.sampled_from(SEGMENTS).map(str.encode) | st.binary(max_size=6), max_size=5),
    last=st.sampled_from([b"", str(uuid.uuid4()).encode(), b"%00", b"\xff"]),
)
def test_any_path_is_answered_alike(twins, method, segments, last):
    """Known path segments in any order, ids of nothing, and random bytes."""
    path = b"/".join([b"", *segments, last]).decode("latin-1")
    ask_both(twins, Call(method, "/"), environ_overrides={"PATH_INFO": path})


@some
@given(
    call=st.sampled_from(EVERY_CALL),
    headers=st.dictionaries(st.sampled_from(CONDITIONS) | st.sampled_from(HEADERS), header_values, max_size=3),
)
def test_any_header_is_answered_alike(twins, call, headers):
    """With any visible bytes as its value."""
    ask_both(twins, call, headers=headers)


@pytest.mark.one_engine
@pytest.mark.parametrize("call", [REFRESH, *ON_ME], ids=str)
def test_the_bodies_of_own_account_routes_are_read_strictly(ann, call):
    """A body that is not one JSON text is 400; a wrong shape, an unknown field or NUL is 422."""
    malformed = {name: body for name, body in MALFORMED.items() if body or call is not DELETE_ME}
    unfit = [[], "x", None, 7, True, {"nonsense": 1}, {**call.body, "Password": "x"}, dict.fromkeys(call.body, "\x00")]
    refused = {name: call(ann, data=body, content_type="application/json") for name, body in malformed.items()}
    misfits = [call(ann, data=json.dumps(body), content_type="application/json") for body in unfit]

    assert {name: answer.json["code"] for name, answer in refused.items()} == dict.fromkeys(malformed, "malformed_json")
    assert [answer.json["code"] for answer in misfits] == ["validation_error"] * len(unfit)


@pytest.mark.one_engine
@pytest.mark.parametrize("call", [REFRESH, *ON_ME], ids=str)
def test_the_bodies_of_own_account_routes_have_the_same_limits(ann, call):
    """For their size, however it is sent, for their end, and for their Content-Type."""
    body = json.dumps(call.body).encode()
    short = {"input_stream": BytesIO(body), "environ_overrides": {"CONTENT_LENGTH": "100"}}

    assert_problem(call(ann, data=body.ljust(LARGEST + 1), content_type="application/json"), 413, "payload_too_large")
    assert_problem(call(ann, **chunked(body.ljust(LARGEST + 1))), 413, "payload_too_large")
    assert_problem(call(ann, **short, content_type="application/json"), 400, "bad_request")
    assert_problem(call(ann, data=body, content_type="text/plain"), 415, "unsupported_media_type")


@pytest.mark.parametrize("field", ["title", "details", "description", "completed"])
def test_a_number_is_neither_a_string_nor_a_boolean(twins, field):
    """The error names the field, however large the number is."""
    numbers = ["9223372036854775808", "-9223372036854775809", "1" + "0" * 300, "1e308", "0.1", "-0"]
    calls = [call for call in ON_TASKS if call.path.startswith("/api") or field != "description"]
    for number, call in itertools.product(numbers, calls):
        body = f'{{"title": "tea", "{field}": {number}}}'.replace('"title": "tea", "title"', '"title"')
        status, content, _ = ask_both(twins, call, data=body, content_type="application/json")
        assert (status, content["code"]) == (422, "validation_error")
        assert field in content["errors"]


@pytest.mark.parametrize("call", ON_TASKS, ids=str)
@pytest.mark.parametrize(
    ("headers", "refused"),
    [({}, (400, "malformed_json")), ({"Content-Encoding": "gzip"}, (415, "unsupported_media_type"))],
    ids=["undeclared", "declared"],
)
def test_a_compressed_body_is_not_decompressed(twins, call, headers, refused):
    """So a small body cannot become a large one."""
    packed = gzip.compress(json.dumps(call.body).encode())
    status, content, _ = ask_both(twins, call, data=packed, content_type="application/json", headers=headers)

    assert (status, content["code"]) == refused


@pytest.mark.parametrize("call", [LIST, LIST_BY_USER], ids=str)
@pytest.mark.parametrize(
    ("query", "name"),
    [("\xff=1", None), ("n%00=1", "n\x00"), ("=1", ""), ("limit", "limit"), ("q", "q"), ("cursor=", "cursor"),
     ("q=" + "x" * 201, "q"), ("cursor=" + "x" * 2001, "cursor"), ("limit=7;sort=title", "limit"),
     ("limit=7&%6Cimit=7", "limit"), ("&".join(f"p{n}=1" for n in range(900)), "p899")],
    ids=lambda value: ascii(value)[:20],
)  # fmt: skip
def test_an_invalid_query_parameter_is_rejected_by_name(twins, call, query, name):
    """422, and no part of the query is used."""
    status, content, _ = ask_both(twins, call, environ_overrides={"QUERY_STRING": query})

    assert status in ((400, 422) if name is None else (422,))
    assert name is None or name in content["errors"]
