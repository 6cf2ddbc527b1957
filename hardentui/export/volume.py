"""The volume of logs as text: each file system of logs, when it is full, and the logs that fill it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from hardentui.export import plot
from hardentui.export.plot import Cell, Curve, Line
from hardentui.export.text import cut, wrapped
from hardentui.i18n import _, ngettext
from hardentui.resources.base import explain
from hardentui.resources.volume import words
from hardentui.resources.volume.consequences import when_full
from hardentui.resources.volume.forecast import FAR, Kept, LogSystem, Volumes
from hardentui.resources.volume.limits import Limit
from hardentui.resources.volume.pace import BACK, DAY, HOUR, spread
from hardentui.snapshot import Snapshot
from hardentui.visible import visible

UNKNOWN = "?"
_INDENT = "    "
_MARGIN = 11  # cells left of a plot
_POINTS = 120  # of a curve
_LEAST_FUTURE, _MOST_FUTURE = 1.0, 400.0  # days
_HEIGHT = 10  # rows of a plot
_LOGS = 12  # that the text tells of a file system; --json has them all


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot of bytes over days: from ``-past`` to ``future``, and from 0 to ``top`` bytes."""

    lines: tuple[Line, ...]
    past: float
    future: float
    top: float


# --- words ----------------------------------------------------------------------------------------------


def summary(found: Volumes) -> str:
    """How many logs there are, what they take, and which file system is full first."""
    logs = sum(len(one.logs) for one in found.systems)
    size = words.amount(sum(one.disk for one in found.systems))
    first = next((one for one in found.systems if one.days), None)
    text = ngettext("{count} log, {size}.", "{count} logs, {size}.", logs).format(count=logs, size=size)
    if first is None or first.days is None:
        return text
    if first.days[0] >= FAR:
        return text + " " + _("None of their file systems is full within ten years.")
    until = words.until(first.days)
    return text + " " + _("Full first: {path}, in {until}.").format(path=first.path, until=until)


def used(system: LogSystem) -> str:
    """How full it is: "41 %"."""
    return f"{system.usage.blocks_used} %" if system.usage else UNKNOWN


def bar(system: LogSystem, width: int, *, braille: bool = True) -> str:
    """The same as a bar of ``width`` cells, which shows the logs apart from all else."""
    if system.usage is None or not system.usage.size:
        return UNKNOWN
    full = round(width * system.usage.blocks_used / 100)
    logs = min(round(width * system.disk / system.usage.size), full)
    log, other, free = "█▒░" if braille else "#=."
    return log * logs + other * (full - logs) + free * (width - full)


def free(system: LogSystem) -> str:
    """What is left of it."""
    return words.amount(system.usage.free) if system.usage else UNKNOWN


def keeper(limit: Limit) -> str:
    """Who keeps a log, and how much or how long."""
    if limit.size is not None:
        return f"{limit.by}: {words.amount(limit.size)}"
    if limit.days is not None:
        return f"{limit.by}: {_('{days} d').format(days=round(limit.days))}"
    if limit.endless:
        return _("nobody ({program}: {why})").format(program=limit.by, why=limit.endless)
    if limit.gap is not None:
        return UNKNOWN
    return limit.by or _("nobody")


def facts(system: LogSystem) -> Iterator[str]:
    """All about a file system, a sentence each; what happens when it is full comes apart."""
    usage = system.usage
    if usage is None:
        yield _("How full it is cannot be told here; sizes, and how fast logs grew, are those of the files.")
    else:
        yield _("{size}, of which {free} are free; its logs take {logs}.").format(
            size=words.amount(usage.size), free=words.amount(usage.free), logs=words.amount(system.disk)
        )
        if usage.inodes > 0:
            yield _("{used} % of its {inodes} inodes are used.").format(
                used=usage.inodes_used, inodes=usage.inodes
            )
    yield from _growth(system)


def _growth(system: LogSystem) -> Iterator[str]:
    pace, days = system.pace, system.days
    if pace is None:
        yield _("Less than an hour of logs is there: nothing can be said of their growth.")
        return
    yield _("The logs grow by {daily} a day ({data}).").format(
        daily=words.daily(pace), data=words.resting_on(pace)
    )
    if pace.thin:
        yield _("That is little: the least is what came already, the most is that every hour is like these.")
    if days is not None and days[0] >= FAR:
        yield _("At this pace it is not full within ten years; rotation and limits are reckoned with.")
    elif days is not None:
        yield _("At this pace it is full in {until}; rotation and limits are reckoned with.").format(
            until=words.until(days)
        )
    if names := ", ".join(source.name for source in system.unknown[:3]):
        yield _("Not reckoned with, for nothing tells since when they grow: {logs}.").format(logs=names)


def log_facts(kept: Kept) -> Iterator[str]:
    """All about a log, a sentence each."""
    source = kept.source
    count = len(source.files)
    yield ngettext("{count} file, {size} on the disk.", "{count} files, {size} on the disk.", count).format(
        count=count, size=words.amount(source.disk)
    )
    if source.windows:
        first = datetime.fromtimestamp(min(one.start for one in source.windows)).astimezone()
        yield _("It reaches back to {moment}.").format(moment=first.strftime("%Y-%m-%d %H:%M"))
    if source.pace is None:
        yield _("Nothing tells how fast it grows: no time stands in it, or less than an hour of it is there.")
    else:
        yield _("It grows by {daily} a day ({data}).").format(
            daily=words.daily(source.pace), data=words.resting_on(source.pace)
        )
    if source.shrinks_to < 1:
        yield _("Packed by rotation, {share} % of that stay.").format(share=round(100 * source.shrinks_to))
    yield _("Kept by {keeper}.").format(keeper=keeper(kept.limit))
    if kept.limit.gap is not None:
        yield explain(kept.limit.gap)
    if kept.holds is not None:
        yield _("At this pace that lasts {until}.").format(until=words.until(kept.holds))


# --- pictures -------------------------------------------------------------------------------------------


def picture(system: LogSystem, at: float, kept: Kept | None = None) -> Picture | None:
    """The logs of a file system, or one of them, over time; None where nothing tells their times.

    What lies there now is shown by when it was written. What follows is the loudest and the quietest pace.
    """
    logs = (kept,) if kept else system.logs
    windows = [window for one in logs for window in one.source.windows]
    if not windows:
        return None
    past = max((at - max(min(one.start for one in windows), at - BACK)) / DAY, 1 / 24)
    whole = sum(one.source.disk for one in logs)
    full = _ceiling(system, kept, whole)
    days = kept.holds if kept else system.days
    wanted = 1.25 * days[0] if days and days[0] < FAR else past
    future = min(max(wanted, _LEAST_FUTURE), max(10 * past, _LEAST_FUTURE), _MOST_FUTURE)
    before = _before(logs, at, past, whole)
    quiet, loud = (
        [(day, whole + _grown(logs, day, loud=case)) for day in _steps(0.0, future)] for case in (False, True)
    )
    most = max(y for _x, y in loud) * 1.2 or 1.0
    lines = [Line(Curve.PAST, before), Line(Curve.QUIET, quiet, gaps=True), Line(Curve.LOUD, loud, gaps=True)]
    if full is not None and most > full / 3:
        most = full
        lines.append(Line(Curve.LIMIT, [(-past, full), (future, full)]))
    return Picture(tuple(lines), past, future, most)


def drawn(shown: Picture, width: int, height: int, *, braille: bool = True) -> list[list[Cell]]:
    """A picture with its scales, ``width`` cells wide and ``height`` rows high."""
    rows = plot.plot(shown.lines, max(width - _MARGIN, 1), max(height - 1, 1), shown.top, braille=braille)
    framed = []
    for number, row in enumerate(rows):
        mark = {0: words.amount(shown.top), len(rows) - 1: "0"}.get(number, "")
        framed.append([*_cells(f"{mark:>{_MARGIN - 2}} "), Cell("│" if braille else "|"), *row])
    return [*framed, _cells(_scale(shown, width))]


def legend() -> str:
    """What the curves of a picture are."""
    return _(
        "Left of 0 (now): what lies there, by when it was written. Right, dashed: what follows, loud and "
        "quiet. The line across the top: full."
    )


def _ceiling(system: LogSystem, kept: Kept | None, whole: int) -> float | None:
    if kept is not None and kept.limit.size is not None:
        return float(kept.limit.size)
    return float(whole + system.usage.free) if system.usage else None


def _before(logs: Sequence[Kept], at: float, past: float, whole: int) -> list[tuple[float, float]]:
    """What lies there now, by when it was written: points of days before now, and bytes."""
    came = [0.0] * _POINTS
    for one in logs:
        parts = spread(one.source.windows, at - past * DAY, at, _POINTS)
        came = [sum_ + part * one.source.shrinks_to for sum_, part in zip(came, parts, strict=True)]
    height = whole - sum(came)
    return list(zip(_steps(-past, 0.0), accumulate(came, initial=height), strict=True))


def _grown(logs: Sequence[Kept], days: float, *, loud: bool) -> float:
    paces = [(one, one.source.pace) for one in logs]
    return sum(one.after(days, pace.high if loud else pace.low) for one, pace in paces if pace)


def _steps(start: float, end: float) -> Iterator[float]:
    return (start + (end - start) * step / _POINTS for step in range(_POINTS + 1))


def _cells(text: str) -> list[Cell]:
    return [Cell(character) for character in text]


def _scale(shown: Picture, width: int) -> str:
    """The days below a plot."""
    room = max(width - _MARGIN, 1)
    now = round(room * shown.past / (shown.past + shown.future))
    left, middle, right = f"-{_span(shown.past)}", "0", f"+{_span(shown.future)}"
    line = [" "] * (_MARGIN + room)
    for at, text in (
        (_MARGIN, left),
        (_MARGIN + room - len(right), right),
        (_MARGIN + max(min(now, room) - len(middle) // 2, 0), middle),
    ):
        if all(
            line[place : place + 1] == [" "]
            for place in range(max(at - 1, 0), at + len(text) + 1)
            if place < len(line)
        ):
            line[at : at + len(text)] = text
    return "".join(line[: _MARGIN + room]).rstrip()


def _span(days: float) -> str:
    if days < 1:
        return _("{hours} h").format(hours=max(round(days * DAY / HOUR), 1))
    return _("{days} d").format(days=round(days))


# --- the text -------------------------------------------------------------------------------------------


def text(snapshot: Snapshot, found: Volumes, width: int, *, braille: bool) -> Iterator[str]:
    """Each file system of logs with its plot, its logs, and what happens when it is full."""
    yield from wrapped(summary(found), width)
    for system in found.systems:
        yield ""
        yield from _system(snapshot, system, found, width, braille=braille)
    yield ""
    yield from wrapped(legend(), width)
    for gap in found.gaps:
        yield from wrapped(f"{UNKNOWN} {explain(gap)}", width)


def _system(
    snapshot: Snapshot, system: LogSystem, found: Volumes, width: int, *, braille: bool
) -> Iterator[str]:
    share = f"{bar(system, 20, braille=braille)} {used(system)}"
    full = _("full in {until}").format(until=words.until(system.days))
    yield cut(visible(f"{system.path}  {share}  {full}"), width)
    for sentence in (*facts(system), *when_full(snapshot, system)):
        yield from wrapped(sentence, width, _INDENT)
    shown = picture(system, found.at)
    if shown is not None:
        yield ""
        yield from plot.text(drawn(shown, width, _HEIGHT, braille=braille))
        yield ""
    if system.logs:
        yield from _table(system, width)


def _table(system: LogSystem, width: int) -> Iterator[str]:
    head = [_("Log"), _("Size"), _("A day"), _("Kept by")]
    rows = [head] + [
        [
            visible(kept.source.name),
            words.amount(kept.source.disk),
            words.daily(kept.source.pace),
            visible(keeper(kept.limit)),
        ]
        for kept in system.logs[:_LOGS]
    ]
    most = max(width - len(_INDENT) - 44, 20)
    widths = [min(max(len(row[place]) for row in rows), most) for place in range(len(head))]
    for row in rows:
        cells = [cut(cell, widths[place]).ljust(widths[place]) for place, cell in enumerate(row)]
        yield cut(_INDENT + "  ".join(cells).rstrip(), width)
    more = len(system.logs) - _LOGS
    if more > 0:
        yield _INDENT + ngettext("and {count} smaller one", "and {count} smaller ones", more).format(
            count=more
        )
