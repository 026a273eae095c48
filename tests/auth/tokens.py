"""Tokens of all three kinds of issuers, valid or invalid in any way: nothing here checks what it signs."""

import functools
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.utils import base64url_decode, base64url_encode
from werkzeug.test import TestResponse

from app.auth.tokens import AUDIENCE, ISSUER
from tests.api.support.calls import problem_of
from tests.conftest import OWN_SECRET, SHARED_SECRET, new_user_id

KINDS = ("own", "shared", "published")
LIFETIME = 15 * 60


class LeftOut(Enum):
    """For a claim or header that is missing."""

    LEFT_OUT = "left out"

    def __repr__(self) -> str:
        return self.value


LEFT_OUT = LeftOut.LEFT_OUT

PRIVATE_KEYS: dict[str, Callable[[], Any]] = {
    "EdDSA": Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
}


@dataclass(frozen=True)
class Key:
    """An issuer's signing key, whose public half is published."""

    algorithm: str
    private: Any
    kid: str

    def jwk(self, **members: Any) -> dict[str, Any]:
        """Return the public key as Better Auth publishes it, with changed or added members."""
        jwk = json.loads(jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key()))
        return without_left_out({**jwk, "key_ops": LEFT_OUT, "alg": self.algorithm, "kid": self.kid, **members})

    def sign(self, claims: Any, **header: Any) -> str:
        """Return a token with a header like Better Auth's, without `typ`."""
        return compact({"alg": self.algorithm, "kid": self.kid, **header}, claims, self.private)


def new_key(algorithm: str = "EdDSA") -> Key:
    return Key(algorithm, PRIVATE_KEYS[algorithm](), secrets.token_hex(16))


@functools.cache
def key_of(algorithm: str) -> Key:
    """Return one key per algorithm for all tests, because making an RSA key is slow."""
    return new_key(algorithm)


def compact(header: Any, claims: Any, key: Any, algorithm: str | None = None) -> str:
    """Return a token of exactly this header and these claims (bytes stay unchanged), signed as its header says."""
    algorithm = algorithm or header["alg"]
    message = b".".join(base64url_encode(as_json(part)) for part in (header, claims))
    signer = jwt.get_algorithm_by_name(algorithm)
    signature = signer.sign(message, key.encode() if isinstance(key, str) else key)
    return f"{message.decode()}.{base64url_encode(signature).decode()}"


def as_json(part: Any) -> bytes:
    if isinstance(part, bytes):
        return part
    return json.dumps(without_left_out(part) if isinstance(part, dict) else part).encode()


def without_left_out(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not LEFT_OUT}


def claims_of(kind: str, origin: str, **changes: Any) -> dict[str, Any]:
    """Return an issuer's claims for a user, with changes."""
    now = int(time.time())
    claims = {"sub": new_user_id(), "iat": now, "exp": now + LIFETIME}
    if kind == "own":
        session = {"iss": ISSUER, "aud": AUDIENCE, "sid": new_user_id(), "jti": new_user_id()}
        claims |= session | {"sub": f"usr_{new_user_id()}"}
    elif kind == "published":
        claims |= {"iss": origin, "aud": origin}
    return without_left_out(claims | changes)


def signing_of(kind: str) -> tuple[dict[str, Any], Any]:
    """Return an issuer's header and key."""
    if kind == "published":
        key = key_of("EdDSA")
        return {"alg": key.algorithm, "kid": key.kid}, key.private
    return ({"alg": "HS256", "typ": "at+jwt"}, OWN_SECRET) if kind == "own" else ({"alg": "HS256"}, SHARED_SECRET)


def token_of(kind: str, origin: str, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return an issuer's token with changes to its header and claims."""
    own_header, key = signing_of(kind)
    return compact(own_header | (header or {}), claims_of(kind, origin, **changes), key, own_header["alg"])


def with_part(token: str, index: int, change: Callable[[bytes], bytes]) -> str:
    """Return the token with one of its three parts changed, and not signed again."""
    parts = token.split(".")
    parts[index] = base64url_encode(change(base64url_decode(parts[index]))).decode()
    return ".".join(parts)


def flip_bit(part: bytes, byte: int = -1) -> bytes:
    flipped = bytearray(part)
    flipped[byte] ^= 1
    return bytes(flipped)


def refusal_of(answer: TestResponse) -> Any:
    """Return the code of a 401 with the challenge of RFC 6750, section 3, otherwise the response."""
    status, code = problem_of(answer)
    challenge = answer.headers.get("WWW-Authenticate", "")
    if code == "token_missing":
        is_challenge = challenge == 'Bearer realm="tasks"'
    else:
        is_challenge = challenge.startswith('Bearer realm="tasks", error="invalid_token"') and code in challenge
    return code if status == 401 and is_challenge else (status, code, challenge)


def assert_refused(answer: TestResponse, code: str) -> None:
    """Assert that the response is a 401 with this code and its challenge."""
    assert refusal_of(answer) == code


def assert_all_refused(send: Callable[[str], TestResponse], tokens: dict[Any, str], code: str) -> None:
    """Assert that all tokens are rejected with this code; a failure lists those that are not."""
    assert tokens
    assert {name: refusal_of(send(token)) for name, token in tokens.items()} == dict.fromkeys(tokens, code)
