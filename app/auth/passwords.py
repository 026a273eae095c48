"""Argon2id (RFC 9106); bcrypt is verified once and replaced."""

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
# bcrypt knows no more of a password. A longer one never matches, or its end would be cut off in silence.
BCRYPT_BYTES = 72
# Each hash holds its memory and a core: more of them at once than cores would only add memory.
AT_ONCE = 2

P = ParamSpec("P")
T = TypeVar("T")


# The 3,000 of 8 characters or more that stand most often in lists of stolen ones, in lower case.
COMMON = Path(__file__).with_name("common_passwords.txt")


def is_common(password: str) -> bool:
    """Whether it is among the first that somebody would try, whatever its case."""
    return password.lower() in _common()


@cache
def _common() -> frozenset[str]:
    return frozenset(COMMON.read_text().split())


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
            return _in_a_thread(self._hasher.hash, password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether this is the password. Without a hash, or with a damaged one, it never is; that takes as long to say.

        bcrypt takes a time of its own: 477 ms where Argon2id takes 76. Until its owner signs in, such an account can be
        told from others. Nothing but the same 477 ms for everybody would hide it.
        """
        with self._at_once:
            return _in_a_thread(self._matches, password_hash, password)

    def is_outdated(self, password_hash: str) -> bool:
        """Whether a hash was made in another way than new ones are."""
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
            # Damaged: it is as if there were none.
            pass
        with suppress(VerificationError):
            self._hasher.verify(self._nobodys_hash, password)
        return False


def _in_a_thread(compute: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Under gunicorn's worker, whose requests share one thread, let the others go on meanwhile."""
    if monkey.is_module_patched("threading"):
        result: T = gevent.get_hub().threadpool.apply(compute, arguments, named)
        return result
    return compute(*arguments, **named)


def _matches_bcrypt(password_hash: str, password: str) -> bool:
    """ValueError for a damaged hash. A password that is too long takes as long as any other."""
    secret = password.encode()
    is_right = bcrypt.checkpw(secret[:BCRYPT_BYTES], password_hash.encode())
    return is_right and len(secret) <= BCRYPT_BYTES
