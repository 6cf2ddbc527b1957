"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# What CI rejects can be tried again: there, the same tree is given the same examples each time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
