"""Waiting for a condition, never for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class OverdueError(AssertionError):
    """What was waited for did not come in its time."""


def wait_for(what: str, seconds: float, condition: Callable[[], T | None], every: float = 0.1) -> T:
    """The first true value of ``condition``; without one in time, the test fails and says of what."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise OverdueError(f"{what}: not within {seconds:g} s")
        time.sleep(every)


def now() -> float:
    """The clock that deadlines are held against."""
    return time.monotonic()
