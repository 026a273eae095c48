"""Rules for the places of code, checked on the syntax tree."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from flask import Flask

from app.http.problems import catalogue
from app.settings import PROJECT

FILES = {path.relative_to(PROJECT).as_posix(): path for path in sorted((PROJECT / "app").rglob("*.py"))}
FILES |= {"migrations/env.py": PROJECT / "migrations" / "env.py", "wsgi.py": PROJECT / "wsgi.py"}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}

VIEWS = {"app/auth/views.py", "app/auth/views_of_mail.py", "app/auth/views_of_tokens.py", "app/webhooks/views.py"}
VIEWS |= {"app/mcp/views.py", "app/tasks/views.py", "app/tasks/views_by_user.py", "app/tasks/views_of_lists.py"}
# Around the views: the decorator that identifies the caller, the parser, the encoders, and each request's log line.
READ_THE_REQUEST = VIEWS | {
    "app/http/blueprint.py",
    "app/http/documents.py",
    "app/auth/rate_limits.py",
    "app/auth/identity.py",
    "app/http/requests.py",
    "app/http/parsing.py",
    "app/http/problems.py",
    "app/tasks/idempotency.py",
    "app/tasks/responses.py",
}
# The allowed imports: a room may import those behind it, never those before it.
ROOMS = ["commands", "ops", "work", "mcp", "mail", "webhooks"]
ROOMS += ["tasks", "auth", "outbox", "database", "http", "settings"]
# Next to the rooms: the worker may import the tools for waiting, and these and the times import no room.
APART = {"server": {"app.turns"}, "turns": set(), "times": set()}


@cache
def imports(name: str) -> set[str]:
    """Return the modules that a file imports, each name from a package counted as one."""
    found: set[str] = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@cache
def importers(module: str) -> set[str]:
    return {name for name in TREES if any(found == module or found.startswith(f"{module}.") for found in imports(name))}


def names_from(name: str, module: str) -> set[str]:
    """Return the names a file uses of a module, as `from module import x` or as `module.x`."""
    tree = TREES[name]
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == module
        for alias in node.names
    }
    return taken | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module
    }


def test_only_tasks_names_the_task_tables() -> None:
    """So that isolation is kept in one folder."""
    outside = {name for name in importers("app.tasks.models") if not name.startswith("app/tasks/")}

    assert outside == {"migrations/env.py"}


def test_only_the_outbox_names_its_table() -> None:
    """So that what can reach all users' messages is in one folder."""
    outside = {name for name in importers("app.outbox.models") if not name.startswith("app/outbox/")}

    assert outside == {"migrations/env.py"}


def test_only_some_files_of_auth_name_the_tables_of_users() -> None:
    """These are read across users, so every statement on them is in one of these files."""
    assert importers("app.auth.models") == {
        "app/auth/rate_limits.py",
        "app/auth/links.py",
        "app/auth/personal_tokens.py",
        "app/auth/queries.py",
        "app/auth/revoked.py",
        "app/auth/sessions.py",
        "app/auth/verification.py",
        "migrations/env.py",
    }


def test_no_sql_text_names_a_table() -> None:
    """It would escape both rules."""
    names = "users|user_emails|links|personal_tokens|sessions|tasks|outbox"
    statement = re.compile(rf"\b(from|into|update|join|table)\s+({names})\b", re.IGNORECASE)
    texts = [
        (name, node.value)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.search(node.value)
    ]
    spoken = {
        ast.get_docstring(node, clean=False) for tree in TREES.values() for node in ast.walk(tree) if documented(node)
    }

    assert [(name, text) for name, text in texts if text not in spoken] == []


def documented(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


@pytest.mark.parametrize("views", sorted(VIEWS))
def test_only_its_own_room_imports_a_view(views: str) -> None:
    """To register it."""
    assert importers(views.removesuffix(".py").replace("/", ".")) == {f"{views.rpartition('/')[0]}/__init__.py"}


def test_only_views_and_plumbing_read_the_request() -> None:
    """A query gets its user as an argument."""
    readers = {name for name in TREES if {"g", "request"} & names_from(name, "flask")}

    assert readers == READ_THE_REQUEST


def test_only_entry_points_enter_a_scope() -> None:
    """The decorator of views, commands, and threads that send. Code that they call never enters another scope.

    The outbox enters scopes of no user. The probe acts for two users on purpose. Deleting an account checks the scope
    itself, because no policy protects the tables of accounts.
    """
    enter = {name for name in TREES if "scope" in names_from(name, "app.database") | names_from(name, "database")}
    enter -= {"app/database/__init__.py"}

    assert {name for name in enter if not name.startswith("app/commands/")} == {
        "app/auth/identity.py",
        "app/auth/mails.py",
        "app/auth/queries.py",
        "app/mail/handlers.py",
        "app/ops/isolation_probe.py",
        "app/outbox/delivery.py",
        "app/outbox/queue.py",
        "app/work/purge.py",
        "app/work/reminders.py",
        "app/work/senders.py",
    }


@pytest.mark.parametrize("room", ROOMS[1:])
def test_imports_run_one_way(room: str) -> None:
    """commands → ops → tasks → auth → database → http → settings."""
    before = [f"app.{earlier}" for earlier in ROOMS[: ROOMS.index(room)]]
    files = [name for name in TREES if name == f"app/{room}.py" or name.startswith(f"app/{room}/")]

    assert files
    back = {(name, module) for module in before for name in files if name in importers(module)}
    assert back == set()


@pytest.mark.parametrize("apart", APART)
def test_modules_next_to_the_rooms_import_none(apart: str) -> None:
    known = {
        found
        for name in TREES
        if name == f"app/{apart}.py" or name.startswith(f"app/{apart}/")
        for found in imports(name)
        if re.match(r"app\.\w+$", found) and found != f"app.{apart}"
    }

    assert known == APART[apart]


def test_a_file_has_no_hidden_imports_or_bare_excepts() -> None:
    """No import inside a function to break a circle, and no `except` without a reason."""
    inside = [
        (name, inner.lineno)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.ImportFrom) and str(inner.module).startswith("app")
    ]
    bare = [
        (name, node.lineno)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]

    assert TREES
    assert (inside, bare) == ([], [])


def test_every_file_has_a_docstring() -> None:
    """It says what the file is for."""
    silent = [name for name, tree in TREES.items() if FILES[name].stat().st_size and not ast.get_docstring(tree)]

    assert silent == []


def test_the_catalogue_of_errors_is_up_to_date(app: Flask) -> None:
    """docs/errors.md is the output of `flask errors write -`."""
    printed = app.test_cli_runner().invoke(args=["errors", "write", "-"])

    assert printed.exit_code == 0, printed.output
    assert printed.output == (PROJECT / "docs" / "errors.md").read_text()


def test_every_error_code_is_documented_once() -> None:
    """No two problems have the same code."""
    codes = [problem.code for problem in catalogue()]

    assert codes == re.findall(r"^## (\w+)$", (PROJECT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("path", sorted(PROJECT.glob("requirements*.txt")), ids=lambda path: path.name)
def test_a_lock_file_names_no_index(path: Path) -> None:
    """Packages are pinned by version and hash, and come from the machine's own index."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    requirements = [line for line in lines if line and not line.startswith(" ")]

    assert [line for line in lines if re.search(r"://|\s@\s|^\s*-", line) and "--hash=" not in line] == []
    assert [line for line in requirements if not re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+ .*\\$", line)] == []
