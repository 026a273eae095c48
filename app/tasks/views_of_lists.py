"""/v1/lists: the lists that tasks are in."""

import hashlib
from typing import Any

from flask import Response, g

from app.auth.identity import authenticated_for
from app.auth.tokens import TASKS_READ, TASKS_WRITE
from app.http.blueprint import Blueprint, raises, takes, the_request
from app.http.problems import LimitReached, NotFound
from app.http.responses import empty_response, json_response
from app.tasks import lists
from app.tasks.idempotency import idempotent
from app.tasks.list_schemas import DeletionQuery, List, ListMove, ListPatch, ListReplacement, Lists, NewList
from app.tasks.preconditions import Precondition, conditional
from app.tasks.problems import IdTaken
from app.tasks.responses import LIST

blueprint = Blueprint("lists", __name__, url_prefix="/v1/lists", description="The caller's lists of tasks.")


@blueprint.get("")
@authenticated_for(TASKS_READ)
@takes("If-None-Match", also=(304,))
@blueprint.response(200, Lists, headers=("ETag",))
def list_lists() -> Response:
    """Show all lists, in their order."""
    response = json_response({"items": [LIST.fields(row) for row in lists.list_lists(g.identity.user_id)]})
    # Digits, like the ETags of single ones.
    tag = str(int.from_bytes(hashlib.blake2b(response.get_data(), digest_size=8).digest()))
    if the_request().if_none_match.contains_weak(tag):
        response = empty_response(304)
    response.set_etag(tag)
    return response


@blueprint.post("")
@authenticated_for(TASKS_WRITE)
@raises(IdTaken, LimitReached)
@blueprint.arguments(NewList)
@idempotent
@blueprint.response(201, List, headers=("Location", "ETag", "Idempotent-Replay"))
def create_list(values: dict[str, Any]) -> Response:
    """Create a list, behind the others."""
    return LIST.created(lists.create_list(g.identity, values))


@blueprint.get("/<id:list_id>")
@authenticated_for(TASKS_READ)
@raises(NotFound)
@takes("If-None-Match", also=(304,))
@blueprint.response(200, List, headers=("ETag",))
def get_list(list_id: str) -> Response:
    """Show one list."""
    return LIST.respond_or_304(lists.get_list(g.identity.user_id, list_id))


@blueprint.put("/<id:list_id>")
@authenticated_for(TASKS_WRITE)
@conditional
@blueprint.arguments(ListReplacement)
@blueprint.response(200, List, headers=("ETag",))
def replace_list(values: dict[str, Any], list_id: str, precondition: Precondition) -> Response:
    """Replace one list. A color left out of the body is reset to null."""
    return LIST.respond(lists.change_list(g.identity.user_id, list_id, values, precondition))


@blueprint.patch("/<id:list_id>")
@authenticated_for(TASKS_WRITE)
@conditional
@blueprint.arguments(ListPatch)
@blueprint.response(200, List, headers=("ETag",))
def change_list(patch: dict[str, Any], list_id: str, precondition: Precondition) -> Response:
    """Change the given fields of one list."""
    return LIST.respond(lists.change_list(g.identity.user_id, list_id, patch, precondition))


@blueprint.post("/<id:list_id>/move")
@authenticated_for(TASKS_WRITE)
@conditional
@blueprint.arguments(ListMove)
@blueprint.response(200, List, headers=("ETag",))
def move_list(move: dict[str, Any], list_id: str, precondition: Precondition) -> Response:
    """Put one list next to another one, or at an end."""
    return LIST.respond(lists.move_list(g.identity.user_id, list_id, move, precondition))


@blueprint.delete("/<id:list_id>")
@authenticated_for(TASKS_WRITE)
@conditional
@blueprint.arguments(DeletionQuery, location="query")
@blueprint.response(204)
def delete_list(query: dict[str, Any], list_id: str, precondition: Precondition) -> Response:
    """Delete one list. Its tasks go to the trash, or to the inbox.

    If it is interrupted, call it again: it goes on.
    """
    lists.delete_list(g.identity.user_id, list_id, query["tasks"] == "keep", precondition)
    return empty_response()
