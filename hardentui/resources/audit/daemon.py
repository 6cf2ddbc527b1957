"""The resource "auditd": the daemon, the kernel's side of it, and what both do when there is no room left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hardentui.i18n import _
from hardentui.model import Fact, Gap, GapKind, Observation, Provenance, Reading, Recommendation, Text
from hardentui.operations import (
    ByHand,
    Change,
    EnableUnit,
    LoadAuditRules,
    Operation,
    Refusal,
    ReplaceLine,
    RestartUnit,
)
from hardentui.resources import unit_files
from hardentui.resources.audit import conf, sets, state
from hardentui.resources.audit.state import KernelStatus
from hardentui.resources.base import missing, table_fact, text_fact, wrong_subject
from hardentui.snapshot import KernelFile, Snapshot, SpaceUsed, UnitFiles, Unread, Usage

RECORDING, LOCKED, OPEN = "recording", "locked", "open"
_BACKLOG_OF_KERNEL = "64"
_WRITTEN = frozenset({"backlog", "lock"})  # what files of ours set
_STOPPING = frozenset({"halt", "single"})
_MIB = 1 << 20


class Auditd:
    """One value for each subject; see the functions below."""

    name = "auditd"

    def check(self, subject: str, aspect: str) -> str | None:
        """See Resource."""
        return wrong_subject(subject, aspect, (*_KERNEL, *_CONF, "export"))

    def observe(self, snapshot: Snapshot, entry: Recommendation) -> Observation:
        """See Resource."""
        inside = state.elsewhere(snapshot)
        if inside is not None:
            return missing(inside)
        if entry.subject in _KERNEL:
            return _of_kernel(snapshot, entry.subject)
        if state.not_installed(snapshot) is True:
            return missing(Gap(GapKind.ABSENT, _("auditd is not installed")))
        if entry.subject == "export":
            return _both(snapshot, _export(snapshot), {})
        return _of_file(snapshot, _CONF[entry.subject])

    def change(self, entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
        """See Resource."""
        if why := text_fact(facts, "refused"):
            return Refusal(why)
        if entry.subject == "service":
            start = EnableUnit(owners=(entry.id,), unit=state.DAEMON, start=True)
            return (start, LoadAuditRules(owners=(entry.id,)))
        if entry.subject in _WRITTEN:
            line = f"-b {int(target)}" if entry.subject == "backlog" and target.isdecimal() else "-e 2"
            return sets.written(entry.id, entry.subject, [line], facts)
        if entry.subject in _CONF and _CONF[entry.subject].changes:
            return _edited(entry, facts, target)
        return Refusal(_("a person must do this: see the procedure"))


# --- the kernel and its daemon --------------------------------------------------------------------


def _of_kernel(snapshot: Snapshot, subject: str) -> Observation:
    now, then = _KERNEL[subject]
    boot = (then(snapshot),) if then else ()
    facts: dict[str, Fact] = {"refused": sets.refused(snapshot)} if subject == "service" else {}
    if subject in _WRITTEN:
        facts = sets.prepared(snapshot, subject)
    if not snapshot.live:
        return Observation(None, boot, facts, snapshot.taken_at)
    return Observation(_now(snapshot, now), boot, facts, snapshot.taken_at)


def _now(snapshot: Snapshot, value: Callable[[KernelStatus], str]) -> Reading:
    lacking = state.not_installed(snapshot)
    if isinstance(lacking, Gap):
        return Reading(gap=lacking)
    if lacking:
        return Reading({"": state.NOT_INSTALLED})
    seen = state.status(snapshot)
    return Reading(gap=seen) if isinstance(seen, Gap) else _one(value(seen), "auditctl -s")


def _one(value: str, place: str, line: int = 0, text: str = "") -> Reading:
    return Reading({"": value}, provenance=(Provenance(place, line=line, text=text),))


def _service_now(seen: KernelStatus) -> str:
    if not seen.enabled:
        return state.OFF
    return RECORDING if seen.pid else "no daemon"


def _service_then(snapshot: Snapshot) -> Reading:
    off = state.off_at_boot(snapshot)
    if isinstance(off, Gap):
        return Reading(gap=off)
    lines = () if off else state.written(snapshot)
    if isinstance(lines, Gap):
        return Reading(gap=lines)
    off = off or (state.OFF if state.switches_off(lines) else "")
    return _one(off or _stopped(snapshot) or RECORDING, state.DAEMON)


def _stopped(snapshot: Snapshot) -> str:
    """The line that keeps the daemon from starting: since audit 4 it needs the unit that loads the rules."""
    files, found = snapshot.ask(UnitFiles()), state.boot_loading(snapshot)
    alone = isinstance(files, Unread) or all(one.name != state.LOADER for one in files)
    if alone or isinstance(found, Gap) or found.stopped_at is None:
        return ""
    return f"rules stop it: {found.stopped_at.place}:{found.stopped_at.line}"


def _set_then(snapshot: Snapshot, name: str) -> Reading | str:
    """What the rules files set at boot; "" where they say nothing, or nothing loads them."""
    off = state.off_at_boot(snapshot)
    if isinstance(off, Gap):
        return Reading(gap=off)
    lines = state.written(snapshot)
    if isinstance(lines, Gap):
        return Reading(gap=lines)
    return "" if off else state.controls(lines).get(name, "")


def _backlog_then(snapshot: Snapshot) -> Reading:
    found = _set_then(snapshot, "backlog")
    if isinstance(found, Reading) or found:
        return found if isinstance(found, Reading) else _one(found, state.FOLDER)
    line = snapshot.ask(KernelFile("/proc/cmdline")) if snapshot.live else ""
    words = [] if isinstance(line, Unread) else line.split()
    given = [word.partition("=")[2] for word in words if word.startswith("audit_backlog_limit=")]
    return _one(given[-1] if given else _BACKLOG_OF_KERNEL, "/proc/cmdline")


def _lock_then(snapshot: Snapshot) -> Reading:
    found = _set_then(snapshot, "enabled")
    if isinstance(found, Reading):
        return found
    return _one(LOCKED if found == "2" else OPEN, state.FOLDER)


_Now = Callable[[KernelStatus], str]
_KERNEL: Mapping[str, tuple[_Now, Callable[[Snapshot], Reading] | None]] = {
    "backlog": (lambda seen: str(seen.backlog_limit), _backlog_then),
    "lock": (lambda seen: LOCKED if seen.enabled == 2 else OPEN, _lock_then),  # noqa: PLR2004 - auditctl -e 2
    "lost": (lambda seen: str(seen.lost), None),
    "panic": (lambda seen: "panic" if seen.failure == 2 else "no", None),  # noqa: PLR2004 - auditctl -f 2
    "service": (_service_now, _service_then),
}


# --- auditd.conf ----------------------------------------------------------------------------------

_Settings = Mapping[str, conf.Setting]


@dataclass(frozen=True, slots=True)
class _Subject:
    """How a subject is read from the settings, and which of them a change sets."""

    read: Callable[[Snapshot, _Settings], Reading]
    changes: tuple[str, ...] = ()


def _of_file(snapshot: Snapshot, subject: _Subject) -> Observation:
    found = snapshot.derive(conf.settings)
    if isinstance(found, Gap):
        return _both(snapshot, Reading(gap=found), {})
    written: dict[str, Fact] = {
        name: {"text": one.text, "value": one.value, "twice": one.twice}
        for name, one in found.items()
        if name in subject.changes
    }
    usage = _usage(snapshot, found) if "max_log_file" in subject.changes else None
    facts: dict[str, Fact] = {"settings": written, "restart": _restart(snapshot)}
    if conf.is_cut_short(snapshot):
        facts["cut"] = True
    if isinstance(usage, Usage):
        facts["size"] = usage.size // _MIB
    return _both(snapshot, subject.read(snapshot, found), facts)


def _both(snapshot: Snapshot, seen: Reading, facts: Mapping[str, Fact]) -> Observation:
    """What the file says counts at boot, and now where the daemon was started since."""
    old = conf.stale(snapshot) if snapshot.live else None
    running = Reading(gap=old) if old else seen
    if old is not None and old.kind is GapKind.UNTOLD:
        running = Reading(gap=Gap(GapKind.ABSENT, old.detail))
    then = Reading(seen.values, seen.gap, seen.provenance if not snapshot.live or old else ())
    return Observation(running if snapshot.live else None, (then,), facts, snapshot.taken_at)


def _restart(snapshot: Snapshot) -> str:
    """Whether systemd restarts the daemon ("yes"), refuses to ("refused"), or has none running ("no")."""
    old = conf.stale(snapshot)
    if old is not None and old.kind is GapKind.UNTOLD:
        return "no"
    files = unit_files.read(snapshot, state.DAEMON)
    lines = () if isinstance(files, Gap) else files.lines
    return "refused" if ("RefuseManualStop", "yes") in lines else "yes"


def _place(name: str, one: conf.Setting) -> Provenance:
    return Provenance(conf.CONF, line=one.line, text=one.text.strip() or f"{name} = {one.value}")


def _plain(name: str) -> Callable[[Snapshot, _Settings], Reading]:
    return lambda _snapshot, found: Reading({"": found[name].value}, provenance=(_place(name, found[name]),))


def _writes(_snapshot: Snapshot, found: _Settings) -> Reading:
    """Whether auditd writes a log: "yes", or the setting by which it does not."""
    places = tuple(_place(name, found[name]) for name in ("write_logs", "log_format"))
    return Reading({"": conf.without_log(found) or found["write_logs"].value}, provenance=places)


_ACTIONS = ("space_left_action", "admin_space_left_action", "disk_full_action", "disk_error_action")


def _stops_host(_snapshot: Snapshot, found: _Settings) -> Reading:
    """The settings by which a lack of room stops the machine; "none"."""
    stopping = {name: found[name].value for name in _ACTIONS if found[name].value in _STOPPING}
    places = tuple(_place(name, found[name]) for name in _ACTIONS)
    return Reading(stopping or {"": "none"}, provenance=places)


def _fits(snapshot: Snapshot, found: _Settings) -> Reading:
    """Whether the files of rotation leave the room that is warned of: "fits", or "LOGS + FREE of ALL MiB"."""
    names = ("max_log_file", "num_logs", "space_left", "max_log_file_action", "log_file")
    places = tuple(_place(name, found[name]) for name in names)
    if found["max_log_file_action"].value != "rotate":
        why = _("the logs are not rotated: what they take has no bound")
        return Reading(gap=Gap(GapKind.ABSENT, why), provenance=places)
    usage = _usage(snapshot, found)
    if isinstance(usage, Gap):
        return Reading(gap=usage, provenance=places)
    size, number = usage.size // _MIB, found["num_logs"].value
    if not conf.rotates(number):
        return Reading({"": f"never rotated: num_logs = {number}"}, provenance=places)
    kept = conf.mebibytes(found["max_log_file"], size) * int(number)
    room = conf.mebibytes(found["space_left"], size)
    value = "fits" if kept + room <= size else f"{kept} + {room} of {size} MiB"
    return Reading({"": value}, provenance=places)


def _room(snapshot: Snapshot, found: _Settings) -> Reading:
    """Whether there is more room than the daemon warns of, or stops at: "enough", or what it does now."""
    usage = _usage(snapshot, found)
    if isinstance(usage, Gap):
        return Reading(gap=usage)
    size, free = usage.size // _MIB, usage.free // _MIB
    for name in ("admin_space_left", "space_left"):
        least, action = conf.mebibytes(found[name], size), found[f"{name}_action"]
        if free <= least and least:
            places = (_place(name, found[name]), _place(f"{name}_action", action))
            return Reading({"": f"{free} MiB free, {action.value} at {least}"}, provenance=places)
    return Reading({"": "enough"}, provenance=(_place("space_left", found["space_left"]),))


def _usage(snapshot: Snapshot, found: _Settings) -> Usage | Gap:
    folder = found["log_file"].value.rpartition("/")[0]
    usage = snapshot.ask(SpaceUsed(folder))
    return usage.gap(folder) if isinstance(usage, Unread) else usage


# Shares hold on a file system of any size; numbers of MiB, as they come, are often more than all of it.
_SHARES: Mapping[str, str] = {"space_left": "25%", "admin_space_left": "10%"}
_FOR_LOGS = 60  # percent of the file system that rotation may fill
_NUMBER_OF_LOGS = 5
_FREQ = "50"  # records between two writes, as distributions ship it; with 0 auditd does not start
_CONF: Mapping[str, _Subject] = {
    "flush": _Subject(_plain("flush"), ("flush", "freq")),
    "full-log": _Subject(_plain("max_log_file_action"), ("max_log_file_action",)),
    "log-format": _Subject(_plain("log_format"), ("log_format",)),
    "rotation-fits": _Subject(_fits, ("max_log_file", "num_logs", *_SHARES)),
    "room": _Subject(_room, tuple(_SHARES)),
    "space-warning": _Subject(_plain("space_left_action"), ("space_left_action",)),
    "stops-host": _Subject(_stops_host, _ACTIONS),
    "write-logs": _Subject(_writes, ("write_logs", "log_format")),
}
_RESTART = Text(
    "auditd reads its file when it starts, and systemd is told not to stop it here: service auditd restart.",
    "auditd lit son fichier en démarrant, et systemd a pour consigne de ne pas l'arrêter ici : "
    "service auditd restart.",
)


def _edited(entry: Recommendation, facts: Mapping[str, Fact], target: str) -> Change:
    written = table_fact(facts, "settings")
    values = _values(entry.subject, facts, target)
    if isinstance(values, Refusal):
        return values
    steps: list[Operation] = []
    for name, value in values.items():
        seen = written.get(name)
        if not isinstance(seen, Mapping):
            return Refusal(_("the plan does not say what {path} holds").format(path=conf.CONF))
        if seen.get("twice"):
            return Refusal(
                _("the line {line} stands twice in {path}").format(line=seen["text"], path=conf.CONF)
            )
        before, after = text_fact(seen, "text"), f"{name} = {value}"
        if before and before.partition("=")[0].strip().lower() != name:
            return Refusal(_("{line} is not the setting {name}").format(line=repr(before), name=name))
        if not before and facts.get("cut"):
            why = _(
                "the last line of {path} has no line end: auditd skips it, "
                "and would follow it once another stands behind it"
            )
            return Refusal(why.format(path=conf.CONF))
        if before != after:
            steps.append(ReplaceLine(owners=(entry.id,), path=conf.CONF, before=before, after=after))
    if text_fact(facts, "restart") == "yes":
        steps.append(RestartUnit(owners=(entry.id,), unit=state.DAEMON))
    elif text_fact(facts, "restart") == "refused":
        steps.append(ByHand(owners=(entry.id,), subject=state.DAEMON, instructions=_RESTART))
    return tuple(steps)


def _values(subject: str, facts: Mapping[str, Fact], target: str) -> Mapping[str, str] | Refusal:
    """What the settings of a subject are to be, as the file spells it."""
    written = table_fact(facts, "settings")
    if subject == "stops-host":
        stopping = (n for n in _ACTIONS if text_fact(table_fact(written, n), "value") in _STOPPING)
        return dict.fromkeys(stopping, "SUSPEND")
    if subject == "room":
        return _SHARES
    if subject == "rotation-fits":
        size = facts.get("size")
        if not isinstance(size, int) or size < _NUMBER_OF_LOGS:
            return Refusal(_("the file system of the log is too small to rotate on"))
        share = max(1, size * _FOR_LOGS // 100 // _NUMBER_OF_LOGS)
        return {"max_log_file": str(share), "num_logs": str(_NUMBER_OF_LOGS), **_SHARES}
    if subject == "write-logs":
        logless = text_fact(table_fact(written, "log_format"), "value") == "nolog"
        return {"write_logs": target, **({"log_format": "ENRICHED"} if logless else {})}
    if subject == "flush":
        never = not text_fact(table_fact(written, "freq"), "value").strip("0")
        counted = target.lower().startswith("incremental")
        return {"flush": target.upper(), **({"freq": _FREQ} if counted and never else {})}
    (name,) = _CONF[subject].changes
    return {name: target.upper()}


def _export(snapshot: Snapshot) -> Reading:
    """The plugins that hand events on; "none"."""
    found = conf.exporters(snapshot)
    if isinstance(found, Gap):
        return Reading(gap=found)
    return Reading({"": ", ".join(found) or "none"}, provenance=tuple(Provenance(p) for p in conf.PLUGINS))
