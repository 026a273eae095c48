"""The form that a token needs before its claims are read (RFC 8725, RFC 9700)."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.auth.issuer import Issuer
from tests.auth.tokens import (
    KINDS,
    LEFT_OUT,
    PRIVATE_KEYS,
    as_json,
    assert_all_refused,
    assert_refused,
    claims_of,
    compact,
    flip_bit,
    key_of,
    new_key,
    signing_of,
    token_of,
    with_part,
)
from tests.conftest import OWN_SECRET, SHARED_SECRET

pytestmark = pytest.mark.one_engine

NONES = ["none", "None", "NONE", "nOnE", "none ", " none", "", None, LEFT_OUT, True, 0, [], ["HS256"], {"alg": "HS256"}]
UNTRUSTED = [
    "HS384",
    "HS512",
    "ES256K",
    "ed25519",
    "hs256",
    "HS256 ",
    "dir",
]
OTHER_TYPES = ["JWE", "dpop+jwt", "logout+jwt", "refresh+jwt", "rt+jwt", "", " JWT", "application/", "text/jwt"]
OTHER_TYPES += [7, None, ["JWT"]]
IGNORED_KIDS = [
    "",
    "../../../../dev/null",
    "/etc/passwd",
    "x' OR '1'='1",
    "a\0b",
    "http://127.0.0.1/",
    "é",
    "%00",
    "💧",
]


@pytest.mark.both_engines
def test_a_valid_token_of_each_issuer_is_accepted(send, origin):
    """The other tests here change exactly one thing in these tokens."""
    for kind in KINDS:
        answer = send(token_of(kind, origin))
        assert (answer.status_code, answer.json) == (200, {"items": [], "next_cursor": None})


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", LEFT_OUT], ids=["JWT", "at+jwt", "no typ"])
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_an_unknown_algorithm_is_rejected(send, origin, typ, signed):
    """RFC 8725, sections 3.1 and 3.2: the algorithms are a fixed list without `none`."""
    key, claims = OWN_SECRET if typ == "at+jwt" else SHARED_SECRET, claims_of("shared", origin)
    tokens = {repr(alg): compact({"alg": alg, "typ": typ}, claims, key, "HS256") for alg in (*NONES, *UNTRUSTED)}
    if not signed:
        tokens = {name: with_part(token, 2, lambda _: b"") for name, token in tokens.items()}

    assert_all_refused(send, tokens, "token_algorithm")


@pytest.mark.parametrize("algorithm", ["HS256", *PRIVATE_KEYS])
def test_a_token_without_a_signature_is_rejected(send, origin, algorithm):
    """Whatever the header says."""
    kid = key_of(algorithm).kid if algorithm in PRIVATE_KEYS else LEFT_OUT
    token = compact({"alg": algorithm, "kid": kid}, claims_of("published", origin), SHARED_SECRET, "HS256")

    assert_refused(send(with_part(token, 2, lambda _: b"")), "token_signature")


@pytest.mark.parametrize("algorithm", PRIVATE_KEYS)
@pytest.mark.parametrize("form", ["PEM", "DER", "JWK"])
@pytest.mark.parametrize("typ", ["JWT", "at+jwt"])
def test_a_public_key_is_not_a_shared_secret(send, origin, algorithm, form, typ):
    """RFC 8725, section 2.1: a public key must not verify HS256."""
    key = key_of(algorithm)
    secret = as_json(key.jwk())
    if form != "JWK":
        secret = key.private.public_key().public_bytes(getattr(Encoding, form), PublicFormat.SubjectPublicKeyInfo)
    claims = claims_of("own" if typ == "at+jwt" else "shared", origin)

    assert_refused(send(compact({"alg": "HS256", "typ": typ, "kid": key.kid}, claims, secret)), "token_signature")


@pytest.mark.parametrize("named", ["known kid", "unknown kid", "no kid"])
@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "nothing"])
def test_a_key_in_the_token_is_ignored(send, origin, member, named):
    """RFC 8725, section 3.10: no key from a token is used, and no address in a token is fetched."""
    attacker = new_key()
    kid = {"known kid": key_of("EdDSA").kid, "unknown kid": attacker.kid, "no kid": LEFT_OUT}[named]
    with Issuer(attacker) as elsewhere:
        brought = {"jwk": attacker.jwk(), "jku": elsewhere.url, "x5u": elsewhere.url, "x5c": [attacker.jwk()["x"]]}
        header = {"alg": "EdDSA", "kid": kid} | {name: brought[name] for name in brought if name == member}

        assert_refused(send(compact(header, claims_of("published", origin), attacker.private)), "token_signature")
        assert elsewhere.requests == []


@pytest.mark.parametrize("algorithm", PRIVATE_KEYS)
def test_another_issuers_key_is_rejected(send, origin, algorithm):
    """Even with the right claims and kid."""
    theirs = new_key(algorithm)
    token = compact({"alg": algorithm, "kid": key_of(algorithm).kid}, claims_of("published", origin), theirs.private)

    assert_refused(send(token), "token_signature")


@pytest.mark.parametrize("kind", KINDS)
def test_a_critical_extension_is_rejected(send, origin, kind):
    """RFC 7515, section 4.1.11: the service supports none."""
    extensions = [["exp"], ["b64"], [], None, "exp"]
    tokens = {repr(crit): token_of(kind, origin, {"crit": crit, "b64": True}) for crit in extensions}

    assert_all_refused(send, tokens, "token_claim")


@pytest.mark.parametrize("kind", KINDS)
def test_an_unencoded_payload_is_rejected(send, origin, kind):
    """RFC 7797 is such an extension, even if the token does not declare it."""
    assert_refused(send(token_of(kind, origin, {"b64": False})), "token_claim")


@pytest.mark.parametrize("kid", IGNORED_KIDS)
def test_a_kid_only_selects_a_published_key(send, origin, kid):
    """It is not a path, a query or an address. A secret has none."""
    assert_refused(send(token_of("published", origin, {"kid": kid})), "token_signature")
    for kind in ("own", "shared"):
        assert send(token_of(kind, origin, {"kid": kid})).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_kid_that_is_not_a_string_is_rejected(send, origin, kind):
    """RFC 7515, section 4.1.4."""
    tokens = {repr(kid): token_of(kind, origin, {"kid": kid}) for kid in (7, 1.5, True, [], ["a"], {})}

    assert_all_refused(send, tokens, "token_malformed")


@pytest.mark.parametrize("kind", KINDS)
def test_a_null_kid_is_rejected(send, origin, kind):
    """It differs from a missing kid."""
    assert_refused(send(token_of(kind, origin, {"kid": None})), "token_claim")


@pytest.mark.parametrize(
    ("kind", "typ"),
    [
        *[("shared", typ) for typ in ("JWT", "jwt", "application/jwt", "APPLICATION/JWT")],
        *[("own", typ) for typ in ("at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt")],
        *[("published", typ) for typ in ("JWT", "jwt", "application/jwt", "at+jwt", "application/at+jwt")],
    ],
)
def test_the_type_of_an_access_token_may_have_any_spelling(send, origin, kind, typ):
    """RFC 7515, section 4.1.9: a media type in any case, with or without `application/`."""
    assert send(token_of(kind, origin, {"typ": typ})).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_of_another_type_is_rejected(send, origin, kind):
    """RFC 8725, section 3.11: a token for another purpose is not an access token."""
    assert_all_refused(send, {repr(typ): token_of(kind, origin, {"typ": typ}) for typ in OTHER_TYPES}, "token_claim")


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_change_invalidates_the_signature(send, origin, kind):
    """A bit in the payload or signature, a missing byte of the signature, or no payload."""
    token = token_of(kind, origin)
    for index, change in [(1, flip_bit), (2, flip_bit), (2, lambda part: part[:-1]), (1, lambda _: b"")]:
        assert_refused(send(with_part(token, index, change)), "token_signature")
    assert_refused(send(with_part(token, 0, flip_bit)), "token_malformed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [8 * 1024, 8 * 1024 + 1, 9 * 1024, 60_000])
def test_a_token_over_8_kib_is_rejected_unread(send, origin, kind, length):
    """Also if its header makes it too long."""
    header, key = signing_of(kind)
    claims = as_json(claims_of(kind, origin))
    missing = length - len(compact(header, claims, key))
    # Base64 makes four characters of three bytes; JSON may have white space.
    token = compact(header, claims + b" " * (missing * 3 // 4), key)
    over = len(token) > 8 * 1024

    assert abs(len(token) - length) <= 2
    answer = send(token)
    assert answer.status_code == (401 if over else 200), answer.text
    if over:
        assert_refused(answer, "token_malformed")
    assert_refused(send(token_of(kind, origin, {"kid": "k" * 10_000})), "token_malformed")
