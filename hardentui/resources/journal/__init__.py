"""The journal of systemd: where journald stores it, what of it, for how long, and who gets a copy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Role
from hardentui.operations import Change, Lines, Refusal, RestartUnit, WriteFile
from hardentui.resources.base import digest, kept_settings, nothing, text_fact, wrong_subject
from hardentui.resources.daemons import main_process, older_than_files
from hardentui.resources.journal.settings import (
    KEEP,
    LEVELS,
    NAME,
    OPTIONS,
    SECTION,
    Effective,
    configuration,
    effective,
    taken,
    words_at_boot,
    words_now,
)
from hardentui.resources.mount import boot
from hardentui.resources.systemd_conf import FOLDERS, OURS, Configuration
from hardentui.snapshot import (
    File,
    Kind,
    Mounts,
    Question,
    Reason,
    Snapshot,
    Stat,
    Status,
    Units,
    Unread,
)

UNIT = "systemd-journald.service"
DROPIN = f"{FOLDERS[0]}/{NAME}.d/{OURS}"
PERSISTENT, VOLATILE, NONE = "persistent", "volatile", "none"
DISK, MEMORY = "/var/log/journal", "/run/log/journal"
_PROGRAM = "/usr/lib/systemd/systemd-journald"
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_HEADER = f"[{SECTION}]"
_FIRST, _LAST = 0, 90  # ranks of the lines of our drop-in: the section before all, what all share after
_NAMESPACE = re.compile(r"systemd-journald@(.+)\.service")

# The settings that a change writes, by subject, and the form of their values in our drop-in.
_WRITTEN: Mapping[str, tuple[str, str, str]] = {
    "audit": ("Audit", "keep", ""),
    "level": ("MaxLevelStore", "|".join(LEVELS), "{}"),
    "retention": ("MaxRetentionSec", "[1-9][0-9]{0,4}", "{}day"),
    "storage": ("Storage", PERSISTENT, "{}"),
}


class Journal:
    """The resource "journal".

    "storage" is persistent, volatile or none; "audit" yes, no or keep; "forward" yes or no; "level" the
    least urgent level that is stored; "retention" a number of days, 0 for no limit; "seal" yes, "no key"
    or no; "limits", "rate" and "namespaces" are shown.
    """

    name = "journal"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if _is_absent(snapshot):
            return Observation(None, (Reading(gap=Gap(GapKind.ABSENT, _PROGRAM)),), seen_at=snapshot.taken_at)
        return _SUBJECTS[entry.subject](snapshot, entry)

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if entry.subject not in _WRITTEN:
            return Refusal(_("a person decides this: see the procedure"))
        name, form, shape = _WRITTEN[entry.subject]
        if not re.fullmatch(form, target):
            return Refusal(_("{target} is no value of {name}").format(target=target, name=name))
        if rival := text_fact(facts, "rival"):
            return Refusal(_("{place} would still win over our file").format(place=rival))
        auditing = text_fact(facts, "audit")
        if auditing not in {"yes", "no", KEEP}:
            return Refusal(
                _("what journald does to the kernel's auditing when it starts is not known: set Audit= first")
            )
        # journald restarts: without this line it would switch the kernel's auditing off, where its default
        # says so. Where it is told to switch it on, that stays.
        audit = "Audit=yes" if auditing == "yes" else "Audit="
        settings = () if name == "Audit" else (f"{name}={shape.format(target)}",)
        own = (entry.id,)
        parts = (
            Lines(owner=entry.id, lines=(_HEADER,), rank=_FIRST),
            Lines(owner=entry.id, lines=(f"# {entry.id}", *settings)),
            Lines(owner=entry.id, lines=(audit,), rank=_LAST),
        )
        return (
            WriteFile(owners=own, path=DROPIN, before=text_fact(facts, "before"), parts=parts, unique=True),
            RestartUnit(owners=own, unit=UNIT),
        )

    def collects(self, path: str) -> bool:
        """See Collector."""
        return path == DROPIN

    def kept(self, lines: Sequence[str], parts: Iterable[Lines]) -> tuple[Lines, ...]:
        """See Collector. The section's head and Audit= are written anew by every part."""
        settings = [line for line in lines if line != _HEADER and not line.startswith("Audit=")]
        return kept_settings(settings, parts, _name_of)


def _name_of(line: str) -> str:
    """The setting of a line that we would write; "" for any other."""
    if line == _HEADER or line in {"Audit=", "Audit=yes"}:
        return line.partition("=")[0]
    for name, form, shape in _WRITTEN.values():
        if shape and re.fullmatch(rf"{name}={shape.format(f'(?:{form})')}", line):
            return name
    return ""


# --- for others -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """What journald keeps and passes on; "" where that is not known.

    ``storage_now`` and ``storage_boot`` are "persistent", "volatile" or "none"; ``forward_now`` and
    ``forward_boot`` say "yes" where the syslog socket gets a copy; ``level`` is the least urgent level
    that is stored after a start, and ``audit`` what a start does to the kernel's auditing: "yes", "no" or
    "keep".
    """

    storage_now: str
    storage_boot: str
    forward_now: str
    forward_boot: str
    level: str
    audit: str


def keeps(snapshot: Snapshot) -> Kept | Gap:
    """What journald keeps, now and after a boot; a gap where its files cannot be read or there is none."""
    if _is_absent(snapshot):
        return Gap(GapKind.ABSENT, _PROGRAM)
    files = configuration(snapshot)
    if isinstance(files, Gap):
        return files
    forward = _sides(snapshot, "ForwardToSyslog")

    def value(name: str) -> str:
        return _at_boot(snapshot, files, name).values.get("", "")

    return Kept(
        storage_now=_stored_now(snapshot).values.get("", "") if snapshot.live else "",
        storage_boot=_stored_at_boot(snapshot).values.get("", ""),
        forward_now=forward[0].values.get("", "") if forward[0] else "",
        forward_boot=forward[1].values.get("", ""),
        level=value("MaxLevelStore"),
        audit=value("Audit"),
    )


def after_restart(snapshot: Snapshot) -> dict[Question[Any], Any]:
    """Where the journal would be after a restart of journald with its files as they stand: a rehearsal's."""
    stored = _stored_at_boot(snapshot).values.get("")
    files = _files(snapshot)
    if isinstance(files, Gap) or stored is None:
        return {}
    now = snapshot.taken_at
    there = Status(Kind.FILE, 0o640, 0, 0, "root", "systemd-journal", 8 << 20, "", now, now)
    answers: dict[Question[Any], Any] = {Stat(path): Unread(Reason.MISSING) for path in files.values()}
    if stored in files:
        answers[Stat(files[stored])] = there
    if stored == PERSISTENT:
        answers[Stat(DISK)] = Status(Kind.FOLDER, 0o2755, 0, 0, "root", "systemd-journal", 4096, "", now, now)
    return answers


def moved(snapshot: Snapshot) -> tuple[Question[Any], ...]:
    """The questions whose answers ``after_restart`` gives."""
    files = _files(snapshot)
    paths = () if isinstance(files, Gap) else tuple(files.values())
    return tuple(Stat(path) for path in (DISK, *paths))


# --- one setting ------------------------------------------------------------------------------------


def _is_absent(snapshot: Snapshot) -> bool:
    program = snapshot.ask(Stat(_PROGRAM))
    return isinstance(program, Unread) and program.reason is Reason.MISSING


def _reading(found: Effective | Gap) -> Reading:
    if isinstance(found, Gap):
        return Reading(gap=found)
    return Reading({"": found.value}, provenance=found.places)


def _at_boot(snapshot: Snapshot, files: Configuration, name: str) -> Reading:
    return _reading(effective(snapshot, files, name, words_at_boot(snapshot)))


def _daemon_gap(snapshot: Snapshot, files: Configuration) -> Gap | None:
    """Why what the files say is not what the running daemon holds; None where it is."""
    daemon = main_process(snapshot, UNIT)
    if isinstance(daemon, Gap):
        return daemon
    if daemon is None:
        return Gap(GapKind.UNTOLD, _("systemd-journald does not run"))
    return older_than_files(snapshot, daemon, files.files, files.folders)


def _sides(snapshot: Snapshot, name: str) -> tuple[Reading | None, Reading]:
    """What the running daemon holds of a setting, and what its next start will."""
    files = configuration(snapshot)
    if isinstance(files, Gap):
        return (Reading(gap=files) if snapshot.live else None), Reading(gap=files)
    then = _at_boot(snapshot, files, name)
    if not snapshot.live:
        return None, then
    stale = _daemon_gap(snapshot, files)
    if stale is not None:
        return Reading(gap=stale), then
    return _reading(effective(snapshot, files, name, words_now(snapshot))), then


def _facts(snapshot: Snapshot, name: str) -> dict[str, Fact]:
    """What a change must know: our file, what would win over it, and what a restart does to auditing."""
    facts: dict[str, Fact] = {"before": digest(snapshot, DROPIN), "rival": "", "audit": ""}
    files = configuration(snapshot)
    if isinstance(files, Gap):
        return facts
    later = [one for one in taken(snapshot, files, name) if _sorts_after(one.file)]
    words = [place.place for word, place in words_at_boot(snapshot) if _is_about(word, name)]
    facts["rival"] = next(
        iter([*words, *(f"{one.file}:{one.line}" for one in later), *filter(None, [files.broken])]), ""
    )
    facts["audit"] = _at_boot(snapshot, files, "Audit").values.get("", "")
    return facts


def _sorts_after(path: str) -> bool:
    """Whether a drop-in is read after ours."""
    return path.rpartition("/")[0].endswith(".d") and path.rpartition("/")[2] > OURS


def _is_about(word: str, name: str) -> bool:
    given, known = word.partition("=")[0].replace("-", "_"), OPTIONS[name].word
    return bool(known) and given.endswith(f".{known}")


def _setting(name: str) -> Callable[[Snapshot, Recommendation], Observation]:
    """What observes a subject that is one setting."""

    def observe(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
        running, then = _sides(snapshot, name)
        return Observation(running, (then,), _facts(snapshot, name), snapshot.taken_at)

    return observe


def _settings(*names: str) -> Callable[[Snapshot, Recommendation], Observation]:
    """What shows several settings together."""

    def observe(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
        seen = {name: _sides(snapshot, name) for name in names}
        running = _joined({name: side[0] for name, side in seen.items() if side[0] is not None})
        then = _joined({name: side[1] for name, side in seen.items()})
        return Observation(running if snapshot.live else None, (then,), seen_at=snapshot.taken_at)

    return observe


def _joined(sides: Mapping[str, Reading]) -> Reading:
    values = {name: value for name, side in sides.items() for value in side.values.values()}
    gap = next((side.gap for side in sides.values() if side.gap), None)
    return Reading(values, gap, tuple(place for side in sides.values() for place in side.provenance))


# --- where it is stored -----------------------------------------------------------------------------


def _storage(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
    running = _stored_now(snapshot) if snapshot.live else None
    return Observation(running, (_stored_at_boot(snapshot),), _facts(snapshot, "Storage"), snapshot.taken_at)


def _files(snapshot: Snapshot) -> Mapping[str, str] | Gap:
    """The file that journald writes to, by where that is."""
    number = snapshot.ask(File("/etc/machine-id"))
    if isinstance(number, Unread):
        return number.gap("/etc/machine-id")
    name = f"{number.strip()}/system.journal"
    return {PERSISTENT: f"{DISK}/{name}", VOLATILE: f"{MEMORY}/{name}"}


def _stored_now(snapshot: Snapshot) -> Reading:
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
    seen = {where: snapshot.ask(Stat(path)) for where, path in files.items()}
    for where, status in seen.items():
        if isinstance(status, Unread):
            if status.reason is not Reason.MISSING:
                return nothing(status, files[where])
        elif where == VOLATILE or status.modified >= daemon.started:
            kept = VOLATILE if where == PERSISTENT and _in_memory_now(snapshot) else where
            return Reading({"": kept}, provenance=(Provenance(files[where], Role.READ),))
    return _nothing_written(snapshot)


def _nothing_written(snapshot: Snapshot) -> Reading:
    """Where no journal file is being written: rightly with Storage=none, else that cannot be told."""
    held = _sides(snapshot, "Storage")[0]
    if held is not None and held.values.get("") == NONE:
        return held
    why = _("no journal file was written to since systemd-journald started")
    return Reading(gap=Gap(GapKind.UNTOLD, why))


def _stored_at_boot(snapshot: Snapshot) -> Reading:
    files = configuration(snapshot)
    if isinstance(files, Gap):
        return Reading(gap=files)
    said = _at_boot(snapshot, files, "Storage")
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
        value, places = (VOLATILE, [*places, mounted]) if mounted else (value, places)
    return Reading({"": value}, provenance=tuple(places))


def _in_memory_now(snapshot: Snapshot) -> bool:
    """Whether the folder of the persistent journal lies in memory, and is lost at a boot all the same."""
    mounts = snapshot.ask(Mounts())
    around = [
        one
        for one in (() if isinstance(mounts, Unread) else mounts)
        if f"{DISK}/".startswith(one.path.rstrip("/") + "/")
    ]
    return bool(around) and max(around, key=lambda one: len(one.path)).fstype in _IN_MEMORY


def _in_memory_at_boot(snapshot: Snapshot) -> Provenance | None:
    for path in (DISK, "/var/log", "/var"):
        then = boot.at_boot(snapshot, path)
        if isinstance(then, boot.BootMount) and then.automatic:
            if then.fstype not in _IN_MEMORY:
                return None
            return then.provenance[0] if then.provenance else Provenance(path, text=then.fstype)
    return None


# --- the rest ---------------------------------------------------------------------------------------


def _seal(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
    """Sealing needs the setting and a key; a journal in memory is never sealed."""
    number = snapshot.ask(File("/etc/machine-id"))
    if isinstance(number, Unread):
        return Observation(None, (nothing(number, "/etc/machine-id"),), seen_at=snapshot.taken_at)
    path = f"{DISK}/{number.strip()}/fss"
    key = snapshot.ask(Stat(path))

    def sealed(side: Reading) -> Reading:
        if side.gap is not None or side.values.get("") != "yes":
            return side
        if isinstance(key, Unread) and key.reason is not Reason.MISSING:
            return nothing(key, path)
        value = "no key" if isinstance(key, Unread) else "yes"
        return Reading({"": value}, provenance=(*side.provenance, Provenance(path)))

    running, then = _sides(snapshot, "Seal")
    return Observation(sealed(running) if running else None, (sealed(then),), seen_at=snapshot.taken_at)


def _namespaces(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
    """Journals apart from the system's: journalctl shows them with --namespace= alone."""
    if not snapshot.live:
        return Observation(None, seen_at=snapshot.taken_at)
    units = snapshot.ask(Units())
    if isinstance(units, Unread):
        return Observation(nothing(units, "systemctl show"), seen_at=snapshot.taken_at)
    found = sorted(match[1] for one in units if (match := _NAMESPACE.fullmatch(one.name)))
    reading = Reading({"": ", ".join(found) or "none"}, provenance=(Provenance("systemctl show"),))
    return Observation(reading, seen_at=snapshot.taken_at)


_SUBJECTS: Mapping[str, Callable[[Snapshot, Recommendation], Observation]] = {
    "audit": _setting("Audit"),
    "forward": _setting("ForwardToSyslog"),
    "level": _setting("MaxLevelStore"),
    "limits": _settings("SystemMaxUse", "SystemKeepFree", "SyncIntervalSec", "Compress"),
    "namespaces": _namespaces,
    "rate": _settings("RateLimitBurst", "RateLimitIntervalSec"),
    "retention": _setting("MaxRetentionSec"),
    "seal": _seal,
    "storage": _storage,
}
