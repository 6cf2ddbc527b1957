"""The file systems that logs lie on: how much is free there, and when it will be used up."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources.volume import limits
from hardentui.resources.volume.limits import Limit
from hardentui.resources.volume.pace import Pace, together
from hardentui.resources.volume.sources import Source, sources
from hardentui.snapshot import Clock, LogFiles, LogTree, Mount, Mounts, Snapshot, SpaceUsed, Unread, Usage

LOG, VOLATILE = "/var/log", "/run/log/journal"
FOLDERS = LogFiles((LOG, VOLATILE))
FAR = 3650  # days: who looks further than ten years does not know the host then
_NAMED = 3  # paths that could not be read
_SMALL = 0.01  # the share of the free bytes below which a log of unknown pace changes no forecast


@dataclass(frozen=True, slots=True)
class Kept:
    """A log, and what keeps it from growing for ever."""

    source: Source
    limit: Limit

    def after(self, days: float, daily: float) -> float:
        """The bytes by which it will have grown on the disk, ``daily`` being logged each day."""
        packed = self.source.shrinks_to
        bounds = [] if self.limit.size is None else [float(self.limit.size)]
        if self.limit.days is not None:
            # The oldest goes once all these days are kept: then as much comes as goes.
            bounds.append(daily * self.limit.days * packed)
        room = min((max(bound - self.source.disk, 0.0) for bound in bounds), default=math.inf)
        return min(daily * days * packed, room)

    @property
    def holds(self) -> tuple[int, int] | None:
        """For how many days its bytes last, loud or quiet; None where no bytes limit it."""
        pace = self.source.pace
        if self.limit.size is None or pace is None or pace.high <= 0:
            return None
        return _days(self.limit.size / pace.high), _days(self.limit.size / pace.low if pace.low else FAR)


@dataclass(frozen=True, slots=True)
class LogSystem:
    """A file system, the logs that lie on it, the largest first, and how full it is.

    ``path`` is where it is mounted. ``usage`` is None where nobody can tell, as on an image.
    """

    path: str
    logs: tuple[Kept, ...]
    usage: Usage | None
    gap: Gap | None = None

    @property
    def own(self) -> bool:
        """Whether it is for logs alone: when it is full, nothing else is."""
        return (self.path + "/").startswith((f"{LOG}/", "/run/log/"))

    @property
    def disk(self) -> int:
        """The bytes that the logs take."""
        return sum(kept.source.disk for kept in self.logs)

    @property
    def pace(self) -> Pace | None:
        """How fast its logs grow together, those that are known."""
        return together([kept.source.pace for kept in self.logs if kept.source.pace is not None])

    @property
    def unknown(self) -> tuple[Source, ...]:
        """The logs of which nothing tells how fast they grow, and that are large enough to matter."""
        least = self.usage.free * _SMALL if self.usage else 0
        return tuple(k.source for k in self.logs if k.source.pace is None and k.source.disk > least)

    def grown(self, days: float, *, loud: bool) -> float:
        """The bytes that will have come in so many days, the loudest or the quietest of them."""
        return sum(
            kept.after(days, kept.source.pace.high if loud else kept.source.pace.low)
            for kept in self.logs
            if kept.source.pace is not None
        )

    def until_full(self, *, loud: bool) -> int | None:
        """In how many whole days it will be full; FAR where not within ten years, None where nobody knows."""
        if self.usage is None or self.pace is None:
            return None
        free = self.usage.free
        if self.grown(FAR, loud=loud) <= free:
            return FAR
        early, late = 0.0, float(FAR)
        while late - early > 0.01:  # noqa: PLR2004 - days: a quarter of an hour
            middle = (early + late) / 2
            early, late = (middle, late) if self.grown(middle, loud=loud) <= free else (early, middle)
        return _days(late)

    @property
    def days(self) -> tuple[int, int] | None:
        """In how many days it will be full, at the loudest and at the quietest; FAR stands for ten years."""
        soonest, latest = self.until_full(loud=True), self.until_full(loud=False)
        return (soonest, latest) if soonest is not None and latest is not None else None


@dataclass(frozen=True, slots=True)
class Volumes:
    """All file systems with logs, those that will be full first before the others, and what was not read."""

    systems: tuple[LogSystem, ...]
    tree: LogTree
    at: float  # epoch seconds, by the host's own clock

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What is not in it."""
        tree, found = self.tree, []
        if tree.unread_count:
            more = f" (+{tree.unread_count - _NAMED})" if tree.unread_count > _NAMED else ""
            found.append(Gap(GapKind.DENIED, ", ".join(tree.unread[:_NAMED]) + more))
        if tree.cut:
            words = _("after {count} files").format(count=len(tree.files))
            found.append(Gap(GapKind.INCOMPLETE, f"{LOG}: {words}"))
        found += [Gap(GapKind.UNSUPPORTED, f"{one.path}: {one.why}") for one in tree.left_out]
        return (*found, *(one.gap for one in self.systems if one.gap))

    def system(self, path: str) -> LogSystem | None:
        """The file system that is mounted there."""
        return next((one for one in self.systems if one.path == path), None)


def volumes(snapshot: Snapshot) -> Volumes | Gap:
    """The logs of this host, by the file systems that they lie on."""
    return snapshot.derive(_volumes)


def _volumes(snapshot: Snapshot) -> Volumes | Gap:
    tree = snapshot.ask(FOLDERS)
    if isinstance(tree, Unread):
        return tree.gap(LOG)
    clock = snapshot.ask(Clock())
    now = snapshot.ask_timed(FOLDERS)[1] if isinstance(clock, Unread) else clock
    mounts = snapshot.ask(Mounts())
    if isinstance(mounts, Unread) and snapshot.live:
        return mounts.gap("/proc/self/mountinfo")  # whose room it is would be a guess
    found = sources(tree.files, now)
    of: dict[str, list[Source]] = defaultdict(list)
    places = _places(() if isinstance(mounts, Unread) else mounts)
    for source in found:
        of[_place(source.files[-1].path, places)].append(source)
    for path in (LOG, *(place for place in places if place.startswith(f"{LOG}/"))):
        of.setdefault(_place(path, places), [])
    systems = [_system(snapshot, path, members) for path, members in of.items()]
    return Volumes(tuple(sorted(systems, key=_urgency)), tree, now)


def _system(snapshot: Snapshot, path: str, members: Iterable[Source]) -> LogSystem:
    answer = snapshot.ask(SpaceUsed(path))
    usage, gap = (None, answer.gap(path)) if isinstance(answer, Unread) else (answer, None)
    logs = tuple(Kept(source, limits.of(snapshot, source, usage)) for source in members)
    return LogSystem(path, logs, usage, gap)


def _places(mounts: Sequence[Mount]) -> Mapping[str, Mount]:
    return {mount.path: mount for mount in mounts}


def _place(path: str, mounts: Mapping[str, Mount]) -> str:
    """Where the file system of a path is mounted."""
    around = [place for place in mounts if (path + "/").startswith(place.rstrip("/") + "/")]
    return max(around, key=len, default="/")


def _urgency(system: LogSystem) -> tuple[int, str]:
    days = system.days
    return (days[0] if days else FAR + 1, system.path)


def _days(number: float) -> int:
    return min(math.floor(number), FAR)
