"""Turn a token into an identity, or raise the reason why it is rejected.

The token's header only picks one issuer from a fixed table; that issuer's own keys and list of algorithms judge it
(RFC 8725, sections 3.1 and 3.8). Two issuers may have the same keys: of these, `iss` and `aud` pick one.
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from app.auth import problems
from app.auth.agent_tokens import is_for, read_scopes, refuse_robots_and_bound_tokens
from app.auth.claims import LEEWAY_SECONDS, TOKEN_CHARACTERS, claims_of, read_claims, read_header, read_user_id
from app.auth.identity import LOCAL_USER_PREFIX, Identity
from app.auth.issuer_metadata import fetch_keys
from app.auth.jwks import ALGORITHMS, KeySet, download
from app.auth.personal_tokens import find_token
from app.auth.tokens import ACCESS_TOKEN_TYPE, AUDIENCE, ISSUER, PERSONAL_PREFIX, PersonalToken, granted
from app.services import services
from app.settings import ANY, MAX_ACCESS_TOKEN_SECONDS, Settings

# Each remembered token takes about half a kilobyte.
REMEMBERED_TOKENS = 10_000

Header = Mapping[str, Any]
Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer's keys and the values that its tokens must have. None is not compared."""

    # The setting that enables it.
    setting: str
    algorithms: Collection[str]
    keys: Callable[[str, str | None], Sequence[Any]]
    issuer: str | None
    audience: str | None
    audience_claim: str
    user_id_claim: str
    # The maximum lifetime of its tokens in seconds. Revocations are remembered for the same time.
    longest_life: int
    is_local: bool = False
    # Its tokens open POST /mcp alone.
    only_at_mcp: bool = False

    def judges(self, algorithm: object, kind: str) -> bool:
        """Return whether this issuer judges tokens with this `alg` and `typ`. No two issuers share both."""
        if algorithm == "HS256" and self.is_local is not (kind == ACCESS_TOKEN_TYPE):
            return False
        return algorithm in self.algorithms

    def signs_as(self, claims: Claims, other: "Issuer") -> bool:
        """Return whether a token with these claims is this issuer's. If the other has the same `iss`, `aud` decides."""
        if claims.get("iss") != self.issuer:
            return False
        return other.issuer not in (None, self.issuer) or is_for(claims, self.audience)

    def identify(self, token: str, header: Header) -> tuple[Identity, float]:
        """Read the user and the expiry time from a verified token."""
        kid = header.get("kid")
        if not isinstance(kid, str | None):
            raise problems.TokenMalformed
        algorithm = header["alg"]
        audience = self.audience if self.audience_claim == "aud" else None
        claims = read_claims(token, self.keys(algorithm, kid), algorithm, self.issuer, audience)
        if self.audience is not None and audience is None and claims.get(self.audience_claim) != self.audience:
            raise problems.TokenAudience
        # Always required: without `sub` it is another kind of token under the same secret.
        read_user_id(claims, "sub")
        user_id = read_user_id(claims, self.user_id_claim)
        if user_id.startswith(LOCAL_USER_PREFIX) is not self.is_local:
            # Another issuer's token must not become a local account.
            raise problems.TokenClaim(f"The token's {self.user_id_claim} is not a user id of this issuer.")
        if claims["exp"] - claims.get("iat", time.time()) > self.longest_life:
            raise problems.TokenClaim(
                f"The token lives too long: at most {self.longest_life} seconds from its iat, or from now, to its exp."
            )
        session_id = _session_id(claims) if self.is_local else None
        scopes = None
        if self.only_at_mcp:
            refuse_robots_and_bound_tokens(claims)
            scopes = read_scopes(claims)
        return Identity(user_id, session_id, claims.get("iat"), scopes, only_at_mcp=self.only_at_mcp), claims["exp"]


class Verifier:
    """The issuers, made once from the settings, and recently verified tokens."""

    def __init__(self, settings: Settings) -> None:
        self._verified: dict[bytes, tuple[Identity, float]] = {}
        self._remembering = threading.Lock()
        self._key_set: KeySet | None = None
        self._issuers: list[Issuer] = []
        self._agents: Issuer | None = None
        issuer, audience = settings.auth_issuer, settings.auth_audience
        outside = settings.auth_audience_claim, settings.auth_user_id_claim, settings.auth_max_token_seconds
        if settings.local_auth:
            own = ISSUER, AUDIENCE, "aud", "sub", MAX_ACCESS_TOKEN_SECONDS
            keys = _secrets(settings.auth_secrets)
            self._issuers.append(Issuer("AUTH_SECRET", ["HS256"], keys, *own, is_local=True))
        if settings.better_auth_secrets:
            keys = _secrets(settings.better_auth_secrets)
            self._issuers.append(
                Issuer("BETTER_AUTH_SECRET", ["HS256"], keys, _compared(issuer), _compared(audience), *outside)
            )
        if settings.auth_jwks_url:
            # Better Auth's default values.
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(settings.auth_jwks_url))
            self._key_set = KeySet("AUTH_JWKS_URL", partial(download, settings.auth_jwks_url), self._forget)
            issuer, audience = _compared(issuer or origin), _compared(audience or origin)
            self._issuers.append(Issuer("AUTH_JWKS_URL", ALGORITHMS, self._key_set.find, issuer, audience, *outside))
        if settings.mcp_oauth_issuer:
            self._agents = self._agents_of(settings.mcp_oauth_issuer, settings)
            self._issuers.append(self._agents)

    def _agents_of(self, issuer: str, settings: Settings) -> Issuer:
        """Return the issuer of tokens for POST /mcp. It has the keys of AUTH_JWKS_URL, else those it names itself."""
        if self._key_set is None:
            self._key_set = KeySet("MCP_OAUTH_ISSUER", partial(fetch_keys, issuer), self._forget)
        compared = issuer, settings.mcp_url, "aud", settings.auth_user_id_claim, settings.auth_max_token_seconds
        return Issuer("MCP_OAUTH_ISSUER", ALGORITHMS, self._key_set.find, *compared, only_at_mcp=True)

    def start(self) -> None:
        """In a new process, start to fetch the keys that the first token may need."""
        if self._key_set:
            self._key_set.start()

    def verify(self, token: str, at_mcp: bool = False) -> Identity:
        """Return the identity that a token proves. Raise TokenRefused with the reason, or KeysUnavailable.

        The tokens of MCP_OAUTH_ISSUER are accepted only with `at_mcp`.
        """
        if len(token) > TOKEN_CHARACTERS:
            raise problems.TokenMalformed
        if self._key_set:
            # Renew the keys here too, because remembered tokens do not look up a key.
            self._key_set.keep_fresh()
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._verified
        identity, expires = verified.get(digest, (None, 0.0))
        if identity is None or expires <= time.time() - LEEWAY_SECONDS:
            if token.startswith(PERSONAL_PREFIX):
                identity, expires = _identify_personal(PersonalToken.parse(token))
            else:
                header = read_header(token)
                # Only to choose the issuer, which then checks them.
                claims = claims_of(token) if self._agents else {}
                identity, expires = self.issuer_of(header, claims).identify(token, header)
            with self._remembering:
                if len(verified) >= REMEMBERED_TOKENS:
                    del verified[next(iter(verified))]
                verified[digest] = (identity, expires)
        if identity.only_at_mcp and not at_mcp:
            raise problems.TokenAudience("The token is for agents: it is accepted at POST /mcp alone.")
        return identity

    def issuer_of(self, header: Header, claims: Claims) -> Issuer:
        """Return the issuer for a token with this header. Raise TokenAlgorithm if none fits, TokenClaim for `crit`.

        The claims only tell apart the two issuers that may share their keys.
        """
        if "crit" in header:
            # RFC 7515, section 4.1.11: reject an extension that must be understood but is not.
            raise problems.TokenClaim("The token's header has crit, which this service does not know.")
        kind = header.get("typ", "JWT")
        kind = kind.lower().removeprefix("application/") if isinstance(kind, str) else None
        if kind not in ("jwt", ACCESS_TOKEN_TYPE):
            raise problems.TokenClaim("The token's typ is neither JWT nor at+jwt.")
        able = [issuer for issuer in self._issuers if issuer.judges(header.get("alg"), kind)]
        if not able:
            raise problems.TokenAlgorithm
        return self._agents if self._agents in able and self._agents.signs_as(claims, able[0]) else able[0]

    def _forget(self) -> None:
        """Forget all tokens, because a key may be gone. A verification under way still writes to the old dictionary."""
        self._verified = {}


def _identify_personal(token: PersonalToken) -> tuple[Identity, float]:
    """Look a personal token up, and return until when the result can be remembered."""
    row = find_token(token)
    if row is None:
        services().revocations.refuse_revoked(Identity("", token.id))
        raise problems.TokenSignature("There is no such personal token, or it was ended long ago. Make a new one.")
    if row.is_expired:
        raise problems.TokenExpired(f"The personal token expired at {row.expires_at}. Make a new one.")
    if row.user_id.startswith(LOCAL_USER_PREFIX) and not services().settings.local_auth:
        raise problems.TokenAlgorithm("The service's own accounts are switched off. Use a token of the front end.")
    expires = datetime.fromisoformat(row.expires_at).timestamp() if row.expires_at else math.inf
    # Not longer than the revocation of an ended token is kept.
    expires = min(expires, time.time() + MAX_ACCESS_TOKEN_SECONDS) - LEEWAY_SECONDS
    # What rejects all tokens issued until some time does not mean this one: it is ended by its id.
    return Identity(row.user_id, row.id, math.inf, granted(row.scopes), token.hash), expires


def _compared(expected: str | None) -> str | None:
    return None if expected == ANY else expected


def _secrets(secrets: tuple[str, ...]) -> Callable[[str, str | None], Sequence[str]]:
    """Return all keys: `kid` selects only among published keys."""
    return lambda _algorithm, _kid: secrets


def _session_id(claims: Mapping[str, Any]) -> str:
    session_id, token_id = claims.get("sid"), claims.get("jti")
    if not isinstance(session_id, str) or not isinstance(token_id, str):
        raise problems.TokenClaim("The token names no session.")
    return session_id
