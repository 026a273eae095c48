"""/v1/auth/tokens: the caller's personal tokens. None of them can call these operations."""

from typing import Any

from flask import Response, g

from app.auth import personal_tokens, queries
from app.auth.identity import authenticated
from app.auth.personal_token_schemas import MadePersonalToken, NewPersonalToken, PersonalTokenList
from app.auth.problems import RateLimited
from app.auth.rate_limits import limit_client
from app.auth.tokens import SCOPES
from app.database.statements import Row
from app.http.blueprint import Blueprint, raises
from app.http.problems import LimitReached, NotFound
from app.http.responses import empty_response, json_response
from app.services import services

blueprint = Blueprint(
    "personal_tokens",
    __name__,
    url_prefix="/v1/auth/tokens",
    description="The caller's personal tokens, for scripts and agents.",
)
blueprint.before_request(limit_client)


@blueprint.post("")
@authenticated
@raises(LimitReached, RateLimited)
@blueprint.arguments(NewPersonalToken)
@blueprint.response(201, MadePersonalToken)
def make_personal_token(wanted: dict[str, Any]) -> Response:
    """Make a personal token.

    The token itself is shown only this once.
    """
    scopes = [scope for scope in SCOPES if scope in wanted["scopes"]]
    row, token = queries.make_personal_token(g.identity, wanted["name"], scopes, wanted["expires_in_days"])
    response = json_response({**_fields(row), "token": token.text}, 201)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("")
@authenticated
@raises(RateLimited)
@blueprint.response(200, PersonalTokenList)
def list_personal_tokens() -> Response:
    """List the caller's personal tokens, newest first.

    Expired ones are listed for 30 days more.
    """
    return json_response({"items": [_fields(row) for row in personal_tokens.list_tokens(g.identity.user_id)]})


@blueprint.delete("/<id:pat_id>")
@authenticated
@raises(NotFound, RateLimited)
@blueprint.response(204)
def end_personal_token(pat_id: str) -> Response:
    """End one personal token: it is rejected from now on."""
    ended = personal_tokens.end_token(g.identity.user_id, pat_id)
    if not ended:
        raise NotFound
    services().revocations.add(ended)
    return empty_response()


def _fields(row: Row) -> dict[str, Any]:
    return {**row._asdict(), "scopes": row.scopes.split()}
