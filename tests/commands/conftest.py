"""Shared by the tests of the commands."""

import pytest

from tests.conftest import NewDatabase


@pytest.fixture
def url(new_database: NewDatabase) -> str:
    """A database for one test, for commands that affect all users or run in their own process."""
    return new_database()
