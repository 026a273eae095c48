"""Identify the caller: from the Authorization header to `g.identity`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from flask import Request, g, request

from app import database
from app.auth.claims import claims_of
from app.auth.explanations import UnverifiedToken, explain
from app.auth.problems import (
    InsufficientScope,
    KeysUnavailable,
    TokenMalformed,
    TokenMissing,
    TokenRefused,
    UserIdMismatch,
)
from app.auth.tokens import SCOPES, TASKS_READ
from app.http.blueprint import View, raises, the_request
from app.http.problems import DatabaseUnavailable
from app.http.requests import note_user
from app.services import Services, services

# RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1).
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)

LOCAL_USER_PREFIX = "usr_"
# RFC 9728, section 3.1: the path of the resource follows the well-known part.
RESOURCE_METADATA = "/.well-known/oauth-protected-resource/mcp"


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller.

    The `session_id` is the name by which the token is revoked: its session's, for an account of this service, or its
    own, for a personal token. `issued_at` is the token's `iat`. Personal tokens and those of MCP_OAUTH_ISSUER have
    `scopes`; others allow all.
    """

    user_id: str
    session_id: str | None = None
    issued_at: float | None = None
    scopes: frozenset[str] | None = None
    # A personal token's own.
    token_hash: str | None = None
    # Of MCP_OAUTH_ISSUER.
    only_at_mcp: bool = False

    @property
    def is_local(self) -> bool:
        return self.user_id.startswith(LOCAL_USER_PREFIX)


def authenticated(view: View) -> View:
    """Run a view only for a verified caller, and only in the scope of that caller's rows.

    A user id in the path must be the caller's. This is checked after the token and before any query. Personal tokens
    cannot call the view.
    """
    return _identified(view, None)


def authenticated_for(token_scope: str) -> Callable[[View], View]:
    """Do what `authenticated` does, but open the view to personal tokens with this scope too."""
    return partial(_identified, token_scope=token_scope)


def authenticated_for_agents(view: View) -> View:
    """Do what `authenticated_for(TASKS_READ)` does, and accept tokens of MCP_OAUTH_ISSUER: for POST /mcp alone.

    Where that issuer is set, a refusal names the metadata that leads a client to it (RFC 9728, section 5.1).
    """
    identified = _identified(view, TASKS_READ, at_mcp=True)

    @wraps(identified)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return identified(*args, **kwargs)
        except (TokenRefused, InsufficientScope) as problem:
            settings = services().settings
            if settings.mcp_oauth_issuer:
                scope = "" if isinstance(problem, InsufficientScope) else f', scope="{" ".join(SCOPES)}"'
                named = f', resource_metadata="{settings.public_url}{RESOURCE_METADATA}"'
                problem.headers["WWW-Authenticate"] += scope + named
            raise

    return wrapper


def require_scope(identity: Identity, token_scope: str | None) -> None:
    """Raise InsufficientScope if the token has scopes, but not this one; without one, if it has any."""
    if identity.scopes is not None and token_scope not in identity.scopes:
        raise InsufficientScope(token_scope)


def require_still_accepted() -> None:
    """Raise TokenRefused if the current request's token has expired or been revoked since the request began."""
    shared = services()
    _verify(_bearer_token(the_request()), shared, at_mcp=False)
    shared.revocations.refuse_revoked(g.identity)


def _identified(view: View, token_scope: str | None, at_mcp: bool = False) -> View:
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        shared, here, req = services(), g._get_current_object(), the_request()
        identity = here.identity = _verify(_bearer_token(req), shared, at_mcp)
        note_user(req, identity.user_id)
        revocations = shared.revocations
        if here.get("path_user_id", identity.user_id) != identity.user_id:
            # Also reject tokens already known to be revoked; this needs no query.
            revocations.refuse_known(identity)
            raise UserIdMismatch
        revocations.refuse_revoked(identity)
        if identity.scopes is not None:
            require_scope(identity, token_scope)
        if identity.token_hash is not None:
            shared.uses.note(identity)
        with database.scope(identity.user_id):
            return view(*args, **kwargs)

    problems = (TokenRefused, InsufficientScope, KeysUnavailable, DatabaseUnavailable)
    return raises(*problems, needs_token=True, token_scope=token_scope)(wrapper)


def _verify(token: str, shared: Services, at_mcp: bool) -> Identity:
    try:
        return shared.verifier.verify(token, at_mcp)
    except TokenRefused as problem:
        problem.reason, _ = explain(problem, UnverifiedToken.read(token, shared.settings, shared.verifier))
        raise


def token_claims() -> dict[str, Any]:
    """Return all claims of the token of an authenticated request; the remembered identity does not keep them."""
    return claims_of(_bearer_token(the_request()))


def take_user_from_path(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Move `user_id` from the path's values to `g`, for `authenticated` (a blueprint's `url_value_preprocessor`)."""
    if values:
        user_id = values.pop("user_id")
        # Werkzeug reads bytes that are not UTF-8 as U+FFFD, which could equal a user's id.
        is_exact = "\ufffd" not in user_id or _is_utf8(request.environ["PATH_INFO"])
        g.path_user_id = user_id if is_exact else None


def _is_utf8(path_info: str) -> bool:
    """Return whether a path is UTF-8; WSGI passes its bytes as Latin-1."""
    try:
        path_info.encode("latin-1").decode()
    except UnicodeDecodeError:
        return False
    return True


def _bearer_token(req: Request) -> str:
    header = req.environ.get("HTTP_AUTHORIZATION", "").strip(" ")
    if match := _BEARER.fullmatch(header):
        return match[1]
    if header.lower().startswith("bearer bearer"):
        raise TokenMalformed("The word Bearer stands twice in the Authorization header. Send it once.")
    if header.lower().startswith("bearer "):
        raise TokenMalformed
    raise TokenMissing
