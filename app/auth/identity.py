"""Identify the caller: from the Authorization header to `g.identity`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Request, g, request

from app import database
from app.auth.claims import claims_of
from app.auth.explanations import UnverifiedToken, explain
from app.auth.problems import KeysUnavailable, TokenMalformed, TokenMissing, TokenRefused, UserIdMismatch
from app.http.blueprint import raises, the_request
from app.http.problems import DatabaseUnavailable
from app.http.requests import note_user
from app.services import Services, services

# RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1).
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)

LOCAL_USER_PREFIX = "usr_"


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller. Only this service's own accounts have a `session_id`; `issued_at` is the token's `iat`."""

    user_id: str
    session_id: str | None = None
    issued_at: float | None = None

    @property
    def is_local(self) -> bool:
        return self.user_id.startswith(LOCAL_USER_PREFIX)


def authenticated(view: Callable[..., Any]) -> Callable[..., Any]:
    """Run a view only for a verified caller, and only in the scope of that caller's rows.

    A user id in the path must be the caller's. This is checked after the token and before any query.
    """

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        shared, here, req = services(), g._get_current_object(), the_request()
        identity = here.identity = _verify(_bearer_token(req), shared)
        note_user(req, identity.user_id)
        revocations = shared.revocations
        if here.get("path_user_id", identity.user_id) != identity.user_id:
            # Also reject tokens already known to be revoked; this needs no query.
            revocations.refuse_known(identity)
            raise UserIdMismatch
        revocations.refuse_revoked(identity)
        with database.scope(identity.user_id):
            return view(*args, **kwargs)

    return raises(TokenRefused, KeysUnavailable, DatabaseUnavailable, needs_token=True)(wrapper)


def _verify(token: str, shared: Services) -> Identity:
    try:
        return shared.verifier.verify(token)
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
