"""Configuration files of systemd: their syntax, and a program's own file with its drop-ins.

The syntax is that of systemd.syntax(7), for unit files too; which files are read, and in which order, is
what the manual pages of journald.conf(5), timesyncd.conf(5) and their like say of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Provenance, Role
from hardentui.resources.configuration import by_name, text_of
from hardentui.snapshot import Packages, Reason, Snapshot, Unread

FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
OURS = "99-zz-hardentui.conf"  # after all others: of one setting, the last one counts
_MAIN_EVERYWHERE = 256  # the version from which a program's own file may stand in any of the folders
_COMMENTS = ("#", ";")
_BOM = "\ufeff"


def sorts_after_ours(path: str) -> bool:
    """Whether a file is a drop-in that is read after ours."""
    folder, _slash, name = path.rpartition("/")
    return folder.endswith(".d") and name > OURS


@dataclass(frozen=True, slots=True)
class Assignment:
    """One assignment: its section, name and value, and the line on which it ends."""

    section: str
    name: str
    value: str
    line: int


class BadSectionError(ValueError):
    """The head of a section that is not closed: systemd gives up the file there."""


def assignments(text: str) -> Iterator[Assignment]:
    """The assignments of a text, in order, of all sections.

    A line goes on after a backslash at its end, whatever comments stand between.

    Raises:
        BadSectionError: a section's head is not closed; what stands above it was given before.
    """
    section = ""
    for number, line in _lines(text.removeprefix(_BOM)):
        stripped = line.strip()
        if stripped.startswith("["):
            if not stripped.endswith("]"):
                raise BadSectionError(stripped)
            section = stripped[1:-1]
        elif section and not stripped.startswith(_COMMENTS):
            name, equals, value = stripped.partition("=")
            if equals and name.strip():
                yield Assignment(section, name.strip(), value.strip(), number)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines with those that they go on in, each with the number of its last one."""
    begun = ""
    number = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith(_COMMENTS):
            continue
        whole = begun + line
        if (len(whole) - len(whole.rstrip("\\"))) % 2:
            begun = whole[:-1] + " "
            continue
        begun = ""
        yield number, whole
    if begun:
        yield number, begun


@dataclass(frozen=True, slots=True)
class Setting:
    """An assignment of a program's configuration, and the file that it stands in."""

    name: str
    value: str
    file: str
    line: int

    def place(self, role: Role) -> Provenance:
        """Where it stands."""
        return Provenance(self.file, role, self.line, f"{self.name}={self.value}")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the files of a program assign, in the order in which it counts.

    ``files`` are those that are read, ``folders`` those in which more could appear. ``broken`` names the
    file that systemd gives up, and with it all that come after it; "" for none.
    """

    settings: tuple[Setting, ...]
    files: tuple[str, ...]
    folders: tuple[str, ...]
    broken: str = ""

    def of(self, name: str, valid: Callable[[str], bool]) -> tuple[Setting, ...]:
        """The assignments of a name that are taken, the one that counts last; the others are ignored."""
        return tuple(one for one in self.settings if one.name == name and valid(one.value))


def read(snapshot: Snapshot, name: str, section: str) -> Configuration | Gap:
    """The configuration in ``name`` ("journald.conf") and its drop-ins; a gap where one cannot be read."""
    main = _main(snapshot, name)
    if isinstance(main, Gap):
        return main
    folders = tuple(f"{folder}/{name}.d" for folder in FOLDERS)
    dropins = by_name(snapshot, folders)
    if isinstance(dropins, Gap):
        return dropins
    settings: list[Setting] = []
    files: list[str] = []
    for path in (*main, *(path for path, _kind in dropins)):
        text = text_of(snapshot, path)
        if isinstance(text, Unread):
            if text.reason is Reason.MISSING:
                continue  # a link that leads nowhere still hides the name
            return text.gap(path)
        files.append(path)
        try:
            settings.extend(
                Setting(one.name, one.value, path, one.line)
                for one in assignments(text)
                if one.section == section
            )
        except BadSectionError:
            return Configuration(tuple(settings), tuple(files), folders, broken=path)
    return Configuration(tuple(settings), tuple(files), folders)


def _main(snapshot: Snapshot, name: str) -> tuple[str, ...] | Gap:
    """The program's own file, if there is one: the first that is found."""
    for folder in FOLDERS:
        path = f"{folder}/{name}"
        text = text_of(snapshot, path)
        if isinstance(text, Unread):
            if text.reason is not Reason.MISSING:
                return text.gap(path)
            continue
        known = version(snapshot) if folder != FOLDERS[0] else None
        return () if known is not None and known < _MAIN_EVERYWHERE else (path,)
    return ()


def version(snapshot: Snapshot) -> int | None:
    """The version of the installed systemd; None where it is not known."""
    packages = snapshot.ask(Packages())
    for package in () if isinstance(packages, Unread) else packages:
        if package.name == "systemd" and (found := re.match(r"(?:\d+:)?(\d+)", package.version)):
            return int(found[1])
    return None


def compiled_default(snapshot: Snapshot, name: str, option: str) -> tuple[str, Provenance] | Gap:
    """What the program was built with, where distributions differ: its own file says it in a comment."""
    for folder in FOLDERS:
        path = f"{folder}/{name}"
        text = text_of(snapshot, path)
        if isinstance(text, Unread):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith(f"#{option}="):
                return line.partition("=")[2].strip(), Provenance(path, Role.DEFAULT, number, line)
    why = _("{option}= is not set, and no file of the distribution says what the default is")
    return Gap(GapKind.UNTOLD, why.format(option=option))


# --- values ----------------------------------------------------------------------------------------

_YES = frozenset({"1", "yes", "y", "true", "t", "on"})
_NO = frozenset({"0", "no", "n", "false", "f", "off"})
_SIZES = {unit: 1024**power for power, unit in enumerate(("B", "K", "M", "G", "T", "P", "E"))}
_SIZE = re.compile(r"\s*(\d+)(?:\.(\d+))?\s*([BKMGTPE]?)")
_SECONDS: dict[str, float] = {
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86400),
    **dict.fromkeys(("M", "month", "months"), 2629800),
    **dict.fromkeys(("y", "year", "years"), 31557600),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("us", "usec", "µs", "μs"), 1e-6),
}
_SPAN = re.compile(r"\s*(\d+)(?:\.(\d+))?\s*([A-Za-zµμ]*)")
INFINITY = float("inf")


def boolean(value: str) -> bool | None:
    """A truth value; None for what is none."""
    low = value.lower()
    return True if low in _YES else False if low in _NO else None


def size(value: str) -> int | None:
    """A size in bytes, of one part or of several, each of a smaller unit ("1G 500M"); None for none."""
    if not value:
        return None
    total, at, last = 0.0, 0, max(_SIZES.values()) + 1
    while at < len(value):
        found = _SIZE.match(value, at)
        unit = _SIZES[found[3] or "B"] if found else 0
        if found is None or unit >= last:
            return None
        total += float(f"{found[1]}.{found[2] or 0}") * unit
        at, last = found.end(), unit
    return int(total)


def seconds(value: str) -> float | None:
    """A span of time in seconds ("7day", "1h 30min", "90"), or INFINITY; None for what is none."""
    if value.strip() == "infinity":
        return INFINITY
    if not value.strip():
        return None
    total, at, text = 0.0, 0, value.strip()
    while at < len(text):
        found = _SPAN.match(text, at)
        if found is None or found[3] not in _SECONDS:
            return None
        total += float(f"{found[1]}.{found[2] or 0}") * _SECONDS[found[3]]
        at = found.end()
    return total
