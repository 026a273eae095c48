"""The service's own tokens: a short-lived signed one for access, an opaque one to renew it."""

import hashlib
import secrets
import time
from dataclasses import dataclass

import jwt

from app.settings import Settings

# Fixed, so that a token of any other kind under the same secret is never taken for an access token (RFC 9068).
ISSUER = "tasks-api"
AUDIENCE = "tasks-api"
ACCESS_TOKEN_TYPE = "at+jwt"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Names its user and session beside its secret, so that it is looked up by user too."""

    user_id: str
    session_id: str
    secret: str

    @classmethod
    def new(cls, user_id: str, session_id: str) -> "RefreshToken":
        return cls(user_id, session_id, secrets.token_urlsafe(32))

    def __str__(self) -> str:
        return f"{self.user_id}~{self.session_id}~{self.secret}"

    @property
    def secret_hash(self) -> str:
        """What is stored. The secret has 256 random bits, so a fast hash is enough."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def token_answer(refresh: RefreshToken, settings: Settings) -> dict[str, str | int]:
    """Both tokens, as the API answers with them (RFC 6749, section 5.1)."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": refresh.user_id,
        "sid": refresh.session_id,
        "jti": secrets.token_urlsafe(12),
        "iat": now,
        "exp": now + settings.access_token_seconds,
    }
    return {
        "access_token": jwt.encode(claims, settings.auth_secrets[0], "HS256", headers={"typ": ACCESS_TOKEN_TYPE}),
        "token_type": "Bearer",
        "expires_in": settings.access_token_seconds,
        "refresh_token": str(refresh),
        "refresh_expires_in": settings.refresh_token_seconds,
    }
