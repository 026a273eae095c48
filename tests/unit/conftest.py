"""Properties are tried without a clock: a slow machine is no fault."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, database=None, max_examples=50)
settings.load_profile("unhurried")
