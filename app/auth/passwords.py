"""Hash passwords with Argon2id (RFC 9106). A bcrypt hash is verified once and replaced."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

import bcrypt
import gevent
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION
from gevent import monkey

from app.settings import Settings

SHORTEST, LONGEST = 8, 256
# bcrypt uses no more bytes. A longer password never matches, because its end would be ignored.
BCRYPT_BYTES = 72
# Maximum hashes at once. Each needs its memory and a core, so more would only use more memory.
AT_ONCE = 2

P = ParamSpec("P")
T = TypeVar("T")


# The 3,000 of 8 characters or more that stand most often in lists of stolen ones, in lower case.
COMMON = Path(__file__).with_name("common_passwords.txt")


def is_common(password: str) -> bool:
    """Return whether it is one of the most common passwords, in any case."""
    return password.lower() in _common()


@cache
def _common() -> frozenset[str]:
    return frozenset(COMMON.read_text().split())


class Passwords:
    """Hashes and verifies passwords (as schemas.Password loads them) with the parameters of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(settings.argon2_passes, settings.argon2_memory_kib, settings.argon2_lanes)
        self._at_once = threading.BoundedSemaphore(AT_ONCE)
        # Compared with if there is no hash, so that it takes as long as a wrong password. It matches no password: salt
        # and hash are zeros, of the hasher's usual length.
        self._nobodys_hash = (
            f"$argon2id$v={ARGON2_VERSION}$m={settings.argon2_memory_kib},t={settings.argon2_passes},"
            f"p={settings.argon2_lanes}${'A' * 22}${'A' * 43}"
        )

    def hash(self, password: str) -> str:
        with self._at_once:
            return _in_a_thread(self._hasher.hash, password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Return whether this is the password. No hash or a damaged one gives False, after the same time.

        bcrypt takes 477 ms where Argon2id takes 76. So such an account can be recognized until its owner signs in.
        Only 477 ms for every account would hide it.
        """
        with self._at_once:
            return _in_a_thread(self._matches, password_hash, password)

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether a hash was made with another algorithm or parameters than new ones."""
        return password_hash.startswith("$2") or self._hasher.check_needs_rehash(password_hash)

    def _matches(self, password_hash: str | None, password: str) -> bool:
        try:
            if password_hash and password_hash.startswith("$2"):
                return _matches_bcrypt(password_hash, password)
            if password_hash:
                return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False
        except (VerificationError, ValueError):
            # Treat a damaged hash like a missing one.
            pass
        with suppress(VerificationError):
            self._hasher.verify(self._nobodys_hash, password)
        return False


def _in_a_thread(compute: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Compute in another thread under gunicorn's worker, so that its other requests go on."""
    if monkey.is_module_patched("threading"):
        result: T = gevent.get_hub().threadpool.apply(compute, arguments, named)
        return result
    return compute(*arguments, **named)


def _matches_bcrypt(password_hash: str, password: str) -> bool:
    """Compare with a bcrypt hash; raise ValueError if it is damaged. An overlong password takes the same time."""
    secret = password.encode()
    is_right = bcrypt.checkpw(secret[:BCRYPT_BYTES], password_hash.encode())
    return is_right and len(secret) <= BCRYPT_BYTES
