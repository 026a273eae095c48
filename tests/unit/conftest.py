"""Properties are tried without a clock: a slow machine is no fault."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, database=None)
settings.load_profile("unhurried")
