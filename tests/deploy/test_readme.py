"""deploy/README.md and the files around it speak of what there is."""

import re

import pytest

from tests.deploy.files import DEPLOY, README, SETTINGS

FILES = {path.name: path.read_text() for path in DEPLOY.iterdir() if path.name != ".env"}
# Those of PostgreSQL's image and client, the one that becomes a part of DATABASE_URL, and other words written like one.
NO_SETTINGS = {
    "POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_INITDB_ARGS", "ON_ERROR_STOP",
    "DATABASE_PASSWORD",
    "CURRENT_USER", "AF_INET", "AF_UNIX",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_variable_that_a_file_names_is_known(name: str) -> None:
    """A setting that was renamed, or never was, would be set in vain."""
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z]+)+\b", FILES[name]))

    assert named - SETTINGS - NO_SETTINGS == set()


def test_every_link_leads_somewhere() -> None:
    """From where README.md is."""
    links = re.findall(r"\]\(([^)#]+)", README)

    assert links
    assert [link for link in links if not (DEPLOY / link).exists()] == []


def test_every_file_is_used_or_explained() -> None:
    """Another file names it; an ignore file belongs to the one before its dot."""
    alone = set(FILES) - {"README.md", ".gitignore"}
    named = {name for name in alone for other, text in FILES.items() if other != name and name in text}
    named |= {name for name in alone if name.endswith(".dockerignore") and name.removesuffix(".dockerignore") in FILES}

    assert alone - named == set()


def test_the_passwords_are_never_committed() -> None:
    """git ignores the file that holds them."""
    assert "/.env" in FILES[".gitignore"].splitlines()
