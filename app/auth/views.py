"""/v1/auth: the service's own accounts, and the caller, whichever issuer signed the token."""

from typing import Any

from flask import Response, g

from app.auth import mails, queries, rate_limits, sessions, verification
from app.auth.identity import authenticated, token_claims
from app.auth.problems import (
    EmailTaken,
    EmailUnverified,
    InvalidCredentials,
    RateLimited,
    TokenMalformed,
    TokenRevoked,
)
from app.auth.rate_limits import limit_client
from app.auth.schemas import (
    AccountDeletion,
    AccountPatch,
    Credentials,
    RefreshRequest,
    Registration,
    RegistrationResult,
    Session,
    SessionList,
    Tokens,
    User,
    read_profile,
)
from app.auth.tokens import RefreshToken, token_answer
from app.http.blueprint import Blueprint, raises
from app.http.problems import DatabaseUnavailable, NotFound, ValidationFailed
from app.http.responses import empty_response, json_response
from app.services import services

accounts = Blueprint(
    "accounts", __name__, url_prefix="/v1/auth", description="Register and sign in with the service's own accounts."
)
me = Blueprint("caller", __name__, url_prefix="/v1/auth", description="The caller, and the caller's sessions.")
for blueprint in (accounts, me):
    blueprint.before_request(limit_client)

SESSION_FIELDS = tuple(Session().fields)[:-1]


@accounts.post("/register")
@raises(EmailTaken, EmailUnverified, RateLimited, DatabaseUnavailable)
@accounts.arguments(Registration)
@accounts.response(201, RegistrationResult)
def register(registration: dict[str, Any]) -> Response:
    """Create an account and sign in.

    Where addresses must be verified first, the account is created and the response is 403 `email_unverified`.
    """
    password_hash = services().passwords.hash(registration["password"])
    account = registration["email"], password_hash, registration.get("name")
    if services().settings.require_verified_email:
        queries.add_unverified_account(*account)
        raise EmailUnverified
    user, refresh = queries.register(*account, services().settings.refresh_token_seconds)
    return _with_tokens(201, refresh, user=_user(user))


@accounts.post("/login")
@raises(InvalidCredentials, EmailUnverified, RateLimited, DatabaseUnavailable)
@accounts.arguments(Credentials)
@accounts.response(200, Tokens)
def login(credentials: dict[str, Any]) -> Response:
    """Sign in."""
    account = queries.find_user_by_email(credentials["email"])
    user = _require_password(account, credentials["email"], credentials["password"])
    if services().settings.require_verified_email and not user.email_verified_at:
        mails.request_verification(user)
        raise EmailUnverified
    refresh = sessions.start_session(user.id, services().settings.refresh_token_seconds, user.password_hash)
    if refresh is None:
        raise InvalidCredentials
    return _with_tokens(200, refresh)


@accounts.post("/refresh")
@raises(TokenMalformed, TokenRevoked, RateLimited, DatabaseUnavailable)
@accounts.arguments(RefreshRequest)
@accounts.response(200, Tokens)
def refresh_tokens(body: dict[str, str]) -> Response:
    """Exchange a refresh token for new tokens."""
    spent = RefreshToken.parse(body["refresh_token"])
    renewed = sessions.renew_session(spent, services().settings.refresh_token_seconds)
    if renewed is None:
        services().revocations.add(sessions.end_reused_session(spent))
        raise TokenRevoked
    return _with_tokens(200, renewed)


@me.post("/logout")
@authenticated
@raises(RateLimited)
@me.response(204)
def logout() -> Response:
    """End this token's session. For a user of another issuer, reject all tokens issued until now.

    Personal tokens stay.
    """
    user_id, session_id = g.identity.user_id, g.identity.session_id
    services().revocations.add(
        sessions.end_session(user_id, session_id) if session_id else queries.revoke_outside_tokens(g.identity)
    )
    return empty_response()


@me.get("/sessions")
@authenticated
@raises(RateLimited)
@me.response(200, SessionList)
def list_sessions() -> Response:
    """List the caller's sessions, newest first."""
    rows = sessions.list_sessions(g.identity.user_id)
    current = g.identity.session_id
    return json_response({"items": [{**_fields(SESSION_FIELDS, row), "current": row.id == current} for row in rows]})


@me.delete("/sessions/<id:session_id>")
@authenticated
@raises(NotFound, RateLimited)
@me.response(204)
def end_session(session_id: str) -> Response:
    """End one session."""
    ended = sessions.end_session(g.identity.user_id, session_id)
    if not ended:
        raise NotFound
    services().revocations.add(ended)
    return empty_response()


@me.delete("/sessions")
@authenticated
@raises(RateLimited)
@me.response(204)
def end_sessions() -> Response:
    """End all sessions, including this one, and all personal tokens.

    For a user of another issuer, reject all tokens issued until now.
    """
    services().revocations.add(queries.sign_out_everywhere(g.identity))
    return empty_response()


@me.get("/me")
@authenticated
@raises(RateLimited)
@me.response(200, User)
def get_me() -> Response:
    """Show the caller."""
    return json_response(_me())


@me.patch("/me")
@authenticated
@raises(InvalidCredentials, EmailTaken, RateLimited)
@me.arguments(AccountPatch)
@me.response(200, User)
def change_me(changes: dict[str, Any]) -> Response:
    """Change the caller's name, address or password. A new password ends the other sessions.

    Personal tokens stay, unless `end_tokens` is true. A new address is the `pending_email` until it is verified by the
    link that is sent to it. A service that sends no mail replaces the address at once.
    """
    if changes.get("reminder_mail"):
        _require_mail()
    if "password" in changes:
        user, new = _require_own_password(changes["password"]), changes.get("new_password")
        new_hash = None if new is None else services().passwords.hash(new)
        session_id, end_tokens = g.identity.session_id, changes.get("end_tokens", False)
        ended = verification.change_account(user, new_hash, changes.get("email"), session_id, end_tokens)
        services().revocations.add(ended)
    if "name" in changes:
        queries.name_user(g.identity, changes["name"])
    if "reminder_mail" in changes:
        queries.want_reminders(g.identity.user_id, changes["reminder_mail"])
    return json_response(_me())


@me.delete("/me")
@authenticated
@raises(InvalidCredentials, RateLimited)
@me.arguments(AccountDeletion, location="optional_json", required=False)
@me.response(204)
def delete_me(farewell: dict[str, str]) -> Response:
    """Delete the caller, with all tasks, sessions and personal tokens.

    An account of this service must give its password.
    """
    verified_hash = None
    if g.identity.is_local:
        verified_hash = _require_own_password(farewell.get("password")).password_hash
    elif farewell:
        raise ValidationFailed(errors={"password": ["This service does not store your password: leave it out."]})
    services().revocations.add(queries.delete_user(g.identity, verified_hash))
    return empty_response()


def _require_mail() -> None:
    """Raise ValidationFailed unless reminders can be sent to the caller."""
    if not g.identity.is_local:
        raise ValidationFailed(errors={"reminder_mail": ["This service does not know your address: leave it out."]})
    if not services().settings.sends_mail:
        raise ValidationFailed(errors={"reminder_mail": ["This service sends no mail: leave it out."]})


def _require_own_password(password: str | None) -> Any:
    """Return the caller's row if the password is right, or raise a problem."""
    if not g.identity.is_local:
        raise ValidationFailed(errors={"password": ["This service does not store your password: leave it out."]})
    if password is None:
        raise ValidationFailed(errors={"password": ["Missing data for required field."]})
    user = queries.find_user(g.identity.user_id)
    if user is None:
        raise TokenRevoked
    return _require_password(user, user.email, password)


def _require_password(user: Any, email: str, password: str) -> Any:
    """Return the user if the password is right; count each attempt as failed until it has succeeded."""
    rate_limits.count_failure(email)
    if not services().passwords.verify(user and user.password_hash, password):
        raise InvalidCredentials
    rate_limits.take_back_failure(email)
    if user.disabled_at:
        raise InvalidCredentials("This account is disabled. Ask the operator of the service to enable it.")
    if services().passwords.is_outdated(user.password_hash):
        return _renew_hash(user, password)
    return user


def _renew_hash(user: Any, password: str) -> Any:
    """Hash the same password again with the current parameters, and return the user's row afterwards."""
    new_hash = services().passwords.hash(password)
    if queries.replace_hash(user, new_hash):
        return user._replace(password_hash=new_hash)
    # Another sign-in renewed the hash first, or the password was changed.
    user = queries.find_user(user.id)
    if not services().passwords.verify(user and user.password_hash, password):
        raise InvalidCredentials
    return user


def _me() -> dict[str, Any]:
    """Return the caller as JSON. Another issuer's user has no row before the first write; an account always has one."""
    identity = g.identity
    row = queries.find_user(identity.user_id)
    if identity.is_local:
        if row is None:
            raise TokenRevoked
        return _user(row)
    claims = token_claims()
    profile = read_profile(claims)
    return {
        "id": identity.user_id,
        "email": profile.get("email"),
        "name": (row and row.name) or profile.get("name"),
        "created_at": row and row.created_at,
        "email_verified": "email" in profile and claims.get("email_verified") in (True, "true"),
        "pending_email": None,
        "reminder_mail": False,
    }


def _user(row: Any) -> dict[str, Any]:
    user = {name: getattr(row, name) for name in ("id", "email", "name", "created_at", "pending_email")}
    return {**user, "email_verified": row.email_verified_at is not None, "reminder_mail": bool(row.reminder_mail)}


def _fields(names: tuple[str, ...], row: Any) -> dict[str, Any]:
    return dict(zip(names, row, strict=False))


def _with_tokens(status: int, refresh: RefreshToken, **members: Any) -> Response:
    response = json_response(members | token_answer(refresh, services().settings), status)
    response.headers["Cache-Control"] = "no-store"
    return response
