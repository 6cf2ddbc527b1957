"""PostgreSQL's clusters: where each would listen once it was started, as its files say, and which line wins.

The formats are those of guc-file.l: a parameter, an equals sign or none, and a value, in quotes where it is
no plain word. What is included is read where it is named; of several lines the last one wins, and those of
postgresql.auto.conf, which ALTER SYSTEM writes, come last.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind
from hardentui.snapshot import File, Folder, Kind, Reason, Snapshot, Unread, is_of_postgresql

DEFAULT = "localhost"
_DEBIAN, _RED_HAT = "/etc/postgresql", "/var/lib/pgsql"
_AUTO = "postgresql.auto.conf"
_DEEPEST = 10  # files that include each other, as in PostgreSQL itself
# The most that is read for all clusters: their files belong to their account, which may let them branch.
_FILES = 500
_TEXT = 4 << 20  # characters
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_NAME = re.compile(r"[ \t]*(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?![A-Za-z0-9_.])[ \t]*=?[ \t]*")
_VALUE = re.compile(
    r"(?:'(?P<quoted>(?:[^'\\\n\0]|'')*)'|(?P<plain>[A-Za-z0-9_][A-Za-z0-9_.:/-]*))\s*(?:#.*)?"
)
_INCLUDES = frozenset({"include", "include_if_exists", "include_dir"})
_READ = frozenset({"data_directory", "listen_addresses", "port"})
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# What pg_ctlcluster hands over on the command line, where it beats every file.
_OPTIONS = re.compile(r"^[ \t]*pg_ctl_options[ \t]*=[ \t]*'[^\S\n]*+[^'\n]+'", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Setting:
    """A line that sets a parameter, and the file in which it stands."""

    path: str
    line: str
    value: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """One set of databases with a server of its own; ``unit`` is the systemd unit that starts it.

    ``listening`` is the line that says where it listens; None where none does, and its default holds.
    ``gap`` is what of its files could not be read.
    """

    path: str
    unit: str
    port: int
    listening: Setting | None
    gap: Gap | None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it would listen for TCP: addresses and names, "*" for all; () for nowhere."""
        value = self.listening.value if self.listening else DEFAULT
        return tuple(item for part in value.split(",") if (item := part.strip(' \t"')))


def clusters(snapshot: Snapshot) -> tuple[Cluster, ...] | Gap:
    """All clusters that stand where the packages of Debian, Red Hat and PostgreSQL itself put them."""
    found = []
    spent = _Spent()
    for path, unit in _places(snapshot):
        if isinstance(unit, Gap):
            return unit
        if spent.all:
            # It says, for all the rest, why they were not read.
            found.append(_cluster(snapshot, path, unit, spent))
            break
        main = snapshot.ask(File(path))
        if not isinstance(main, Unread) or main.reason is not Reason.MISSING:
            found.append(_cluster(snapshot, path, unit, spent))
    return tuple(found) or Gap(GapKind.ABSENT, _("a cluster of PostgreSQL"))


def listening(line: str) -> str | None:
    """What a line sets listen_addresses to; None where it is no such line."""
    named = _NAME.match(line)
    if named is None or named["name"].lower() != "listen_addresses":
        return None
    return _value(line, named.end())


def is_of_alter_system(path: str) -> bool:
    """Whether a file is the one that ALTER SYSTEM writes, and RESET takes a line out of."""
    return posixpath.basename(path) == _AUTO


def _places(snapshot: Snapshot) -> Iterator[tuple[str, str | Gap]]:
    """The main file of each cluster with its unit; a gap where a folder could not be looked through."""
    for version in _folders(snapshot, _DEBIAN):
        if isinstance(version, Gap):
            yield _DEBIAN, version
            continue
        for name in _folders(snapshot, f"{_DEBIAN}/{version}"):
            if isinstance(name, Gap):
                yield version, name
            else:
                yield f"{_DEBIAN}/{version}/{name}/postgresql.conf", f"postgresql@{version}-{name}.service"
    for name in _folders(snapshot, _RED_HAT):
        if isinstance(name, Gap):
            yield _RED_HAT, name
        elif name == "data":
            yield f"{_RED_HAT}/data/postgresql.conf", "postgresql.service"
        elif _VERSION.fullmatch(name):
            yield f"{_RED_HAT}/{name}/data/postgresql.conf", f"postgresql-{name}.service"


def _folders(snapshot: Snapshot, path: str) -> Iterator[str | Gap]:
    entries = snapshot.ask(Folder(path))
    if isinstance(entries, Unread):
        if entries.reason is not Reason.MISSING:
            yield entries.gap(path)
        return
    yield from (entry.name for entry in entries if entry.kind in {Kind.FOLDER, Kind.LINK})


def _value(line: str, start: int) -> str | None:
    """The value that stands in a line from ``start`` on; None where it is written in another way."""
    found = _VALUE.fullmatch(line, start)
    if found is None:
        return None
    return found["plain"] or (found["quoted"] or "").replace("''", "'")


def _cluster(snapshot: Snapshot, path: str, unit: str, spent: _Spent) -> Cluster:
    reading = _Reading(snapshot, spent)
    reading.take(path)
    folder = path.rpartition("/")[0]
    data = reading.settings.get("data_directory")
    reading.take(f"{data.value if data else folder}/{_AUTO}", optional=True)
    port = reading.settings.get("port")
    if port is not None and not _PORT.fullmatch(port.value):
        why = _("{path}: how {name} is written is not read here").format(path=port.path, name="port")
        reading.lose(Gap(GapKind.UNTOLD, why))
        port = None
    control = snapshot.ask(File(f"{folder}/pg_ctl.conf"))
    if isinstance(control, str) and _OPTIONS.search(control):
        why = _("{path}: options of its start beat every file").format(path=f"{folder}/pg_ctl.conf")
        reading.lose(Gap(GapKind.UNTOLD, why))
    return Cluster(
        path, unit, int(port.value) if port else 5432, reading.settings.get("listen_addresses"), reading.gap
    )


@dataclass
class _Spent:
    """How much was read for all clusters: files and folders that were asked for, and characters."""

    asked: int = 0
    length: int = 0

    @property
    def all(self) -> bool:
        """Whether nothing more is read."""
        return self.asked >= _FILES or self.length >= _TEXT


class _Reading:
    """The files of one cluster, in the order in which its server reads them."""

    def __init__(self, snapshot: Snapshot, spent: _Spent) -> None:
        self._snapshot = snapshot
        self._spent = spent
        self.settings: dict[str, Setting] = {}
        self.gap: Gap | None = None

    def lose(self, gap: Gap) -> None:
        """Keep why not all is known: the first reason."""
        self.gap = self.gap or gap

    def take(self, path: str, *, optional: bool = False, depth: int = 0) -> None:
        """Read a file, and what it includes; an ``optional`` one may be missing."""
        if not self._may_ask(path):
            return
        if not is_of_postgresql(path):
            self._not_read(_("{path}: not read, since secrets in it would not be recognised"), path)
            return
        text = self._snapshot.ask(File(path))
        if isinstance(text, Unread):
            if text.reason is not Reason.MISSING:
                self.lose(text.gap(path))
            elif not optional:
                self._lose_included(path)
        else:
            self._spent.length += len(text)
            self._read(path, text, depth)

    def _read(self, path: str, text: str, depth: int) -> None:
        for line in text.split("\n"):
            named = _NAME.match(line)
            name = named["name"].lower() if named else ""
            if named is None or name not in _READ | _INCLUDES:
                continue
            value = _value(line, named.end())
            if value is None:
                self._not_read(_("{path}: how {name} is written is not read here"), path, name)
            elif name in _READ:
                self.settings[name] = Setting(path, line, value)
            elif depth == _DEEPEST:
                self._not_read(_("{path}: files that include each other"), path)
            else:
                self._include(name, _beside(path, value), depth + 1)

    def _may_ask(self, path: str) -> bool:
        if self._spent.all:
            self._not_read(_("{path}: too many files include each other, not read to the end"), path)
            return False
        self._spent.asked += 1
        return True

    def _not_read(self, why: str, path: str, name: str = "") -> None:
        self.lose(Gap(GapKind.UNTOLD, why.format(path=path, name=name)))

    def _lose_included(self, path: str) -> None:
        self._not_read(_("{path} is included and not there: the server would not start"), path)

    def _include(self, name: str, path: str, depth: int) -> None:
        if name != "include_dir":
            self.take(path, optional=name == "include_if_exists", depth=depth)
            return
        if not self._may_ask(path):
            return
        entries = self._snapshot.ask(Folder(path))
        if isinstance(entries, Unread):
            if entries.reason is Reason.MISSING:
                self._lose_included(path)
            else:
                self.lose(entries.gap(path))
            return
        for entry in sorted(entries, key=lambda one: one.name):
            hidden = entry.name.startswith(".") or entry.kind is Kind.FOLDER
            if entry.name.endswith(".conf") and not hidden:
                self.take(f"{path}/{entry.name}", depth=depth)


def _beside(path: str, named: str) -> str:
    """Where an included file lies: no absolute path begins at the folder of the file that names it."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), named))
