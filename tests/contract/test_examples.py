"""Every body in the OpenAPI document has a valid example that the service accepts."""

import json
from io import BytesIO
from pathlib import Path

from jsonschema_rs import Draft202012Validator

from app.http.fields import EXAMPLE_ID
from app.http.problems import catalogue
from tests.auth.people import another_app
from tests.conftest import MAIL_SETTINGS, Caller

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
# What no example can name: a refresh token, a session's id, a personal token's, and a link's token.
REFUSED = {
    "reset_password": 400,
    "verify_email": 400,
    "refresh_tokens": 401,
    "end_session": 404,
    "end_personal_token": 404,
}
# There is no such host, so there is no webhook.
REFUSED |= {
    "create_webhook": 422,
    "change_webhook": 422,
    "list_deliveries": 404,
    "retry_delivery": 404,
    "rotate_secret": 404,
}
REFUSED |= {f"{name}_webhook": 404 for name in ("get", "delete", "ping")}
# What takes away what others need: a task until the next one restores it, a session, the account.
LATER = ["delete_list", "delete_task", "restore_task", "delete_task_of_user", "logout", "end_sessions", "delete_me"]
FAR_AHEAD = "2050"


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


def test_the_examples_in_their_order_are_one_story(new_database):
    """A reader who begins with an empty account can execute one operation after the other, as the page shows them.

    Only what takes away comes later. Each answer has the members that its example has.
    """
    names = [name for name in OPERATIONS if name != "register"]
    with another_app(new_database(), **MAIL_SETTINGS) as app:
        signed_up = Caller(app).post("/v1/auth/register", json=JSON_REQUESTS["register"]["example"])
        assert signed_up.status_code == 201, signed_up.text
        ann = Caller(app, signed_up.json["user"]["id"], signed_up.json["access_token"])
        for name in sorted(names, key=lambda name: LATER.index(name) if name in LATER else -1):
            assert_as_shown(name, execute(ann, name))
            if name in ("logout", "end_sessions"):
                password = JSON_REQUESTS["delete_me"]["example"]["password"]
                signed_in = Caller(app).post("/v1/auth/login", json={"email": "ann@example.com", "password": password})
                assert signed_in.status_code == 200, signed_in.text
                ann = Caller(app, ann.user_id, signed_in.json["access_token"])


def assert_as_shown(name, answer):
    responses = OPERATIONS[name][2]["responses"]
    success = next(status for status in responses if status.startswith("2"))
    assert answer.status_code == REFUSED.get(name, int(success)), (name, answer.text)
    example = responses[success].get("content", {}).get("application/json", {}).get("example")
    if name not in REFUSED and isinstance(example, dict):
        # The total and lists are there only where they are asked for.
        assert answer.json.keys() == example.keys() - ({"total", "lists"} - answer.json.keys()), name


def execute(ann, name):
    """What /docs sends where its reader fills in nothing but the user's own id."""
    method, path, operation = OPERATIONS[name]
    query = {
        parameter["name"]: parameter["schema"]["example"]
        for parameter in operation.get("parameters", ())
        if parameter.get("in") == "query" and "example" in parameter["schema"]
    }
    ids = ("task_id", "list_id", "session_id", "pat_id", "webhook_id", "delivery_id")
    named = dict.fromkeys(ids, EXAMPLE_ID)
    body = {}
    for media_type, described in [*operation.get("requestBody", {}).get("content", {}).items()][:1]:
        example = described["example"]
        body = {"data": json.dumps(example), "content_type": media_type}
        if media_type == "multipart/form-data":
            body["data"] = {field: (BytesIO(text.encode()), "tasks.jsonl") for field, text in example.items()}
    return ann.call(method, path.format(**named, user_id=ann.user_id), query_string=query, **body)


def test_the_batchs_answer_is_the_one_that_is_shown(ann):
    """Its three operations need no task that is there before."""
    answer = execute(ann, "run_batch")

    shown = OPERATIONS["run_batch"][2]["responses"]["200"]["content"]["application/json"]["example"]
    assert (answer.status_code, answer.json) == (200, shown)


def test_no_example_is_overdue():
    """Of a request, so that a new task is not at once among those."""
    dues = [value for body in JSON_REQUESTS.values() for value in named("due_on", body["example"]) if value]

    assert len(dues) > 5
    assert [due for due in dues if due < FAR_AHEAD] == []


def named(name, value):
    """All values under a name, however deep."""
    if isinstance(value, dict):
        yield from (inner for key, inner in value.items() if key == name)
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from named(name, inner)
