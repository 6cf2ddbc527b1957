"""Sizes, paces and days in words: a range where only a range is known."""

from __future__ import annotations

from hardentui.i18n import _, ngettext
from hardentui.resources.volume.forecast import FAR
from hardentui.resources.volume.pace import DAY, HOUR, Pace

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_KIB, _TEN = 1024, 10
_ALIKE = 1.15  # two figures that differ by less are one


def amount(size: float) -> str:
    """Bytes in the unit that leaves one to four figures: "12 MiB", "1.4 GiB"."""
    number, unit = float(size), 0
    while number >= _KIB and unit < len(_UNITS) - 1:
        number, unit = number / _KIB, unit + 1
    shown = f"{number:.1f}" if unit and number < _TEN else f"{number:.0f}"
    return f"{shown} {_UNITS[unit]}"


def daily(pace: Pace | None) -> str:
    """What a log grows by in a day: one figure, or from the quietest to the loudest."""
    if pace is None:
        return "?"
    if pace.high <= pace.low * _ALIKE or amount(pace.low) == amount(pace.high):
        return amount(pace.high)
    low, high = amount(pace.low), amount(pace.high)
    (number, unit), (_other, same) = low.split(" "), high.split(" ")
    return f"{number}-{high}" if unit == same else f"{low}-{high}"


def resting_on(pace: Pace) -> str:
    """How much data a pace rests on."""
    if pace.seconds < DAY:
        hours = int(pace.seconds // HOUR)
        return ngettext("{count} hour of data", "{count} hours of data", hours).format(count=hours)
    days = int(pace.seconds // DAY)
    return ngettext("{count} day of data", "{count} days of data", days).format(count=days)


def until(days: tuple[int, int] | None) -> str:
    """In how many days, at the loudest and at the quietest pace: "9-31 d", "> 10 y"."""
    if days is None:
        return "?"
    soonest, latest = days
    if soonest >= FAR:
        return _("> 10 y")
    if latest >= FAR:
        return _("{days} d or more").format(days=soonest)
    return _("{days} d").format(days=soonest if soonest == latest else f"{soonest}-{latest}")
