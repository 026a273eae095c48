"""Examples for the API's description, put together from those that the fields give of themselves."""

from typing import Any

from marshmallow import fields, missing
from marshmallow.validate import OneOf

from app.fields import EXAMPLE_ID
from app.problems import ERRORS_PAGE, Problem, ValidationFailed


def example_of(schema: Any) -> Any:
    """A body that fits a schema, or `{"type": "array", "items": schema}`; None where neither is given."""
    if schema is None or isinstance(schema, dict):
        return [example_of(schema["items"])] if schema and "items" in schema else None
    declared = (schema() if isinstance(schema, type) else schema).fields
    examples = {name: _example_of_field(field) for name, field in declared.items()}
    return {name: example for name, example in examples.items() if example is not missing}


def example_of_problem(problem: type[Problem]) -> dict[str, Any]:
    """The body of an error."""
    body = {
        "type": f"{ERRORS_PAGE}#{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": EXAMPLE_ID,
    }
    if problem is ValidationFailed:
        body["errors"] = {"title": ["Missing data for required field."]}
    return body


def _example_of_field(field: Any) -> Any:
    """Its own; else what its type says; else nothing."""
    match field:
        case fields.Field(metadata={"example": example}):
            return example
        case fields.Nested():
            return example_of(field.schema)
        case fields.List():
            return [_example_of_field(field.inner)]
        case fields.Boolean():
            return False
        case fields.Field(validate=OneOf(choices=[first, *_])):
            return first
    return missing
