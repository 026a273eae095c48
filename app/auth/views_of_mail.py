"""/v1/auth/password and /v1/auth/email: what needs mails. Without a mail server, none of it exists."""

from typing import Any

from flask import Response, g

from app.auth import links, mails, queries, verification
from app.auth.identity import authenticated
from app.auth.mail_schemas import Forgotten, PasswordReset, Verification
from app.auth.problems import LinkInvalid, RateLimited, TokenRevoked
from app.auth.rate_limits import limit_client
from app.http.blueprint import Blueprint, raises
from app.http.problems import DatabaseUnavailable
from app.http.responses import empty_response
from app.services import services

blueprint = Blueprint(
    "mails", __name__, url_prefix="/v1/auth", description="Forgotten passwords, and verified addresses, by mail."
)
blueprint.before_request(limit_client)


@blueprint.post("/password/forgot")
@raises(RateLimited, DatabaseUnavailable)
@blueprint.arguments(Forgotten)
@blueprint.response(202)
def forget_password(forgotten: dict[str, str]) -> Response:
    """Ask for a mail with a link to reset a password.

    The response is the same whether or not the address has an account. An address gets at most 3 such mails an hour.
    """
    mails.request_reset(forgotten["email"])
    return empty_response(202)


@blueprint.post("/password/reset")
@raises(LinkInvalid, RateLimited, DatabaseUnavailable)
@blueprint.arguments(PasswordReset)
@blueprint.response(204)
def reset_password(reset: dict[str, str]) -> Response:
    """Set a new password with the token of a link, which works once, for 30 minutes.

    It ends all sessions and personal tokens, and verifies the address.
    """
    token = _live_token(reset["token"], links.RESET)
    new_hash = services().passwords.hash(reset["new_password"])
    services().revocations.add(verification.reset_password(token, new_hash))
    return empty_response()


@blueprint.post("/email/verify")
@raises(LinkInvalid, RateLimited, DatabaseUnavailable)
@blueprint.arguments(Verification)
@blueprint.response(204)
def verify_email(body: dict[str, str]) -> Response:
    """Verify an address with the token of a link, which works once, for 24 hours.

    If the address was to replace the account's, it does so now.
    """
    verification.verify_address(_live_token(body["token"], links.VERIFY))
    return empty_response()


@blueprint.post("/email/send")
@authenticated
@raises(RateLimited)
@blueprint.response(202)
def send_verification() -> Response:
    """Send the link that verifies the caller's address again, if it is not verified yet.

    An address gets at most 3 such mails an hour.
    """
    if g.identity.is_local:
        user = queries.find_user(g.identity.user_id)
        if user is None:
            raise TokenRevoked
        mails.request_verification(user)
    return empty_response(202)


def _live_token(text: str, purpose: str) -> Any:
    """Return the token of a link that works, or raise LinkInvalid: before a password is hashed."""
    token = links.LinkToken.parse(text)
    if token is None or token.purpose != purpose or links.find_link(token) is None:
        raise LinkInvalid
    return token
