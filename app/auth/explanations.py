"""Explain a rejection from the token's header and claims. They are not trusted, and nothing is decided here."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jwt.utils import base64url_decode

from app.auth.claims import LEEWAY_SECONDS, PARTS_OF_AN_ENCRYPTED_TOKEN, TOKEN_CHARACTERS
from app.auth.jwks import ALGORITHMS
from app.auth.problems import KeysUnavailable, TokenMalformed, TokenRefused, TokenRevoked
from app.auth.tokens import ACCESS_TOKEN_TYPE, PERSONAL_PREFIX, RefreshToken
from app.settings import Settings

if TYPE_CHECKING:
    from app.auth.verifier import Issuer, Verifier

PARTS_OF_A_JWT = 3
# The settings of issuers that publish their keys.
PUBLISHED = ("AUTH_JWKS_URL", "MCP_OAUTH_ISSUER")
# So much of what a token says is shown.
SHOWN = 100

# The reason, and the fix.
Explanation = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token as anybody can read it, without verification."""

    token: str = field(repr=False)
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    # The issuer that judges it, if there is one.
    issuer: "Issuer | None"
    settings: Settings

    @classmethod
    def read(cls, token: str, settings: Settings, verifier: "Verifier") -> "UnverifiedToken":
        header, claims = (_part(token, index) for index in (0, 1))
        try:
            issuer = verifier.issuer_of(header, claims)
        except TokenRefused:
            issuer = None
        return cls(token, header, claims, issuer, settings)


def explain(problem: TokenRefused | KeysUnavailable, seen: UnverifiedToken) -> Explanation:
    """Return why the verifier refused a token, with the values that differ, and the fix. Neither holds the token."""
    if seen.token.startswith(PERSONAL_PREFIX):
        return explain_personal(problem)
    reason, fix = EXPLANATIONS[problem.code](seen)
    # Where the verifier says more than always, nothing here says more.
    is_specific = problem.detail != type(problem).detail and not isinstance(problem, TokenMalformed)
    return problem.detail if is_specific else reason, fix


def explain_personal(problem: TokenRefused | KeysUnavailable) -> Explanation:
    """Return why a personal token was refused. Its owner is told all of it, too."""
    if isinstance(problem, TokenRevoked):
        return "It was ended, or its user was disabled or deleted.", "Make a new personal token."
    reason, _, fix = problem.detail.partition(". ")
    return f"{reason}.", fix


Explain = Callable[[UnverifiedToken], Explanation]


def _malformed(seen: UnverifiedToken) -> Explanation:
    token, parts = seen.token, seen.token.count(".") + 1
    reasons: Iterable[tuple[bool, Explanation]] = (
        (not token, ("There is no token.", "Write the token to standard input.")),
        (
            _is_refresh_token(token),
            (
                "It is a refresh token of this service, which only renews a session.",
                "POST it to /v1/auth/refresh as refresh_token, and send the access_token of the response.",
            ),
        ),
        (
            len(token) > TOKEN_CHARACTERS,
            (f"It is longer than {TOKEN_CHARACTERS} characters.", "Have the issuer put fewer claims into it."),
        ),
        (
            any(character.isspace() or character in "\"'" for character in token),
            ("It contains spaces, line ends or quotes.", "Send only the token, on one line."),
        ),
        (
            parts == PARTS_OF_AN_ENCRYPTED_TOKEN,
            ("It is encrypted (five parts), as session cookies are.", "Have the front end sign a JWT instead."),
        ),
        (
            parts != PARTS_OF_A_JWT or not seen.header,
            (
                "It is not a JWT; perhaps it is a session token.",
                "Better Auth: call /api/auth/token with the session, and send the token of its response.",
            ),
        ),
        (
            True,
            (
                "It looks like a JWT but is damaged: a part is cut short, changed, or not JSON with unique names.",
                "Copy the whole token, as the issuer gave it.",
            ),
        ),
    )
    return next(explanation for applies, explanation in reasons if applies)


# `flask doctor` may run in another terminal.
_ELSEWHERE = "If the service has it in its own environment, give it to this command too."


def _algorithm(seen: UnverifiedToken) -> Explanation:
    algorithm = seen.header.get("alg")
    if algorithm in ALGORITHMS:
        is_shared = seen.settings.better_auth_secrets
        only = "only a shared secret is set here (BETTER_AUTH_SECRET)" if is_shared else "AUTH_JWKS_URL is not set here"
        return (
            f"It is signed with {algorithm}, but {only}.",
            f"Set AUTH_JWKS_URL to the address of the front end's keys (Better Auth: /api/auth/jwks). {_ELSEWHERE}",
        )
    if algorithm == "HS256" and str(seen.header.get("typ")).lower().endswith(ACCESS_TOKEN_TYPE):
        return "It claims to be an access token of this service, but LOCAL_AUTH is off.", "Set LOCAL_AUTH to on."
    if algorithm == "HS256":
        return (
            "It is signed with a shared secret (HS256), but BETTER_AUTH_SECRET is not set here.",
            f"Set BETTER_AUTH_SECRET to the front end's secret. {_ELSEWHERE}",
        )
    return (
        f"No trusted issuer signs with {_shown(algorithm)}.",
        f"Have the issuer sign with HS256 or one of {', '.join(ALGORITHMS)}.",
    )


def _signature(seen: UnverifiedToken) -> Explanation:
    setting, kid = seen.issuer.setting if seen.issuer else "", seen.header.get("kid")
    if setting in PUBLISHED and seen.issuer and not seen.issuer.keys(seen.header["alg"], kid):
        return (
            f"{setting} publishes no key {_shown(kid)} for {seen.header['alg']}.",
            "Compare the kid with the keys in `flask doctor`. Is it the address of the issuer that signed?",
        )
    if setting in PUBLISHED:
        return f"It is not signed with the key that {setting} publishes.", "Sign in again to get a new token."
    return (
        f"It is not signed with {setting}, or it was changed afterwards.",
        "Compare the secrets on both sides, byte for byte; quotes and spaces count."
        if setting == "BETTER_AUTH_SECRET"
        else "Was AUTH_SECRET replaced, or is it another service's token? Sign in again.",
    )


def _expired(seen: UnverifiedToken) -> Explanation:
    expired = seen.claims["exp"]
    return (
        f"It expired at {moment(expired)}, {_ago(time.time() - expired)} ago.",
        "Get a new token. If every new token has expired, compare the clocks.",
    )


def _not_yet(seen: UnverifiedToken) -> Explanation:
    begins = {name: seen.claims.get(name, 0) for name in ("nbf", "iat")}
    name = max(begins, key=lambda name: begins[name])
    ahead = f"in {_ago(begins[name] - time.time())}, and clocks may differ by {LEEWAY_SECONDS} s"
    return (
        f"Its {name} is {moment(begins[name])}: {ahead}.",
        "Compare the issuer's clock with this machine's.",
    )


def _unexpected(
    claim_name: Callable[[UnverifiedToken], str], setting: str, name: str
) -> Callable[[UnverifiedToken], Explanation]:
    def explain(seen: UnverifiedToken) -> Explanation:
        claim, expected = claim_name(seen), getattr(seen.issuer, name, None)
        fix = f"If that is where it should come from, set {setting} to it; else have the issuer put in {expected!r}."
        found = f"Its {claim} is {_shown(seen.claims[claim])}" if claim in seen.claims else f"It has no {claim}"
        if seen.issuer and seen.issuer.only_at_mcp:
            fix = (
                f"Have the client ask for the resource {expected!r} (PUBLIC_URL with /mcp), and the issuer know it."
                if claim == "aud"
                else "If it is to be accepted at /mcp, set MCP_OAUTH_ISSUER to it."
            )
        elif seen.issuer and seen.issuer.is_local:
            fix = "Sign in again: this service gives all its tokens the same value."
        elif seen.claims.get(claim) == "":
            fix = "The issuer does not know its own address. Better Auth: set BETTER_AUTH_URL in the front end."
        elif claim not in seen.claims:
            fix = f"Have the issuer put it in; or see {setting}."
            if claim == "aud":
                fix = (
                    "Have the issuer put it in; or compare what names its client (AUTH_AUDIENCE_CLAIM=azp or "
                    f"client_id, with {setting}), or nothing ({setting}=*)."
                )
        return f"{found}, but {expected!r} is expected.", fix

    return explain


def _claim(seen: UnverifiedToken) -> Explanation:
    """Explain the claim errors for which the verifier gives no detail of its own."""
    if "exp" not in seen.claims:
        return "It has no exp, so it would never expire.", "Have the issuer set an expiry time."
    return "A claim or a header has the wrong type.", "Have the issuer sign the claims in docs/authentication.md."


def _keys(seen: UnverifiedToken) -> Explanation:
    setting = "MCP_OAUTH_ISSUER" if seen.settings.auth_jwks_url is None else "AUTH_JWKS_URL"
    return (
        f"The keys of {setting} cannot be fetched, so the token is unchecked.",
        "Run `flask doctor` to check the keys.",
    )


def _audience_claim(seen: UnverifiedToken) -> str:
    return seen.issuer.audience_claim if seen.issuer else "aud"


EXPLANATIONS: Mapping[str, Explain] = {
    "token_malformed": _malformed,
    "token_algorithm": _algorithm,
    "token_signature": _signature,
    "token_expired": _expired,
    "token_not_yet_valid": _not_yet,
    "token_issuer": _unexpected(lambda _: "iss", "AUTH_ISSUER", "issuer"),
    "token_audience": _unexpected(_audience_claim, "AUTH_AUDIENCE", "audience"),
    "token_claim": _claim,
    "keys_unavailable": _keys,
}


def _part(token: str, index: int) -> dict[str, Any]:
    """Decode a part of the token without verifying it."""
    try:
        part = json.loads(base64url_decode(token.split(".")[index].encode()))
    except (ValueError, IndexError, RecursionError):
        return {}
    return part if isinstance(part, dict) else {}


def _is_refresh_token(token: str) -> bool:
    try:
        RefreshToken.parse(token)
    except TokenMalformed:
        return False
    return True


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:SHOWN]


def moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        # Before the year 1.
        return f"{seconds} s after 1970"


def _ago(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
