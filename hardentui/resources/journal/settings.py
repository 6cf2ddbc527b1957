"""The settings of systemd-journald: what its files and the kernel command line make of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hardentui.model import Gap, GapKind, Provenance, Role
from hardentui.resources import systemd_conf
from hardentui.resources.kernel.loader import boot_entries
from hardentui.resources.systemd_conf import Configuration, Setting
from hardentui.snapshot import KernelFile, Snapshot, Unread

NAME = "journald.conf"
SECTION = "Journal"
LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
KEEP = "keep"  # journald leaves the kernel's auditing as it is
UNLIMITED = "0"
_CMDLINE = "/proc/cmdline"
_PREFIX = "systemd.journald."
Words = tuple[tuple[str, Provenance], ...]  # of a kernel command line, each with where it stands
_DAY = 86400


def _truth(value: str) -> str | None:
    known = systemd_conf.boolean(value)
    return None if known is None else "yes" if known else "no"


def _level(value: str) -> str | None:
    if value.isdecimal() and int(value) < len(LEVELS):
        return LEVELS[int(value)]
    return value if value in LEVELS else None


def _audit(value: str) -> str | None:
    return KEEP if value in {"", KEEP} else _truth(value)


def _days(value: str) -> str | None:
    known = systemd_conf.seconds(value)
    if known is None:
        return None
    return UNLIMITED if known in {0, systemd_conf.INFINITY} else f"{known / _DAY:g}"


def _seconds(value: str) -> str | None:
    known = systemd_conf.seconds(value)
    return None if known is None else f"{known:g} s"


def _bytes(value: str) -> str | None:
    known = systemd_conf.size(value)
    return None if known is None else _shown(known)


def _shown(size: int) -> str:
    for unit in ("", "K", "M", "G"):
        if size < 1024 or unit == "G":  # noqa: PLR2004 - bytes in a kilobyte
            return f"{size:g}{unit}"
        size = size // 1024 if size % 1024 == 0 else round(size / 1024, 1)  # type: ignore[assignment]
    raise AssertionError


def _compress(value: str) -> str | None:
    return "yes" if not value else _truth(value) or (f"from {_bytes(value)}" if _bytes(value) else None)


@dataclass(frozen=True, slots=True)
class Option:
    """A setting: how its values are read (None for one that is ignored), and what holds where none is.

    ``default`` None says that distributions differ. ``word`` is its parameter of the kernel command line.
    ``since`` gives for a value the version of systemd that was the first to take it.
    """

    parse: Callable[[str], str | None]
    default: str | None
    word: str = ""
    since: Mapping[str, int] = field(default_factory=dict)


OPTIONS: Mapping[str, Option] = {
    "Storage": Option(lambda v: v if v in {"auto", "persistent", "volatile", "none"} else None, "auto"),
    "Compress": Option(_compress, "yes"),
    "Seal": Option(_truth, "yes"),
    "SyncIntervalSec": Option(_seconds, "300 s"),
    "RateLimitIntervalSec": Option(_seconds, "30 s"),
    "RateLimitBurst": Option(lambda v: str(int(v)) if v.isdecimal() else None, "10000"),
    "SystemMaxUse": Option(_bytes, "10% of the file system, 4G at most"),
    "SystemKeepFree": Option(_bytes, "15% of the file system, 4G at most"),
    "RuntimeMaxUse": Option(_bytes, "10% of the file system, 4G at most"),
    "MaxRetentionSec": Option(_days, UNLIMITED),
    "ForwardToSyslog": Option(_truth, None, "forward_to_syslog"),
    "MaxLevelStore": Option(_level, "debug", "max_level_store"),
    "MaxLevelSyslog": Option(_level, "debug", "max_level_syslog"),
    "Audit": Option(_audit, None, since={KEEP: 258}),
}


@dataclass(frozen=True, slots=True)
class Effective:
    """The value of a setting, and where it comes from, the one that wins last."""

    value: str
    places: tuple[Provenance, ...]


def configuration(snapshot: Snapshot) -> Configuration | Gap:
    """What the files of journald say (its default namespace)."""
    return snapshot.derive(_configuration)


def _configuration(snapshot: Snapshot) -> Configuration | Gap:
    return systemd_conf.read(snapshot, NAME, SECTION)


def effective(
    snapshot: Snapshot,
    files: Configuration,
    name: str,
    command_line: Callable[[Snapshot], Words | Gap] = lambda _snapshot: (),
) -> Effective | Gap:
    """The value that journald takes from its files and from a kernel ``command_line``."""
    option = OPTIONS[name]
    words = command_line(snapshot) if option.word else ()
    if isinstance(words, Gap):
        return words
    said = taken(snapshot, files, name)
    places = [one.place(Role.BEATEN) for one in said[:-1]]
    value, place = _of_files(snapshot, name, said)
    given = _given(option, words)
    if given is not None:
        value, beaten, place = given[0], place, given[1]
        places += [beaten] if isinstance(beaten, Provenance) else []
    if isinstance(value, Gap):
        return value
    return Effective(value, (*places, *((place,) if place else ())))


def taken(snapshot: Snapshot, files: Configuration, name: str) -> tuple[Setting, ...]:
    """The assignments of a setting that journald takes: it ignores values that it does not know."""
    option = OPTIONS[name]

    def is_taken(value: str) -> bool:
        if option.parse(value) is None:
            return False
        known = systemd_conf.version(snapshot) if value in option.since else None
        return known is None or known >= option.since[value]

    return files.of(name, is_taken)


def _of_files(
    snapshot: Snapshot, name: str, said: tuple[Setting, ...]
) -> tuple[str | Gap, Provenance | None]:
    option = OPTIONS[name]
    if said:
        return option.parse(said[-1].value) or "", said[-1].place(Role.WINS)
    if option.default is not None:
        return option.default, Provenance(NAME, Role.DEFAULT, text=f"{name}=")
    built = systemd_conf.compiled_default(snapshot, NAME, name)
    if isinstance(built, Gap):
        return built, None
    return option.parse(built[0]) or "", built[1]


def _given(option: Option, words: Words) -> tuple[str, Provenance] | None:
    """What a kernel command line says of a setting: the last word that is taken."""
    found = None
    for word, place in words:
        name, equals, value = word.partition("=")
        if name.replace("-", "_") == _PREFIX + option.word:
            parsed = option.parse(value) if equals else option.parse("yes")
            found = (parsed, place) if parsed is not None else found
    return found


def words_now(snapshot: Snapshot) -> Words | Gap:
    """The words for journald on the command line of the kernel that runs."""
    line = snapshot.ask(KernelFile(_CMDLINE))
    if isinstance(line, Unread):
        return line.gap(_CMDLINE)
    return tuple((word, Provenance(_CMDLINE, text=word)) for word in line.split() if word.startswith(_PREFIX))


def words_at_boot(snapshot: Snapshot) -> Words | Gap:
    """Those that the boot loader will give: where there is none that we know (a container), those of now."""
    entries = boot_entries(snapshot)
    if isinstance(entries, Gap):
        return words_now(snapshot) if entries.kind is GapKind.UNMODELLED else entries
    return tuple(
        (word, Provenance(entry.place, line=entry.line, text=word))
        for entry in entries
        for word in entry.arguments
        if word.startswith(_PREFIX)
    )
