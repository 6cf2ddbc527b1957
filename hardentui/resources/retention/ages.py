"""What systemd-tmpfiles deletes by age: for a file, the line of tmpfiles.d that counts (tmpfiles.d(5))."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass

from hardentui.model import Gap, Provenance
from hardentui.resources import systemd_conf, tmpfiles
from hardentui.snapshot import Snapshot, UnitFiles, Unread

AGE_BY = 250  # the first version of systemd that takes "m:" before an age
_CLEANING = frozenset("dDevqQ")  # types of lines that delete what is old in their folder
_BY_PATTERN = frozenset("exXrRzZtThHaA")  # types whose path is a pattern
_EXCLUDING = frozenset("xX")
_PARTS = re.compile(r"(?P<by>[abcmABCM]+:)?(?P<top>~)?(?P<span>.*)")
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Age:
    """After how many days a file is deleted, and the line that says so."""

    days: float
    line: tmpfiles.Line


def age_of(snapshot: Snapshot, path: str) -> Age | Gap | None:
    """The age at which a file is deleted; None where it is not."""
    if masked(snapshot) is not None:
        return None
    lines = snapshot.derive(tmpfiles.lines)
    if isinstance(lines, Gap):
        return lines
    if any(line.type[0] in _EXCLUDING and _covers(line, one) for line in lines for one in _above(path)):
        return None
    for depth, one in enumerate(_above(path)):
        here = [line for line in lines if line.type[0] not in _EXCLUDING and _covers(line, one)]
        found = [age for line in here if (age := _age(line, depth)) is not None]
        if found:
            return min(found, key=lambda age: age.days)
        if any(line.type[0] not in "zZtThHaA" for line in here):
            return None  # it has a line of its own: what stands above does not reach down to it
    return None


_CLEANERS = ("systemd-tmpfiles-clean.timer", "systemd-tmpfiles-clean.service")


def masked(snapshot: Snapshot) -> Provenance | None:
    """The unit by which systemd-tmpfiles deletes what is old, where it is masked; else None."""
    return snapshot.derive(_masked)


def _masked(snapshot: Snapshot) -> Provenance | None:
    files = snapshot.ask(UnitFiles())
    known = () if isinstance(files, Unread) else files
    found = (one.name for one in known if one.name in _CLEANERS and one.state == "masked")
    return next((Provenance(name, text="masked") for name in found), None)


def _above(path: str) -> Iterator[str]:
    """The path, and the folders that it lies in, the nearest first."""
    while path and path != "/":
        yield path
        path = path.rpartition("/")[0]


def _covers(line: tmpfiles.Line, path: str) -> bool:
    if line.type[0] not in _BY_PATTERN:
        return line.path == path
    wanted, parts = line.path.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _age(line: tmpfiles.Line, depth: int) -> Age | None:
    """The age that a line gives to what lies ``depth`` folders below its path."""
    if line.type[0] not in _CLEANING or "!" in line.type or line.age == "-" or depth == 0:
        return None
    found = _PARTS.fullmatch(line.age)
    if found is None or (found["top"] and depth == 1):
        return None
    seconds = systemd_conf.seconds(found["span"])
    return None if seconds is None or seconds == systemd_conf.INFINITY else Age(seconds / _DAY, line)


def rival(snapshot: Snapshot, folder: str) -> str:
    """A file whose line about a folder counts instead of ours, or beside it; "" for none."""
    lines = snapshot.derive(tmpfiles.lines)
    for line in () if isinstance(lines, Gap) else lines:
        if line.file == tmpfiles.OURS or not any(_covers(line, one) for one in _above(f"{folder}/file")):
            continue
        first = line.type[0] == "e" and line.path == folder and _is_before(line.file)
        ages = line.type[0] in "dDvqQ" and line.path == folder and line.age != "-"
        if first or ages or line.type[0] in _EXCLUDING:
            return line.file
    return ""


def _is_before(file: str) -> bool:
    return file.rpartition("/")[2] < tmpfiles.OURS.rpartition("/")[2]


def systemd_version(snapshot: Snapshot) -> int:
    """The version of systemd, 0 where it is not known: what a plan can keep."""
    return systemd_conf.version(snapshot) or 0
