"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# Machines that run tests are shared: how long an example takes says nothing there.
settings.register_profile("scangrade", deadline=None, derandomize=True)
settings.load_profile("scangrade")
