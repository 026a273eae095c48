"""No change of a valid token makes another valid one, by any signer."""

import string

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.auth.problems import TokenRefused
from tests.auth.tokens import as_json, claims_of, compact, key_of, signing_of, with_part

MANY = settings(
    max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

OF_A_TOKEN = string.ascii_letters + string.digits + "-_."
# The verifier gets headers as Latin-1.
characters = st.sampled_from(OF_A_TOKEN) | st.characters(max_codepoint=0xFF)

names = st.sampled_from(["alg", "typ", "kid", "sub", "exp", "iat", "nbf", "iss", "aud", "sid", "jti", "crit", "b64"])
values = st.sampled_from([None, True, 0, -1, 10**11, 1.5, "", "ann", "none", "HS256", [], ["ann"], {}, {"a": 1}])
changes = st.dictionaries(names, values, min_size=1, max_size=4)


@pytest.fixture(params=["HS256 of this service", "HS256 of a front end", "EdDSA", "ES256", "RS256"])
def sign(request, front_end):
    """Return a function that signs claims like one of the issuers, its own or changed ones."""
    kind = {"HS256 of this service": "own", "HS256 of a front end": "shared"}.get(request.param, "published")
    header, key = signing_of(kind)
    if kind == "published":
        published = key_of(request.param)
        header, key = {"alg": published.algorithm, "kid": published.kid}, published.private
    claims = claims_of(kind, front_end.origin)

    return lambda **changes: compact(header, {**claims, **changes}, key)


@pytest.fixture
def verifier(new_verifier, front_end):
    return new_verifier(AUTH_JWKS_URL=front_end.url)


@pytest.fixture
def token(sign, verifier):
    """A valid token, which the verifier remembers."""
    token = sign()
    assert verifier.verify(token) == verifier.verify(token)
    return token


def assert_refused(verifier, token, changed):
    """Check that a token is rejected with one of the known codes."""
    assume(changed != token)
    with pytest.raises(TokenRefused) as refusal:
        verifier.verify(changed)
    assert refusal.value.status == 401


@MANY
@given(place=st.floats(0, 1, exclude_max=True), character=characters)
def test_a_replaced_character_is_rejected(verifier, token, place, character):
    """Anywhere in the token."""
    index = int(place * len(token))

    assert_refused(verifier, token, token[:index] + character + token[index + 1 :])


@MANY
@given(place=st.floats(0, 1), inserted=st.text(characters, min_size=1, max_size=8))
def test_an_inserted_text_is_rejected(verifier, token, place, inserted):
    """Before, after or inside the token."""
    index = int(place * len(token))

    assert_refused(verifier, token, token[:index] + inserted + token[index:])


@MANY
@given(place=st.floats(0, 1, exclude_max=True), length=st.integers(1, 600))
def test_a_missing_text_is_rejected(verifier, token, place, length):
    """From one character to all of them."""
    index = int(place * len(token))

    assert_refused(verifier, token, token[:index] + token[index + length :])


@MANY
@given(index=st.integers(0, 2), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_rejected(verifier, token, index, place, bit):
    """In the decoded parts, so that the text stays well-formed."""

    def flip(part):
        flipped = bytearray(part)
        flipped[int(place * len(part))] ^= 1 << bit
        return bytes(flipped)

    assert_refused(verifier, token, with_part(token, index, flip))


@MANY
@given(parts=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=4))
def test_parts_of_two_valid_tokens_are_rejected(verifier, token, sign, parts):
    """In any order and number, except the two tokens themselves."""
    other = sign(sub="usr_somebody_else")
    pieces = [token.split("."), other.split(".")]
    mixed = ".".join(pieces[which][index] for which, index in parts)
    assume(mixed != other)

    assert_refused(verifier, token, mixed)


@MANY
@given(index=st.integers(0, 1), changes=changes)
def test_a_changed_header_or_claim_is_rejected(verifier, token, index, changes):
    """Encoded again as valid JSON, but not signed again."""

    def change(part):
        return part[:-1] + b"," + as_json(changes)[1:]

    assert_refused(verifier, token, with_part(token, index, change))


@MANY
@given(index=st.integers(0, 2), part=st.binary(max_size=100))
def test_an_arbitrary_part_is_rejected(verifier, token, index, part):
    """Any bytes in valid base64url."""
    assert_refused(verifier, token, with_part(token, index, lambda _: part))


@MANY
@given(text=st.text(characters, max_size=200))
def test_an_arbitrary_text_is_rejected(verifier, token, text):
    """And the verifier does not fail."""
    assert_refused(verifier, token, text)
