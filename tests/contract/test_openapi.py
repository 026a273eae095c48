"""The OpenAPI document is complete, valid, committed as served, and true of real responses."""

import json
import re
from pathlib import Path

import pytest

from app.settings import PROJECT
from tests.api.support.calls import (
    BATCH,
    CHANGES,
    COMPLETE,
    CREATE,
    CREATE_BY_USER,
    LIST,
    LIST_BY_USER,
    ON_ONE_TASK,
    ON_ONE_TASK_BY_USER,
    RESTORE,
    Call,
)
from tests.conftest import MAIL_SETTINGS, Caller, make_app

pytestmark = pytest.mark.one_engine

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
METHODS = ("get", "post", "put", "patch", "delete")
UNDESCRIBED = re.compile(
    r"/docs(/.*)?|/openapi\.json|/mcp|/\.well-known/oauth-protected-resource(/mcp)?|/reset-password|/verify-email"
)
OPEN = {
    ("get", "/"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("post", "/v1/auth/register"),
    ("post", "/v1/auth/login"),
    ("post", "/v1/auth/refresh"),
    ("post", "/v1/auth/password/forgot"),
    ("post", "/v1/auth/password/reset"),
    ("post", "/v1/auth/email/verify"),
}
JSON_TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
    "null": type(None),
}


BODIES = (CREATE, CREATE_BY_USER, COMPLETE, BATCH)
ID = "0199b1f2-7c3e-7a41-9d5b-2f6c8e0a4b17"
REFUSED_OPERATIONS = [
    [],
    [{"op": "delete", "id": ID}],
    [{"op": "delete"}, {"op": "create", "task": {"title": ""}}],
    [{"op": "create", "task": {"title": "tea", "id": ID}}] * 2,
]


@pytest.fixture(scope="module")
def document():
    """Return the document of a service with every route."""
    answer = Caller(make_app("sqlite:////nowhere/tasks.db", **MAIL_SETTINGS)).get("/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    return answer.json


def operations(document):
    """Return every operation as (path, method, operation)."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def nodes(node):
    """Return every object in the document, without examples."""
    if isinstance(node, dict):
        yield node
        node = [inner for name, inner in node.items() if name not in ("example", "examples")]
    for inner in node if isinstance(node, list) else ():
        yield from nodes(inner)


def resolve(document, node):
    """Return the target of a reference, or the object itself."""
    while "$ref" in node:
        found = document
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def parameters(document, path, operation):
    found = (
        resolve(document, each)
        for each in document["paths"][path].get("parameters", []) + operation.get("parameters", [])
    )
    return {(each["in"], each["name"]): each for each in found}


def test_the_committed_document_is_up_to_date(document):
    """So that a change of the API is in its diff."""
    assert json.loads(COMMITTED.read_text()) == document


def test_two_apps_in_one_process_have_their_own_documents():
    """A route that one app omits stays in the other's."""
    whole = make_app("sqlite:////nowhere/tasks.db")
    make_app("sqlite:////nowhere/tasks.db", LOCAL_AUTH="off")
    answer = Caller(whole).get("/openapi.json")

    assert answer.status_code == 200
    assert "/v1/auth/login" in answer.json["paths"]


def test_every_route_is_documented(document):
    """And nothing else."""
    app = make_app("sqlite:////nowhere/tasks.db", **MAIL_SETTINGS)
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not UNDESCRIBED.fullmatch(rule.rule)
    }

    assert routes == {(method, path) for path, method, _ in operations(document)}


def test_the_document_is_valid_openapi_3_1(document):
    """It has the required fields, and ids are unique."""
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"].keys() >= {"title", "version"}
    assert all(path.startswith("/") for path in document["paths"])
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert {tag for _, _, operation in operations(document) for tag in operation["tags"]} <= {
        tag["name"] for tag in document["tags"]
    }


def test_every_reference_has_a_target(document):
    """In the document."""
    references = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}
    assert references
    assert all(resolve(document, {"$ref": reference}) for reference in references)


def test_schemas_use_only_json_schemas_keywords(document):
    """Of 2020-12: no `nullable`, no unknown type, and patterns compile."""
    for node in nodes(document):
        assert "nullable" not in node
        types = node.get("type", [])
        if isinstance(types, str | list):
            assert set([types] if isinstance(types, str) else types) <= {*JSON_TYPES, "http"}
        if isinstance(node.get("pattern"), str):
            assert re.compile(node["pattern"])


def test_every_operation_has_an_id_and_a_summary(document):
    """Of one sentence."""
    for path, method, operation in operations(document):
        assert re.fullmatch("[a-z_]+", operation["operationId"]), (method, path)
        assert re.fullmatch(r"[A-Z][^\n]+\.", operation["summary"]), (method, path)


def test_every_response_is_documented(document):
    """A success at least, each error by its status as problem+json, no `default`; each with its headers."""
    for path, method, operation in operations(document):
        responses = {status: resolve(document, response) for status, response in operation["responses"].items()}
        assert all(re.fullmatch(r"[2345]\d\d", status) for status in responses), (method, path)
        assert any(status.startswith("2") for status in responses), (method, path)
        for status, response in responses.items():
            assert response["description"]
            assert response["headers"].keys() >= {"X-Request-ID", "Cache-Control"}, (method, path, status)
            if status[0] in "45":
                assert set(response["content"]) == {"application/problem+json"}, (method, path, status)
        assert "content" not in responses.get("204", {}), (method, path)


def test_each_type_has_a_name(document):
    """Generators call a type after its component: an error by its status, and words that several fields share."""
    schemas = document["components"]["schemas"]
    for name, response in document["components"]["responses"].items():
        assert response["content"]["application/problem+json"]["schema"] == {"$ref": f"#/components/schemas/{name}"}
    shared = [[*node["enum"]] for node in nodes(document["components"]) if len(node.get("enum", [])) > 1]
    assert [words for words in shared if shared.count(words) > 1] == []
    mapping = schemas["BatchOperation"]["discriminator"]["mapping"]
    assert {word: resolve(document, {"$ref": mapping[word]})["properties"]["op"]["enum"] for word in mapping} == {
        word: [word] for word in mapping
    }


def test_every_parameter_is_documented(document):
    """Each name in a path as required, and each parameter with a schema."""
    for path, method, operation in operations(document):
        declared = parameters(document, path, operation)
        in_path = {name for place, name in declared if place == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), (method, path)
        for (place, name), parameter in declared.items():
            assert resolve(document, parameter["schema"]).get("type"), (method, path, name)
            assert parameter.get("required", False) or place != "path"


def test_exactly_the_operations_that_need_a_token_declare_it(document):
    """They also declare 401 and 503."""
    (scheme,) = document["components"]["securitySchemes"].items()
    assert scheme[0] == "bearer"
    assert scheme[1].items() >= {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}.items()
    for path, method, operation in operations(document):
        wanted = [] if (method, path) in OPEN else [{"bearer": []}]
        assert operation.get("security", document.get("security")) == wanted, (method, path)
        if wanted:
            assert {"401", "503"} <= operation["responses"].keys(), (method, path)


@pytest.mark.parametrize(
    "refuse",
    [
        *((call, {}) for call in (*ON_ONE_TASK, *ON_ONE_TASK_BY_USER, RESTORE)),
        *((call, {"query_string": "nonsense=1"}) for call in (CREATE, LIST, CREATE_BY_USER, LIST_BY_USER, CHANGES)),
        *((call, {"data": "{", "content_type": "application/json"}) for call in BODIES),
        *((call, {"data": "title=tea"}) for call in BODIES),
        *((BATCH, {"json": {"operations": operations}}) for operations in REFUSED_OPERATIONS),
        (CHANGES, {"query_string": "since=nonsense"}),
        *((call, {"data": b" " * 200_000, "content_type": "application/json"}) for call in (CREATE, COMPLETE)),
        *((call, {"user_id": "bob"}) for call in (CREATE_BY_USER, LIST_BY_USER, *ON_ONE_TASK_BY_USER)),
        *((call, {"headers": {"Authorization": ""}}) for call in (CREATE, LIST, *ON_ONE_TASK)),
    ],
    ids=lambda refuse: f"{refuse[0]} {str(refuse[1])[:40]}",
)
def test_an_error_matches_its_documentation(ann, document, refuse):
    """In status, media type, headers and body."""
    call, options = refuse

    assert_described(document, call, call(ann, **options))


@pytest.mark.both_engines
@pytest.mark.parametrize(
    "call",
    [CREATE, LIST, CREATE_BY_USER, LIST_BY_USER, *ON_ONE_TASK, *ON_ONE_TASK_BY_USER, BATCH, CHANGES, RESTORE,
     Call("GET", "/v1/auth/me"),
     Call("GET", "/"), Call("GET", "/healthz"), Call("GET", "/readyz")],
    ids=str,
)  # fmt: skip
def test_a_success_matches_its_documentation(ann, document, call):
    """In status, media type, headers and body."""
    task = ann.add(details="green")
    ann.add(completed=True)
    answer = call(ann, task["id"], **({"query_string": "limit=1"} if call in (LIST, LIST_BY_USER, CHANGES) else {}))

    assert 200 <= answer.status_code < 300
    assert_described(document, call, answer)


@pytest.mark.both_engines
def test_the_responses_of_accounts_match_their_documentation(anonymous, document):
    """Registering, signing in, and being rejected."""
    account = {"email": "openapi@example.com", "password": "correct horse"}
    for call in (
        Call("POST", "/v1/auth/register", account),
        Call("POST", "/v1/auth/register", account),
        Call("POST", "/v1/auth/login", account),
        Call("POST", "/v1/auth/login", account | {"password": "wrong horse"}),
    ):
        assert_described(document, call, call(anonymous))


def assert_described(document, call, answer):
    operation = document["paths"][call.path][call.method.lower()]
    assert str(answer.status_code) in operation["responses"], answer.text
    response = resolve(document, operation["responses"][str(answer.status_code)])
    usual = {"Content-Type", "Content-Length"}
    assert set(dict(answer.headers)) - usual <= set(response["headers"])
    if "content" in response:
        assert_fits(document, answer.json, response["content"][answer.mimetype]["schema"])
    else:
        assert answer.data == b""


def assert_fits(document, value, schema):
    """Check the part of JSON Schema that this document uses for its responses. Unknown members are errors."""
    schema = resolve(document, schema)
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    assert not types or any(isinstance(value, JSON_TYPES[name]) for name in types), (value, types)
    for part in schema.get("allOf", ()):
        assert_fits(document, value, part)
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value)
        assert schema.get("additionalProperties", True) or set(value) <= set(schema["properties"])
        for name in schema["properties"].keys() & value.keys():
            assert_fits(document, value[name], schema["properties"][name])
    for inner in value if isinstance(value, list) else ():
        assert_fits(document, inner, schema["items"])
    assert value in schema.get("enum", [value])
    assert value == schema.get("const", value)


def test_the_changelog_begins_with_this_version(document):
    """Its date is that of the release."""
    changelog = (PROJECT / "CHANGELOG.md").read_text()
    newest, *_ = re.findall(r"^## \[([0-9.]+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)

    assert newest == document["info"]["version"]
