"""The members of a published JWK Set that are used, and their tokens (RFC 7517, RFC 7518, RFC 8725)."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from app.auth import jwks
from app.auth.jwks import read_keys
from app.auth.problems import KeysUnavailable, TokenSignature
from tests.auth.tokens import LEFT_OUT, PRIVATE_KEYS, Key, claims_of, compact, key_of, new_key
from tests.conftest import SHARED_SECRET

SECRET = base64url_encode(SHARED_SECRET.encode()).decode()
ED25519, ES256, RS256 = key_of("EdDSA"), key_of("ES256"), key_of("RS256")
RSA_1024 = rsa.generate_private_key(65537, 1024)

UNUSABLE = {
    "for encryption": ED25519.jwk(use="enc"),
    "for an unknown use": ED25519.jwk(use="tls"),
    "for signing alone": ED25519.jwk(key_ops=["sign"]),
    "for encrypting": RS256.jwk(key_ops=["encrypt", "wrapKey"]),
    "for nothing": ED25519.jwk(key_ops=[]),
    "operations as text": ED25519.jwk(key_ops="verify"),
    "a secret": {"kty": "oct", "k": SECRET, "kid": "secret"},
    "a secret for HS256": {"kty": "oct", "k": SECRET, "kid": "secret", "alg": "HS256", "use": "sig"},
    "a private Ed25519 key": {**json.loads(OKPAlgorithm.to_jwk(ED25519.private)), "kid": "private"},
    "a private P-256 key": {**json.loads(ECAlgorithm.to_jwk(ES256.private)), "kid": "private", "key_ops": ["verify"]},
    "a private RSA key": {**json.loads(RSAAlgorithm.to_jwk(RS256.private)), "kid": "private", "key_ops": ["verify"]},
    "an RSA key of 1024 bits": json.loads(RSAAlgorithm.to_jwk(RSA_1024.public_key())),
    "a key for key agreement": {"kty": "OKP", "crv": "X25519", "x": base64url_encode(bytes(32)).decode()},
    "secp256k1": json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256K1()).public_key())),
    "an unknown kind": ED25519.jwk(kty="AKP"),
    "no kind": ED25519.jwk(kty=LEFT_OUT),
    "a kind that is no text": ED25519.jwk(kty=["OKP"]),
    "another kind": ED25519.jwk(kty="EC"),
    "an unknown curve": ES256.jwk(crv="P-255"),
    "another curve": ES256.jwk(crv="P-521"),
    "a point off the curve": ES256.jwk(y=ES256.jwk()["x"]),
    "no point": ES256.jwk(y=LEFT_OUT),
    "a coordinate that is no text": ES256.jwk(x=7),
    "a key that is no text": ED25519.jwk(x=[1]),
    "a key of nothing": ED25519.jwk(x=None),
    "half a key": ED25519.jwk(x=ED25519.jwk()["x"][:20]),
    "a modulus that is no text": RS256.jwk(n={"a": 1}),
    "no exponent": RS256.jwk(e=LEFT_OUT),
    "an exponent of one": RS256.jwk(e="AQ"),
    "an even exponent": RS256.jwk(e="Ag"),
    "for another algorithm of its kind": RS256.jwk(alg="RS1"),
    "for another kind's algorithm": ES256.jwk(alg="RS256"),
    "for none": ED25519.jwk(alg="none"),
    "for an algorithm that is no text": ED25519.jwk(alg=["EdDSA"]),
    "a kid that is a number": ED25519.jwk(kid=7),
    "a kid that is a list": ED25519.jwk(kid=["a"]),
    "no object": "key",
    "null": None,
}


def verify(verifier, issuer, token):
    return verifier.verify(token if isinstance(token, str) else issuer.token(token))


@pytest.mark.parametrize("member", UNUSABLE)
def test_an_unusable_member_is_ignored(verifier, issuer, member):
    """RFC 7517, section 5: the other keys still work."""
    issuer.keys = [UNUSABLE[member], *issuer.keys]

    assert verify(verifier, issuer, issuer.signing)
    assert {key.kid for key in read_keys({"keys": issuer.keys})} == {issuer.signing.kid}


@pytest.mark.parametrize("member", UNUSABLE)
def test_a_set_of_unusable_members_has_no_keys(verifier, issuer, member):
    """No token is verified with them."""
    issuer.keys = [UNUSABLE[member]]

    assert not read_keys({"keys": issuer.keys})
    with pytest.raises(KeysUnavailable):
        verify(verifier, issuer, ED25519)


def test_a_published_symmetric_key_is_not_used(verifier, issuer):
    """RFC 8725, section 3.2: only the shared secret verifies an HS256 token."""
    secret = base64url_encode(b"anybody can read this, for it is published").decode()
    issuer.keys = [{"kty": "oct", "k": secret, "kid": "secret", "alg": "HS256"}, *issuer.keys]
    claims = claims_of("published", issuer.origin)

    with pytest.raises(TokenSignature):
        verifier.verify(compact({"alg": "HS256", "kid": "secret"}, claims, secret))
    assert verify(verifier, issuer, issuer.signing)


@pytest.mark.parametrize("members", [{}, {"use": "sig"}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}])
@pytest.mark.parametrize("extra", [{"alg": LEFT_OUT}, {"x5t": "x", "ext": True, "unknown": {"a": [1]}}])
@pytest.mark.parametrize("algorithm", PRIVATE_KEYS)
def test_a_member_for_verification_is_used(verifier, issuer, members, extra, algorithm):
    """`use`, `key_ops` and `alg` are optional, and unknown members are ignored (RFC 7517, section 4)."""
    key = key_of(algorithm)
    issuer.keys = [key.jwk(**members, **extra)]

    assert verify(verifier, issuer, key)


def test_eddsa_keys_may_be_ed448(verifier, issuer):
    """RFC 8037, section 3.1: the algorithm is the same for both curves."""
    key = Key("EdDSA", Ed448PrivateKey.generate(), "ed448")
    issuer.publish(key)

    assert verify(verifier, issuer, key)


@pytest.mark.parametrize("named", ["its own kid", "the other's kid", "no kid"])
@pytest.mark.parametrize(("signing", "published"), [("ES512", "ES256"), ("ES256", "ES512"), ("EdDSA", "ES256")])
def test_a_key_verifies_only_its_own_algorithms(verifier, issuer, signing, published, named):
    """RFC 8725, section 3.1: the key decides on the algorithm, never the token."""
    issuer.publish(key_of(published))
    kid = {"its own kid": key_of(signing).kid, "the other's kid": key_of(published).kid, "no kid": LEFT_OUT}[named]
    token = key_of(signing).sign(claims_of("published", issuer.origin), kid=kid)

    with pytest.raises(TokenSignature):
        verifier.verify(token)


@pytest.mark.parametrize(
    ("alg", "accepted"), [("RS256", {"RS256"}), ("PS256", {"PS256"}), (LEFT_OUT, {"RS256", "PS256"})]
)
def test_the_alg_of_a_key_is_binding(verifier, issuer, alg, accepted):
    """RFC 7517, section 4.4. A key without `alg` is for all algorithms of its type."""
    issuer.keys = [RS256.jwk(alg=alg)]

    for algorithm in ("RS256", "PS256"):
        token = Key(algorithm, RS256.private, RS256.kid).sign(claims_of("published", issuer.origin))
        if algorithm in accepted:
            assert verifier.verify(token)
        else:
            with pytest.raises(TokenSignature):
                verifier.verify(token)


def test_two_keys_with_the_same_kid_and_algorithm_are_not_used(verifier, issuer):
    """The service does not choose one. Other keys work, also one of another type with this kid."""
    twin, other = new_key(), new_key()
    of_another_kind = Key("ES256", ES256.private, twin.kid)
    issuer.keys = [twin.jwk(), new_key().jwk(kid=twin.kid), of_another_kind.jwk(), other.jwk()]

    assert verify(verifier, issuer, other)
    assert verify(verifier, issuer, of_another_kind)
    with pytest.raises(TokenSignature):
        verify(verifier, issuer, twin)


def test_a_key_may_be_published_once_for_each_algorithm(verifier, issuer):
    """With the same kid, as some issuers do (RFC 7517, section 4.5)."""
    names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    issuer.keys = [RS256.jwk(alg=name) for name in names]

    for name in names:
        assert verify(verifier, issuer, Key(name, RS256.private, RS256.kid))


@pytest.mark.parametrize("published", ["EdDSA", "Ed25519", LEFT_OUT])
@pytest.mark.parametrize("signed", ["EdDSA", "Ed25519"])
def test_ed25519_is_another_name_of_eddsa_on_that_curve(verifier, issuer, published, signed):
    """RFC 9864: a key with either name verifies tokens with either name."""
    issuer.keys = [ED25519.jwk(alg=published)]
    token = compact(
        {"alg": signed, "kid": ED25519.kid}, claims_of("published", issuer.origin), ED25519.private, "EdDSA"
    )

    assert verifier.verify(token)


@pytest.mark.parametrize("members", [[], [{"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}]])
def test_a_set_without_usable_keys_differs_from_a_failed_fetch(verifier, issuer, members):
    """The issuer must correct the first."""
    issuer.keys = members

    with pytest.raises(KeysUnavailable, match="no key that can be used"):
        verify(verifier, issuer, ED25519)


def test_an_encryption_key_may_share_a_kid(verifier, issuer):
    """Because it verifies nothing."""
    issuer.keys = [issuer.signing.jwk(), new_key().jwk(kid=issuer.signing.kid, use="enc")]

    assert verify(verifier, issuer, issuer.signing)


@pytest.mark.parametrize("algorithm", PRIVATE_KEYS)
def test_a_token_without_a_kid_is_tried_with_each_key_of_its_algorithm(verifier, issuer, algorithm):
    """RFC 7515, section 4.1.4: `kid` is optional."""
    keys = [new_key(), new_key(), *map(key_of, PRIVATE_KEYS), new_key()]
    issuer.publish(*keys)

    for key in (key for key in keys if key.algorithm == algorithm):
        assert verifier.verify(key.sign(claims_of("published", issuer.origin), kid=LEFT_OUT))
    with pytest.raises(TokenSignature):
        verifier.verify(new_key(algorithm).sign(claims_of("published", issuer.origin), kid=LEFT_OUT))


def test_keys_without_a_kid_are_all_tried(verifier, issuer):
    """RFC 7517, section 4.5: `kid` is optional there too; several keys without one are several keys."""
    keys = [new_key(), new_key(), key_of("ES256"), new_key()]
    issuer.keys = [key.jwk(kid=LEFT_OUT) for key in keys]

    for key in keys:
        assert verifier.verify(key.sign(claims_of("published", issuer.origin), kid=LEFT_OUT))


@pytest.mark.parametrize("count", [jwks.MAX_KEYS, jwks.MAX_KEYS + 1])
def test_the_number_of_keys_is_limited(verifier, issuer, count):
    """Because a token without a `kid` is tried with each."""
    issuer.keys = [issuer.signing.jwk(), *(new_key().jwk() for _ in range(count - 1))]

    if count <= jwks.MAX_KEYS:
        assert verify(verifier, issuer, issuer.signing)
    else:
        with pytest.raises(KeysUnavailable):
            verify(verifier, issuer, issuer.signing)


def test_a_key_agreement_key_verifies_no_signatures():
    """X25519 keys are as long as those of Ed25519."""
    x = X25519PrivateKey.generate().public_key().public_bytes_raw()

    assert not read_keys({"keys": [{"kty": "OKP", "crv": "X25519", "x": base64url_encode(x).decode()}]})
