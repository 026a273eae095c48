"""The maximum number of sessions per account, and the cost of ending many."""

import pytest
from flask import Flask

from app.auth import queries, rate_limits, sessions
from app.services import services_of
from tests.api.support.calls import assert_problem
from tests.auth.people import PASSWORD, Member, ago, at_once, lives, log_in, make_copy_old, sql
from tests.conftest import Caller
from tests.statements import messages

# The statements of a login: count the call and the attempt, find the address and the account, uncount the attempt,
# and create the session.
LOGIN = 6


@pytest.fixture
def crowded(app: Flask, member: Member) -> Member:
    """Return an account with the maximum number of sessions, each renewed a minute after the one before."""
    with app.app_context():
        for _ in range(sessions.MAX_SESSIONS - 1):
            assert sessions.start_session(str(member.user_id), 3_600)
    ids = [row.id for row in sql(app, "SELECT id FROM sessions WHERE user_id = :id ORDER BY id", id=member.user_id)]
    for number, session_id in enumerate(ids):
        renewed = "UPDATE sessions SET rotated_at = :moment WHERE user_id = :user AND id = :id"
        sql(app, renewed, moment=ago(60 * (1_000 - number)), user=member.user_id, id=session_id)
    return member


def revocations_of(member: Member) -> list[str]:
    rows = sql(member.app, "SELECT subject FROM revocations WHERE user_id = :id", id=member.user_id)
    return [row.subject for row in rows]


def count_sessions(member: Member) -> int:
    return int(sql(member.app, "SELECT count(*) FROM sessions WHERE user_id = :id", id=member.user_id)[0][0])


def test_one_more_session_ends_the_one_with_the_oldest_renewal(app: Flask, crowded: Member) -> None:
    """With its access token. All others stay."""
    assert crowded.get("/v1/tasks").status_code == 200
    new = crowded.sign_in()
    make_copy_old(app)

    assert count_sessions(crowded) == sessions.MAX_SESSIONS
    assert not lives(crowded)
    assert lives(new)
    assert revocations_of(crowded) == [crowded.session_id]


def test_a_session_in_use_stays(app: Flask, crowded: Member) -> None:
    """However long ago it began."""
    renewed = crowded.renew()
    new = crowded.sign_in()
    make_copy_old(app)

    assert lives(renewed)
    assert lives(new)
    assert count_sessions(crowded) == sessions.MAX_SESSIONS


def test_concurrent_sign_ins_stay_within_the_limit(app: Flask, crowded: Member) -> None:
    """The next sign-in ends excess sessions that began in the same moment."""
    answers = at_once(6, lambda: log_in(app, crowded.email))
    assert [answer.status_code for answer in answers] == [200] * 6
    last = crowded.sign_in()

    assert count_sessions(crowded) == sessions.MAX_SESSIONS
    assert lives(last)


def test_a_new_session_stays_although_the_clock_went_back(app: Flask, crowded: Member) -> None:
    """By its time it would be the oldest."""
    later = "UPDATE sessions SET rotated_at = :moment WHERE user_id = :id"
    sql(app, later, moment=ago(-3_600), id=crowded.user_id)

    assert lives(crowded.sign_in())


def test_the_limit_costs_a_login_no_extra_statement(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement that creates the session also checks the limit."""
    # One login in a hundred also deletes old rows.
    monkeypatch.setattr(rate_limits, "CLEANUP_ONE_IN", 1_000_000)
    with messages(app) as sent:
        assert log_in(app, member.email).status_code == 200

    assert len(sent) == LOGIN, sent


ENDINGS = {
    "everywhere": lambda member: member.delete("/v1/auth/sessions"),
    "password": lambda member: member.patch("/v1/auth/me", json={"password": PASSWORD, "new_password": "a new one"}),
}


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("others", [1, 20])
def test_many_sessions_are_revoked_in_one_row(app: Flask, member: Member, end: str, others: int) -> None:
    """Twenty take as many statements as one. Each token is rejected, here and in a process that reads the row."""
    ended = [member.sign_in() for _ in range(others)]
    with messages(app) as sent:
        assert ENDINGS[end](member).status_code == (200 if end == "password" else 204)

    assert len(revocations_of(member)) == 1
    assert len([statement for statement in sent if "sessions" in statement or "revocations" in statement]) == 3, sent
    for session in ended:
        assert_problem(session.get("/v1/tasks"), 401, "token_revoked")
    services_of(app).revocations._read_until = None
    make_copy_old(app)
    assert not any(lives(session) for session in ended)
    assert lives(member) is (end == "password")


def test_a_session_that_begins_right_afterwards_stays(app: Flask, member: Member) -> None:
    """Whatever the precision of the clocks, because the row names the ended sessions."""
    assert member.delete("/v1/auth/sessions").status_code == 204

    assert lives(member.sign_in())


@pytest.mark.parametrize("kind", ["logout", "deletion", "outside logout", "outside deletion", "enabling"])
def test_each_revocation_expires(app: Flask, ann: Caller, member: Member, kind: str) -> None:
    """When no valid token can be left: after a day for own tokens, AUTH_MAX_TOKEN_SECONDS for others."""
    caller: Caller = ann if kind.startswith("outside") else member
    if kind == "enabling":
        with app.app_context():
            queries.disable_user(member.user_id)
            queries.enable_user(member.user_id)
    elif kind.endswith("logout"):
        assert caller.post("/v1/auth/logout").status_code == 204
    else:
        body = {} if caller is ann else {"json": {"password": PASSWORD}}
        assert caller.delete("/v1/auth/me", **body).status_code == 204

    longest = 2_592_000 if caller is ann else 86_400
    [row] = sql(app, "SELECT expires_at FROM revocations WHERE user_id = :id", id=caller.user_id)
    ends = str(row.expires_at).replace(" ", "T")
    assert ago(-longest + 5)[:19] < ends < ago(-longest - 120)


def test_a_disabled_user_stays_disabled(app: Flask, member: Member) -> None:
    """Its row does not expire."""
    with app.app_context():
        queries.disable_user(member.user_id)
    [row] = sql(app, "SELECT expires_at FROM revocations WHERE user_id = :id", id=member.user_id)

    assert str(row.expires_at) > "9000"


def test_the_token_command_also_ends_the_oldest_session(app: Flask, crowded: Member) -> None:
    """`flask users token` begins sessions too."""
    from_command = app.test_cli_runner().invoke(args=["users", "token", crowded.user_id])

    assert from_command.exit_code == 0, from_command.output
    assert count_sessions(crowded) == sessions.MAX_SESSIONS
    assert revocations_of(crowded) == [crowded.session_id]
