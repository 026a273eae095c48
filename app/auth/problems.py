"""The authentication errors: one class for each reason."""

from typing import ClassVar

from app.http.problems import Problem


class TokenRefused(Problem):
    """The bearer token is rejected (RFC 6750, section 3.1)."""

    status = 401
    error: ClassVar[str | None] = "invalid_token"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail)
        challenge = 'Bearer realm="tasks"'
        if self.error:
            _, _, reason = self.title.partition(": ")
            challenge += f', error="{self.error}", error_description="{self.code}: {reason}"'
        self.headers = {"WWW-Authenticate": challenge}


class TokenMissing(TokenRefused):
    """The request has no bearer token."""

    code, title = "token_missing", "Unauthorized: a token is needed"
    detail = "Send the header Authorization: Bearer <token>."
    # RFC 6750: no error code if the client did not try to authenticate.
    error = None


class TokenMalformed(TokenRefused):
    """The bearer token is neither a JWT (RFC 7519) of up to 8 KiB nor a personal token, or it is damaged."""

    code, title = "token_malformed", "Unauthorized: the token is malformed"
    detail = (
        "Send a signed JWT of three parts. A session or refresh token is not a JWT: exchange it for an access token."
    )


class TokenSignature(TokenRefused):
    """The signature does not match the token and any of the issuer's keys; or there is no such personal token."""

    code, title = "token_signature", "Unauthorized: the signature does not match"
    detail = "Sign in again. If every token is rejected, the issuer and this service use different keys."


class TokenAlgorithm(TokenRefused):
    """No issuer that this service trusts uses the token's algorithm."""

    code, title = "token_algorithm", "Unauthorized: no trusted issuer uses this algorithm"
    detail = "Check the token's alg header, and that the service is configured for the issuer that signed it."


class TokenExpired(TokenRefused):
    """The token has expired."""

    code, title = "token_expired", "Unauthorized: the token has expired"
    detail = "Get a new access token and send the request again."


class TokenNotYetValid(TokenRefused):
    """The token is not valid yet, or its issue time is in the future."""

    code, title = "token_not_yet_valid", "Unauthorized: the token is not valid yet"
    detail = "Wait until the times in nbf and iat. If they have passed, check the issuer's clock."


class TokenIssuer(TokenRefused):
    """The token's `iss` is not the expected issuer."""

    code, title = "token_issuer", "Unauthorized: the token is from another issuer"
    detail = "Use a token whose iss claim names the issuer that this service expects."


class TokenAudience(TokenRefused):
    """The token's `aud` does not name this service."""

    code, title = "token_audience", "Unauthorized: the token is for another service"
    detail = "Use a token whose aud claim names this service."


class TokenClaim(TokenRefused):
    """A claim or a header is missing, or its value is not allowed."""

    code, title = "token_claim", "Unauthorized: a claim is missing or wrong"
    detail = "The token needs a numeric exp and a valid user id (sub). A typ header must be JWT or at+jwt."


class TokenRevoked(TokenRefused):
    """The token is valid, but it or its session was ended, or its user was disabled or deleted."""

    code, title = "token_revoked", "Unauthorized: the token has been revoked"
    detail = "Get a new token. If that is rejected too, sign in again."


class InvalidCredentials(Problem):
    """The address is unknown, or the password is wrong."""

    status, code, title = 401, "invalid_credentials", "Unauthorized: wrong e-mail address or password"
    detail = "Check the address and the password, and try again."


class InsufficientScope(Problem):
    """The token's scopes do not allow this operation (RFC 6750, section 3.1)."""

    status, code, title = 403, "insufficient_scope", "The token's scopes do not allow this"
    detail = "Use a personal token with a scope that the operation needs, or a token from signing in."

    def __init__(self, scope: str | None) -> None:
        """Without a scope: no personal token may do this."""
        challenge = 'Bearer realm="tasks", error="insufficient_scope"'
        if scope:
            challenge += f', scope="{scope}"'
            detail = f"This needs the scope {scope}. Get a token that has it."
        else:
            detail = "A personal token cannot do this. Sign in, and use that token."
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class EmailUnverified(Problem):
    """The account's address is not verified yet, which this service requires for signing in."""

    status, code, title = 403, "email_unverified", "The address is not verified"
    detail = "Open the link in the mail that was sent to the address, then sign in."


class LinkInvalid(Problem):
    """The link of a mail is unknown, spent or expired, or a newer one was sent."""

    status, code, title = 400, "link_invalid", "The link does not work"
    detail = "Ask for a new mail, and use its link. Each works once, and the newest alone."


class UserIdMismatch(Problem):
    """The user id in the path is not the one in the token."""

    status, code, title = 403, "user_id_mismatch", "The path names another user"
    detail = "Use your own user id in the path, as in the token."


class EmailTaken(Problem):
    """An account with this e-mail address already exists."""

    status, code, title = 409, "email_taken", "The address is taken"
    detail = "Sign in with this address, or register with another one."


class RateLimited(Problem):
    """Too many attempts in too short a time, or too many requests of one user that wait for changes."""

    status, code, title = 429, "rate_limited", "Too many attempts"
    detail = "Wait for the seconds in Retry-After, then try again."

    def __init__(self, seconds: int, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(seconds)})


class KeysUnavailable(Problem):
    """The issuer's published keys could not be fetched, and no earlier copy is available."""

    status, code, title = 503, "keys_unavailable", "The issuer's keys are unavailable"
    detail = "Try again after the seconds in Retry-After. If it keeps failing, check AUTH_JWKS_URL or MCP_OAUTH_ISSUER."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": "5"})
