"""The time sources of chrony and of the ntpd family: what their files name (chrony.conf(5), ntp.conf(5))."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Provenance
from hardentui.resources.configuration import by_name
from hardentui.snapshot import File, Folder, Reason, Snapshot, Unread

DHCP = "/run/chrony-dhcp"  # where the network's own answers are laid down, by the distributions' hooks
SOURCES = ".sources"
_SOURCE = re.compile(r"\s*(?:server|pool|peer)\s+(?P<host>\S+)", re.IGNORECASE)
_COMMENTS = ("!", ";", "#", "%")
_DEEPEST = 10
_FILES = 200  # that are read at the most: those of a folder may each include the folder


@dataclass(frozen=True, slots=True)
class Source:
    """A source of time: its name or address, and the line that names it."""

    host: str
    file: str
    line: int
    text: str

    @property
    def place(self) -> Provenance:
        """Where it stands."""
        return Provenance(self.file, line=self.line, text=self.text.strip())


@dataclass
class Files:
    """What a daemon's files name: its sources, and the files and folders that were read for them."""

    sources: list[Source] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    source_folders: list[str] = field(default_factory=list)


def is_source(line: str) -> bool:
    """Whether a line names a source of time."""
    return _SOURCE.match(line) is not None


def read(snapshot: Snapshot, path: str) -> Files | Gap:
    """What the configuration in ``path`` and all that it includes name."""
    found = Files()
    unread = _file(snapshot, path, found, 0)
    return unread or found


def _file(snapshot: Snapshot, path: str, found: Files, depth: int) -> Gap | None:
    text = snapshot.ask(File(path))
    if isinstance(text, Unread):
        return text.gap(path)
    if len(found.files) >= _FILES:
        why = _("{path}: too many files include each other, not read to the end")
        return Gap(GapKind.UNTOLD, why.format(path=path))
    found.files.append(path)
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith(_COMMENTS):
            continue
        if source := _SOURCE.match(line):
            found.sources.append(Source(source["host"], path, number, line))
        unread = _more(snapshot, words, found, depth) if depth < _DEEPEST else None
        if unread is not None:
            return unread
    return None


def _more(snapshot: Snapshot, words: list[str], found: Files, depth: int) -> Gap | None:
    """What a line brings in from other files."""
    paths: tuple[str, ...] | Gap = ()
    match words[0].lower():
        case "include" if len(words) > 1:
            paths = _globbed(snapshot, words[1])
        case "confdir" | "sourcedir" as word:
            ending = ".conf" if word == "confdir" else SOURCES
            places = by_name(snapshot, words[1:], ending)
            paths = places if isinstance(places, Gap) else tuple(path for path, _kind in places)
            found.folders += words[1:]
            found.source_folders += words[1:] if ending == SOURCES else []
    if isinstance(paths, Gap):
        return paths
    for path in paths:
        unread = _file(snapshot, path, found, depth + 1)
        if unread is not None:
            return unread
    return None


def _globbed(snapshot: Snapshot, pattern: str) -> tuple[str, ...] | Gap:
    """The files that an include names; its folder is plain, as those of all distributions are."""
    folder, _slash, name = pattern.rpartition("/")
    entries = snapshot.ask(Folder(folder))
    if isinstance(entries, Unread):
        return () if entries.reason is Reason.MISSING else entries.gap(folder)
    return tuple(f"{folder}/{one.name}" for one in entries if fnmatch.fnmatchcase(one.name, name))
