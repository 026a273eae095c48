"""Argon2id (RFC 9106), with OWASP's minimum: 19 MiB, 2 passes, 1 lane."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

SHORTEST, LONGEST = 8, 256

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Each hash holds 19 MiB and a core: more of them at once than cores would only add memory.
_at_once = threading.BoundedSemaphore(2)
# Compared with when the address is unknown, so that it costs as much as a wrong password.
_NOBODYS_HASH = _hasher.hash("nobody's password")


def hash_password(password: str) -> str:
    with _at_once:
        return _hasher.hash(_normal(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether this is the password; without a hash it never is, and that takes as long to say."""
    try:
        with _at_once:
            _hasher.verify(password_hash or _NOBODYS_HASH, _normal(password))
    except VerificationError:
        return False
    return password_hash is not None


def _normal(password: str) -> str:
    """One spelling for what looks the same on two keyboards (RFC 8265, section 4.2: NFC)."""
    return unicodedata.normalize("NFC", password)
