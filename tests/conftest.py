"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A machine that does something else besides is no fault of the code: a test's own timeout bounds it.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")
