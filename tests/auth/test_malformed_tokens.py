"""Texts that are not JWTs, or that two readers could read differently (RFC 7515, 7519, 8725)."""

import json

import pytest

from tests.auth.tokens import (
    KINDS,
    as_json,
    assert_all_refused,
    assert_refused,
    claims_of,
    compact,
    signing_of,
    token_of,
)

pytestmark = pytest.mark.one_engine

NO_OBJECTS = [b"", b"[]", b"null", b"7", b'"text"', b"true", b"{", b'{"a":1', b"{} {}", b"{}x", b"{'a': 1}"]
NO_JSON = [
    b'{"a":NaN,',
    b'{"a":Infinity,',
    b'{"a":01,',
    b'{"a":"\\ud800",',
    b'{"a":"\xff",',
    b'{"a":"\xed\xa0\x80",',
    b'{"a":"\x00",',
    b'\xef\xbb\xbf{"a":1,',
    b'{"a":' + b"[" * 2_000 + b"]" * 2_000 + b",",
    b'{"a":' + b"9" * 5_000 + b",",
    b'{"a":1,"a":1,',
    b'{"a":{"b":1,"b":2},',
]


EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@EVERY_KIND
def test_a_payload_that_is_not_an_object_is_rejected(send, origin, kind):
    """RFC 7519, section 7.2: the claims are one JSON object, even if the signature is valid."""
    header, key = signing_of(kind)

    assert_all_refused(send, {payload: compact(header, payload, key) for payload in NO_OBJECTS}, "token_malformed")


@EVERY_KIND
def test_a_payload_that_is_not_strict_json_is_rejected(send, origin, kind):
    """RFC 8725, section 2.4: two readers could see different claims."""
    (header, key), rest = signing_of(kind), as_json(claims_of(kind, origin)).removeprefix(b"{")
    tokens = {beginning: compact(header, beginning + rest, key) for beginning in NO_JSON}

    assert_all_refused(send, tokens, "token_malformed")


@EVERY_KIND
def test_a_header_that_is_not_an_object_is_rejected(send, origin, kind):
    """RFC 7515, section 5.2."""
    (signing, key), claims = signing_of(kind), claims_of(kind, origin)
    tokens = {header: compact(header, claims, key, signing["alg"]) for header in NO_OBJECTS}

    assert_all_refused(send, tokens, "token_malformed")


@EVERY_KIND
def test_a_header_that_is_not_strict_json_is_rejected(send, origin, kind):
    """RFC 7515, section 5.2, like the payload."""
    (signing, key), claims = signing_of(kind), claims_of(kind, origin)
    rest = as_json(signing).removeprefix(b"{")
    tokens = {beginning: compact(beginning + rest, claims, key, signing["alg"]) for beginning in NO_JSON}

    assert_all_refused(send, tokens, "token_malformed")


@EVERY_KIND
@pytest.mark.parametrize("claim", ["sub", "exp", "iat", "alg"])
def test_a_repeated_name_is_rejected(send, origin, kind, claim):
    """RFC 7519, section 4, and RFC 7515, section 4: names are unique, even if the values agree."""
    (header, key), claims = signing_of(kind), claims_of(kind, origin)
    place = header if claim == "alg" else claims
    doubled = as_json(place).removesuffix(b"}") + b"," + as_json({claim: place[claim]}).removeprefix(b"{")
    parts = (doubled, claims) if place is header else (header, doubled)

    assert_refused(send(compact(*parts, key, header["alg"])), "token_malformed")


@EVERY_KIND
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_token_in_another_encoding_is_rejected(send, origin, kind, encoding):
    """RFC 8725, section 3.7: JSON is UTF-8."""
    (header, key), claims = signing_of(kind), claims_of(kind, origin)
    foreign = json.dumps(claims).encode(encoding)

    assert_refused(send(compact(header, foreign, key)), "token_malformed")
    assert_refused(send(compact(json.dumps(header).encode(encoding), claims, key, header["alg"])), "token_malformed")


@EVERY_KIND
def test_a_part_has_only_one_valid_spelling(send, origin, kind):
    """RFC 7515, section 2: base64url without padding, and no other text for the same bytes."""
    parts, ends = token_of(kind, origin).split("."), ["=", "==", "===", "!", "+", "/", "%3D", "é", "A===", "."]
    tokens = {
        (index, end): ".".join([*parts[:index], parts[index] + end, *parts[index + 1 :]])
        for index in range(3)
        for end in ends
    }

    assert_all_refused(send, tokens, "token_malformed")


@EVERY_KIND
def test_unused_bits_of_the_last_character_must_be_zero(send, origin, kind):
    """RFC 4648, section 3.5: otherwise the same bytes would have up to sixteen texts."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = token_of(kind, origin)
    same_bytes = token[:-1] + alphabet[alphabet.index(token[-1]) | 1]

    assert same_bytes != token
    assert_refused(send(same_bytes), "token_malformed")


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts[0],
        lambda parts: f"{parts[0]}.{parts[1]}",
        lambda parts: f".{parts[1]}.{parts[2]}",
        lambda parts: ".".join([*parts, ""]),
        lambda parts: ".".join([*parts, parts[2]]),
        lambda parts: ".".join([*parts, *parts[1:]]),
        lambda parts: "..",
        lambda parts: ".",
        lambda parts: "x",
        lambda parts: json.dumps(dict(zip(("protected", "payload", "signature"), parts, strict=True))).replace(" ", ""),
    ],
)
@EVERY_KIND
def test_a_token_has_three_parts(send, origin, kind, change):
    """The compact form of a JWS, not that of a JWE, and not the JSON form."""
    assert_refused(send(change(token_of(kind, origin).split("."))), "token_malformed")
