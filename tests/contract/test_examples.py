"""Every body in the OpenAPI document has a valid example that the service accepts."""

import json
from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator

from app.http.fields import EXAMPLE_ID
from app.http.problems import catalogue
from tests.auth.people import another_app
from tests.conftest import Caller

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
PROBLEMS = DOCUMENT["components"]["responses"]
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
}
JSON_REQUESTS = {
    name: operation["requestBody"]["content"]["application/json"]
    for name, (_, _, operation) in OPERATIONS.items()
    if "application/json" in operation.get("requestBody", {}).get("content", {})
}
# Examples that do not work one after the other: a token is made up, and Ann is already registered.
REFUSED = {"refresh_tokens": 401, "register": 409}


def bodies():
    """Return every body in the document: its place, its schema and its examples."""
    for name, (_, _, operation) in OPERATIONS.items():
        yield from bodies_in({"request": operation.get("requestBody", {}), **operation["responses"]}, name)
    yield from bodies_in(PROBLEMS)


def bodies_in(places, operation=""):
    for place, described in places.items():
        for body in described.get("content", {}).values():
            examples = [named["value"] for named in body.get("examples", {}).values()]
            yield f"{operation} {place}", body["schema"], examples or [body[key] for key in body if key == "example"]


def test_every_body_has_an_example():
    """Of each request, success and error."""
    assert [place for place, _, examples in bodies() if not examples] == []


def test_every_example_matches_its_schema():
    """Including patterns and formats."""
    for place, schema, examples in bodies():
        validator = Draft202012Validator(schema | {"components": DOCUMENT["components"]}, validate_formats=True)
        assert [str(error) for example in examples for error in validator.iter_errors(example)] == [], place


def test_every_error_has_an_example():
    """Under its code, at the response of its status, if an operation has it."""
    for problem in catalogue():
        for body in PROBLEMS.get(f"Problem{problem.status}", {"content": {}})["content"].values():
            example = body["examples"][problem.code]["value"]
            assert (example["status"], example["code"]) == (problem.status, problem.code)


@pytest.mark.parametrize("name", JSON_REQUESTS)
def test_the_service_accepts_a_requests_example(new_database, name):
    """The response has the members of its example."""
    method, path, operation = OPERATIONS[name]
    with another_app(new_database()) as app:
        signed_up = Caller(app).post("/v1/auth/register", json=JSON_REQUESTS["register"]["example"])
        assert signed_up.status_code == 201, signed_up.text
        ann = Caller(app, signed_up.json["user"]["id"], signed_up.json["access_token"])
        assert ann.add(id=EXAMPLE_ID)["id"] == EXAMPLE_ID
        answer = ann.call(
            method, path.format(user_id=ann.user_id, task_id=EXAMPLE_ID), json=JSON_REQUESTS[name]["example"]
        )

    success = next(status for status in operation["responses"] if status.startswith("2"))
    assert answer.status_code == REFUSED.get(name, int(success)), answer.text
    if name not in REFUSED and answer.data:
        shown = operation["responses"][success]["content"]["application/json"]["example"]
        assert answer.json.keys() == shown.keys()
