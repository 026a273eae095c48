"""The published keys of an outside issuer (RFC 7517): cached, fetched once at a time, kept if a fetch fails."""

import http.client
import logging
import socket
import threading
import time
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
# If other keys are known, a token with an unknown key waits at most until this long after the fetch began.
PATIENCE_SECONDS = 1
# Minimum time between fetches for unknown `kid`s, so that tokens cannot make this service flood the issuer.
ASK_AGAIN_SECONDS = 5
# After this time the keys are fetched again in the background, so that a withdrawn key stops working.
FRESH_SECONDS = 300
RSA_BITS = 2048
USER_AGENT = "tasks-api (JWKS client)"

PublicKey = Ed25519PublicKey | Ed448PublicKey | EllipticCurvePublicKey | RSAPublicKey

_ED25519, _ED448 = ("EdDSA", "Ed25519"), ("EdDSA", "Ed448")  # Two names of one algorithm each (RFC 9864).
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_CURVE = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
ALGORITHMS = ("EdDSA", "Ed25519", "Ed448", "ES256", "ES384", "ES512", *_RSA)
_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "OKP": OKPAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "RSA": RSAAlgorithm.from_jwk,
}

NO_USABLE_KEY = "The issuer publishes no key that can be used. `flask doctor` says why of each."

logger = logging.getLogger("tasks.jwks")


class PublishedKey(NamedTuple):
    algorithm: str
    kid: str | None
    key: PublicKey


class KeySet:
    """An issuer's published keys. Known keys are found without any waiting."""

    def __init__(self, setting: str, fetch: Callable[[], bytes], on_change: Callable[[], None]) -> None:
        """`fetch` gets the document from where the setting says."""
        self._setting = setting
        self._get_document = fetch
        self._on_change = on_change
        self._keys: list[PublishedKey] = []
        self._had_keys = False
        # The last good document, shared by all workers, because they are forked from the process that made this.
        self._last_good = SharedDocument(ANSWER_BYTES)
        self._taken = b""
        self._fetching = SingleFlight(f"fetching the keys of {setting}", self._fetch)
        self._deciding = threading.Lock()
        self._asked_at = float("-inf")

    def start(self) -> None:
        """Use the keys that another process has fetched, and fetch again in the background. For a new process."""
        self._take_last_good()
        self._fetching.start()

    def find(self, algorithm: str, kid: str | None) -> list[PublicKey]:
        """Return the keys that may have signed a token: by `kid`, or all for the algorithm if the token has no `kid`.

        Raise KeysUnavailable if no key was ever fetched.
        """
        found = self._known(algorithm, kid)
        if not found:
            self._take_last_good()
            found = self._known(algorithm, kid)
        if not found:
            self._fetch_unless_just_done()
            found = self._known(algorithm, kid)
        if not self._had_keys:
            raise KeysUnavailable(NO_USABLE_KEY if self._taken else None)
        return found

    def keep_fresh(self) -> None:
        """Fetch the keys again in the background if they are old."""
        if self._had_keys and time.monotonic() - self._asked_at > FRESH_SECONDS:
            # Set before the fetch begins, so that requests during the fetch do not start more.
            self._asked_at = time.monotonic()
            self._fetching.start()

    def _known(self, algorithm: str, kid: str | None) -> list[PublicKey]:
        return [
            published.key
            for published in self._keys
            if published.algorithm == algorithm and (kid is None or published.kid == kid)
        ]

    def _fetch_unless_just_done(self) -> None:
        """Fetch the keys, or wait for the current fetch; but do not wait long for an issuer that hangs.

        On a threaded server each waiting request holds a thread that tokens with a known key need.
        """
        with self._deciding:
            run = self._fetching.under_way
            if run is None and time.monotonic() - self._asked_at >= ASK_AGAIN_SECONDS:
                run = self._fetching.start()
        if run is not None:
            run.wait(PATIENCE_SECONDS if self._had_keys else WHOLE_SECONDS)

    def _fetch(self) -> None:
        """Fetch the keys; after any failure, keep the last good ones."""
        try:
            document = self._get_document()
            self._take(document)
            self._last_good.write(document)
        finally:
            # Counted from the end of a fetch, so that a slow issuer is not asked without a pause.
            self._asked_at = time.monotonic()

    def _take_last_good(self) -> None:
        document = self._last_good.read()
        if document is not None and document != self._taken:
            self._take(document)

    def _take(self, document: bytes) -> None:
        keys = read_keys(strict_json.loads(document))
        if keys != self._keys:
            # In this order, so that find() never sees keys while `_had_keys` is false.
            self._had_keys = self._had_keys or bool(keys)
            self._keys = keys
            self._on_change()
        if not keys:
            logger.warning("no key that is published for %s can be used", self._setting)
        self._taken = document


def download(url: str) -> bytes:
    """GET one small document without following redirects; raise OSError, HTTPException or ValueError on failure.

    It always ends in time. Looking up a name has no time-out, and a socket's time-out starts again with each byte.
    So it runs in its own thread, which is abandoned after the deadline.
    """
    answer: Future[bytes] = Future()
    connected: list[socket.socket] = []
    ends_at = time.monotonic() + WHOLE_SECONDS

    def run() -> None:
        try:
            answer.set_result(_get(url, connected, ends_at))
        except Exception as error:  # noqa: BLE001 (the waiting caller gets every error)
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
            with suppress(OSError):  # It is already closed, unless the thread still waits for it.
                connection.shutdown(socket.SHUT_RDWR)


def _get(url: str, connected: list[socket.socket], ends_at: float) -> bytes:
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=CONNECT_SECONDS)
    try:
        connection.connect()
        # Keep the socket, because the connection drops it when the server announces that it will close.
        connected.append(connection.sock)
        if time.monotonic() > ends_at:
            # The caller has stopped waiting, so it will not shut the socket down.
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
    """Return a JWK Set's usable keys, once for each algorithm they fit; raise ValueError if it is not a JWK Set."""
    members = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise ValueError(f"the issuer's response is not a JWK Set of at most {MAX_KEYS} keys")
    members = [member for member in members if isinstance(member, dict) and is_for_verifying(member)]
    keys: list[PublishedKey] = []
    for member in members:
        if (key := read_key(member)) is not None:
            keys += [PublishedKey(name, member.get("kid"), key) for name in fitting_algorithms(member, key)]
    # Keys of different kinds may share a kid (RFC 7517, section 4.5). Two for one algorithm are ambiguous.
    of_one_name: dict[tuple[str, str | None], list[PublishedKey]] = {}
    for published in keys:
        of_one_name.setdefault((published.algorithm, published.kid), []).append(published)
    used = []
    for (algorithm, kid), same in of_one_name.items():
        if kid is not None and any(other.key != same[0].key for other in same):
            logger.warning("several published keys for %s have the same kid: none of them is used", algorithm)
            continue
        used += same if kid is None else same[:1]
    return used


def is_for_verifying(jwk: Mapping[str, Any]) -> bool:
    """Return whether a key's `use` and `key_ops` allow verifying (RFC 7517, sections 4.2 and 4.3)."""
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(jwk.get("kid"), str | None)
    )


def read_key(jwk: dict[str, Any]) -> PublicKey | None:
    """Return a JWK's public key, or None if it is symmetric, private, weak or invalid."""
    reader = _READERS.get(str(jwk.get("kty")))
    if reader is None or "d" in jwk:
        return None
    try:
        key: PublicKey = reader(jwk)
    except (jwt.InvalidKeyError, ValueError, KeyError, TypeError) as error:
        logger.warning("a published key cannot be read: %s", error)
        return None
    return None if isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS else key


def fitting_algorithms(jwk: Mapping[str, Any], key: PublicKey) -> tuple[str, ...]:
    """Return the algorithms of a key that its own `alg` allows; all of them where it has none."""
    algorithms, named = algorithms_of(key), jwk.get("alg")
    if isinstance(key, Ed25519PublicKey | Ed448PublicKey):
        return algorithms if named is None or named in algorithms else ()
    return tuple(name for name in algorithms if named in (None, name))


def algorithms_of(key: PublicKey) -> tuple[str, ...]:
    """Return the algorithms of a key. The type of key decides, never the token."""
    if isinstance(key, RSAPublicKey):
        return _RSA
    if isinstance(key, EllipticCurvePublicKey):
        return _BY_CURVE.get(key.curve.name, ())
    return _ED25519 if isinstance(key, Ed25519PublicKey) else _ED448
