"""The volume of logs: how fast they grow, when their file systems are full, and who is warned before."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Refusal
from hardentui.resources.base import wrong_subject
from hardentui.resources.volume import supervision, words
from hardentui.resources.volume.consequences import when_full
from hardentui.resources.volume.forecast import FAR, LogSystem, Volumes, volumes
from hardentui.snapshot import Snapshot

SUPERVISION = "supervision"
_SHOWN = 3  # logs that are named of a file system


class Volume:
    """The resource "volume": the logs of this host by the file systems that they lie on."""

    name = "volume"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, (SUPERVISION, *_VIEWS))

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if entry.subject == SUPERVISION:
            return supervision.observe(snapshot)
        found = volumes(snapshot)
        seen = Reading(gap=found) if isinstance(found, Gap) else _VIEWS[entry.subject](snapshot, found)
        # Of an image the files tell how fast its logs grew: that is all the boot there is.
        if not snapshot.live:
            return Observation(None, (seen,), seen_at=snapshot.taken_at)
        return Observation(seen, seen_at=snapshot.taken_at)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject != SUPERVISION:
            return Refusal(_("this is only shown"))
        return supervision.change(entry, facts, target)


def _growth(_snapshot: Snapshot, found: Volumes) -> Reading:
    """What each file system of logs takes in a day, and its largest logs."""
    values = {one.path: words.daily(one.pace) for one in found.systems}
    places = []
    for one in found.systems:
        for kept in one.logs[:_SHOWN]:
            text = f"{words.amount(kept.source.disk)}, +{words.daily(kept.source.pace)}"
            places.append(Provenance(kept.source.name, text=text))
    return Reading(values, next(iter(found.gaps), None), tuple(places))


def _days(_snapshot: Snapshot, found: Volumes) -> Reading:
    """In how many days each file system is full at the loudest pace."""
    values, places, gaps = {}, [], []
    for one in found.systems:
        days, unread = one.days, _unread_limits(one)
        # Without what limits a log it is reckoned as endless: nothing is full sooner than that says.
        if days is not None and (days[0] >= FAR or not unread):
            values[one.path] = str(days[0])
            free = words.amount(one.usage.free) if one.usage else ""
            text = _("{free} free, +{daily} a day: {until}").format(
                free=free, daily=words.daily(one.pace), until=words.until(days)
            )
            places.append(Provenance(one.path, text=text))
        elif days is not None:
            gaps += unread
        gaps += _untold(one)
    return Reading(values, next(iter((*gaps, *found.gaps)), None), tuple(places))


def _unread_limits(system: LogSystem) -> list[Gap]:
    """Why it is not known what keeps the logs of a file system."""
    return [kept.limit.gap for kept in system.logs if kept.limit.gap is not None]


def _untold(system: LogSystem) -> list[Gap]:
    """Why the days until a file system is full are not known, or not known well."""
    if system.usage is None:
        return [system.gap] if system.gap else []
    if system.pace is None:
        return [Gap(GapKind.UNTOLD, _("{path}: less than an hour of logs").format(path=system.path))]
    names = ", ".join(source.name for source in system.unknown[:_SHOWN])
    return (
        [Gap(GapKind.UNTOLD, _("nothing tells since when {logs} grow").format(logs=names))] if names else []
    )


def _holds(_snapshot: Snapshot, found: Volumes) -> Reading:
    """For how many days each log lasts that is kept to a number of bytes, at the loudest pace."""
    limited = [kept for one in found.systems for kept in one.logs if kept.limit.size is not None]
    unread = [gap for one in found.systems for gap in _unread_limits(one)]
    if not limited and not unread:
        return Reading(gap=Gap(GapKind.ABSENT, _("no log is kept to a number of bytes")))
    values, places = {}, []
    gap = next(iter((*unread, *found.gaps)), None)
    for kept in limited:
        name, size = kept.source.name, words.amount(kept.limit.size or 0)
        if kept.source.pace is None:
            gap = gap or Gap(GapKind.UNTOLD, _("{path}: less than an hour of logs").format(path=name))
            continue
        values[name] = str(kept.holds[0]) if kept.holds else str(FAR)
        text = _("{size} at the most ({by}), +{daily} a day").format(
            size=size, by=kept.limit.by, daily=words.daily(kept.source.pace)
        )
        places.append(Provenance(name, text=text))
    return Reading(values, gap, tuple(places))


def _when_full(snapshot: Snapshot, found: Volumes) -> Reading:
    """What happens when each file system is full."""
    values = {one.path: "; ".join(when_full(snapshot, one)) for one in found.systems}
    return Reading(values)


_VIEWS: Mapping[str, Callable[[Snapshot, Volumes], Reading]] = {
    "growth": _growth,
    "days-until-full": _days,
    "holds": _holds,
    "when-full": _when_full,
}
