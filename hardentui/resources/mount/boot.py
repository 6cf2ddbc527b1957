"""What the boot will mount: /etc/fstab merged with systemd's mount units, as systemd merges them.

systemd-fstab-generator writes its units below /etc/systemd/system and above /usr/lib/systemd/system
(systemd.unit(5), "unit file load path"); a drop-in counts for both. What ZFS mounts by the properties of
its datasets is not foreseen.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Provenance, Role
from hardentui.resources.configuration import text_of
from hardentui.snapshot import File, Folder, Kind, Mount, Mounts, Reason, Snapshot, Stat, Unread

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
_OF_A_MOUNT = frozenset({"What", "Type", "Options"})
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

    source: str
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


def written_to(mounts: Iterable[Mount], path: str) -> str:
    """The type of the file system that takes what is written to a path: of an overlay, its upper layer's."""
    known = tuple(mounts)
    held = holder(known, path)
    if held is None or held.fstype != "overlay":
        return "" if held is None else held.fstype
    given = dict(word.partition("=")[::2] for word in held.words)
    upper = holder(known, given.get("upperdir", ""))
    # That of a container lies outside of what it sees.
    return held.fstype if upper is None or upper.fstype == "overlay" else upper.fstype


def container(snapshot: Snapshot) -> Gap | None:
    """A container manager mounts what it likes before the boot that we can predict."""
    for path in (
        "/run/systemd/container",
        "/run/host/container-manager",
        "/run/.containerenv",
        "/.dockerenv",
    ):
        seen = snapshot.ask(Stat(path))
        if not isinstance(seen, Unread):
            return Gap(GapKind.UNMODELLED, path)
        if seen.reason is not Reason.MISSING:
            return seen.gap(path)
    return None


def at_boot(snapshot: Snapshot, path: str) -> BootMount | Unread | None:
    """What systemd will mount at ``path``; None for nothing, Unread when a file cannot be read."""
    known = snapshot.derive(_known)
    if path not in known:
        known[path] = _at_boot(snapshot, path)
    return known[path]


def _known(_snapshot: Snapshot) -> dict[str, BootMount | Unread | None]:
    """What was worked out of a snapshot by now, by path: many resources ask for the same few."""
    return {}


def _at_boot(snapshot: Snapshot, path: str) -> BootMount | Unread | None:
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
        entry.source,
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
                settings = {"What": entry.source, "Type": entry.fstype, "Options": entry.options}
                found.append(_Definition(settings, place, entry))
            continue
        path = f"{folder}/{name}"
        text = text_of(snapshot, path)
        if isinstance(text, Unread):
            if text.reason is not Reason.MISSING:
                return text
            continue
        if not text:
            found.append(_Definition(None, Provenance(path, text="/dev/null")))
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
    settings, winner, beaten, by_fstab = _with_dropins(found, found[0].settings, dropins)
    options = settings.get("Options", "")
    options = options.replace("%%", "%") if by_fstab is None else options
    words = normalise(options)
    automatic = entry is not None and _is_automatic(words)
    if not automatic:
        wanted = snapshot.derive(wanted_units)
        if isinstance(wanted, Unread):
            return wanted
        automatic = name in wanted
    if not automatic and entry is None:
        return None  # a unit that lies there, and that nothing starts
    return BootMount(
        source=settings.get("What", ""),
        fstype=settings.get("Type", ""),
        options=words,
        automatic=automatic,
        unit=name,
        fstab=by_fstab,
        raw_options=options,
        provenance=(_as(winner, Role.WINS), *(_as(place, Role.BEATEN) for place in beaten)),
    )


def _with_dropins(
    found: list[_Definition], settings: dict[str, str], dropins: list[tuple[str, str]]
) -> tuple[dict[str, str], Provenance, list[Provenance], FstabEntry | None]:
    """The settings of a unit after its drop-ins, where its options stand, what they beat, and their line."""
    winner, beaten, by_fstab = found[0].place, [other.place for other in found[1:]], found[0].fstab
    for text, dropin in dropins:
        changed = {key: value for key, value in _settings(text).items() if key in _OF_A_MOUNT}
        place = Provenance(dropin, text=" ".join(f"{key}={value}" for key, value in changed.items()))
        if "Options" in changed:
            beaten.append(winner)
            winner, by_fstab = place, None
        elif changed:
            beaten.append(place)
        settings = settings | changed
    return settings, winner, beaten, by_fstab


def _is_automatic(words: Iterable[str]) -> bool:
    """Whether an fstab line with these words is mounted at boot, or at the first look at it."""
    return "noauto" not in words or "x-systemd.automount" in words


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
    folders = (*_ABOVE, *_BELOW)
    places = [f"{folder}/{own}" for folder in folders for own in _own_folders(name)]
    paths: dict[str, tuple[str, Kind]] = {}
    for place in (*places, *(f"{folder}/mount.d" for folder in folders)):
        entries = snapshot.ask(Folder(place))
        if isinstance(entries, Unread):
            if entries.reason is not Reason.MISSING:
                return entries
            continue
        for entry in entries:
            if entry.name.endswith(".conf"):
                paths.setdefault(entry.name, (f"{place}/{entry.name}", entry.kind))
    texts = []
    for _file, (path, kind) in sorted(paths.items()):
        text = text_of(snapshot, path, may_be_link=kind is Kind.LINK)
        if not isinstance(text, Unread):
            texts.append((text, path))
        elif text.reason is not Reason.MISSING:  # a link that leads nowhere still hides the name
            return text
    return texts


def _own_folders(unit: str) -> Iterator[str]:
    """The folders of a unit's drop-ins: its own, then those of the names that begin like it (a-.mount.d)."""
    yield f"{unit}.d"
    stem = unit.removesuffix(".mount")
    while (dash := stem.rstrip("-").rfind("-")) > 0:
        stem = stem[: dash + 1]
        yield f"{stem}.mount.d"


def wanted_units(snapshot: Snapshot) -> frozenset[str] | Unread:
    """The units that the targets of an ordinary boot pull in by a link."""
    places = [
        f"{folder}/{target}.{how}"
        for folder in (*_ABOVE, *_BELOW[1:])
        for target in _TARGETS
        for how in ("wants", "requires")
    ]
    places += [f"{folder}/local-fs.target.{how}" for folder in _LATE for how in ("wants", "requires")]
    found: set[str] = set()
    for place in places:
        entries = snapshot.ask(Folder(place))
        if isinstance(entries, Unread):
            if entries.reason is not Reason.MISSING:
                return entries
            continue
        found |= {entry.name for entry in entries}
    return frozenset(found)


# --- what the boot makes of it --------------------------------------------------------------------

_ZFS_WANTS = "/etc/systemd/system/zfs.target.wants"


def unforeseen(
    snapshot: Snapshot, path: str, now: Mount | Unread | None, then: BootMount | None
) -> Gap | None:
    """Who may mount at ``path`` besides fstab and units: ZFS, or the manager of a container."""
    by_line = then is not None and then.fstab is not None
    if isinstance(now, Mount) and now.fstype == "zfs" and not by_line:
        return Gap(GapKind.UNMODELLED, _("ZFS, by the properties of the dataset of {path}").format(path=path))
    if then is not None:
        return None
    if isinstance(now, Mount):
        return container(snapshot)
    wants = None if snapshot.live else snapshot.ask(Folder(_ZFS_WANTS))
    if wants is None or (isinstance(wants, Unread) and wants.reason is Reason.MISSING):
        return None
    return wants.gap(_ZFS_WANTS) if isinstance(wants, Unread) else Gap(GapKind.UNMODELLED, _ZFS_WANTS)


def binds_below(snapshot: Snapshot, path: str, mount: BootMount) -> bool:
    """Whether ``mount`` only shows at ``path`` another folder of the file system that lies below it."""
    if not {"bind", "rbind"} & set(mount.options):
        return False
    entries = snapshot.derive(read_fstab)
    points = {"/"}
    for entry in () if isinstance(entries, Unread) else entries:
        words = normalise(entry.options)
        if _is_automatic(words) and not {"bind", "rbind"} & set(words) and entry.path != path:
            points.add(entry.path)

    def point_of(place: str) -> str:
        above = [point for point in points if point in {"/", place} or place.startswith(f"{point}/")]
        return max(above, key=len)

    return point_of(posixpath.normpath(mount.source)) == point_of(path)
