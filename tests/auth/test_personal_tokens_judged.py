"""Personal tokens are judged by their checksum, then from memory, then by one statement."""

import re
import secrets
import string

import pytest

from app.auth import verifier as verifiers
from app.auth.tokens import PersonalToken
from app.services import services_of
from tests.auth.people import another_app, make_copy_old
from tests.auth.personal import READ, Script, forget, make, script_of, wait_for_uses
from tests.auth.tokens import assert_refused, refusal_of
from tests.conftest import Caller
from tests.statements import messages

BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
# The CRC-32 is that of gzip, written in base 62 by bc.
VECTORS = {
    "0" * 43: "2CZclj",
    "z" * 43: "0UsatS",
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg": "37cCQ0",
    "TheQuickBrownFoxJumpsOverTheLazyDog12345678": "1HTnLk",
    "Padded0000000000000000000000000000000000505": "00ZUYs",
}
VALID = f"tasks_pat_{'0' * 43}2CZclj"


def lookups(sent):
    return [statement for statement in sent if "personal_tokens" in statement]


@pytest.mark.parametrize("secret", VECTORS)
def test_the_checksum_is_crc_32_in_base_62(secret):
    """So that a scanner for secrets can compute it too."""
    token = f"tasks_pat_{secret}{VECTORS[secret]}"

    assert PersonalToken.parse(token).text == token


def test_new_tokens_are_random_and_whole():
    """256 bits: each of the 43 digits but the first takes each value."""
    tokens = [PersonalToken.new() for _ in range(2_000)]

    assert len({token.text for token in tokens}) == len({token.id for token in tokens}) == 2_000
    assert all(PersonalToken.parse(token.text) == token for token in tokens)
    digits = [set(digit) for digit in zip(*(token.text[10:53] for token in tokens), strict=True)]
    assert all(values == set(BASE_62) for values in digits[1:])


def garbage():
    """Return personal tokens that nobody can have made: each typing error, and other damage."""
    for place in range(10, 59):
        for other in secrets.SystemRandom().sample(sorted(set(BASE_62) - {VALID[place]}), 3):
            yield VALID[:place] + other + VALID[place + 1 :]
    for place in range(10, 58):
        if VALID[place] != VALID[place + 1]:
            yield VALID[:place] + VALID[place + 1] + VALID[place] + VALID[place + 2 :]
    yield from (VALID[:length] for length in range(10, 59))
    yield from (f"{VALID}0", f"{VALID[:-1]}é", f"{VALID}.{VALID}.{VALID}", "tasks_pat_a.b.c", f"{VALID[:-1]}%00")


def test_garbage_never_reaches_the_database(app):
    """A typing error costs no statement."""
    tokens = list(garbage())
    assert len(tokens) > 200
    # Of the tests before.
    wait_for_uses(app)
    with messages(app) as sent:
        assert {refusal_of(Caller(app, "x", token).get("/v1/tasks")) for token in tokens} == {"token_malformed"}

    assert sent == []


def test_an_unknown_token_costs_one_statement(app, ann):
    """Its checksum is right."""
    assert ann.get("/v1/tasks").status_code == 200
    wait_for_uses(app)
    with messages(app) as sent:
        assert_refused(Caller(app, "x", PersonalToken.new().text).get("/v1/tasks"), "token_signature")

    assert len(sent) == len(lookups(sent)) == 1


def test_a_verified_token_costs_later_requests_no_statement(app, ann):
    """Like any other token. The statement that notes the use is no request's."""
    script = script_of(app, ann)
    with messages(app) as sent:
        assert [script.get("/v1/tasks?limit=0").status_code for _ in range(20)] == [422] * 20
        wait_for_uses(app)

    assert [statement.split()[0] for statement in sorted(sent)] == ["SELECT", "UPDATE"]


def test_the_scheme_may_have_any_case(app, ann):
    """As for other tokens; the token's own case counts."""
    token = make(ann)["token"]
    for header, status in ((f"bearer {token}", 200), (f"BEARER  {token}", 200), (f"Bearer {token.swapcase()}", 401)):
        assert Caller(app).get("/v1/tasks", headers={"Authorization": header}).status_code == status


def test_an_expired_token_is_told_so(app, ann):
    """Also when it was verified before it expired."""
    script = script_of(app, ann)
    assert script.get("/v1/tasks").status_code == 200
    script.expire(1)

    answer = script.get("/v1/tasks")
    assert_refused(answer, "token_expired")
    assert re.search(r"expired at 20\d\d-.*Z\. Make a new one\.$", answer.json["detail"])


def test_a_remembered_token_expires_in_time(app, ann, monkeypatch):
    """By the clock, without a statement."""
    script = script_of(app, ann, expires_in_days=1)
    assert script.get("/v1/tasks").status_code == 200
    (_, until) = [*services_of(app).verifier._verified.values()][-1]
    real = verifiers.time.time
    monkeypatch.setattr(verifiers.time, "time", lambda: until + verifiers.LEEWAY_SECONDS - 0.5)
    assert script.get("/v1/tasks").status_code == 200
    monkeypatch.setattr(verifiers.time, "time", lambda: until + verifiers.LEEWAY_SECONDS + 0.5)
    with messages(app) as sent:
        script.get("/v1/tasks?limit=0")

    assert lookups(sent)
    assert until <= real() + 86_400 - verifiers.LEEWAY_SECONDS


def test_a_token_that_never_expires_is_looked_up_once_a_day(app, ann):
    """Because the revocation of an ended token is kept for a day."""
    assert script_of(app, ann, expires_in_days=None).get("/v1/tasks").status_code == 200
    (_, until) = [*services_of(app).verifier._verified.values()][-1]

    assert until < verifiers.time.time() + 86_400


def test_an_ended_token_is_revoked_everywhere(app, ann, other):
    """Where it was verified before, where it was not, and in a new process."""
    script, fresh = script_of(app, ann), script_of(app, ann)
    assert script.at(other).get("/v1/tasks").status_code == 200
    for each in (script, fresh):
        each.end()
        make_copy_old(other)
        for place in (app, other):
            assert_refused(each.at(place).get("/v1/tasks"), "token_revoked")
        with another_app(app) as later:
            assert_refused(each.at(later).get("/v1/tasks"), "token_revoked")


def test_a_token_of_an_account_needs_accounts(app, member, ann):
    """With LOCAL_AUTH=off they are closed. Others' tokens stay."""
    with another_app(app, LOCAL_AUTH="off") as closed:
        assert_refused(script_of(app, member).at(closed).get("/v1/tasks"), "token_algorithm")
        assert script_of(app, ann).at(closed).get("/v1/tasks").status_code == 200


def test_a_token_works_without_its_users_issuer(app, ann):
    """The service itself made it."""
    with another_app(app, BETTER_AUTH_SECRET=None) as alone:
        assert script_of(app, ann).at(alone).get("/v1/tasks").status_code == 200


def test_a_token_is_never_read_as_a_jwt(app, ann, monkeypatch):
    """Its prefix decides."""
    tokens = {make(ann)["token"]: 200, VALID: 401, "tasks_pat_a.b.c": 401}
    monkeypatch.setattr(verifiers, "read_header", lambda _: pytest.fail("it was read"))

    assert {token: Caller(app, "x", token).get("/v1/tasks").status_code for token in tokens} == tokens


def test_a_token_acts_for_its_user_alone(app, ann, bob):
    """A path that names another user is rejected."""
    script = script_of(app, ann, READ)
    assert script.get(f"/api/{ann.user_id}/tasks").status_code == 200

    refused = script.get(f"/api/{bob.user_id}/tasks")
    assert (refused.status_code, refused.json["code"]) == (403, "user_id_mismatch")


def test_a_forgotten_token_is_verified_again(app, ann):
    """When an issuer's keys change, all are forgotten."""
    script = script_of(app, ann)
    assert script.get("/v1/tasks").status_code == 200
    forget(app)

    assert isinstance(script, Script)
    assert script.get("/v1/tasks").status_code == 200
