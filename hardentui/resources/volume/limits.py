"""What keeps a log from growing for ever: a number of bytes, a number of days, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from hardentui.resources.volume.sources import Source
from hardentui.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Limit:
    """Who keeps a log, and to how many bytes or days; ``by`` is "" where nobody is known to."""

    by: str = ""
    size: int | None = None
    days: float | None = None


NONE = Limit()


def of(snapshot: Snapshot, source: Source) -> Limit:  # noqa: ARG001 - until the readers are there
    """What limits a log."""
    return NONE
