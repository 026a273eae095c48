"""Accounts: registering, signing in, and changing them."""

import pytest

from tests.api.support.calls import TIME, assert_problem
from tests.auth.people import (
    PASSWORD,
    another_app,
    at_once,
    log_in,
    new_email,
    register,
    sign_up,
    sql,
)
from tests.conftest import Caller

TOKENS = {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
USER = {"id", "email", "name", "created_at", "email_verified", "pending_email", "reminder_mail"}
ANOTHER = "a newer and better one"


def assert_tokens(answer, status, **members):
    """Check the tokens' fields and that no cache stores the response, and return the tokens."""
    assert (answer.status_code, answer.headers["Cache-Control"]) == (status, "no-store"), answer.text
    assert set(answer.json) == TOKENS | set(members)
    fixed = {"token_type": "Bearer", "expires_in": 900, "refresh_expires_in": 2_592_000}
    assert answer.json.items() >= fixed.items()


def test_registering_returns_the_user_and_working_tokens(app):
    """201 with the account and its tokens."""
    email = new_email()
    answer = sign_up(app, email, name="Ann")

    assert_tokens(answer, 201, user=USER)
    user = answer.json["user"]
    assert set(user) == USER
    assert (user["email"], user["name"]) == (email, "Ann")
    assert user["id"].startswith("usr_")
    assert TIME.fullmatch(user["created_at"])


def test_logging_in_returns_tokens_of_a_new_session(app, member):
    """With status 200."""
    answer = log_in(app, member.email)

    assert_tokens(answer, 200)
    assert answer.json["refresh_token"] != member.refresh_token


def test_refreshing_returns_tokens(member):
    """200, in the same form as a login."""
    assert_tokens(member.refresh(), 200)


def test_an_access_token_opens_its_own_users_tasks(app, member):
    """Other accounts see none of them."""
    task, other = member.add(), register(app)

    assert task["user_id"] == member.user_id
    assert member.get("/v1/tasks").json["items"] == [task]
    assert other.get("/v1/tasks").json["items"] == []


def test_me_is_the_registered_user(app):
    """The same object, without tokens."""
    made = sign_up(app, new_email(), name="Ann")
    assert made.status_code == 201
    shown = register(app).get("/v1/auth/me", headers={"Authorization": f"Bearer {made.json['access_token']}"})

    assert (shown.status_code, shown.json) == (200, made.json["user"])
    assert shown.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("body", [{}, {"name": None}])
def test_a_name_is_optional(app, body):
    """Without one it is null."""
    answer = sign_up(app, new_email(), **body)

    assert (answer.status_code, answer.json["user"]["name"]) == (201, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ann"),
        ("email", "ann@"),
        ("email", "ann\x00@example.com"),
        ("email", f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.example"),
        ("email", None),
        ("email", 1),
        ("password", None),
        ("name", " "),
        ("name", "a" * 101),
        ("admin", True),
    ],
)
def test_an_invalid_registration_is_rejected(app, field, value):
    """422 names the field, and the address stays free."""
    email = new_email()
    body = {"email": email, "password": PASSWORD, field: value}

    assert_problem(sign_up(app, **body), 422, "validation_error", field)
    assert_problem(log_in(app, email), 401, "invalid_credentials")


def test_an_address_is_stored_as_written(app):
    """Except for surrounding blanks."""
    email = new_email().replace("ann", "Ann.MÜLLER+Tasks")

    assert register(app, f" {email} ").get("/v1/auth/me").json["email"] == email


@pytest.mark.parametrize("spelling", [str.upper, str.title, lambda email: f" {email}\t"])
def test_an_address_ignores_case(app, spelling):
    """For login, and for registering again. Both small sigmas are one Σ."""
    email = f"märta.χάρις.{new_email()}"
    register(app, email)

    assert log_in(app, spelling(email)).status_code == 200
    assert_problem(sign_up(app, spelling(email)), 409, "email_taken")


@pytest.mark.parametrize(("one", "two"), [("strasse", "straße"), ("masse", "maße"), ("ı", "i")])
def test_addresses_with_different_letters_are_different(app, one, two):
    """So that no account takes the place of a similar address."""
    rest = new_email()
    first, second = register(app, f"{one}.{rest}"), register(app, f"{two}.{rest}")

    assert first.user_id != second.user_id
    assert first.sign_in().user_id == first.user_id
    assert second.sign_in().user_id == second.user_id


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("xn--mnchen-3ya.example", "MÜNCHEN.example"),
        ("straße.example", "XN--STRAE-OQA.example"),
        ("mu\u0308nchen.example", "münchen.example"),
        ("münchen.example", "ｍünchen.example"),
    ],
)
def test_a_domain_is_the_same_in_unicode_and_in_punycode(app, written, typed):
    """RFC 5891: two spellings of one DNS name."""
    name = new_email().partition("@")[0]
    member = register(app, f"{name}@{written}")

    assert log_in(app, f"{name}@{typed}").status_code == 200
    assert_problem(sign_up(app, f"{name}@{typed}"), 409, "email_taken")
    assert member.get("/v1/auth/me").json["email"] == f"{name}@{written}"


def test_a_domain_with_other_letters_is_different(app):
    """straße.example and strasse.example are two names since IDNA2008."""
    name = new_email().partition("@")[0]

    assert register(app, f"{name}@straße.example").user_id != register(app, f"{name}@strasse.example").user_id


def test_one_of_many_concurrent_registrations_succeeds(app):
    """20 at once with one address: one account, 19 times 409, never 500."""
    email = new_email()
    answers = at_once(20, lambda: sign_up(app, email))

    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(refused) == 19
    for answer in refused:
        assert_problem(answer, 409, "email_taken")
    assert len(sql(app, "SELECT id FROM users WHERE email = :email", email=email)) == 1
    assert log_in(app, email).status_code == 200


@pytest.mark.parametrize("name", ["Ann", None])
def test_a_name_can_be_changed(app, name):
    """The response is the user as it is now."""
    member = register(app, name="Anna")
    changed = member.patch("/v1/auth/me", json={"name": name})
    shown = member.get("/v1/auth/me")

    assert (changed.status_code, shown.status_code) == (200, 200)
    assert changed.json == shown.json
    assert (changed.json["name"], changed.json["email"]) == (name, member.email)


def test_an_empty_change_changes_nothing(member):
    """200 with the unchanged user."""
    before = member.get("/v1/auth/me").json
    answer = member.patch("/v1/auth/me", json={})

    assert (answer.status_code, answer.json) == (200, before)


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"password": PASSWORD}, "new_password"),
        ({"new_password": ANOTHER}, "password"),
        ({"password": PASSWORD, "new_password": "short"}, "new_password"),
        ({"email": "other@example.com"}, "password"),
        ({"email": "nobody", "password": PASSWORD}, "email"),
    ],
)
def test_an_invalid_change_changes_nothing(app, member, body, missing):
    """A change of the password needs both passwords, and the new one must be valid."""
    assert_problem(member.patch("/v1/auth/me", json={"name": "Ann", **body}), 422, "validation_error", missing)
    assert member.get("/v1/auth/me").json["name"] is None
    assert log_in(app, member.email).status_code == 200


def test_a_new_password_replaces_the_old_one(app, member):
    """The old one is rejected from then on."""
    changed = member.patch("/v1/auth/me", json={"password": PASSWORD, "new_password": ANOTHER, "name": "Ann"})

    assert (changed.status_code, changed.json["name"]) == (200, "Ann")
    assert_problem(log_in(app, member.email, PASSWORD), 401, "invalid_credentials")
    assert log_in(app, member.email, ANOTHER).status_code == 200


def test_a_new_password_ends_only_the_other_sessions(member):
    """The session that changed it stays."""
    other = member.sign_in()
    changed = member.patch("/v1/auth/me", json={"password": PASSWORD, "new_password": ANOTHER})

    assert changed.status_code == 200
    assert_problem(other.get("/v1/tasks"), 401, "token_revoked")
    assert_problem(other.refresh(), 401, "token_revoked")
    assert member.get("/v1/tasks").status_code == 200
    assert member.refresh().status_code == 200


def test_a_wrong_current_password_changes_nothing(app, member):
    """It also ends no session: the 401 concerns the password, not the token."""
    other = member.sign_in()
    body = {"password": "wrong horse battery", "new_password": ANOTHER, "name": "Ann"}

    assert_problem(member.patch("/v1/auth/me", json=body), 401, "invalid_credentials")
    assert other.get("/v1/auth/me").json["name"] is None
    assert log_in(app, member.email).status_code == 200


@pytest.mark.parametrize("path", ["/register", "/login", "/refresh"])
def test_account_routes_are_404_without_local_accounts(app, ann, path):
    """With LOCAL_AUTH=off, other issuers' users are still served."""
    with another_app(app, LOCAL_AUTH="off") as other:
        ann = type(ann)(other, ann.user_id)

        assert_problem(ann.post(f"/v1/auth{path}", json={}), 404, "not_found")
        assert ann.get("/v1/auth/me").status_code == 200


def test_own_tokens_are_rejected_without_local_accounts(app, member):
    """With LOCAL_AUTH=off, this service is not a trusted issuer."""
    with another_app(app, LOCAL_AUTH="off") as other:
        assert_problem(member.at(other).get("/v1/tasks"), 401, "token_algorithm")


@pytest.mark.one_engine
@pytest.mark.parametrize("password", ["password", "12345678", "PassWord", "qwertyuiop"])
def test_a_common_password_is_rejected(app, password):
    """For a registration and as a new password. A login with one works."""
    ann = register(app)
    changes = {"password": PASSWORD, "new_password": password}
    answers = [
        Caller(app).post("/v1/auth/register", json={"email": new_email(), "password": password}),
        ann.patch("/v1/auth/me", json=changes),
    ]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert "most common" in answers[0].json["errors"]["password"][0]
    assert "most common" in answers[1].json["errors"]["new_password"][0]
    login = Caller(app).post("/v1/auth/login", json={"email": ann.email, "password": password})
    assert login.json["code"] == "invalid_credentials"
