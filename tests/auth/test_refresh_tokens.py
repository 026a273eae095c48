"""Refresh tokens: each works once, and reuse of a stolen one is detected."""

import pytest

from tests.api.support.calls import assert_problem
from tests.auth.people import ago, at_once, listed, lives, refresh, register, sql


def let_pass(member, seconds):
    """Move the session's last renewal back."""
    moved = "UPDATE sessions SET rotated_at = :moment WHERE user_id = :user_id AND id = :id"
    sql(member.app, moved, moment=ago(seconds), user_id=member.user_id, id=member.session_id)


def test_refreshing_replaces_both_tokens(member):
    """The session keeps its id."""
    renewed = member.renew()

    assert renewed.session_id == member.session_id
    assert renewed.user_id == member.user_id
    assert renewed.refresh_token != member.refresh_token
    assert lives(renewed)


def test_a_refresh_token_is_stored_only_as_a_hash(member):
    """So a reader of the database cannot renew a session."""
    secret = member.refresh_token.split("~")[-1]
    [row] = sql(member.app, "SELECT * FROM sessions WHERE user_id = :id", id=member.user_id)

    assert not any(secret in str(value) for value in row)


def test_one_of_many_concurrent_refreshes_succeeds(app, member):
    """Of 20 at once, one uses the token, and the session survives the other 19."""
    answers = at_once(20, lambda: refresh(app, member.refresh_token))

    [renewed] = [answer.json for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer.status_code != 200:
            assert_problem(answer, 401, "token_revoked")
    assert refresh(app, renewed["refresh_token"]).status_code == 200


def test_reusing_a_token_at_once_is_only_rejected(member):
    """The response may have been lost, so that the client tries again."""
    renewed = member.renew()
    let_pass(member, 8)

    assert_problem(member.refresh(), 401, "token_revoked")
    assert lives(renewed)


def test_reusing_a_token_later_ends_its_session(member):
    """It has been copied: the newest refresh token and the access tokens of this session stop working."""
    other, renewed = member.sign_in(), member.renew()
    let_pass(member, 10.1)

    assert_problem(member.refresh(), 401, "token_revoked")
    assert not lives(renewed)
    assert not lives(member)
    assert lives(other)


def test_reusing_an_older_token_ends_its_session_at_once(member):
    """It cannot be a repetition, because its successor has been used."""
    newest = member.renew().renew()

    assert_problem(member.refresh(), 401, "token_revoked")
    assert not lives(newest)


@pytest.mark.parametrize("renewals", [0, 1])
def test_a_wrong_secret_is_rejected_and_the_session_stays(member, renewals):
    """Guessing cannot end a session."""
    for _ in range(renewals):
        member = member.renew()
    *names, secret = member.refresh_token.split("~")
    guess = "~".join([*names, secret[::-1]])

    assert_problem(member.refresh(guess), 401, "token_revoked")
    assert lives(member)


@pytest.mark.parametrize("part", [0, 1])
def test_a_refresh_token_works_only_for_its_own_user_and_session(app, member, part):
    """Parts of two users' tokens do not make a valid token."""
    other = register(app)
    mixed = member.refresh_token.split("~")
    mixed[part] = other.refresh_token.split("~")[part]

    assert_problem(member.refresh("~".join(mixed)), 401, "token_revoked")
    assert lives(member)
    assert lives(other)


def test_an_expired_session_cannot_be_renewed(member):
    """Nor is it listed."""
    sql(
        member.app,
        "UPDATE sessions SET expires_at = :moment WHERE user_id = :id",
        moment=ago(0),
        id=member.user_id,
    )

    assert_problem(member.refresh(), 401, "token_revoked")
    assert listed(member) == []


def test_refreshing_prolongs_a_session(app, member):
    """Its lifetime counts from its last use."""
    let_pass(member, 3_600)
    shortly = ago(-60)
    sql(app, "UPDATE sessions SET expires_at = :moment WHERE user_id = :id", moment=shortly, id=member.user_id)
    [session] = listed(member.renew())

    assert session["expires_at"] > ago(-2_591_000)
    assert session["used_at"] > session["created_at"]


NO_REFRESH_TOKENS = {
    "a word": lambda token: "refresh",
    "cut short": lambda token: token[:-1],
    "too long": lambda token: token + "A",
    "a line's end": lambda token: token + "\n",
    "a blank": lambda token: " " + token,
    "capitals": lambda token: token.upper(),
    "an outside user": lambda token: token.replace("usr_", ""),
    "a negative number": lambda token: token.replace("~0~", "~-1~"),
    "another alphabet's number": lambda token: token.replace("~0~", "~٠~"),
    "too large a number": lambda token: token.replace("~0~", "~99999999999~"),
    "no number": lambda token: token.replace("~0~", "~"),
    "a session id of hyphens": lambda token: f"usr_{'0' * 32}~{'-' * 36}~0~{'B' * 22}~{'A' * 43}",
    "a session id without hyphens": lambda token: f"usr_{'0' * 32}~{'0' * 36}~0~{'B' * 22}~{'A' * 43}",
}


@pytest.mark.parametrize("change", NO_REFRESH_TOKENS.values(), ids=NO_REFRESH_TOKENS)
def test_a_text_of_another_form_is_malformed(member, change):
    """401 for any text, and the session stays."""
    assert_problem(member.refresh(change(member.refresh_token)), 401, "token_malformed")
    assert lives(member)


def test_an_access_token_is_not_a_refresh_token(member):
    """Neither works as the other."""
    as_access = {"Authorization": f"Bearer {member.refresh_token}"}

    assert_problem(member.refresh(member.access_token), 401, "token_malformed")
    assert_problem(member.get("/v1/tasks", headers=as_access), 401, "token_malformed")


@pytest.mark.parametrize("token", ["", "a" * 501, "a\x00", None, 7])
def test_a_refresh_token_of_the_wrong_type_or_size_is_422(member, token):
    """The error names the field."""
    answer = member.post("/v1/auth/refresh", json={"refresh_token": token})

    assert_problem(answer, 422, "validation_error", "refresh_token")


def test_a_forged_refresh_token_cannot_end_a_session(member):
    """User and session are in every access token, so knowing them must not be enough."""
    newest = member.renew().renew()
    user_id, session_id, _, family, secret = newest.refresh_token.split("~")
    forged = "~".join([user_id, session_id, "0", family[::-1], secret])

    assert_problem(member.refresh(forged), 401, "token_revoked")
    assert lives(newest)
