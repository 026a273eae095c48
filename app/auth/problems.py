"""Why somebody is refused: one class for each reason."""

from typing import ClassVar

from app.http.problems import Problem


class TokenRefused(Problem):
    """The bearer token does not let anybody in (RFC 6750, section 3.1)."""

    status = 401
    error: ClassVar[str | None] = "invalid_token"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail)
        challenge = 'Bearer realm="tasks"'
        if self.error:
            challenge += f', error="{self.error}", error_description="{self.code}: {self.title}"'
        self.headers = {"WWW-Authenticate": challenge}


class TokenMissing(TokenRefused):
    """The request has no bearer token."""

    code, title = "token_missing", "A token is needed"
    detail = "Send the header Authorization: Bearer <token>."
    # RFC 6750: no error code where there was no attempt to authenticate.
    error = None


class TokenMalformed(TokenRefused):
    """The bearer token is not a JWT (RFC 7519), or is longer than 8 KiB."""

    code, title = "token_malformed", "The token is not a JWT"
    detail = (
        "Send a signed JWT of three parts. A session or refresh token is none: exchange it for an access token first."
    )


class TokenSignature(TokenRefused):
    """The signature does not belong to the token and any of the issuer's keys."""

    code, title = "token_signature", "The signature does not match"
    detail = "Sign in again. If every token is refused, the issuer and this service do not share the same key."


class TokenAlgorithm(TokenRefused):
    """No issuer that this service trusts signs with this token's algorithm."""

    code, title = "token_algorithm", "No trusted issuer signs like this"
    detail = "Check the token's alg header, and that the service is set up for the issuer that signed it."


class TokenExpired(TokenRefused):
    """The token's time is over."""

    code, title = "token_expired", "The token has expired"
    detail = "Get a new access token and send the request again."


class TokenNotYetValid(TokenRefused):
    """The token's time has not begun, or it was issued in the future."""

    code, title = "token_not_yet_valid", "The token is not valid yet"
    detail = "Wait until the token's nbf and iat have passed. If that is now, compare the issuer's clock."


class TokenIssuer(TokenRefused):
    """The token's `iss` is not the expected issuer."""

    code, title = "token_issuer", "The token is from another issuer"
    detail = "Use a token whose iss claim is the issuer that this service expects."


class TokenAudience(TokenRefused):
    """The token's `aud` does not name this service."""

    code, title = "token_audience", "The token is for somebody else"
    detail = "Use a token whose aud claim names this service."


class TokenClaim(TokenRefused):
    """A claim or a header is missing, or holds what it must not."""

    code, title = "token_claim", "A claim is missing or wrong"
    detail = "The token needs an exp that is a number and a usable user id (sub), and a typ of JWT or at+jwt, if any."


class TokenRevoked(TokenRefused):
    """The token was good, but its session or user is no more."""

    code, title = "token_revoked", "The token has been revoked"
    detail = "Sign in again."


class InvalidCredentials(Problem):
    """The address is unknown, or the password is wrong."""

    status, code, title = 401, "invalid_credentials", "Wrong e-mail address or password"
    detail = "Check both and try again."


class UserIdMismatch(Problem):
    """The path names another user than the token."""

    status, code, title = 403, "user_id_mismatch", "The path names another user"
    detail = "Use your own user id in the path: the one in the token."


class EmailTaken(Problem):
    """An account has this e-mail address already."""

    status, code, title = 409, "email_taken", "The address is taken"
    detail = "Sign in with this address, or register with another."


class RateLimited(Problem):
    """Too many attempts in too short a time."""

    status, code, title = 429, "rate_limited", "Too many attempts"
    detail = "Wait for as long as Retry-After says, then try again."

    def __init__(self, seconds: int) -> None:
        super().__init__(headers={"Retry-After": str(seconds)})


class KeysUnavailable(Problem):
    """The issuer's published keys could not be fetched, and none is known from before."""

    status, code, title = 503, "keys_unavailable", "The issuer's keys are unavailable"
    detail = "Try again after the time that Retry-After names. If it lasts, check AUTH_JWKS_URL."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": "5"})
