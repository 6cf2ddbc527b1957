"""What the files of a service assign, in the order in which it counts: its unit, then its drop-ins."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.resources import systemd_conf
from hardentui.resources.configuration import by_name, text_of
from hardentui.resources.systemd_conf import OURS
from hardentui.snapshot import Kind, Reason, Snapshot, Unread

Line = tuple[str, str]  # one assignment of a unit file: the directive, and what follows the =

# Where systemd looks for unit files, the first counts (systemd.unit(5)).
FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_SECTIONS = frozenset({"[Unit]", "[Service]"})


@dataclass(frozen=True, slots=True)
class UnitText:
    """What the files of a unit assign, and the files, the unit's own first."""

    lines: tuple[Line, ...]
    files: tuple[str, ...]


def dropin(unit: str) -> str:
    """Our drop-in of a unit."""
    return f"{FOLDERS[0]}/{unit}.d/{OURS}"


def read(snapshot: Snapshot, unit: str) -> UnitText | Gap:
    """The files of a unit; a gap where there are none, one is masked, or one could not be read."""
    found = _unit(snapshot, unit)
    if isinstance(found, Gap):
        return found
    path, text = found
    more = dropins(snapshot, unit)
    if isinstance(more, Gap):
        return more
    all_files = {path: text, **more}
    lines = [line for one in all_files.values() for line in assignments(one)]
    return UnitText(tuple(lines), tuple(all_files))


def dropins(snapshot: Snapshot, unit: str) -> Mapping[str, str] | Gap:
    """The texts of a unit's drop-ins by their paths, in the order in which they count."""
    found = _dropins(snapshot, unit)
    if isinstance(found, Gap):
        return found
    texts = {}
    for place, kind in found:
        text = text_of(snapshot, place, may_be_link=kind is Kind.LINK)
        if not isinstance(text, Unread):
            texts[place] = text
        elif text.reason is not Reason.MISSING:
            return text.gap(place)
    return texts


def assignments(text: str, sections: Container[str] = _SECTIONS) -> Iterator[Line]:
    """The assignments of some sections of a unit file, of [Unit] and [Service] unless told."""
    try:
        for one in systemd_conf.assignments(text):
            if f"[{one.section}]" in sections:
                yield one.name, one.value
    except systemd_conf.BadSectionError:
        return  # systemd reads no further either


def _unit(snapshot: Snapshot, unit: str) -> tuple[str, str] | Gap:
    for name in _names(unit):
        for folder in FOLDERS:
            path = f"{folder}/{name}"
            text = text_of(snapshot, path)
            if isinstance(text, Unread):
                if text.reason is not Reason.MISSING:
                    return text.gap(path)
                continue
            if not text:
                return Gap(GapKind.ABSENT, _("{unit} is masked").format(unit=path))
            return path, text
    return Gap(GapKind.ABSENT, unit)


def _names(unit: str) -> Iterator[str]:
    """The unit's own name, and that of its template."""
    yield unit
    stem, at, rest = unit.partition("@")
    if at and rest != ".service":
        yield f"{stem}@.service"


def _dropins(snapshot: Snapshot, unit: str) -> tuple[tuple[str, Kind], ...] | Gap:
    """The drop-ins of a unit in the order of their names; of one name, the first folder's counts."""
    owners = [*_names(unit), *_beginnings(unit), "service"]
    return by_name(snapshot, (f"{folder}/{owner}.d" for owner in owners for folder in FOLDERS))


def _beginnings(unit: str) -> Iterator[str]:
    """Names that stand for all units that begin like this one: a-b.service has a-.service.d."""
    stem = unit.removesuffix(".service")
    while (dash := stem.rstrip("-").rfind("-")) > 0:
        stem = stem[: dash + 1]
        yield f"{stem}.service"
