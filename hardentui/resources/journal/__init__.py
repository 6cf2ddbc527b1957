"""The journal of systemd: where journald stores it, what of it, for how long, and who gets a copy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation
from hardentui.operations import Change, Lines, Refusal, RestartUnit, WriteFile
from hardentui.resources.base import digest, kept_settings, nothing, of_files, text_fact, wrong_subject
from hardentui.resources.grants import READ
from hardentui.resources.journal import storage
from hardentui.resources.journal.daemon import PROGRAM, UNIT, at_boot, is_absent, sides
from hardentui.resources.journal.settings import (
    KEEP,
    LEVELS,
    NAME,
    OPTIONS,
    SECTION,
    configuration,
    taken,
    words_at_boot,
)
from hardentui.resources.journal.storage import DISK, FLUSH, NONE, PERSISTENT
from hardentui.resources.rsyslog import config as rsyslog_files
from hardentui.resources.rsyslog import state as rsyslog
from hardentui.resources.systemd_conf import FOLDERS, OURS, sorts_after_ours
from hardentui.snapshot import File, Groups, KernelIs, Reason, Snapshot, Stat, Units, Unread

__all__ = ["EVERYTHING", "NONE", "PERSISTENT", "Journal", "Kept", "keeps"]

EVERYTHING = frozenset({"info", "debug"})  # levels that leave out debugging at the most

DROPIN = f"{FOLDERS[0]}/{NAME}.d/{OURS}"
_HOST_NAME = "/etc/hostname"
_READING_GROUPS = frozenset({"adm", "systemd-journal"})
_HEADER = f"[{SECTION}]"
_FIRST, _LAST = 0, 90  # ranks of the lines of our drop-in: the section before all, what all share after
_NAMESPACE = re.compile(r"systemd-journald@(.+)\.service")

# The settings that a change writes, by subject, and the form of their values in our drop-in.
_WRITTEN: Mapping[str, tuple[str, str, str]] = {
    "audit": ("Audit", "keep", ""),
    "forward": ("ForwardToSyslog", "forwarded", "yes"),
    "level": ("MaxLevelStore", "|".join(LEVELS), "{}"),
    "retention": ("MaxRetentionSec", "[1-9][0-9]{0,4}", "{}day"),
    "storage": ("Storage", PERSISTENT, "{}"),
}


class Journal:
    """The resource "journal".

    "storage" is persistent, volatile or none; "audit" yes, no or keep; "forward" how rsyslog gets a copy:
    forwarded, imjournal (it reads the journal itself) or none; "level" the least urgent level that is
    stored; "retention" a number of days, 0 for no limit; "seal" yes, "no key" or no; "host-name" the name of
    the host; "limits", "rate", "namespaces" and "readers" are shown.
    """

    name = "journal"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, _SUBJECTS)

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        if is_absent(snapshot):
            return Observation(None, (Reading(gap=Gap(GapKind.ABSENT, PROGRAM)),), seen_at=snapshot.taken_at)
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
        if facts.get("reads") is False:
            return Refusal(_("rsyslog does not read the socket: it loads no imuxsock"))
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
            *((RestartUnit(owners=own, unit=FLUSH),) if name == "Storage" else ()),
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
    that is stored after a start, ``level_forwarded`` that of the copy, and ``audit`` what a start does to
    the kernel's auditing: "yes", "no" or "keep".
    """

    storage_now: str
    storage_boot: str
    forward_now: str
    forward_boot: str
    level: str
    level_forwarded: str
    audit: str


def keeps(snapshot: Snapshot) -> Kept | Gap:
    """What journald keeps, now and after a boot; a gap where its files cannot be read or there is none."""
    if is_absent(snapshot):
        return Gap(GapKind.ABSENT, PROGRAM)
    files = configuration(snapshot)
    if isinstance(files, Gap):
        return files
    forward = sides(snapshot, "ForwardToSyslog")

    def value(name: str) -> str:
        return at_boot(snapshot, files, name).values.get("", "")

    return Kept(
        storage_now=storage.stored_now(snapshot).values.get("", "") if snapshot.live else "",
        storage_boot=storage.stored_at_boot(snapshot).values.get("", ""),
        forward_now=forward[0].values.get("", "") if forward[0] else "",
        forward_boot=forward[1].values.get("", ""),
        level=value("MaxLevelStore"),
        level_forwarded=value("MaxLevelSyslog"),
        audit=value("Audit"),
    )


# --- one setting ------------------------------------------------------------------------------------


def _facts(snapshot: Snapshot, name: str) -> dict[str, Fact]:
    """What a change must know: our file, what would win over it, and what a restart does to auditing."""
    facts: dict[str, Fact] = {"before": digest(snapshot, DROPIN), "rival": "", "audit": ""}
    files = configuration(snapshot)
    if isinstance(files, Gap):
        return facts
    later = [one for one in taken(snapshot, files, name) if sorts_after_ours(one.file)]
    given = words_at_boot(snapshot) if OPTIONS[name].word else ()
    words = () if isinstance(given, Gap) else given
    said = [place.place for word, place in words if _is_about(word, name)]
    facts["rival"] = next(
        iter([*said, *(f"{one.file}:{one.line}" for one in later), *filter(None, [files.broken])]), ""
    )
    facts["audit"] = at_boot(snapshot, files, "Audit").values.get("", "")
    return facts


def _is_about(word: str, name: str) -> bool:
    given, known = word.partition("=")[0].replace("-", "_"), OPTIONS[name].word
    return bool(known) and given.endswith(f".{known}")


def _setting(name: str) -> Callable[[Snapshot, Recommendation], Observation]:
    """What observes a subject that is one setting."""

    def observe(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
        running, then = sides(snapshot, name)
        return Observation(running, (then,), _facts(snapshot, name), snapshot.taken_at)

    return observe


def _forward(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
    """Whether rsyslog gets what journald gets: it reads the journal, or the socket that gets a copy."""
    syslog = rsyslog.view(snapshot)
    if syslog.gap is not None:
        return Observation(None, (Reading(gap=syslog.gap),), seen_at=snapshot.taken_at)
    running, then = sides(snapshot, "ForwardToSyslog")
    level_now, level_then = sides(snapshot, "MaxLevelSyslog")
    loaded, hears = syslog.config.loaded, syslog.config.hears_programs

    def copied(side: Reading, level: Reading, doubt: Gap | None) -> Reading:
        if doubt is not None:
            return Reading(gap=doubt)
        if "imjournal" in loaded:
            return Reading({"": "imjournal"}, provenance=(Provenance(rsyslog_files.MAIN, text="imjournal"),))
        if side.gap is not None or not (hears and side.values.get("") == "yes"):
            return side if side.gap is not None else Reading({"": NONE}, provenance=side.provenance)
        if level.gap is not None:
            return level
        least = level.values.get("", "")
        if least in EVERYTHING:
            return Reading({"": "forwarded"}, provenance=side.provenance)
        return Reading({"": f"forwarded, from {least} up"}, provenance=(*side.provenance, *level.provenance))

    facts = {**_facts(snapshot, "ForwardToSyslog"), "reads": hears}
    if level_then.gap is None and level_then.values.get("", "") not in EVERYTHING:
        facts["rival"] = next((_at(place) for place in reversed(level_then.provenance)), "MaxLevelSyslog=")
    now = copied(running, level_now or level_then, syslog.running) if running else None
    return Observation(now, (copied(then, level_then, syslog.boot),), facts, snapshot.taken_at)


def _at(place: Provenance) -> str:
    return f"{place.place}:{place.line}" if place.line else place.place


def _settings(*names: str) -> Callable[[Snapshot, Recommendation], Observation]:
    """What shows several settings together."""

    def observe(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
        seen = {name: sides(snapshot, name) for name in names}
        running = _joined({name: side[0] for name, side in seen.items() if side[0] is not None})
        then = _joined({name: side[1] for name, side in seen.items()})
        return Observation(running if snapshot.live else None, (then,), seen_at=snapshot.taken_at)

    return observe


def _joined(sides: Mapping[str, Reading]) -> Reading:
    values = {name: value for name, side in sides.items() for value in side.values.values()}
    gap = next((side.gap for side in sides.values() if side.gap), None)
    return Reading(values, gap, tuple(place for side in sides.values() for place in side.provenance))


def _storage(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
    running = storage.stored_now(snapshot) if snapshot.live else None
    return Observation(
        running, (storage.stored_at_boot(snapshot),), _facts(snapshot, "Storage"), snapshot.taken_at
    )


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

    running, then = sides(snapshot, "Seal")
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


def _host_name(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
    """The name that stands in every record, and on every line that is sent away."""
    kernel, at = snapshot.ask_timed(KernelIs())
    text = snapshot.ask(File(_HOST_NAME))
    if isinstance(text, Unread):
        then = nothing(text, _HOST_NAME)
    else:
        lines = [line.strip() for line in text.split("\n") if line.strip() and not line.startswith("#")]
        then = Reading({"": lines[0] if lines else "localhost"}, provenance=(Provenance(_HOST_NAME),))
    if not snapshot.live:
        return Observation(None, (then,), seen_at=at)
    if isinstance(kernel, Unread):
        return Observation(nothing(kernel, "uname"), (then,), seen_at=at)
    return Observation(
        Reading({"": kernel.hostname}, provenance=(Provenance("uname -n"),)), (then,), seen_at=at
    )


def _readers(snapshot: Snapshot, entry: Recommendation) -> Observation:  # noqa: ARG001 - one of several
    """Who reads all logs without being root: the members of the groups that are for it, and the listed."""
    groups, at = snapshot.ask_timed(Groups())
    if isinstance(groups, Unread):
        return Observation(nothing(groups, "/etc/group") if snapshot.live else None, seen_at=at)
    listed = storage.listed(snapshot)
    if isinstance(listed, Gap):
        return of_files(snapshot, Reading(gap=listed))
    given = [one for _path, one in listed if one.rights & READ]
    reading_groups = _READING_GROUPS | {one.name for one in given if one.kind == "group"}
    found = [one for one in groups if one.name in reading_groups and one.members]
    places = [Provenance("/etc/group", text=f"{one.name}: {', '.join(one.members)}") for one in found]
    places += [Provenance(path, text=str(one)) for path, one in listed]
    members = {name for one in found for name in one.members}
    members |= {one.name for one in given if one.kind == "user"}
    places = places or [Provenance("/etc/group")]
    reading = Reading({"": ", ".join(sorted(members)) or "none"}, provenance=tuple(places))
    return of_files(snapshot, reading)


_SUBJECTS: Mapping[str, Callable[[Snapshot, Recommendation], Observation]] = {
    "audit": _setting("Audit"),
    "forward": _forward,
    "host-name": _host_name,
    "level": _setting("MaxLevelStore"),
    "limits": _settings("SystemMaxUse", "SystemKeepFree", "SyncIntervalSec", "Compress"),
    "namespaces": _namespaces,
    "rate": _settings("RateLimitBurst", "RateLimitIntervalSec"),
    "readers": _readers,
    "retention": _setting("MaxRetentionSec"),
    "seal": _seal,
    "storage": _storage,
}
