"""Shared by the tests of the commands."""

import os

import pytest

from tests.conftest import NewDatabase
from tests.postgres import CITUS

# Only `make test-citus` has a cluster.
collect_ignore = [] if CITUS in os.environ else ["test_cluster.py"]


@pytest.fixture
def url(new_database: NewDatabase) -> str:
    """A database for one test, for commands that affect all users or run in their own process."""
    return new_database()
