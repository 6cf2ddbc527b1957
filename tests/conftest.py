"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# No test fails for its time. What CI rejects can be tried again: it gives the same tree the same examples.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
