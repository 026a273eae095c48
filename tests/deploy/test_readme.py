"""deploy/README.md and the files around it refer only to existing things."""

import re

import pytest

from tests.deploy.files import DEPLOY, README, SETTINGS

FILES = {path.name: path.read_text() for path in DEPLOY.iterdir() if path.name != ".env"}
# Variables of PostgreSQL's image and client, a part of DATABASE_URL, and other words in capitals.
NO_SETTINGS = {
    "POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_INITDB_ARGS", "ON_ERROR_STOP",
    "DATABASE_PASSWORD", "OWNER_PASSWORD",
    "CURRENT_USER", "AF_INET", "AF_UNIX",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_variable_that_a_file_names_is_known(name: str) -> None:
    """A misspelt or renamed setting would have no effect."""
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z]+)+\b", FILES[name]))

    assert named - SETTINGS - NO_SETTINGS == set()


def test_every_link_works() -> None:
    """Relative to README.md."""
    links = re.findall(r"\]\(([^)#]+)", README)

    assert links
    assert [link for link in links if not (DEPLOY / link).exists()] == []


def test_every_file_is_used_or_explained() -> None:
    """Another file names it. An ignore file belongs to the name before its dot."""
    alone = set(FILES) - {"README.md", ".gitignore"}
    named = {name for name in alone for other, text in FILES.items() if other != name and name in text}
    named |= {name for name in alone if name.endswith(".dockerignore") and name.removesuffix(".dockerignore") in FILES}

    assert alone - named == set()


def test_the_passwords_are_never_committed() -> None:
    """git ignores their file."""
    assert "/.env" in FILES[".gitignore"].splitlines()
