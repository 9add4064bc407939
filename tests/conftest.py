"""Settings of all tests."""

from hypothesis import settings

# Two busy cores make single examples slow; a test is slow or wrong as a whole, not by one example's time.
settings.register_profile("ifdd", deadline=None)
settings.load_profile("ifdd")
