"""What the boot will mount: /etc/fstab merged with systemd's mount units, as systemd merges them.

systemd-fstab-generator writes its units below /etc/systemd/system and above /usr/lib/systemd/system
(systemd.unit(5), "unit file load path"); a drop-in counts for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from hardentui.model import Gap, GapKind, Provenance, Role
from hardentui.snapshot import File, Folder, Link, Mount, Mounts, Reason, Snapshot, Stat, Unread

FSTAB = "/etc/fstab"
# Load path around the generators' units, highest first.
_ABOVE = ("/etc/systemd/system", "/run/systemd/system")
_BELOW = ("/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
_LATE = ("/run/systemd/generator.late",)
_TARGETS = ("local-fs.target", "sysinit.target", "basic.target", "multi-user.target")
_OPPOSITES = {"nosuid": "suid", "nodev": "dev", "noexec": "exec", "ro": "rw", "noauto": "auto"}
OPPOSITE = _OPPOSITES | {positive: negative for negative, positive in _OPPOSITES.items()}
# What mount(8) says that these words imply.
_IMPLIED = {
    "user": ("noexec", "nosuid", "nodev"),
    "users": ("noexec", "nosuid", "nodev"),
    "owner": ("nosuid", "nodev"),
    "group": ("nosuid", "nodev"),
}
_PLAIN = frozenset({"suid", "dev", "exec", "rw", "auto", "async", "nouser", "defaults"})
# The kernel's mounts that systemd makes before it reads fstab, with its own options (mount-setup.c).
_BUILT_IN = {"/proc": ("proc", "nosuid,nodev,noexec"), "/dev/shm": ("tmpfs", "nosuid,nodev")}  # noqa: S108


@dataclass(frozen=True, slots=True)
class FstabEntry:
    """One line of /etc/fstab."""

    line: int
    text: str
    source: str
    path: str
    fstype: str
    options: str


@dataclass(frozen=True, slots=True)
class BootMount:
    """What will be mounted somewhere at boot, or could be.

    ``options`` are normalised words: what is written, with what it implies, without what is undone.
    ``automatic`` is off for what an fstab line mounts on demand only (noauto).
    """

    fstype: str
    options: tuple[str, ...]
    automatic: bool
    unit: str
    fstab: FstabEntry | None
    raw_options: str
    provenance: tuple[Provenance, ...] = field(default=())


def parse_fstab(text: str) -> tuple[FstabEntry, ...]:
    """The entries of an fstab; comments and lines with fewer than three fields are left out.

    Only blanks and tabs part fields, only a newline ends a line: a form feed is part of a name.
    """
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.replace("\t", " ").split(" ")
        fields = [each for each in fields if each]
        if len(fields) < 3 or fields[0].startswith("#"):  # noqa: PLR2004 - source, path, type
            continue
        path = re.sub(r"/+", "/", _plain(fields[1])).rstrip("/") or "/"
        options = fields[3] if len(fields) > 3 else "defaults"  # noqa: PLR2004 - they may be left out
        found.append(FstabEntry(number, line, _plain(fields[0]), path, fields[2], options))
    return tuple(found)


def _plain(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def read_fstab(snapshot: Snapshot) -> tuple[FstabEntry, ...] | Unread:
    """The host's fstab; no file means no entries."""
    text = snapshot.ask(File(FSTAB))
    if isinstance(text, Unread):
        return () if text.reason is Reason.MISSING else text
    return parse_fstab(text)


def normalise(options: str) -> tuple[str, ...]:
    """The words of mount options in force: later words win, implied ones are added, defaults are dropped."""
    kept: dict[str, None] = {}
    for word in filter(None, options.split(",")):
        for each in (*_IMPLIED.get(word, ()), word):
            kept.pop(OPPOSITE.get(each, ""), None)
            if "=" in each:
                key = each.partition("=")[0]
                for old in [known for known in kept if known.partition("=")[0] == key]:
                    kept.pop(old)
            if each not in _PLAIN:
                kept[each] = None
    return tuple(kept)


def unit_name(path: str) -> str:
    """The mount unit of a path: "/var/log" gives "var-log.mount" (systemd.mount(5))."""
    if path == "/":
        return "-.mount"
    escaped = []
    for position, char in enumerate(path.strip("/")):
        if char == "/":
            escaped.append("-")
        elif (char.isascii() and char.isalnum()) or char in ":_" or (char == "." and position):
            escaped.append(char)
        else:
            escaped += [f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape")]
    return "".join(escaped) + ".mount"


def mounted(snapshot: Snapshot, path: str) -> Mount | Unread | None:
    """The mount that covers exactly ``path`` now: the last one made there, or None."""
    mounts = snapshot.ask(Mounts())
    if isinstance(mounts, Unread):
        return mounts
    return next((mount for mount in reversed(mounts) if mount.path == path), None)


def holder(mounts: Iterable[Mount], path: str) -> Mount | None:
    """The mount on which ``path`` lies."""
    best: Mount | None = None
    for mount in mounts:
        inside = mount.path in {"/", path} or path.startswith(mount.path + "/")
        if inside and (best is None or len(mount.path) >= len(best.path)):
            best = mount
    return best


def container(snapshot: Snapshot) -> Gap | None:
    """A container manager mounts what it likes before the boot that we can predict."""
    for path in (
        "/run/systemd/container",
        "/run/host/container-manager",
        "/run/.containerenv",
        "/.dockerenv",
    ):
        if not isinstance(snapshot.ask(Stat(path)), Unread):
            return Gap(GapKind.UNMODELLED, path)
    return None


def at_boot(snapshot: Snapshot, path: str) -> BootMount | Unread | None:
    """What systemd will mount at ``path``; None for nothing, Unread when a file cannot be read."""
    entries = snapshot.derive(read_fstab)
    if isinstance(entries, Unread):
        return entries
    entry = next((known for known in entries if known.path == path), None)
    name = unit_name(path)
    found = _unit(snapshot, name, entry)
    if isinstance(found, Unread):
        return found
    if found is None:
        return _built_in(path, entry, name)
    return found


def _built_in(path: str, entry: FstabEntry | None, name: str) -> BootMount | None:
    if path not in _BUILT_IN:
        return None
    fstype, base = _BUILT_IN[path]
    if entry is None:
        place = Provenance("systemd", Role.DEFAULT, text=base)
        return BootMount(
            fstype,
            normalise(base),
            automatic=True,
            unit=name,
            fstab=None,
            raw_options=base,
            provenance=(place,),
        )
    # systemd-remount-fs applies the options of such a line to what is already there.
    words = normalise(entry.options)
    place = Provenance(FSTAB, Role.WINS, entry.line, entry.text)
    return BootMount(
        entry.fstype,
        words,
        automatic=True,
        unit=name,
        fstab=entry,
        raw_options=entry.options,
        provenance=(place,),
    )


@dataclass(frozen=True, slots=True)
class _Definition:
    """One file that defines a mount unit; ``settings`` None means that the unit is masked there."""

    settings: dict[str, str] | None
    place: Provenance
    fstab: FstabEntry | None = None


def _definitions(snapshot: Snapshot, name: str, entry: FstabEntry | None) -> list[_Definition] | Unread:
    """All definitions of a unit, the first counts: the fstab line stands where the generator's unit does."""
    found: list[_Definition] = []
    for folder in (*_ABOVE, FSTAB, *_BELOW, *_LATE):
        if folder == FSTAB:
            if entry is not None:
                place = Provenance(FSTAB, line=entry.line, text=entry.text)
                found.append(_Definition({"Options": entry.options, "Type": entry.fstype}, place, entry))
            continue
        path = f"{folder}/{name}"
        if snapshot.ask(Link(path)) == "/dev/null":
            found.append(_Definition(None, Provenance(path, text="/dev/null")))
            continue
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            if text.reason not in {Reason.MISSING, Reason.FAILED}:
                return text
            continue
        settings = _settings(text)
        # The generator's own unit shows the fstab of the last daemon-reload; the file itself is the truth.
        if settings.get("SourcePath") != FSTAB:
            found.append(
                _Definition(settings, Provenance(path, text=f"Options={settings.get('Options', '')}"))
            )
    return found


def _unit(snapshot: Snapshot, name: str, entry: FstabEntry | None) -> BootMount | Unread | None:
    """What a unit will mount, with its drop-ins; None where it is masked or not there."""
    if entry is not None and entry.path in _BUILT_IN:
        return None
    found = _definitions(snapshot, name, entry)
    if isinstance(found, Unread):
        return found
    if not found or found[0].settings is None:
        return None
    dropins = _dropins(snapshot, name)
    if isinstance(dropins, Unread):
        return dropins
    chosen, beaten = found[0], [other.place for other in found[1:]]
    settings = found[0].settings
    options, winner, by_fstab = settings.get("Options", ""), chosen.place, chosen.fstab
    for text, dropin in dropins:
        changed = _settings(text)
        if "Options" in changed:
            beaten.append(winner)
            options, winner = changed["Options"], Provenance(dropin, text=f"Options={changed['Options']}")
            by_fstab = None
    options = options.replace("%%", "%") if by_fstab is None else options
    words = normalise(options)
    by_line = entry is not None and ("noauto" not in words or "x-systemd.automount" in words)
    automatic = by_line or name in snapshot.derive(wanted_units)
    if not automatic and entry is None:
        return None  # a unit that lies there, and that nothing starts
    return BootMount(
        fstype=settings.get("Type", ""),
        options=words,
        automatic=automatic,
        unit=name,
        fstab=by_fstab,
        raw_options=options,
        provenance=(_as(winner, Role.WINS), *(_as(place, Role.BEATEN) for place in beaten)),
    )


def _as(place: Provenance, role: Role) -> Provenance:
    return Provenance(place.place, role, place.line, place.text)


def _settings(text: str) -> dict[str, str]:
    """The last value of each setting of a unit file, whatever its section; lines continued by a backslash."""
    settings: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        key, equals, value = stripped.partition("=")
        if equals and not stripped.startswith(("#", ";")):
            settings[key.strip()] = value.strip()
    return settings


def _dropins(snapshot: Snapshot, name: str) -> list[tuple[str, str]] | Unread:
    """Text and path of each drop-in of a unit, in the order in which they count."""
    paths: dict[str, str] = {}
    for folder in (*_ABOVE, *_BELOW):
        entries = snapshot.ask(Folder(f"{folder}/{name}.d"))
        if isinstance(entries, Unread):
            if entries.reason is not Reason.MISSING:
                return entries
            continue
        for entry in entries:
            if entry.name.endswith(".conf"):
                paths.setdefault(entry.name, f"{folder}/{name}.d/{entry.name}")
    texts = []
    for _file, path in sorted(paths.items()):
        if snapshot.ask(Link(path)) == "/dev/null":
            continue
        text = snapshot.ask(File(path))
        if isinstance(text, Unread):
            return text
        texts.append((text, path))
    return texts


def wanted_units(snapshot: Snapshot) -> frozenset[str]:
    """The units that the targets of an ordinary boot pull in by a link."""
    found: set[str] = set()
    for folder in (*_ABOVE, *_BELOW[1:]):
        for target in _TARGETS:
            for how in ("wants", "requires"):
                entries = snapshot.ask(Folder(f"{folder}/{target}.{how}"))
                if not isinstance(entries, Unread):
                    found |= {entry.name for entry in entries}
    for folder in ("/run/systemd/generator.late",):
        for how in ("wants", "requires"):
            entries = snapshot.ask(Folder(f"{folder}/local-fs.target.{how}"))
            if not isinstance(entries, Unread):
                found |= {entry.name for entry in entries}
    return frozenset(found)
