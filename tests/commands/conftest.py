"""What the tests of the commands share."""

import pytest

from tests.conftest import NewDatabase


@pytest.fixture
def url(new_database: NewDatabase) -> str:
    """A database of a test's own, for what is done to all of its users or in a process of its own."""
    return new_database()
