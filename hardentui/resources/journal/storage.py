"""Where the journal is stored: the file that is being written now, and where a boot will have it."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from hardentui.i18n import _
from hardentui.model import Gap, GapKind, Provenance, Reading, Role
from hardentui.resources.base import nothing
from hardentui.resources.daemons import main_process
from hardentui.resources.grants import Grant, grants
from hardentui.resources.journal.daemon import UNIT, at_boot, sides
from hardentui.resources.journal.settings import configuration
from hardentui.resources.mount import boot
from hardentui.snapshot import File, Kind, Mounts, Question, Reason, Snapshot, Stat, Status, Unread

FLUSH = "systemd-journal-flush.service"  # has journald go over to the disk, which a start alone does not
PERSISTENT, VOLATILE, NONE = "persistent", "volatile", "none"
DISK, MEMORY = "/var/log/journal", "/run/log/journal"
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_UNLISTED = frozenset({Reason.MISSING, Reason.NOT_RECORDED})  # older recordings hold no lists


def _files(snapshot: Snapshot) -> Mapping[str, str] | Gap:
    """The file that journald writes to, by where that is."""
    number = snapshot.ask(File("/etc/machine-id"))
    if isinstance(number, Unread):
        return number.gap("/etc/machine-id")
    name = f"{number.strip()}/system.journal"
    return {PERSISTENT: f"{DISK}/{name}", VOLATILE: f"{MEMORY}/{name}"}


def stored_now(snapshot: Snapshot) -> Reading:
    """Where the running daemon writes: seen by the file that it writes to, whatever its settings say."""
    daemon = main_process(snapshot, UNIT)
    if isinstance(daemon, Gap):
        return Reading(gap=daemon)
    if daemon is None:
        place = Provenance(UNIT, text=_("systemd-journald does not run"))
        return Reading({"": NONE}, provenance=(place,))
    files = _files(snapshot)
    if isinstance(files, Gap):
        return Reading(gap=files)
    for where in (VOLATILE, PERSISTENT):  # going over to the disk takes the one in memory away
        status = snapshot.ask(Stat(files[where]))
        if isinstance(status, Unread):
            if status.reason is not Reason.MISSING:
                return nothing(status, files[where])
        elif where == VOLATILE or status.modified >= daemon.started:
            in_memory = where == PERSISTENT and _in_memory_now(snapshot)
            if isinstance(in_memory, Gap):
                return Reading(gap=in_memory)
            kept = VOLATILE if in_memory else where
            return Reading({"": kept}, provenance=(Provenance(files[where], Role.READ),))
    return _nothing_written(snapshot)


def _nothing_written(snapshot: Snapshot) -> Reading:
    """Where no journal file is being written: rightly with Storage=none, else that cannot be told."""
    held = sides(snapshot, "Storage")[0]
    if held is not None and held.values.get("") == NONE:
        return held
    why = _("no journal file was written to since systemd-journald started")
    return Reading(gap=Gap(GapKind.UNTOLD, why))


def stored_at_boot(snapshot: Snapshot) -> Reading:
    """Where journald will write after a boot."""
    files = configuration(snapshot)
    if isinstance(files, Gap):
        return Reading(gap=files)
    said = at_boot(snapshot, files, "Storage")
    value = said.values.get("", "")
    places = list(said.provenance)
    if value == "auto":
        status = snapshot.ask(Stat(DISK))
        if isinstance(status, Unread) and status.reason is not Reason.MISSING:
            return nothing(status, DISK)
        there = not isinstance(status, Unread) and status.kind in {Kind.FOLDER, Kind.LINK}
        value = PERSISTENT if there else VOLATILE
        places.append(Provenance(DISK, text=_("it is there") if there else _("not there")))
    if value == PERSISTENT:
        mounted = _in_memory_at_boot(snapshot)
        if isinstance(mounted, Gap):
            return Reading(gap=mounted)
        value, places = (VOLATILE, [*places, mounted]) if mounted else (value, places)
    return Reading({"": value}, provenance=tuple(places))


def listed(snapshot: Snapshot) -> tuple[tuple[str, Grant], ...] | Gap:
    """What access lists give on the journal's folders and on the file that is written, with the path of each.

    The journals of single users, which journald opens to them, are left out.
    """
    files = _files(snapshot)
    if isinstance(files, Gap):
        return files
    found: list[tuple[str, Grant]] = []
    for journal in files.values():
        folder = posixpath.dirname(journal)
        for path in (posixpath.dirname(folder), folder, journal):
            status = snapshot.ask(Stat(path))
            if isinstance(status, Unread):
                if status.reason not in _UNLISTED:
                    return status.gap(path)
                continue
            given = grants(snapshot, path, status)
            if isinstance(given, Gap):
                return given
            found += ((path, one) for one in given)
    return tuple(found)


def _in_memory_now(snapshot: Snapshot) -> bool | Gap:
    """Whether the folder of the persistent journal lies in memory, and is lost at a boot all the same."""
    mounts = snapshot.ask(Mounts())
    if isinstance(mounts, Unread):
        return mounts.gap("/proc/self/mountinfo")
    return boot.written_to(mounts, DISK) in _IN_MEMORY


def _in_memory_at_boot(snapshot: Snapshot) -> Provenance | Gap | None:
    """What a boot mounts there that is lost with the next one; None where it is a disk."""
    for path in (DISK, "/var/log", "/var"):
        then = boot.at_boot(snapshot, path)
        if isinstance(then, Unread):
            return then.gap(path)
        if then is not None and then.automatic:
            if then.fstype not in _IN_MEMORY:
                return None
            return then.provenance[0] if then.provenance else Provenance(path, text=then.fstype)
    if not snapshot.live:
        return None
    # The initramfs makes the root, and lays over it what it likes: as now.
    mounts = snapshot.ask(Mounts())
    if isinstance(mounts, Unread):
        return mounts.gap("/proc/self/mountinfo")
    root = boot.written_to(mounts, "/")
    return Provenance("/", text=root) if root in _IN_MEMORY else None


# --- for a rehearsal --------------------------------------------------------------------------------


def after_restart(snapshot: Snapshot, unit: str) -> dict[Question[Any], Any]:
    """Where the journal would be after a restart of one of its units: for a rehearsal."""
    files = _files(snapshot)
    if isinstance(files, Gap) or unit not in {UNIT, FLUSH}:
        return {}
    now = snapshot.taken_at
    there = Status(Kind.FILE, 0o640, 0, 0, "root", "systemd-journal", 8 << 20, "", now, now)
    if unit == UNIT:  # it says in its journal that it started
        written = (Stat(path) for path in files.values())
        return {one: there for one in written if not isinstance(snapshot.ask(one), Unread)}
    stored = stored_at_boot(snapshot).values.get("")
    if stored != PERSISTENT:
        return {}
    folder = Status(Kind.FOLDER, 0o2755, 0, 0, "root", "systemd-journal", 4096, "", now, now)
    known = snapshot.ask(Stat(DISK))
    return {
        Stat(files[PERSISTENT]): there,
        Stat(files[VOLATILE]): Unread(Reason.MISSING),
        Stat(DISK): folder if isinstance(known, Unread) else known,
    }


def moved(snapshot: Snapshot, unit: str) -> tuple[Question[Any], ...]:
    """The questions whose answers ``after_restart`` gives."""
    files = _files(snapshot)
    if isinstance(files, Gap) or unit not in {UNIT, FLUSH}:
        return ()
    return tuple(Stat(path) for path in (DISK, *files.values()))
