"""The keys that an outside issuer publishes (RFC 7517): cached, fetched by one at a time, kept when a fetch fails."""

import http.client
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.auth.problems import KeysUnavailable
from app.auth.shared_document import SharedDocument
from app.auth.single_flight import SingleFlight
from app.http import strict_json

CONNECT_SECONDS = 2
WHOLE_SECONDS = 5
ANSWER_BYTES = 256 * 1024
MAX_KEYS = 100
# Where other keys are known, a token with an unknown one waits so long for a fetch, from the beginning of it; one that
# comes later not at all.
PATIENCE_SECONDS = 1
# An unknown `kid` asks again at most this often: nobody can make this service flood the issuer.
ASK_AGAIN_SECONDS = 5
# After this, the keys are fetched anew in the background, so that a withdrawn one ends.
FRESH_SECONDS = 300
RSA_BITS = 2048
USER_AGENT = "tasks-api (JWKS client)"

PublicKey = Ed25519PublicKey | Ed448PublicKey | EllipticCurvePublicKey | RSAPublicKey

ALGORITHMS = ("EdDSA", "ES256", "ES512", "RS256", "PS256")
_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "OKP": OKPAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "RSA": RSAAlgorithm.from_jwk,
}

logger = logging.getLogger("tasks.jwks")


class PublishedKey(NamedTuple):
    algorithm: str
    kid: str | None
    key: PublicKey


class KeySet:
    """The published keys at one address. Keys that are known are found without waiting for anything."""

    def __init__(self, url: str, on_change: Callable[[], None]) -> None:
        self.url = url
        self._on_change = on_change
        self._keys: list[PublishedKey] = []
        self._had_keys = False
        # The last good one of all workers, which are forked from the process that made this.
        self._last_good = SharedDocument(ANSWER_BYTES)
        self._taken = b""
        self._fetching = SingleFlight("fetching the keys", self._fetch)
        self._deciding = threading.Lock()
        self._asked_at = float("-inf")

    def start(self) -> None:
        """In a new process: take what another one has fetched, and fetch anew in the background."""
        self._take_last_good()
        self._fetching.start()

    def find(self, algorithm: str, kid: str | None) -> list[PublicKey]:
        """The keys that may have signed this: by `kid`, or all for the algorithm where the token names none.

        Raises KeysUnavailable when there has never been a key.
        """
        found = self._known(algorithm, kid)
        if not found:
            self._take_last_good()
            found = self._known(algorithm, kid)
        if not found:
            self._fetch_unless_just_done()
            found = self._known(algorithm, kid)
        if not self._had_keys:
            raise KeysUnavailable
        return found

    def keep_fresh(self) -> None:
        """Fetch the keys anew in the background, if they are old."""
        if self._had_keys and time.monotonic() - self._asked_at > FRESH_SECONDS:
            # Marked before it begins, so that the requests until it ends do not each start another.
            self._asked_at = time.monotonic()
            self._fetching.start()

    def _known(self, algorithm: str, kid: str | None) -> list[PublicKey]:
        return [
            published.key
            for published in self._keys
            if published.algorithm == algorithm and (kid is None or published.kid == kid)
        ]

    def _fetch_unless_just_done(self) -> None:
        """One fetch at a time. Who comes while it lasts waits for it, but not for an issuer that hangs.

        On a server of threads each who waits holds one, which tokens with a known key need.
        """
        with self._deciding:
            run = self._fetching.under_way
            if run is None and time.monotonic() - self._asked_at >= ASK_AGAIN_SECONDS:
                run = self._fetching.start()
        if run is not None:
            run.wait(PATIENCE_SECONDS if self._had_keys else WHOLE_SECONDS)

    def _fetch(self) -> None:
        """Whatever fails, the last good keys stay."""
        try:
            document = download(self.url)
            self._take(document)
            self._last_good.write(document)
        finally:
            # From the end of a fetch: a slow issuer must not be asked without a pause.
            self._asked_at = time.monotonic()

    def _take_last_good(self) -> None:
        document = self._last_good.read()
        if document is not None and document != self._taken:
            self._take(document)

    def _take(self, document: bytes) -> None:
        keys = read_keys(strict_json.loads(document))
        if keys != self._keys:
            # In this order: whoever finds a key has had one.
            self._had_keys = self._had_keys or bool(keys)
            self._keys = keys
            self._on_change()
        self._taken = document


def download(url: str) -> bytes:
    """GET one small document. Redirects are not followed; OSError, HTTPException or ValueError says what failed.

    It ends in time whatever hangs: looking up a name has no time-out at all, and that of a socket begins anew with
    each byte. So it runs in a thread of its own, which is waited for and then left to itself.
    """
    answer: Future[bytes] = Future()
    connected: list[socket.socket] = []
    ends_at = time.monotonic() + WHOLE_SECONDS

    def run() -> None:
        try:
            answer.set_result(_get(url, connected, ends_at))
        except Exception as error:  # noqa: BLE001 (whoever waits is told, whatever it is)
            answer.set_exception(error)

    threading.Thread(target=run, name="download", daemon=True).start()
    try:
        return answer.result(WHOLE_SECONDS)
    except TimeoutError as error:
        if answer.done():
            raise
        raise TimeoutError(f"the issuer took longer than {WHOLE_SECONDS} s") from error
    finally:
        for connection in connected:
            with suppress(OSError):  # It is closed already, unless the thread still waits for it.
                connection.shutdown(socket.SHUT_RDWR)


def _get(url: str, connected: list[socket.socket], ends_at: float) -> bytes:
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
    try:
        connection.connect()
        # Kept here, for the connection lets go of it when the server says that it will close.
        connected.append(connection.sock)
        if time.monotonic() > ends_at:
            # Nobody waits any more who would shut it down.
            raise TimeoutError
        connection.sock.settimeout(WHOLE_SECONDS)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection.request("GET", path, headers={"Accept": "application/json", "User-Agent": USER_AGENT})
        with connection.getresponse() as answer:
            if answer.status != http.HTTPStatus.OK:
                raise ValueError(f"the issuer responded with status {answer.status}")
            document = answer.read(ANSWER_BYTES + 1)
        if len(document) > ANSWER_BYTES:
            raise ValueError(f"the issuer's response is larger than {ANSWER_BYTES} bytes")
        return document
    finally:
        connection.close()


def read_keys(document: Any) -> list[PublishedKey]:
    """The usable keys of a JWK Set, once for each algorithm that they fit; ValueError if it is none."""
    members = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise ValueError(f"the issuer's response is not a JWK Set of at most {MAX_KEYS} keys")
    members = [member for member in members if isinstance(member, dict) and is_for_verifying(member)]
    times = Counter(member.get("kid") for member in members)
    keys = []
    for member in members:
        kid = member.get("kid")
        if kid is not None and times[kid] > 1:
            logger.warning("two published keys have the same kid: neither is used")
            continue
        if (key := read_key(member)) is not None:
            keys += [PublishedKey(name, kid, key) for name in algorithms_of(key) if member.get("alg", name) == name]
    return keys


def is_for_verifying(jwk: Mapping[str, Any]) -> bool:
    """Whether a key's own words allow to verify with it (RFC 7517, sections 4.2 and 4.3)."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(jwk.get("kid"), str | None)
    )


def read_key(jwk: dict[str, Any]) -> PublicKey | None:
    """The public key of a JWK, or None: a symmetric, private, weak or broken one is not used."""
    reader = _READERS.get(str(jwk.get("kty")))
    if reader is None or "d" in jwk:
        return None
    try:
        key: PublicKey = reader(jwk)
    except (jwt.InvalidKeyError, ValueError, KeyError, TypeError) as error:
        logger.warning("a published key cannot be read: %s", error)
        return None
    return None if isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS else key


def algorithms_of(key: PublicKey) -> tuple[str, ...]:
    """What a key can have signed with. The kind of key decides, never the token."""
    if isinstance(key, RSAPublicKey):
        return ("RS256", "PS256")
    if isinstance(key, EllipticCurvePublicKey):
        return {"secp256r1": ("ES256",), "secp521r1": ("ES512",)}.get(key.curve.name, ())
    return ("EdDSA",)
