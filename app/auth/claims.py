"""Read tokens with PyJWT, plus the checks of RFC 7519 and RFC 8725 that PyJWT omits."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from jwt.algorithms import OKPAlgorithm
from jwt.utils import base64url_decode, base64url_encode

from app.auth import problems
from app.http import strict_json

TOKEN_CHARACTERS = 8 * 1024
LEEWAY_SECONDS = 10
PARTS_OF_AN_ENCRYPTED_TOKEN = 5
# The end of the year 9999: later values are not times.
LATEST_TIME = 253_402_300_799

USER_ID_CHARACTERS = 255
# The same rule as a JSON Schema pattern: JSON has no lone surrogates.
USER_ID_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+$"

_USER_ID = re.compile(rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{USER_ID_CHARACTERS}}}")


def read_header(token: str) -> dict[str, Any]:
    """Return a token's header; every part must be base64url in its one canonical spelling.

    Otherwise a second spelling of the same bytes would make a second text for the same token.
    """
    parts = token.split(".")
    if len(token) > TOKEN_CHARACTERS or len(parts) != 3:
        raise problems.TokenMalformed(_common_mistake(token, len(parts)))
    try:
        decoded = [base64url_decode(part) for part in parts]
        canonical = [base64url_encode(part).decode() for part in decoded] == parts
    except (ValueError, UnicodeEncodeError) as error:
        raise problems.TokenMalformed(_common_mistake(token, len(parts))) from error
    if not canonical:
        raise problems.TokenMalformed(_common_mistake(token, len(parts)))
    return _json_object(decoded[0])


def _common_mistake(token: str, parts: int) -> str | None:
    if token.lower() in ("undefined", "null", "none", "[object"):
        return f"The client sent the word {token} instead of a token: let it wait until it has one."
    if token[:1] in ('"', "'"):
        return "The token is in quotation marks. Send it without them."
    if parts == PARTS_OF_AN_ENCRYPTED_TOKEN:
        return "The token is encrypted (JWE, five parts). Have the issuer sign a JWT, of three parts, instead."
    return None


def read_claims(
    token: str, keys: Sequence[Any], algorithm: str, issuer: str | None, audience: str | None
) -> dict[str, Any]:
    """Return the claims of a token signed with one of the keys. An issuer or audience of None is not compared."""
    for key in keys:
        try:
            return _read_with(token, key, algorithm, issuer, audience)
        except problems.TokenSignature:
            continue
    raise problems.TokenSignature


def claims_of(verified_token: str) -> dict[str, Any]:
    """Return all claims of a token that was verified before."""
    return _json_object(base64url_decode(verified_token.split(".")[1]))


def read_user_id(claims: Mapping[str, Any], name: str) -> str:
    """Return the user id in a claim: opaque, 1 to 255 characters, not blank, no control characters or surrogates."""
    user_id = claims.get(name)
    if user_id is None:
        raise problems.TokenClaim(f"The token has no {name}, which is the user's id.")
    if not isinstance(user_id, str) or not _USER_ID.fullmatch(user_id) or not user_id.strip():
        raise problems.TokenClaim(f"The token's {name} is not a user id: 1 to 255 characters, not blank.")
    return user_id


class _StrictJWT(jwt.PyJWT):
    """PyJWT, but claims must be strict JSON with unique names, and times must be numbers."""

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        claims = _json_object(decoded["payload"])
        for name in ("exp", "nbf", "iat"):
            value = claims.get(name, 0)
            if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LATEST_TIME:
                raise problems.TokenClaim(f"The token's {name} is not a number of seconds.")
        return claims


_jwt = _StrictJWT(options={"enforce_minimum_key_length": True})
for _name in ("Ed25519", "Ed448"):
    # RFC 9864 names what EdDSA is with each curve. Which curve it is, the key decides.
    _jwt._jws.register_algorithm(_name, OKPAlgorithm())


def _json_object(text: bytes) -> dict[str, Any]:
    try:
        value = strict_json.loads(text)
    except strict_json.NotJson as error:
        raise problems.TokenMalformed from error
    if not isinstance(value, dict):
        raise problems.TokenMalformed
    return value


def _read_with(token: str, key: Any, algorithm: str, issuer: str | None, audience: str | None) -> dict[str, Any]:
    try:
        return _jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp"], "verify_aud": audience is not None, "verify_sub": False, "verify_jti": False},
        )
    except jwt.InvalidSignatureError as error:
        raise problems.TokenSignature from error
    except jwt.InvalidAlgorithmError as error:
        raise problems.TokenAlgorithm from error
    except jwt.ExpiredSignatureError as error:
        raise problems.TokenExpired from error
    except jwt.ImmatureSignatureError as error:
        raise problems.TokenNotYetValid from error
    except jwt.InvalidIssuerError as error:
        raise problems.TokenIssuer from error
    except jwt.InvalidAudienceError as error:
        raise problems.TokenAudience from error
    except jwt.MissingRequiredClaimError as error:
        missing = {"iss": problems.TokenIssuer, "aud": problems.TokenAudience}
        raise missing.get(error.claim, problems.TokenClaim)() from error
    except jwt.InvalidTokenError as error:
        # The parts are well-formed, so the only error left is a claim or a header of the wrong type.
        raise problems.TokenClaim from error
