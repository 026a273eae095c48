"""/mcp: one address for all messages of the Model Context Protocol. It is not in the API's description."""

from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Blueprint, Response, g

from app.auth.identity import authenticated_for_agents
from app.http.blueprint import the_request
from app.http.parsing import BATCH_BYTES, read_body, require_json
from app.http.responses import PlainResponse, empty_response
from app.mcp.methods import ENDPOINT
from app.mcp.problems import OriginRefused
from app.services import services

View = Callable[..., Response]

blueprint = Blueprint("mcp", __name__, url_prefix="/mcp")


def from_allowed_origin(view: View) -> View:
    """Refuse pages of other origins, so that a name which an attacker points to this machine opens nothing.

    The Host header is no proof, because it would have that name too.
    """

    @wraps(view)
    def wrapper() -> Response:
        origin, settings = the_request().headers.get("Origin"), services().settings
        if origin and origin not in (*settings.cors_origins, settings.public_url) and not _is_loopback(origin):
            raise OriginRefused
        return view()

    return wrapper


@blueprint.post("")
@from_allowed_origin
@authenticated_for_agents
def answer_message() -> Response:
    """Answer one message."""
    req = the_request()
    require_json(req)
    status, body = ENDPOINT.answer(read_body(req, BATCH_BYTES), req.headers, g.identity)
    return PlainResponse(body, status, content_type="application/json") if body else empty_response(status)


def _is_loopback(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
