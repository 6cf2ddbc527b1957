"""Waiting for a condition, never for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Overdue(AssertionError):
    """What was waited for did not come in its time."""


def wait_for(what: str, seconds: float, condition: Callable[[], T | None], every: float = 0.1) -> T:
    """The first true value of ``condition``; after ``seconds`` without one, the test fails and says of what."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise Overdue(f"{what}: not within {seconds:g} s")
        time.sleep(every)
