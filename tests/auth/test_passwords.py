"""Passwords: their hashes, and which spellings are the same password."""

import io
import logging

import bcrypt
import pytest
from argon2 import PasswordHasher, extract_parameters

from app.ops.logging import JsonFormatter
from tests.api.support.calls import assert_problem
from tests.auth.people import PASSWORD, another_app, log_in, new_email, password_hash, register, sign_up, sql

pytestmark = pytest.mark.one_engine

# OWASP's minimum: KiB of memory, passes, lanes.
LEAST = "$argon2id$v=19$m=19456,t=2,p=1$"

COMPOSED, DECOMPOSED = "pässwörter", "pa\u0308sswo\u0308rter"
TAKEN = [
    "a" * 8,
    "a" * 256,
    " " * 8,
    " in blanks ",
    "new\nlines\tand tabs",
    "пароль-密码-🔑🔑🔑",
    "🔑" * 256,
    COMPOSED,
    '"; DROP TABLE users; --',
]


@pytest.fixture
def earnest(app):
    """Use the real cost of hashes; other tests use the cheapest."""
    with another_app(app, ARGON2_PASSES="2") as earnest:
        yield earnest


def keep_bcrypt(member, password, version="$2b$"):
    """Store a hash that was made elsewhere."""
    made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", version, 1)
    sql(member.app, "UPDATE users SET password_hash = :hash WHERE id = :id", hash=made, id=member.user_id)


def test_a_password_is_kept_as_argon2id(earnest):
    """With OWASP's minimum or more, and a salt: the same password has different hashes."""
    hashes = {password_hash(register(earnest)) for _ in range(2)}

    assert len(hashes) == 2
    assert all(kept.startswith(LEAST) for kept in hashes)


def test_the_cost_of_a_hash_is_a_setting(app):
    """Memory, passes and lanes."""
    changes = {"ARGON2_MEMORY_KIB": "12288", "ARGON2_PASSES": "4", "ARGON2_LANES": "2"}
    with another_app(app, **changes) as costly:
        assert password_hash(register(costly)).startswith("$argon2id$v=19$m=12288,t=4,p=2$")


@pytest.mark.both_engines
def test_a_login_renews_a_hash_of_other_parameters(app):
    """The password stays the same, and a current hash is left unchanged."""
    member = register(app)
    before = password_hash(member)
    with another_app(app, ARGON2_PASSES="3") as costly:
        assert log_in(costly, member.email, "wrong horse battery").status_code == 401
        assert password_hash(member) == before
        assert log_in(costly, member.email).status_code == 200
        renewed = password_hash(member)
        assert log_in(costly, member.email).status_code == 200

    assert renewed.startswith("$argon2id$v=19$m=19456,t=3,p=1$")
    assert password_hash(member) == renewed


@pytest.mark.parametrize("version", ["$2a$", "$2b$", "$2y$"])
def test_a_bcrypt_hash_verifies_once_and_is_replaced(earnest, version):
    """So accounts can be imported with their passwords."""
    member = register(earnest)
    keep_bcrypt(member, "their old password", version)

    assert_problem(log_in(earnest, member.email, PASSWORD), 401, "invalid_credentials")
    assert password_hash(member).startswith(version)
    assert log_in(earnest, member.email, "their old password").status_code == 200
    assert password_hash(member).startswith(LEAST)
    assert log_in(earnest, member.email, "their old password").status_code == 200


@pytest.mark.parametrize(("password", "status"), [("a" * 72, 200), ("a" * 73, 401), ("a" * 256, 401), ("ä" * 37, 401)])
def test_bcrypt_does_not_truncate_a_password(app, password, status):
    """One longer than its 72 bytes is rejected, even if the first 72 are right."""
    member = register(app)
    keep_bcrypt(member, password.encode()[:72].decode())

    assert log_in(app, member.email, password).status_code == status


@pytest.mark.parametrize("kept", ["", "!", "plain", "$2b$", "$2b$04$short", "$argon2id$", "$argon2i$v=19$m=8,t=1,p=1$"])
def test_a_damaged_hash_rejects_every_password(app, kept):
    """With 401, not 500."""
    member = register(app)
    sql(app, "UPDATE users SET password_hash = :hash WHERE id = :id", hash=kept, id=member.user_id)

    assert_problem(log_in(app, member.email, PASSWORD), 401, "invalid_credentials")


def test_an_unknown_address_takes_as_long_as_a_known_one(app, monkeypatch):
    """Its password is also compared, with a hash of the same parameters. The time must not reveal an account."""
    compared = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(
        PasswordHasher, "verify", lambda *given: compared.append(extract_parameters(given[1])) or verify(*given)
    )
    for email in (register(app).email, new_email()):
        assert_problem(log_in(app, email, "wrong horse battery"), 401, "invalid_credentials")

    assert compared[0] == compared[1]
    assert len(compared) == 2


@pytest.mark.parametrize("kept", ["!", "$2b$04$short", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$!$!"])
def test_a_damaged_hash_takes_as_long_as_an_unknown_address(app, monkeypatch, kept):
    """The time must not reveal an account."""
    compared = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda *given: compared.append(given[1]) or verify(*given))
    member = register(app)
    sql(app, "UPDATE users SET password_hash = :hash WHERE id = :id", hash=kept, id=member.user_id)
    for email in (member.email, new_email()):
        assert_problem(log_in(app, email, "wrong horse battery"), 401, "invalid_credentials")

    assert compared[-1] == compared[-2] != kept


@pytest.mark.parametrize("password", ["wrong", "a" * 73, "ä" * 128])
def test_a_long_password_takes_bcrypt_as_long_as_a_short_one(app, monkeypatch, password):
    """Rejecting more than 72 bytes at once would reveal an imported hash."""
    compared = []
    check = bcrypt.checkpw
    member = register(app)
    keep_bcrypt(member, "their old password")
    monkeypatch.setattr(bcrypt, "checkpw", lambda *given: compared.append(len(given[0])) or check(*given))

    assert_problem(log_in(app, member.email, password), 401, "invalid_credentials")
    assert compared == [min(len(password.encode()), 72)]


@pytest.mark.parametrize("password", TAKEN, ids=ascii)
def test_a_password_may_have_any_characters(app, password):
    """8 to 256 of them, and all of them matter."""
    email = new_email()
    assert sign_up(app, email, password).status_code == 201

    assert log_in(app, email, password).status_code == 200
    assert_problem(log_in(app, email, password[:-1]), 401, "invalid_credentials")


@pytest.mark.parametrize("password", ["", "a" * 7, "🔑" * 7, "a" * 257, "has a NUL\x00 inside"], ids=ascii)
def test_a_password_of_another_length_or_with_nul_is_rejected(app, password):
    """422 names the field, for a new account and for a new password."""
    member = register(app)
    body = {"password": PASSWORD, "new_password": password}

    assert_problem(sign_up(app, new_email(), password), 422, "validation_error", "password")
    assert_problem(member.patch("/v1/auth/me", json=body), 422, "validation_error", "new_password")


def test_nul_does_not_end_a_password(app):
    """The text behind it is not ignored."""
    assert_problem(log_in(app, register(app).email, f"{PASSWORD}\x00"), 422, "validation_error", "password")


@pytest.mark.parametrize(("first", "second"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)], ids=["nfc", "nfd"])
def test_two_spellings_of_one_password_are_the_same(app, first, second):
    """Keyboards compose umlauts differently (RFC 8265)."""
    email = new_email()
    assert sign_up(app, email, first).status_code == 201

    assert log_in(app, email, second).status_code == 200
    assert_problem(log_in(app, email, "passworter"), 401, "invalid_credentials")


@pytest.mark.parametrize(("length", "status"), [(7, 422), (8, 201), (256, 201), (257, 422)])
def test_a_passwords_length_is_the_same_in_both_spellings(app, length, status):
    """A password chosen on one keyboard can be typed on the other."""
    email = new_email()

    assert sign_up(app, email, "a\u0308" * length).status_code == status
    assert sign_up(app, new_email(), "ä" * length).status_code == status
    if status == 201:
        assert log_in(app, email, "ä" * length).status_code == 200


@pytest.mark.parametrize("change", [str.upper, str.title, lambda text: f"{text} ", lambda text: f" {text}"])
def test_a_password_is_not_trimmed_or_folded(app, change):
    """Blanks and capitals matter."""
    assert_problem(log_in(app, register(app).email, change(PASSWORD)), 401, "invalid_credentials")


@pytest.fixture
def log():
    """Record all logging meanwhile: return a handler for loggers that do not propagate, and its text."""
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    handler.setFormatter(JsonFormatter())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler, written
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_secret_is_logged(app, log):
    """Neither passwords nor tokens, at any level, valid or not."""
    handler, written = log
    with another_app(app, LOG_LEVEL="debug") as verbose:
        logging.getLogger("tasks").addHandler(handler)
        member = register(verbose, password="my secret password")
        answers = [
            log_in(verbose, member.email, "my secret guess"),
            sign_up(verbose, member.email, "my secret password"),
            sign_up(verbose, "no address", "my secret password"),
            member.patch("/v1/auth/me", json={"password": member.password, "new_password": "my secret"}),
            member.refresh(),
            member.refresh(),
        ]

    assert [answer.status_code for answer in answers] == [401, 409, 422, 200, 200, 401]
    assert "/v1/auth/login" in written.getvalue()
    for secret in ("my secret", member.email, member.access_token, member.refresh_token.split("~")[-1]):
        assert secret not in written.getvalue()
