"""`flask users`: manage the service's users."""

import json
import math
import os
import pty
import select
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask

from app.auth import personal_tokens, queries
from app.commands import users as commands
from app.services import services_of
from app.settings import PROJECT
from tests.api.support.calls import assert_problem
from tests.auth.people import PASSWORD, another_app, log_in, new_email, register, sql
from tests.auth.personal import READ, WRITE, script_of, tokens_of
from tests.commands.calling import FLASK, fail, record, run, succeed
from tests.conftest import Caller, new_user_id, settings_for
from tests.loaded import Loaded

NEW_PASSWORD = "another horse battery"
NOBODY = "usr_" + 32 * "0"
ON_ONE_USER = ("show", "disable", "enable", "set-password", "delete", "token")


def create(app: Flask, email: str | None = None, *options: str, password: str = PASSWORD) -> dict[str, Any]:
    """An account that the command has created."""
    return record(app, "users", "create", email or new_email(), *options, stdin=f"{password}\n")


@pytest.mark.parametrize("password", [PASSWORD, "  spaces at both ends  ", "pässwörter 🔑"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "", "\nand what follows\n"], ids=repr)
def test_create_reads_the_password_from_standard_input(app: Flask, password: str, end: str) -> None:
    """Its first line, unchanged."""
    email = new_email()

    made = record(app, "users", "create", email, "--name", "Ann", stdin=password + end)

    assert (made["email"], made["name"], made["created"]) == (email, "Ann", True)
    answer = log_in(app, email, password)
    assert answer.status_code == 200, answer.text
    assert Caller(app, made["id"], answer.json["access_token"]).get("/v1/auth/me").json["id"] == made["id"]


def test_an_id_that_is_also_an_address_is_ambiguous(app: Flask) -> None:
    """Such as with AUTH_USER_ID_CLAIM=email. One line says how to name each of the two."""
    account = create(app)
    other = Caller(app, account["email"])
    other.add()

    line = fail(app, "users", "disable", account["email"])
    assert f"{account['id']} for the account, id:{account['email']} for the other" in line
    assert record(app, "users", "disable", f"id:{account['email']}")["id"] == account["email"]
    assert record(app, "users", "show", account["id"])["disabled_at"] is None
    assert_problem(other.get("/v1/tasks"), 401, "token_revoked")


def test_an_id_with_an_at_sign_is_accepted_if_the_claim_is_email(app: Flask) -> None:
    """Even before the first write. Otherwise a name with an @ is an account's address."""
    email = new_email()
    assert fail(app, "users", "token", email) == f"Error: There is no user {email!r}."
    with another_app(app, AUTH_USER_ID_CLAIM="email") as service:
        token = record(service, "users", "token", email)["access_token"]
        assert Caller(service, email, token).get("/v1/tasks").status_code == 200


def test_a_new_account_has_no_session(app: Flask) -> None:
    """Because no sign-in has happened."""
    made = create(app)

    assert record(app, "users", "show", made["id"])["sessions"] == []


def test_creating_an_account_twice_succeeds(app: Flask) -> None:
    """With the same password, so that a script can repeat it."""
    email = new_email()
    first = create(app, email, "--name", "Ann")

    again = create(app, email.upper(), "--name", "Ann")

    assert again == {**first, "created": False}
    assert set(again) == {"id", "email", "name", "created_at", "email_verified_at", "pending_email", "created"}
    assert create(app, email)["id"] == first["id"]
    printed = succeed(app, "users", "create", email, stdin=PASSWORD)
    assert printed == f"{email} already exists with these values: {first['id']}.\n"


@pytest.mark.parametrize("command", ["create", "set-password"])
def test_no_password_is_set_without_local_accounts(app: Flask, command: str) -> None:
    """With LOCAL_AUTH=off it could not be used."""
    made = create(app)
    with another_app(app, LOCAL_AUTH="off") as service:
        line = fail(service, "users", command, made["email"], stdin=NEW_PASSWORD)

    assert line == "Error: LOCAL_AUTH is off: nobody can sign in with a password here."
    assert log_in(app, made["email"]).status_code == 200


@pytest.mark.parametrize(("options", "password"), [((), NEW_PASSWORD), (("--name", "Bob"), PASSWORD)])
def test_creating_an_account_with_a_taken_address_fails(app: Flask, options: tuple[str, ...], password: str) -> None:
    """One line says whose it is, and nothing changes."""
    made = create(app, new_email(), "--name", "Ann")

    line = fail(app, "users", "create", made["email"], *options, stdin=password)

    assert made["id"] in line
    assert "set-password" in line
    assert record(app, "users", "show", made["id"])["name"] == "Ann"
    assert log_in(app, made["email"]).status_code == 200


@pytest.mark.parametrize(
    "typed", ["", "\n", "short", 257 * "x", "nul\0 within it", b"\xff\xff\xff\xff\xff\xff\xff\xff"]
)
def test_an_invalid_password_is_reported_in_one_line(app: Flask, typed: str | bytes) -> None:
    """Which does not repeat it, and no account is created."""
    email = new_email()

    line = fail(app, "users", "create", email, stdin=typed)

    assert line.startswith(("Error: The password ", "Error: No password "))
    assert not typed or str(typed).strip() == "" or str(typed) not in line
    assert fail(app, "users", "show", email) == f"Error: There is no user '{email}'."


def type_at_terminal(url: str, arguments: list[str], *lines: str) -> tuple[int, str]:
    """Run a command at a terminal, type a line at each prompt, and return its exit status and the terminal's text."""
    here, there = pty.openpty()
    environment = {"PATH": os.environ["PATH"], **settings_for(url)}
    # Without a controlling terminal, the prompts come to this one.
    process = Loaded(
        [FLASK, *arguments], cwd=PROJECT, env=environment, stdin=there, stdout=there, stderr=there,
        start_new_session=True,
    )  # fmt: skip
    os.close(there)
    shown, prompts = b"", iter(lines)
    with closing(os.fdopen(here, "r+b", buffering=0)) as terminal:
        while select.select([terminal], [], [], 30)[0]:
            try:
                shown += terminal.read(1024)
            except OSError:
                # The other end is closed.
                return process.wait(60), shown.decode()
            if shown.endswith(b": "):
                terminal.write(f"{next(prompts)}\n".encode())
    process.kill()
    process.wait()
    raise AssertionError(f"it waits: {shown!r}")


def test_at_a_terminal_the_password_is_prompted_for_and_not_shown(sqlite_url: str) -> None:
    """Twice; if the two differ, it prompts again."""
    email = new_email()

    status, shown = type_at_terminal(
        sqlite_url, ["users", "create", email], PASSWORD, "something else", NEW_PASSWORD, NEW_PASSWORD
    )

    assert status == 0, shown
    assert PASSWORD not in shown
    assert NEW_PASSWORD not in shown
    with another_app(sqlite_url) as app:
        assert log_in(app, email, NEW_PASSWORD).status_code == 200


def test_list_shows_all_users(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once on one line, on any number of pages."""
    emails = {register(app).email for _ in range(21)}
    pages = []
    whole = queries.list_users

    def in_small_pages(after: str = "") -> list[Any]:
        pages.append(whole(after)[:20])
        return pages[-1]

    monkeypatch.setattr(commands.queries, "list_users", in_small_pages)
    users = [json.loads(line) for line in succeed(app, "users", "list", "--json").splitlines()]

    assert len(pages) == math.ceil(len(users) / 20) + 1
    assert emails <= {user["email"] for user in users}
    assert sorted({user["id"] for user in users}) == sorted(user["id"] for user in users)
    assert list(users[0]) == ["id", "email", "name", "created_at", "email_verified_at", "pending_email", "disabled_at"]


def test_the_table_shows_disabled_users(app: Flask) -> None:
    """With a heading and a line for each user."""
    one, two = create(app, new_email(), "--name", "Ann"), create(app)
    succeed(app, "users", "disable", two["id"])

    heading, *lines = succeed(app, "users", "list").splitlines()

    assert heading.split() == ["ID", "CREATED", "STATE", "E-MAIL", "NAME"]
    line_of = {line.split()[0]: line.split() for line in lines}
    assert line_of[one["id"]][2:] == ["enabled", one["email"], "Ann"]
    assert line_of[two["id"]][2:] == ["disabled", two["email"], "-"]


def test_control_characters_in_names_do_not_reach_the_terminal(app: Flask) -> None:
    """Names may have any characters, but the output has no escape sequences."""
    member = register(app, name="A\x1b[2Jnn\u202e")

    for arguments in (("list",), ("show", member.user_id)):
        printed = succeed(app, "users", *arguments)
        assert "A\ufffd[2Jnn\ufffd" in printed
        assert "\x1b" not in printed


def test_show_counts_tasks_and_sessions(app: Flask) -> None:
    """As JSON, or on a line each."""
    member = register(app)
    tasks = [member.add() for _ in range(4)]
    for task in tasks[:2]:
        assert member.post(f"/v1/tasks/{task['id']}/toggle").status_code == 200
    assert member.delete(f"/v1/tasks/{tasks[-1]['id']}").status_code == 204
    member.sign_in()

    shown = record(app, "users", "show", member.email.upper())

    assert shown["id"] == member.user_id
    assert shown["tasks"] == {"open": 1, "completed": 2, "in_trash": 1}
    assert member.session_id in {session["id"] for session in shown["sessions"]}
    assert len(shown["sessions"]) == 2
    lines = succeed(app, "users", "show", member.user_id).splitlines()
    assert "disabled  not disabled" in lines
    assert "tasks     1 open, 2 completed, 1 in the trash" in lines
    assert "sessions  2" in lines


def test_disabling_ends_access_and_enabling_restores_it(app: Flask) -> None:
    """Of tokens, sessions and the password. The second time it says that nothing was changed."""
    member = register(app)
    disable, enable = ("users", "disable", member.email), ("users", "enable", member.user_id)

    assert record(app, *disable)["changed"] is True
    assert_problem(member.get("/v1/tasks"), 401, "token_revoked")
    assert_problem(log_in(app, member.email), 401, "invalid_credentials")
    since = record(app, "users", "show", member.email)["disabled_at"]
    assert record(app, *disable)["changed"] is False
    assert record(app, "users", "show", member.email)["disabled_at"] == since is not None

    assert record(app, *enable)["changed"] is True
    assert member.get("/v1/tasks").status_code == 200
    assert record(app, *enable) == {
        "id": member.user_id,
        "email": member.email,
        "disabled": False,
        "changed": False,
    }
    assert succeed(app, *enable) == f"{member.email} ({member.user_id}) was already enabled.\n"


def test_another_process_knows_of_disabling(app: Flask) -> None:
    """The service reads revocations from the database."""
    with another_app(app) as service:
        member = register(service)
        assert member.get("/v1/tasks").status_code == 200
        succeed(app, "users", "disable", member.user_id)
        services_of(service).revocations._copy.began_at = float("-inf")

        assert_problem(member.get("/v1/tasks"), 401, "token_revoked")


def test_a_new_password_ends_all_sessions(app: Flask) -> None:
    """The old one is rejected. It may be set again."""
    member = register(app)
    member.sign_in()
    script = script_of(app, member)

    for ended in (2, 0):
        said = record(app, "users", "set-password", member.email, stdin=NEW_PASSWORD)
        numbers = {"ended_sessions": ended, "ended_tokens": ended // 2}
        assert said == {"id": member.user_id, "email": member.email, **numbers}

    for ended in (member, script):
        assert_problem(ended.get("/v1/tasks"), 401, "token_revoked")
    assert_problem(log_in(app, member.email), 401, "invalid_credentials")
    assert log_in(app, member.email, NEW_PASSWORD).status_code == 200


def test_a_front_ends_user_has_no_password_here(app: Flask, ann: Caller) -> None:
    """One line says so."""
    ann.add()

    line = fail(app, "users", "set-password", ann.user_id, stdin=NEW_PASSWORD)

    assert line == f"Error: {ann.user_id} signs in with another issuer and has no password here."


@pytest.mark.parametrize(("typed", "is_gone"), [("y\n", True), ("n\n", False), ("", False)])
def test_delete_asks_for_confirmation(app: Flask, typed: str, is_gone: bool) -> None:
    """No answer, as in a script, is a no."""
    member = register(app)
    member.add()

    result = run(app, "users", "delete", member.email, stdin=typed)

    assert result.exit_code == (0 if is_gone else 1)
    assert f"Permanently delete {member.email} ({member.user_id}) with 1 tasks" in result.stderr
    assert ("--yes" in result.stderr) is not is_gone
    assert (member.get("/v1/tasks").status_code == 401) is is_gone


@pytest.mark.parametrize("make", [register, lambda app: Caller(app, new_user_id())], ids=["account", "front end's"])
def test_delete_also_deletes_tasks_and_tokens(app: Flask, make: Callable[[Flask], Caller]) -> None:
    """The second time the user is unknown."""
    caller = make(app)
    caller.add()

    said = record(app, "users", "delete", caller.user_id, "--yes")

    assert (said["id"], said["deleted"], said["tasks"]) == (caller.user_id, True, 1)
    assert_problem(caller.get("/v1/tasks"), 401, "token_revoked")
    assert fail(app, "users", "delete", caller.user_id, "--yes") == f"Error: There is no user '{caller.user_id}'."


def test_token_prints_a_new_sessions_token(app: Flask) -> None:
    """Standard output has only the token, and standard error the warning. Its session can be ended."""
    made = create(app)
    result = run(app, "users", "token", made["email"], "--seconds", "120")
    [token] = result.stdout.splitlines()
    [warning] = result.stderr.splitlines()
    caller = Caller(app, made["id"], token)

    assert warning == f"This token gives access as {made['email']} ({made['id']}) for 0:02:00."
    assert caller.get("/v1/auth/me").json["id"] == made["id"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 120
    [session] = caller.get("/v1/auth/sessions").json["items"]
    assert session["current"] is True
    assert caller.post("/v1/auth/logout").status_code == 204
    assert_problem(caller.get("/v1/tasks"), 401, "token_revoked")


def test_a_printed_token_has_the_usual_lifetime(app: Flask) -> None:
    """By default. The JSON includes it."""
    made = create(app)

    said = record(app, "users", "token", made["id"])

    assert (said["user_id"], said["expires_in"]) == (made["id"], 900)
    assert Caller(app, made["id"], said["access_token"]).get("/v1/tasks").status_code == 200


@pytest.mark.parametrize(
    "settings",
    [{}, {"AUTH_ISSUER": "https://issuer.example", "AUTH_AUDIENCE": "tasks"}, {"AUTH_USER_ID_CLAIM": "uid"}],
    ids=["secret alone", "issuer and audience", "another claim"],
)
def test_a_printed_token_of_a_front_ends_user_is_accepted(app: Flask, settings: dict[str, str]) -> None:
    """It is signed with the shared secret, and has the claims that the settings require. The user needs no row."""
    user_id = new_user_id()
    with another_app(app, **settings) as service:
        token = succeed(service, "users", "token", user_id).strip()
        made = Caller(service, user_id, token).post("/v1/tasks", json={"title": "tea"})

    assert made.status_code == 201, made.text
    assert made.json["user_id"] == user_id


def test_no_token_is_printed_that_would_be_rejected(app: Flask) -> None:
    """Of a disabled user, or of an account with LOCAL_AUTH=off."""
    made = create(app)
    with another_app(app, LOCAL_AUTH="off") as service:
        assert "LOCAL_AUTH" in fail(service, "users", "token", made["id"])
    succeed(app, "users", "disable", made["id"])

    assert "is disabled: see `flask users enable`" in fail(app, "users", "token", made["id"])


def test_without_a_shared_secret_only_the_front_end_signs(app: Flask) -> None:
    """The command says so."""
    with another_app(app, BETTER_AUTH_SECRET=None) as service:
        assert "BETTER_AUTH_SECRET" in fail(service, "users", "token", "somebody")


@pytest.mark.parametrize("command", ["users create ann@example.com", "doctor --token -"])
def test_a_closed_standard_input_is_reported_in_one_line(tmp_path: Path, command: str) -> None:
    """Such as with `<&-`."""
    done = subprocess.run(
        ["bash", "-c", f"{FLASK} {command} <&-"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **settings_for(f"sqlite:///{tmp_path / 'tasks.db'}")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (
        1,
        "Error: Standard input is closed, but the command must read from it.\n",
    )


@pytest.mark.parametrize("command", ON_ONE_USER)
@pytest.mark.parametrize("user", [NOBODY, "nobody@example.com"])
def test_an_unknown_user_is_reported_in_one_line(app: Flask, command: str, user: str) -> None:
    """With the given name."""
    assert fail(app, "users", command, user, stdin=NEW_PASSWORD) == f"Error: There is no user '{user}'."


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("create",),
        ("create", "no address"),
        ("create", "ann@example.com", "--name", ""),
        ("create", "ann@example.com", "--name", 101 * "x"),
        ("create", "ann@example.com", "--password", PASSWORD),
        ("create", "ann@example.com", PASSWORD),
        ("create", "ann@example.com", "--name", "\udcff"),
        ("list", "more"),
        ("token", "ann@example.com", "--seconds", "0"),
        ("token", "ann@example.com", "--seconds", "86401"),
        ("token", "ann@example.com", "--seconds", "long"),
        ("show", "\udcff"),
        ("shown", "ann@example.com"),
        *((command,) for command in ON_ONE_USER),
        *((command, "ann@example.com", "--unknown") for command in ON_ONE_USER),
    ],
    ids=ascii,
)
def test_wrong_arguments_have_status_2(app: Flask, arguments: tuple[str, ...]) -> None:
    """Before the database is used."""
    result = run(app, "users", *arguments, stdin=PASSWORD)

    assert (result.exit_code, result.stdout) == (2, "")
    assert sql(app, "SELECT count(*) FROM users WHERE email = 'ann@example.com'")[0][0] == 0


def personal(app: Flask, user: str, *scopes: str, **options: Any) -> dict[str, Any]:
    """Make a personal token with the command, and return its JSON."""
    named = [text for scope in scopes for text in ("--scope", scope)]
    others = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return record(app, "users", "token", user, "--personal", "script", *named, *others)


def test_a_personal_token_of_an_account(app: Flask) -> None:
    """It is the one that its user would make."""
    member = register(app)
    made = personal(app, member.email, READ, days=30)
    script = Caller(app, member.user_id, made["token"])

    assert (script.get("/v1/tasks").status_code, script.post("/v1/tasks", json={}).status_code) == (200, 403)
    assert (made["user_id"], made["name"], made["scopes"]) == (member.user_id, "script", [READ])
    [listed] = tokens_of(member)
    assert {**listed, "last_used_at": None} == {name: made[name] for name in listed}
    assert (datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])).days == 30


def test_a_personal_token_of_a_front_ends_user(app: Flask) -> None:
    """Who may be new here, and whose tokens this service cannot sign."""
    user_id = new_user_id()
    with another_app(app, BETTER_AUTH_SECRET=None, AUTH_JWKS_URL="https://example.com/jwks") as service:
        made = personal(service, user_id, WRITE, READ)

    assert made["scopes"] == [READ, WRITE]
    assert Caller(app, user_id, made["token"]).add()["user_id"] == user_id


def test_only_the_token_is_on_standard_output(app: Flask) -> None:
    """For use in a shell. Standard error says what it opens, and until when."""
    member = register(app)
    result = run(app, "users", "token", member.email, "--personal", "script", "--scope", READ)

    assert Caller(app, member.user_id, result.stdout.strip()).get("/v1/tasks").status_code == 200
    assert f"{member.email} ({member.user_id}) until 20" in result.stderr
    assert READ in result.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--personal", "script"),
        ("--scope", READ),
        ("--days", "3"),
        ("--personal", "script", "--scope", "tasks:delete"),
        ("--personal", "script", "--scope", READ, "--days", "367"),
        ("--personal", "script", "--scope", READ, "--seconds", "60"),
        ("--personal", " ", "--scope", READ),
    ],
)
def test_a_personal_token_needs_fitting_options(app: Flask, options: tuple[str, ...]) -> None:
    """Exit status 2, and nothing is made."""
    member = register(app)
    result = run(app, "users", "token", member.email, *options)

    assert (result.exit_code, result.stdout) == (2, "")
    assert tokens_of(member) == []


def test_no_personal_token_for_a_disabled_user_or_beyond_the_limit(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says why."""
    member, wanted = register(app), ("--personal", "script", "--scope", READ)
    monkeypatch.setattr(personal_tokens, "MAX_PERSONAL_TOKENS", 1)
    assert personal(app, member.email, READ)
    assert "1 personal tokens. Delete one first." in fail(app, "users", "token", member.email, *wanted)
    succeed(app, "users", "disable", member.email)
    assert "is disabled" in fail(app, "users", "token", member.email, *wanted)
