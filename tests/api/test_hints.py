"""Errors that lead to their fix name what was sent and what to send instead."""

import json

import pytest
from werkzeug.test import TestResponse

from tests.api.support.calls import CHANGE, CREATE, LIST, assert_problem
from tests.conftest import Caller, make_app, new_user_id

MERGE_PATCH = "application/merge-patch+json"


@pytest.fixture
def ann(sqlite_url: str) -> Caller:
    return Caller(make_app(sqlite_url, CORS_ORIGINS="capacitor://localhost", CORS_HEADERS="X-Trace"), new_user_id())


def preflight(caller: Caller, origin: str, headers: str) -> TestResponse:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": headers}
    return caller.call("OPTIONS", "/v1/tasks", headers=asked)


def test_an_etag_that_can_never_match_is_explained(ann: Caller) -> None:
    """A proxy's weak one, or one without quotation marks. A tag that is only old is not explained."""
    task = ann.add()
    details = {}
    for sent in ('W/"1"', "1", '"7"'):
        answer = CHANGE(ann, task["id"], headers={"If-Match": sent})
        assert_problem(answer, 412, "precondition_failed")
        details[sent] = answer.json["detail"]

    assert "without the W/" in details['W/"1"']
    assert "quotation marks" in details["1"]
    assert details['"7"'].startswith("Get the task again")
    assert ann.get(f"/v1/tasks/{task['id']}").json == task


def test_a_plus_that_became_a_space_is_explained(ann: Caller) -> None:
    """In a query; in a body a space is only a space."""
    in_query = LIST(ann, query_string="due_before=2026-03-14T00:00:00+01:00")
    encoded = LIST(ann, query_string="due_before=2026-03-14T00:00:00%2B01:00")

    assert_problem(in_query, 422, "validation_error", "due_before")
    assert "%2B" in in_query.json["errors"]["due_before"][0]
    assert encoded.status_code == 200


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_a_body_that_is_not_utf_8_is_explained(ann: Caller, encoding: str) -> None:
    """The error says how to send it."""
    body = json.dumps({"title": "Tée"}, ensure_ascii=False).encode(encoding)
    answer = CREATE(ann, data=body, content_type="application/json")

    assert_problem(answer, 400, "malformed_json")
    assert "UTF-8" in answer.json["detail"]


def test_patch_accepts_a_merge_patch(ann: Caller) -> None:
    """RFC 7396 has the same meaning as PATCH here. Other methods reject the type."""
    task = ann.add(details="green")
    body = json.dumps({"details": None})

    changed = CHANGE(ann, task["id"], data=body, content_type=MERGE_PATCH)

    assert (changed.status_code, changed.json["details"], changed.json["title"]) == (200, None, task["title"])
    assert CREATE(ann, data='{"title": "tea"}', content_type=MERGE_PATCH).status_code == 415


def test_a_patch_of_another_type_is_told_the_accepted_types(ann: Caller) -> None:
    """RFC 5789, section 2.2."""
    answer = CHANGE(ann, ann.add()["id"], data="{}", content_type="application/json-patch+json")

    assert_problem(answer, 415, "unsupported_media_type")
    assert answer.headers["Accept-Patch"] == f"application/json, {MERGE_PATCH}"


def test_an_app_in_a_web_view_may_call(ann: Caller) -> None:
    """If its own scheme is listed. Tracing headers are allowed."""
    headers = {"authorization", "traceparent", "baggage", "sentry-trace", "x-trace"}
    answer = preflight(ann, "capacitor://localhost", ", ".join(sorted(headers)))

    assert answer.headers["Access-Control-Allow-Origin"] == "capacitor://localhost"
    assert set(answer.headers["Access-Control-Allow-Headers"].split(", ")) >= headers
    assert "Access-Control-Allow-Origin" not in preflight(ann, "capacitor://other", "authorization").headers
