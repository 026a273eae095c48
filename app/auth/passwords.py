"""Argon2id (RFC 9106); bcrypt is verified once and replaced."""

import threading

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION
from flask import Flask

from app.settings import Settings

SHORTEST, LONGEST = 8, 256
# bcrypt knows no more of a password. A longer one never matches, or its end would be cut off in silence.
BCRYPT_BYTES = 72
# Each hash holds its memory and a core: more of them at once than cores would only add memory.
AT_ONCE = 2


class Passwords:
    """Hashes and verifies, with the parameters of the settings, passwords as schemas.Password reads them."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(settings.argon2_passes, settings.argon2_memory_kib, settings.argon2_lanes)
        self._at_once = threading.BoundedSemaphore(AT_ONCE)
        # Compared with when there is no hash, so that it takes as long as a wrong password. It is no password's: salt
        # and hash are zeros, as many as the hasher makes.
        self._nobodys_hash = (
            f"$argon2id$v={ARGON2_VERSION}$m={settings.argon2_memory_kib},t={settings.argon2_passes},"
            f"p={settings.argon2_lanes}${'A' * 22}${'A' * 43}"
        )

    def hash(self, password: str) -> str:
        with self._at_once:
            return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether this is the password. Without a hash it never is, and that takes as long to say."""
        with self._at_once:
            if password_hash and password_hash.startswith("$2"):
                return _verify_bcrypt(password_hash, password)
            try:
                self._hasher.verify(password_hash or self._nobodys_hash, password)
            except (VerificationError, InvalidHashError):
                return False
        return bool(password_hash)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made in another way than new ones are."""
        return password_hash.startswith("$2") or self._hasher.check_needs_rehash(password_hash)


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions["passwords"] = Passwords(settings)


def _verify_bcrypt(password_hash: str, password: str) -> bool:
    secret = password.encode()
    try:
        return len(secret) <= BCRYPT_BYTES and bcrypt.checkpw(secret, password_hash.encode())
    except ValueError:
        # A damaged hash.
        return False
