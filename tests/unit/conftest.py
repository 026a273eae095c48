"""Property tests have no deadline, because a slow machine is not an error."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, database=None, max_examples=50)
settings.load_profile("unhurried")
