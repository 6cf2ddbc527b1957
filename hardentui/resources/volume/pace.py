"""How fast a log grows, from the times between which its bytes were written.

A pace is a range: nobody knows the next day from a few hours. What less than an hour of data shows is no
pace at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HOUR, DAY = 3600.0, 86400.0
BACK = 30 * DAY  # what is older says little about tomorrow
_WEEK = 7
_WEEKS = 2 * _WEEK  # days of data from which on weeks are compared, and not days


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes that were written between two moments (epoch seconds), as far as anyone knows evenly."""

    size: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Pace:
    """Bytes a day: at the quietest, on average, and at the loudest; and how many seconds of data show it.

    With two weeks of data, weeks are compared; with less, days; with less than a day, the quietest case is
    that nothing more comes today, and the loudest that all hours are like those that were seen.
    """

    low: float
    mean: float
    high: float
    seconds: float

    @property
    def thin(self) -> bool:
        """Whether it rests on hours only."""
        return self.seconds < DAY


STILL = Pace(0.0, 0.0, 0.0, BACK)


def spread(windows: Iterable[Window], start: float, end: float, parts: int) -> list[float]:
    """The bytes that fall into each of ``parts`` equal parts of the time between two moments (inclusive)."""
    found = [0.0] * parts
    length = (end - start) / parts
    for one in windows:
        if one.end < start or one.start > end:
            continue
        first, last = ((max(min(at, end), start) - start) / length for at in (one.start, one.end))
        if one.end - one.start < 1.0:  # at once
            found[min(int(last), parts - 1)] += one.size
            continue
        density = one.size * length / (one.end - one.start)
        for part in range(min(int(first), parts - 1), min(int(last), parts - 1) + 1):
            found[part] += density * max(min(last, part + 1) - max(first, part), 0.0)
    return found


def pace(windows: Iterable[Window], now: float) -> Pace | None:
    """The pace of the last thirty days; None where less than an hour of data is there."""
    known = [one for one in windows if one.start < now]
    if not known:
        return None
    start = max(min(one.start for one in known), now - BACK)
    seconds = now - start
    if seconds < HOUR:
        return None
    mean = sum(spread(known, start, now, 1)) * DAY / seconds
    if seconds < DAY:
        return Pace(mean * seconds / DAY, mean, mean, seconds)
    days = int(seconds // DAY)
    daily = spread(known, now - days * DAY, now, days)[::-1]
    parts = _weeks(daily) if len(daily) >= _WEEKS else daily
    return Pace(min(mean, *parts), mean, max(mean, *parts), seconds)


def together(paces: Sequence[Pace]) -> Pace | None:
    """The pace of several logs as one; it rests on the data of the log that grows most."""
    if not paces:
        return None
    return Pace(
        sum(one.low for one in paces),
        sum(one.mean for one in paces),
        sum(one.high for one in paces),
        max(paces, key=lambda one: one.mean).seconds,
    )


def _weeks(daily: Sequence[float]) -> list[float]:
    """The mean of each full week, the newest first."""
    return [sum(daily[at : at + _WEEK]) / _WEEK for at in range(0, len(daily) - _WEEK + 1, _WEEK)]
