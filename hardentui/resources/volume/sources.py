"""The logs behind the files: a log and the generations that rotation left of it are one source."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hardentui.resources.volume.pace import BACK, DAY, STILL, Pace, Window, pace
from hardentui.snapshot import LogFile

JOURNALS = (".journal", ".journal~")
_PACKED = re.compile(r"\.(?:gz|xz|bz2|zst|lz4|Z)\Z")
_NUMBER = re.compile(r"\.(?:\d{1,4}|old)\Z")
_DATE = re.compile(
    r"[-_.]?(?<!\d)(?:19|20)\d\d(?:-\d\d-\d\d(?:[-_T]?\d\d(?:[-:]?\d\d){0,2})?|\d{4}(?:-?\d{2,10})?)(?!\d)"
)
_DATED_FOLDERS = re.compile(r"/(?:19|20)\d\d(?:/\d\d){1,2}(?=/)")
_MACHINE = re.compile(r"/[0-9a-f]{32}(?=[./]|\Z)")
# Tables with a place for each account, written over and over: they do not grow with what happens.
_TABLES = frozenset({"lastlog", "faillog", "tallylog", "lastlog2.db", "wtmp.db"})


@dataclass(frozen=True, slots=True)
class Source:
    """A log: its files, the oldest first, and how fast it grows (None where nothing tells).

    ``name`` is the path of the log that is written, "*" for a date in it; of the journal it is its folder.
    ``disk`` are the bytes that its files take, and ``shrinks_to`` what a byte of it comes to on the disk once
    rotation has packed it: 1 where none is packed.
    """

    name: str
    files: tuple[LogFile, ...]
    windows: tuple[Window, ...]
    pace: Pace | None
    disk: int
    shrinks_to: float

    @property
    def journal(self) -> bool:
        """Whether journald writes it."""
        return self.files[-1].path.endswith(JOURNALS)

    @property
    def days(self) -> float | None:
        """How many days lie between its first and its last entry; None where the first is not known."""
        if not self.windows:
            return None
        return (max(one.end for one in self.windows) - min(one.start for one in self.windows)) / DAY


def name_of(path: str) -> str:
    """The log that a file is, or was: "/var/log/syslog" for its "/var/log/syslog.2.gz"."""
    folder, _slash, name = path.rpartition("/")
    if name.endswith(JOURNALS):
        return _MACHINE.sub("", folder)
    folder = _DATED_FOLDERS.sub("/*", folder + "/").rstrip("/")
    folder = "/".join(_without_date(part) if part else part for part in folder.split("/"))
    name = _PACKED.sub("", name)
    name = _NUMBER.sub("", name) or name
    return f"{folder}/{_without_date(name)}"


def _without_date(name: str) -> str:
    bare = _DATE.sub("", name)
    if bare == name:
        return name
    return f"*{bare}" if not bare or bare.startswith(".") else bare


def sources(files: Iterable[LogFile], now: float) -> tuple[Source, ...]:
    """The logs of some files, the largest first."""
    families: dict[str, list[LogFile]] = defaultdict(list)
    for one in files:
        families[name_of(one.path)].append(one)
    found = [_source(name, members, now) for name, members in families.items()]
    return tuple(sorted(found, key=lambda one: (-one.disk, one.name)))


def _source(name: str, members: list[LogFile], now: float) -> Source:
    files = tuple(sorted(members, key=lambda one: (one.last, one.path)))
    windows = tuple(_windows(files))
    still = name.rpartition("/")[2] in _TABLES or now - files[-1].last > BACK
    grows = STILL if still else pace(windows, now)
    return Source(name, files, windows, grows, sum(one.disk for one in files), _packed(files))


def _packed(files: Sequence[LogFile]) -> float:
    known = [one for one in files if one.content > 0]
    if not any(_PACKED.search(one.path) for one in known):
        return 1.0
    return min(sum(one.size for one in known) / sum(one.content for one in known), 1.0)


def _windows(files: Sequence[LogFile]) -> Iterable[Window]:
    """When each file was written: from its first entry, or else from the end of the generation before it."""
    before = 0.0
    for one in files:
        start = one.first or before
        before = one.last
        if start and one.content >= 0 and start <= one.last:
            yield Window(one.content, start, one.last)
