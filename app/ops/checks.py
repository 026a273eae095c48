"""The checks of `flask doctor` besides the database: settings, secrets, and an issuer's published keys."""

import http.client
import math
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from app.auth.jwks import ALGORITHMS, algorithms_of, download, fitting_algorithms, is_for_verifying, read_key, read_keys
from app.http import strict_json
from app.settings import ANY, INSTANCE, PROJECT, SECRET_FILE, Settings, misspelt
from app.settings_parsers import LOOPBACK, is_safe

# Minimum Shannon entropy of a secret, in bits: 32 random hexadecimal digits have over 110.
RANDOM_BITS = 96
# Words from examples and keyboards that show that a secret is not random.
WORDS = ("secret", "password", "change", "example", "default", "better-auth", "12345", "abcde", "qwert")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check, and how to fix it."""

    check: str
    status: Literal["ok", "warning", "failed"]
    message: str
    fix: str | None = None


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Report which issuers are trusted, and warn about risky settings. Invalid ones would let no command run."""
    trusted = {
        "its own accounts": settings.local_auth,
        "a shared secret": settings.better_auth_secrets,
        "published keys": settings.auth_jwks_url,
        "an OAuth server (at /mcp alone)": settings.mcp_oauth_issuer,
    }
    names = ", ".join(name for name, is_on in trusted.items() if is_on)
    origins = ", ".join(settings.cors_origins) or "this service's own pages alone"
    said = f"The settings are valid. Tokens are accepted from: {names}. Browsers may call from: {origins}."
    yield Finding("settings", "ok", said)
    if settings.auth_jwks_url and not is_safe(settings.auth_jwks_url):
        yield Finding(
            "settings",
            "warning",
            "AUTH_JWKS_URL is not encrypted: an attacker in the network can replace the keys.",
            "Use an https address, unless the network is private.",
        )
    for name, value in (("AUTH_ISSUER", settings.auth_issuer), ("AUTH_AUDIENCE", settings.auth_audience)):
        if value == ANY:
            yield Finding(
                "settings",
                "warning",
                f"{name} is {ANY}, so it is not compared: a token that was made for another service is accepted too.",
                "Compare another claim instead: AUTH_AUDIENCE_CLAIM=azp or client_id, with AUTH_AUDIENCE."
                if name == "AUTH_AUDIENCE"
                else "Set it to the iss of your issuer's tokens.",
            )
    own_pages = settings.password_reset_url is None or settings.email_verify_url is None
    if settings.sends_mail and own_pages and urlsplit(settings.public_url).hostname in LOOPBACK:
        yield Finding(
            "settings",
            "warning",
            "Mails link to pages on this machine, which nobody else can open.",
            "Set PUBLIC_URL, or PASSWORD_RESET_URL and EMAIL_VERIFY_URL.",
        )
    for name, meant in misspelt():
        yield Finding("settings", "warning", f"{name} is not a setting, and is ignored.", f"Name it {meant}.")
    for path in (PROJECT / ".env", INSTANCE / SECRET_FILE):
        if _is_readable_by_others(path):
            yield Finding("settings", "warning", f"Other users of this machine can read {path}.", f"chmod 600 {path}")


def check_secrets(settings: Settings) -> Iterator[Finding]:
    """Check that the secrets look random and differ."""
    secrets = {"AUTH_SECRET": settings.auth_secrets, "BETTER_AUTH_SECRET": settings.better_auth_secrets}
    is_fine = True
    for name, values in secrets.items():
        if any(map(looks_guessable, values)):
            is_fine = False
            yield Finding(
                "secrets",
                "warning",
                f"{name} does not look random: an attacker who guesses it can act as any user.",
                "Set it to the output of `openssl rand -base64 48` (BETTER_AUTH_SECRET in the front end too).",
            )
    if settings.local_auth and not settings.auth_secrets:
        is_fine = False
        yield Finding(
            "secrets",
            "warning",
            f"AUTH_SECRET is not set, and {INSTANCE / SECRET_FILE} is missing.",
            "Put it back, or restart the service to make a new one; older tokens then become invalid.",
        )
    if set(settings.auth_secrets) & set(settings.better_auth_secrets):
        is_fine = False
        yield Finding(
            "secrets",
            "warning",
            "AUTH_SECRET and BETTER_AUTH_SECRET are the same: the front end could sign in as any account.",
            "Give AUTH_SECRET a different value.",
        )
    if is_fine:
        count = sum(map(len, secrets.values()))
        yield Finding("secrets", "ok", f"All {count} look random." if count else "No secret is needed.")


def looks_guessable(secret: str) -> bool:
    """Return whether a secret contains a known word or has too little entropy."""
    bits = -sum(times * math.log2(times / len(secret)) for times in Counter(secret).values())
    return bits < RANDOM_BITS or any(word in secret.lower() for word in WORDS)


def check_keys(settings: Settings) -> Iterator[Finding]:
    """Check that the issuer's keys can be fetched, and report which of them are used."""
    if not settings.auth_jwks_url:
        yield Finding("keys", "ok", "AUTH_JWKS_URL is not set, so no published keys are needed.")
        return
    yield from check_published_keys("AUTH_JWKS_URL", settings.auth_jwks_url)


def check_published_keys(setting: str, address: str) -> Iterator[Finding]:
    """Check the keys at an address that comes from this setting."""
    try:
        document = strict_json.loads(download(address))
        usable = {(key.kid, key.algorithm) for key in read_keys(document)}
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = str(error) or type(error).__name__
        yield Finding(
            "keys",
            "failed",
            f"The keys of {setting} cannot be fetched: {said}.",
            "Check the address, and that this machine can reach it. Redirects are not followed.",
        )
        return
    if not usable:
        yield Finding(
            "keys",
            "failed",
            f"{setting} publishes no usable key.",
            f"Have the issuer publish a public key for one of {', '.join(ALGORITHMS)}.",
        )
    else:
        names = ", ".join(f"{kid or 'without kid'} ({algorithm})" for kid, algorithm in sorted(usable, key=str))
        yield Finding("keys", "ok", f"Published and used: {names}.")
    for member in document["keys"]:
        if why := _why_refused(member, usable):
            kid = member.get("kid", "without kid") if isinstance(member, dict) else "not an object"
            yield Finding("keys", "warning", f"Published and not used: {kid}: {why}.")


def _why_refused(member: Any, usable: set[tuple[str | None, str]]) -> str | None:
    """Return why this key is not used, or None if it is."""
    if not isinstance(member, dict) or not is_for_verifying(member):
        return "its use or key_ops is not for verifying, or its kid is not text"
    if any(kid == member.get("kid") for kid, _ in usable):
        return None
    if (key := read_key(member)) is None:
        return "it is private, symmetric, broken, of an unknown kind, or an RSA key under 2048 bits"
    if not fitting_algorithms(member, key):
        return f"its alg does not fit the key, which can sign with {', '.join(algorithms_of(key)) or 'nothing known'}"
    return "another key has the same kid" if algorithms_of(key) else "its curve is not one that is known"


def _is_readable_by_others(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
