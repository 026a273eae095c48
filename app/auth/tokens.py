"""The service's own tokens: a short-lived signed access token, and an opaque refresh token."""

import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field, replace

import jwt

from app.auth.problems import TokenMalformed
from app.settings import Settings

# Fixed, so that no other kind of token with the same secret is accepted as an access token (RFC 9068).
ISSUER = "tasks-api"
AUDIENCE = "tasks-api"
ACCESS_TOKEN_TYPE = "at+jwt"

REFRESH_TOKEN_CHARACTERS = 500
# The JSON Schema pattern of a JWT.
JWT_PATTERN = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_REFRESH = re.compile(rf"(usr_[0-9a-f]{{32}})~({_UUID})~([0-9]{{1,9}})~([A-Za-z0-9_-]{{22}})~([A-Za-z0-9_-]{{43}})")
REFRESH_PATTERN = f"^{_REFRESH.pattern}$"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token. It contains its user and session, besides the secret, so that it is looked up by user too.

    `generation` counts a session's tokens from 0; all except the newest are spent. `family` is the same in all of them.
    Only a client that has seen one can present a spent token, so no other client can end a session.
    """

    user_id: str
    session_id: str
    generation: int
    family: str = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def first(cls, user_id: str, session_id: str) -> "RefreshToken":
        return cls(user_id, session_id, 0, secrets.token_urlsafe(16), secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> "RefreshToken":
        """Parse a token, or raise TokenMalformed."""
        match = _REFRESH.fullmatch(text)
        if match is None:
            raise TokenMalformed("Send the refresh token exactly as it was given.")
        return cls(match[1], match[2], int(match[3]), match[4], match[5])

    def next(self) -> "RefreshToken":
        return replace(self, generation=self.generation + 1, secret=secrets.token_urlsafe(32))

    def __str__(self) -> str:
        return f"{self.user_id}~{self.session_id}~{self.generation}~{self.family}~{self.secret}"

    @property
    def family_hash(self) -> str:
        return _hash(self.family)

    @property
    def secret_hash(self) -> str:
        return _hash(self.secret)


def _hash(secret: str) -> str:
    """Return the stored hash. A secret has at least 128 random bits, so a fast hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token_answer(refresh: RefreshToken, settings: Settings) -> dict[str, str | int]:
    """Return both tokens, in the form of the API's response (RFC 6749, section 5.1)."""
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
