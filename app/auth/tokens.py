"""The service's own tokens: a short-lived signed access token, an opaque refresh token, and personal tokens."""

import hashlib
import re
import secrets
import string
import time
import uuid
import zlib
from dataclasses import dataclass, field, replace
from functools import cache

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

# What a personal token may do: see tasks and lists; also change them.
TASKS_READ, TASKS_WRITE = "tasks:read", "tasks:write"
SCOPES = (TASKS_READ, TASKS_WRITE)

# So that programs that look for leaked secrets find it, and a double click selects it.
PERSONAL_PREFIX = "tasks_pat_"
_BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PERSONAL = re.compile(f"{PERSONAL_PREFIX}([0-9A-Za-z]{{43}})([0-9A-Za-z]{{6}})")
PERSONAL_PATTERN = f"^{_PERSONAL.pattern}$"
PERSONAL_CHARACTERS = 59
SHOWN_CHARACTERS = 16


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


@dataclass(frozen=True, slots=True)
class PersonalToken:
    """A token for scripts: the prefix, 256 random bits, and a CRC-32 of them, which finds typing errors.

    Its id is made of its hash: that of an ended token, whose row is gone, is found among the revocations.
    """

    text: str = field(repr=False)

    @classmethod
    def new(cls) -> "PersonalToken":
        secret = _base_62(secrets.randbits(256), 43)
        return cls(f"{PERSONAL_PREFIX}{secret}{_checksum(secret)}")

    @classmethod
    def parse(cls, text: str) -> "PersonalToken":
        """Parse a token, or raise TokenMalformed."""
        match = _PERSONAL.fullmatch(text)
        if match is None or _checksum(match[1]) != match[2]:
            raise TokenMalformed("This personal token is mistyped or cut short. Copy it whole, or make a new one.")
        return cls(text)

    @property
    def id(self) -> str:
        return str(uuid.UUID(bytes=bytes.fromhex(self.hash)[:16], version=4))

    @property
    def hash(self) -> str:
        return _hash(self.text)

    @property
    def prefix(self) -> str:
        return self.text[:SHOWN_CHARACTERS]


@cache
def granted(scopes: str) -> frozenset[str]:
    """Return all that a token with these scopes, separated by spaces, may do: who may write may read."""
    named = scopes.split()
    return frozenset(SCOPES if TASKS_WRITE in named else named)


def _checksum(secret: str) -> str:
    return _base_62(zlib.crc32(secret.encode()), 6)


def _base_62(number: int, digits: int) -> str:
    written = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        written = _BASE_62[digit] + written
    return written


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
