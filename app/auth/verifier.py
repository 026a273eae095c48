"""From a token to an identity, or to the reason why not.

The token's header only picks one issuer from a fixed table; that issuer's own key and list of algorithms judge it
(RFC 8725, sections 3.1 and 3.8).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from flask import Flask
from jwt.utils import base64url_decode, base64url_encode

from app import strict_json
from app.auth import problems
from app.auth.identity import LOCAL_USER_PREFIX, Identity
from app.auth.tokens import ACCESS_TOKEN_TYPE, AUDIENCE, ISSUER
from app.settings import Settings

TOKEN_CHARACTERS = 8 * 1024
LEEWAY_SECONDS = 10
# The end of the year 9999: a later `exp` is no time.
LATEST_TIME = 253_402_300_799

_TYPES = ("jwt", ACCESS_TOKEN_TYPE)
_USER_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who may sign, with what, and what its tokens must say. A None is not compared."""

    algorithms: tuple[str, ...]
    keys: tuple[str, ...]
    issuer: str | None
    audience: str | None
    user_id_claim: str
    is_local: bool

    def user_id(self, claims: Mapping[str, Any]) -> str:
        """The user id of verified claims. Nobody outside can become a local account."""
        user_id = claims.get(self.user_id_claim)
        if not isinstance(user_id, str) or not _USER_ID.fullmatch(user_id) or not user_id.strip():
            raise problems.TokenClaim(
                f"The token's {self.user_id_claim} is no user id: 1 to 255 characters, not blank."
            )
        if user_id.startswith(LOCAL_USER_PREFIX) is not self.is_local:
            raise problems.TokenClaim(f"The token's {self.user_id_claim} is no user id of this issuer.")
        return user_id


class Verifier:
    """The table of issuers, made once from the settings."""

    def __init__(self, settings: Settings) -> None:
        self.local = Issuer(("HS256",), settings.auth_secrets, ISSUER, AUDIENCE, "sub", is_local=True)
        self.shared_secret = Issuer(
            ("HS256",),
            settings.better_auth_secrets,
            settings.auth_issuer,
            settings.auth_audience,
            settings.auth_user_id_claim,
            is_local=False,
        )
        self.local_auth = settings.local_auth

    def verify(self, token: str) -> Identity:
        """The identity that a token proves, or a TokenRefused that says why not."""
        issuer = self._issuer(_header(token))
        claims = _decode(token, issuer)
        user_id = issuer.user_id(claims)
        if issuer.is_local and not (isinstance(claims.get("sid"), str) and isinstance(claims.get("jti"), str)):
            raise problems.TokenClaim("The token names no session.")
        return Identity(user_id, claims["sid"] if issuer.is_local else None)

    def _issuer(self, header: Mapping[str, Any]) -> Issuer:
        if "crit" in header:
            # RFC 7515, section 4.1.11: an extension that must be understood, and is not.
            raise problems.TokenClaim("The token's header has crit, which this service does not know.")
        kind = header.get("typ", "JWT")
        kind = kind.lower().removeprefix("application/") if isinstance(kind, str) else None
        if kind not in _TYPES:
            raise problems.TokenClaim("The token's typ is neither JWT nor at+jwt.")
        if header.get("alg") == "HS256":
            if kind == ACCESS_TOKEN_TYPE and self.local_auth:
                return self.local
            if kind != ACCESS_TOKEN_TYPE and self.shared_secret.keys:
                return self.shared_secret
        raise problems.TokenAlgorithm


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions["verifier"] = Verifier(settings)


class _StrictJWT(jwt.PyJWT):
    """PyJWT, but the claims are strict JSON with unique names, and `exp` is a number."""

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        claims = _json_object(decoded["payload"])
        expires = claims.get("exp")
        if isinstance(expires, bool) or not isinstance(expires, int | float) or expires > LATEST_TIME:
            raise problems.TokenClaim("The token's exp is missing or not a number of seconds.")
        return claims


_jwt = _StrictJWT(options={"enforce_minimum_key_length": True})


def _header(token: str) -> dict[str, Any]:
    """The header of a token whose every part is base64url in its one canonical spelling.

    A second spelling of the same bytes would make one token out of two texts.
    """
    parts = token.split(".")
    if len(token) > TOKEN_CHARACTERS or len(parts) != 3:
        raise problems.TokenMalformed
    try:
        decoded = [base64url_decode(part) for part in parts]
        canonical = [base64url_encode(part).decode() for part in decoded] == parts
    except (ValueError, UnicodeEncodeError) as error:
        raise problems.TokenMalformed from error
    if not canonical:
        raise problems.TokenMalformed
    return _json_object(decoded[0])


def _json_object(text: bytes) -> dict[str, Any]:
    try:
        value = strict_json.loads(text)
    except strict_json.NotJson as error:
        raise problems.TokenMalformed from error
    if not isinstance(value, dict):
        raise problems.TokenMalformed
    return value


def _decode(token: str, issuer: Issuer) -> dict[str, Any]:
    """The claims under the first of the issuer's keys that fits."""
    refusal: problems.TokenRefused = problems.TokenSignature()
    for key in issuer.keys:
        try:
            return _decode_with(token, key, issuer)
        except problems.TokenSignature as error:
            refusal = error
    raise refusal


def _decode_with(token: str, key: str, issuer: Issuer) -> dict[str, Any]:
    try:
        return _jwt.decode(
            token,
            key,
            algorithms=list(issuer.algorithms),
            issuer=issuer.issuer,
            audience=issuer.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp"], "verify_aud": issuer.audience is not None, "verify_sub": False},
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
        raise {"iss": problems.TokenIssuer, "aud": problems.TokenAudience}.get(
            error.claim, problems.TokenClaim
        )() from error
    except jwt.DecodeError as error:
        # The parts were well-formed before: what is left is a claim of the wrong type.
        raise problems.TokenClaim from error
    except jwt.InvalidTokenError as error:
        raise problems.TokenClaim from error
